"""Glasses: taken off the face before it is bent, and put on again as the rigid thing that they are.

The segmentation network calls frames "other". What lies under them is filled in from the skin around; what is left to
make the photo of that is a layer of its own, which follows the skull.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.portrait.control_points import to_head_frame
from engine.portrait.patches import Rectangle, rectangle_around
from engine.types import Floats, HeadPose, Image

EYES, BRIDGE = (33, 133, 362, 263), 168  # ends of the eyes; the nose between them
REACH_CM = (7.5, 3.5, 4.5)  # of the frames from between the eyes: sideways, up, down
POSSIBLE, LIKELY = 0.15, 0.35  # of "other": frames are where it is possible all the way to where it is likely
SMALLEST_CM = (6.0, 0.8)  # frames are at least this wide and this high
EDGE_CM = 0.15  # the network's pixels are as coarse as that
TEMPLES_FADE_CM = 1.0  # what leads to the ears goes back in depth: it stays with the skin
FILL_REACH_CM = 0.3
CLEAR, OPAQUE = 8.0, 40.0  # levels between the photo and the bare face, where frames begin to be seen and are all


@dataclass(frozen=True)
class Glasses:
    """What lies over one bare face."""

    rectangle: Rectangle  # in the crop
    layer: Floats  # (h, w, 4) of the rectangle: colour 0-255, premultiplied with the last one, 0-1
    bridge_cm: Floats  # (3,) where they sit, in the head's frame
    bridge_px: Floats  # (2,) in the crop


def take_off(
    image: Image, other: Floats, matte: Floats, mesh_px: Floats, pose: HeadPose
) -> tuple[Image, Glasses | None]:
    """The face without its glasses, and those; the image itself and None where there are none.

    image (h, w, 3), other (h, w) the probability of what is neither skin, hair nor clothes, matte (h, w), mesh (478, 3)
    and pose are all of one person's crop.
    """
    between = mesh_px[list(EYES), :2].mean(0)
    sideways, up, down = (cm * pose.scale_px for cm in REACH_CM)
    near = rectangle_around(between, (sideways, up, down), image.shape[1], image.shape[0])
    frames = frames_in(other[near.slices], pose.scale_px)
    if frames is None:
        return image, None
    around = np.asarray(cv2.dilate(frames, np.ones((2 * round(EDGE_CM * pose.scale_px) + 1,) * 2)), np.uint8)
    around[matte[near.slices] < 1] = 0
    part = np.ascontiguousarray(image[near.slices])
    filled = np.asarray(cv2.inpaint(part, around, FILL_REACH_CM * pose.scale_px, cv2.INPAINT_TELEA), np.uint8)
    rigid = rigid_share(between, near, pose)
    bare = np.rint(part + rigid[..., None] * (filled.astype(np.float32) - part)).astype(np.uint8)
    alpha = seen_share(part, filled, around, pose.scale_px) * rigid
    colour = part - (1 - alpha[..., None]) * bare
    without = image.copy()
    without[near.slices] = bare
    layer = np.concatenate([colour, alpha[..., None]], 2).astype(np.float32)
    x, y, width, height = cv2.boundingRect(around)
    if not width:
        return image, None
    tight = Rectangle(near.x0 + x, near.y0 + y, width, height)
    bridge_px = mesh_px[BRIDGE : BRIDGE + 1]
    bridge_cm = to_head_frame(bridge_px, pose)[0].astype(np.float32)
    layer = np.ascontiguousarray(layer[y : y + height, x : x + width])
    return without, Glasses(tight, layer, bridge_cm, bridge_px[0, :2].astype(np.float32))


def frames_in(other: Floats, px_per_cm: float) -> NDArray[np.uint8] | None:
    """Where frames are (h, w), of a picture of the eyes; None where nothing is as large as that and level with them."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats((other > POSSIBLE).astype(np.uint8), connectivity=8)
    found = np.zeros(other.shape, np.uint8)
    for i in range(1, count):
        y0, height = int(stats[i, cv2.CC_STAT_TOP]), int(stats[i, cv2.CC_STAT_HEIGHT])
        inside = y0 > 0 and y0 + height < len(other)  # hats come down from above
        if inside and other[labels == i].max() > LIKELY:
            found[labels == i] = 1
    if not found.any():
        return None
    _, _, width, height = cv2.boundingRect(found)
    large = width > SMALLEST_CM[0] * px_per_cm and height > SMALLEST_CM[1] * px_per_cm
    return found if large else None


def seen_share(image: Image, bare: Image, around: NDArray[np.uint8], px_per_cm: float) -> Floats:
    """How much of each pixel is glasses (h, w), by how far it is from the bare face."""
    apart = np.abs(image.astype(np.float32) - bare).max(2)
    share = np.clip((apart - CLEAR) / (OPAQUE - CLEAR), 0, 1) * around
    soft = cv2.GaussianBlur(share, (0, 0), max(0.5, EDGE_CM * px_per_cm / 3))
    return np.asarray(np.maximum(share, soft) * around, np.float32)


def rigid_share(between: Floats, near: Rectangle, pose: HeadPose) -> Floats:
    """1 in front of the face, 0 towards the ears (h, w)."""
    y, x = np.mgrid[: near.height, : near.width].astype(np.float32)
    along = pose.rotation[:2, 0] / max(float(np.linalg.norm(pose.rotation[:2, 0])), 1e-6)
    aside = (x + near.x0 - between[0]) * along[0] + (y + near.y0 - between[1]) * along[1]
    return np.asarray(np.clip((REACH_CM[0] - np.abs(aside) / pose.scale_px) / TEMPLES_FADE_CM, 0, 1), np.float32)
