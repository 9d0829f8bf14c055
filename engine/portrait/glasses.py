"""Glasses: taken off the face before it is bent, and put on again as the rigid thing that they are.

The segmentation network calls frames "other", roughly. Which pixels there are rims is told by what stands out from its
surroundings; what lies under them is filled in from the skin around, and what is left to make the photo of that is a
layer of its own, which follows the skull.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.portrait import topology as top
from engine.portrait.control_points import to_head_frame
from engine.portrait.matte import without_holes
from engine.portrait.patches import Rectangle, rectangle_around
from engine.types import Floats, HeadPose, Image

Mask = NDArray[np.uint8]  # 0 or 1
Outlines = tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]

LIDS = (top.UPPER_LID_RIGHT, top.LOWER_LID_RIGHT), (top.UPPER_LID_LEFT, top.LOWER_LID_LEFT)
BROWS = (top.BROW_TOP_RIGHT, top.BROW_RIGHT), (top.BROW_TOP_LEFT, top.BROW_LEFT)
EYES, BRIDGE = (33, 133, 362, 263), 168  # ends of the eyes; the nose between them
REACH_CM = (9.0, 3.5, 4.5)  # of the glasses from between the eyes: sideways, up, down
FRAMES_CM = 7.5  # sideways, without temples: hair and hats may join these
POSSIBLE, LIKELY = 0.15, 0.35  # of "other": frames are where it is possible all the way to where it is likely
SMALLEST_CM = (6.0, 0.8)  # frames are at least this wide and this high
EDGE_CM, DARK_EDGE_CM = 0.15, 0.25  # the network's pixels are as coarse as that; and around dark lenses
RIM_CM, GLINT_CM = 0.9, 0.35  # rims are narrower than that, and what shines on them
STANDS_OUT, OTHER_COLOUR = 22, 12  # levels of 255, in CIELAB, between them and what is beside
SMALLEST_RIM_CM = 0.25  # squared, of a piece
CLOSED_CM, RIM_EDGE_CM = 0.3, 0.14  # across holes in a rim, and across its edge on both sides
LASHES_CM, HAIRS_CM = 0.22, 0.15  # around eyes, and around the mesh's brows: what stands out there as well
SURE = 0.35  # of "other": a rim all the same
TINTED = 0.4  # of the eyes is where frames are: lenses are dark
REFLECTS = (14, -10), (30, -60), (4, 25)  # levels by which reflections are of another colour than skin, and brighter
REFLECTION_CM = 0.15  # they are wider
TEMPLES_FADE_CM = 1.5  # what leads to the ears goes back in depth: it stays with the skin
FILL_REACH_CM, FILL_PX_PER_CM = 0.3, 20.0
BESIDE_BROWS_CM, BRIGHTER = 0.06, 10.0  # how soft the border of brows is; levels by which skin has to be
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
) -> tuple[Image, Floats, Glasses | None]:
    """The face without its glasses, the matte of that, and the glasses; image and matte themselves and None where there
    are none.

    image (h, w, 3), other (h, w) the probability of what is neither skin, hair nor clothes, matte (h, w), mesh (478, 3)
    and pose are all of one person's crop.
    """
    between = mesh_px[list(EYES), :2].mean(0)
    sideways, up, down = (cm * pose.scale_px for cm in REACH_CM)
    near, before = (
        rectangle_around(between, (aside, up, down), image.shape[1], image.shape[0])
        for aside in (sideways, FRAMES_CM * pose.scale_px)
    )
    frames = frames_in(other[before.slices], pose.scale_px)
    if frames is None:
        return image, matte, None
    frames = with_temples(frames, other[near.slices], before.x0 - near.x0)
    part, covered = np.ascontiguousarray(image[near.slices]), np.ascontiguousarray(matte[near.slices])
    points, size, scale = mesh_px[:, :2] - [near.x0, near.y0], part.shape[:2], pose.scale_px
    eyes, brows = inside(LIDS, LASHES_CM, points, size, scale), inside(BROWS, HAIRS_CM, points, size, scale)
    if np.count_nonzero(frames & eyes) > TINTED * np.count_nonzero(eyes):
        # What lenses hide is filled in as well, also where reflections don't look like one to the network.
        around, eyes = grown(without_holes(frames), DARK_EDGE_CM * scale), np.zeros_like(eyes)
    else:
        around = rims(part, frames, (eyes | brows) & (other[near.slices] < SURE), scale)
        around |= reflections(part, np.asarray(without_holes(frames) & (1 - eyes), np.uint8), around, scale)
    around[covered == 0] = 0
    tight = Rectangle(*cv2.boundingRect(around))
    if not tight.width:
        return image, matte, None
    rigid = rigid_share(between, near, pose)
    filled = np.where(around[..., None] > 0, without_shade(part, around, eyes, brows, scale), part)
    levels = np.rint(255 * covered).astype(np.uint8)
    uncovered = np.where(around > 0, filled_in(levels, around, eyes, scale) / np.float32(255), covered)
    bare = np.rint(part + rigid[..., None] * (filled.astype(np.float32) - part)).astype(np.uint8)
    alpha = seen_share(part, filled, around, scale) * rigid
    layer = np.concatenate([part - (1 - alpha[..., None]) * bare, alpha[..., None]], 2).astype(np.float32)
    without, bare_matte = image.copy(), matte.copy()
    without[near.slices], bare_matte[near.slices] = bare, covered + rigid * (uncovered - covered)
    bridge_px = mesh_px[BRIDGE : BRIDGE + 1]
    bridge_cm = to_head_frame(bridge_px, pose)[0].astype(np.float32)
    place = Rectangle(near.x0 + tight.x0, near.y0 + tight.y0, tight.width, tight.height)
    layer = np.ascontiguousarray(layer[tight.slices])
    return without, bare_matte, Glasses(place, layer, bridge_cm, bridge_px[0, :2].astype(np.float32))


def without_shade(picture: Image, around: Mask, eyes: Mask, brows: Mask, px_per_cm: float) -> Image:
    """The picture filled in around rims; beside brows from skin alone where that is brighter.

    Colours of hairs, or of shaded lids, would be drawn out into dark patches when brows rise.
    """
    if not (around & brows).any():
        return filled_in(picture, around, eyes, px_per_cm)
    usual, skin = (filled_in(picture, around, apart, px_per_cm).astype(np.float32) for apart in (eyes, eyes | brows))
    brighter = np.clip((skin - usual).mean(2) / BRIGHTER, 0, 1)
    beside = 1 - cv2.GaussianBlur(brows.astype(np.float32), (0, 0), max(0.5, BESIDE_BROWS_CM * px_per_cm))
    return np.asarray(np.rint(usual + (brighter * beside)[..., None] * (skin - usual)), np.uint8)


def filled_in(picture: Image, around: Mask, eyes: Mask, px_per_cm: float) -> Image:
    """A picture (h, w[, 3]), filled in around rims; not from eyes, which would bleed into the lids.

    What is filled in is smooth: of large faces it is made at a lower resolution, in a small part of the time.
    """
    height, width = around.shape
    times = max(1.0, px_per_cm / FILL_PX_PER_CM)
    size = round(width / times), round(height / times)
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    hidden = cv2.resize((around | eyes).astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0
    filled = cv2.inpaint(small, hidden.astype(np.uint8), FILL_REACH_CM * px_per_cm / times, cv2.INPAINT_TELEA)
    return np.asarray(cv2.resize(filled, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def frames_in(other: Floats, px_per_cm: float) -> Mask | None:
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


def with_temples(frames: Mask, other: Floats, x: int) -> Mask:
    """Frames (h, m), at column x of a wider picture (h, n), and what goes on from them at their height -> (h, n)."""
    rows = slice(*(np.flatnonzero(frames.any(1))[[0, -1]] + [0, 1]))
    wide = np.zeros(other.shape, np.uint8)
    wide[rows] = other[rows] > POSSIBLE
    _, labels = cv2.connectedComponents(wide, connectivity=8)
    joined = np.unique(labels[:, x : x + frames.shape[1]][frames > 0])
    return np.asarray(np.isin(labels, joined[joined > 0]), np.uint8)


def inside(outlines: Outlines, around_cm: float, points_px: Floats, size: tuple[int, int], px_per_cm: float) -> Mask:
    """Between upper and lower lines of a mesh (478, 2) and a little around, in a picture of this size (h, w)."""
    found = np.zeros(size, np.uint8)
    for upper, lower in outlines:
        cv2.fillPoly(found, [np.round(points_px[[*upper, *lower[::-1]]]).astype(np.int32)], 1)
    return np.asarray(cv2.dilate(found, disc(2 * around_cm * px_per_cm)), np.uint8)


def rims(part: Image, frames: Mask, but: Mask, px_per_cm: float) -> Mask:
    """Where rims are (h, w), at the photo's resolution: what in or beside what the network calls frames is darker than
    its surroundings, of another colour, or shines; `but` for what else does. Skin there stays skin."""
    around = grown(frames, EDGE_CM * px_per_cm)
    lightness, *colours = cv2.split(cv2.cvtColor(part, cv2.COLOR_RGB2LAB))
    rim, glint = square(RIM_CM * px_per_cm), square(GLINT_CM * px_per_cm)  # discs take ten times as long
    found = cv2.morphologyEx(lightness, cv2.MORPH_BLACKHAT, rim) > STANDS_OUT
    found |= cv2.morphologyEx(lightness, cv2.MORPH_TOPHAT, glint) > STANDS_OUT
    for colour in colours:
        for way in (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT):
            found |= cv2.morphologyEx(colour, way, rim) > OTHER_COLOUR
    found &= (around > 0) & (but == 0)
    if found.any():  # hinges are wider
        found |= (lightness <= np.median(lightness[found])) & (frames > 0) & (but == 0)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(found.astype(np.uint8), connectivity=8)
    found &= (stats[:, cv2.CC_STAT_AREA] > (SMALLEST_RIM_CM * px_per_cm) ** 2)[labels]
    whole = cv2.morphologyEx(found.astype(np.uint8), cv2.MORPH_CLOSE, disc(CLOSED_CM * px_per_cm))
    return np.asarray(cv2.dilate(whole, disc(RIM_EDGE_CM * px_per_cm)) * around, np.uint8)


def reflections(part: Image, lenses: Mask, rim: Mask, px_per_cm: float) -> Mask:
    """Where lenses (h, w) shine: bluer or greener than the skin seen through them within rims, and no darker unless by
    much; with what is bright next to that."""
    skin = (lenses > 0) & (rim == 0)
    if not skin.any():
        return np.zeros_like(lenses)
    lightness, green, blue = cv2.split(cv2.cvtColor(part, cv2.COLOR_RGB2LAB).astype(np.int16))
    usual = [int(np.median(channel[skin])) for channel in (lightness, green, blue)]
    brighter, apart = lightness - usual[0], np.maximum(usual[1] - green, usual[2] - blue)
    coloured, much, bright = ((apart > colour) & (brighter > light) & (lenses > 0) for colour, light in REFLECTS)
    seeds = cv2.morphologyEx((coloured | much).astype(np.uint8), cv2.MORPH_OPEN, disc(REFLECTION_CM * px_per_cm))
    _, labels = cv2.connectedComponents(((seeds > 0) | bright).astype(np.uint8), connectivity=8)
    found = np.isin(labels, np.unique(labels[seeds > 0])).astype(np.uint8)
    return np.asarray(cv2.bitwise_and(cv2.dilate(found, disc(2 * REFLECTION_CM * px_per_cm)), lenses), np.uint8)


def grown(mask: Mask, by_px: float) -> Mask:
    return np.asarray(cv2.dilate(mask, np.ones((2 * round(by_px) + 1,) * 2)), np.uint8)


def square(across_px: float) -> Mask:
    """At least 3 pixels across."""
    return np.ones((2 * max(1, round(across_px / 2)) + 1,) * 2, np.uint8)


def disc(across_px: float) -> Mask:
    """At least 3 pixels across."""
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, square(across_px).shape), np.uint8)


def seen_share(image: Image, bare: Image, around: Mask, px_per_cm: float) -> Floats:
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
