"""Glasses, laid over a face where its head has moved to."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.motion.track import Motion
from engine.portrait.glasses import Glasses
from engine.portrait.patches import Rectangle
from engine.portrait.portrait import Portrait
from engine.render.drive import rigid_px, texture_affine
from engine.types import Floats

SAMPLING = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP


def glasses_affines(portrait: Portrait, glasses: Glasses, motion: Motion) -> Floats:
    """Pixel of the crop -> pixel of the glasses' layer (T, 2, 3)."""
    matrix, shift = rigid_px(portrait, motion, glasses.bridge_cm)
    return texture_affine(matrix, glasses.bridge_px, shift, (glasses.rectangle.x0, glasses.rectangle.y0))


def reach_of(glasses: Glasses, affines: Floats, width: int, height: int) -> Rectangle:
    """The part of a crop (height, width) that the glasses reach in these frames."""
    right, bottom = glasses.rectangle.width, glasses.rectangle.height
    corners = np.array([[-1, -1], [right, -1], [-1, bottom], [right, bottom]], np.float32)
    linear = np.linalg.inv(affines[:, :, :2])
    places = np.einsum("tij,tkj->tki", linear, corners[None] - affines[:, None, :, 2]).reshape(-1, 2)
    x0, y0 = np.clip(np.floor(places.min(0)), 0, [width - 1, height - 1]).astype(int).tolist()
    x1, y1 = np.clip(np.ceil(places.max(0)) + 1, [x0 + 1, y0 + 1], [width, height]).astype(int).tolist()
    return Rectangle(x0, y0, x1 - x0, y1 - y0)


def put_on(frames: NDArray[np.uint8], glasses: Glasses, affines: Floats, box: Rectangle) -> None:
    """Lays the glasses over frames (T, h, w, 3), the box of the crop. Unmoved they give the photo exactly."""
    for frame, affine in zip(frames, affines, strict=True):
        place = affine.astype(np.float64)
        place[:, 2] += place[:, :2] @ [box.x0, box.y0]
        layer = cv2.warpAffine(glasses.layer, place, (box.width, box.height), flags=SAMPLING)
        frame[:] = np.clip(np.rint(layer[..., :3] + (1 - layer[..., 3:]) * frame), 0, 255)
