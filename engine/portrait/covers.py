"""Masks, hands, cups: no mouth opens in what is held before one, and no fold is drawn on what is before a face.

The mesh goes on below whatever covers a face. The segmentation network tells it from the face's skin: it calls hands
skin of the body, and masks neither skin, hair nor clothes. Where a mouth is covered, it and all else below the cover
stays as it is, and eyes and brows say the emotion. What covers a cheek or the chin goes along with them.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.portrait import topology as top
from engine.portrait.control_points import smoothstep
from engine.portrait.patches import Rectangle, rectangle_around
from engine.types import Floats

BROW_MIDDLE, CHIN = 168, 152  # a face is measured from one to the other
LOWER_HALF, EYES = 0.5, (0.24, 0.32)  # covers reach down to the first, glasses and hats don't; they end at the second
LIDS, BELOW_NOSE = (0.12, 0.32), (0.34, 0.44)
INSIDE_CM = 0.8  # from the face's edge, beyond which neck, clothes and hands are beside a face, not before it
COVERED = (0.3, 0.7)  # probability
MOUTH_COVERED = (0.06, 0.2)  # share of the skin around the mouth: from the second on all of the mouth is held
AROUND_LIPS_CM = 0.5
OUTER_LIPS = (*top.UPPER_LIP_OUTER, *top.LOWER_LIP_OUTER)
INNER_LIPS = (*top.UPPER_LIP_INNER, *top.LOWER_LIP_INNER)
SOFTNESS_CM = 0.1
NEAR_CM = 0.9  # skin beside what is covered moves less and less


@dataclass(frozen=True)
class Cover:
    """What is before a face; nothing is where both are None."""

    pixels: Floats | None = None  # (h, w) of the crop, 1 where the face is covered
    free: Floats | None = None  # (468,) how far each point of the mesh moves, 0 to 1

    def beside(self, layer: Floats) -> Floats:
        """A layer (h, w) of the crop, without what is on the cover."""
        return layer if self.pixels is None else layer * (1 - self.pixels)


def cover_of(covering: Floats, mesh_px: Floats, px_per_cm: float) -> Cover:
    """covering (h, w): the probability of anything but face, hair and background; mesh (478, 3) in its pixels."""
    points_px = mesh_px[: top.FACE_POINTS, :2]
    (left, upper), (right, lower) = points_px.min(0), points_px.max(0)
    middle, half_high = np.array([left + right, upper + lower]) / 2, (lower - upper) / 2
    height, width = covering.shape
    near = rectangle_around(middle, ((right - left) / 2, half_high, half_high), width, height)
    face = points_px - np.array([near.x0, near.y0], np.float32)
    lips, gap = (polygon(face[list(edges)], near) for edges in (OUTER_LIPS, INNER_LIPS))  # teeth are no skin either
    before = smoothstep(*COVERED, covering[near.slices]) * inside_face(face, near, px_per_cm) * (1 - gap)
    down = down_the_face(pixel_grid(near), face)
    before = smoothstep(*EYES, down) * before * reaching_down(before > 0.5, down > LOWER_HALF)
    if not before.any():
        return Cover()
    soft = cv2.GaussianBlur(np.asarray(before, np.float32), (0, 0), max(0.6, SOFTNESS_CM * px_per_cm))
    x, y = np.round(face).astype(int).T
    below = soft[np.clip(y, 0, near.height - 1), np.clip(x, 0, near.width - 1)]
    held = np.maximum(below, smoothstep(*BELOW_NOSE, down_the_face(face, face)))
    held *= covered_share(before, lips, gap, px_per_cm)
    apart_cm = np.linalg.norm(face[:, None] - face[None], axis=2) / px_per_cm
    held = (held * np.exp(-((apart_cm / NEAR_CM) ** 2))).max(1) * smoothstep(*LIDS, down_the_face(face, face))
    pixels = np.zeros(covering.shape, np.float32)
    pixels[near.slices] = soft
    return Cover(pixels, np.asarray(1 - held, np.float32))


def reaching_down(covered: NDArray[np.bool_], lower: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Those connected parts (h, w) that have a pixel in the lower half, with a pixel's width around them."""
    _, labels = cv2.connectedComponents(covered.astype(np.uint8))
    chosen = np.isin(labels, np.unique(labels[lower & covered])) & covered
    return cv2.dilate(chosen.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0


def covered_share(before: Floats, lips: Floats, gap: Floats, px_per_cm: float) -> float:
    """How much of the mouth counts as covered, 0 to 1."""
    reach = 2 * round(AROUND_LIPS_CM * px_per_cm) + 1
    around = cv2.dilate(lips, np.ones((reach, reach), np.uint8)) - gap
    share = (before * around).sum() / max(around.sum(), 1)
    return float(smoothstep(*MOUTH_COVERED, np.full(1, share))[0])


def polygon(points_px: Floats, near: Rectangle) -> Floats:
    """1 inside the outline of points, 0 outside -> (h, w)."""
    inside = np.zeros((near.height, near.width), np.uint8)
    cv2.fillConvexPoly(inside, cv2.convexHull(np.round(points_px).astype(np.int32)), 1)
    return inside.astype(np.float32)


def inside_face(face_px: Floats, near: Rectangle, px_per_cm: float) -> Floats:
    """1 well inside the face's outline, 0 from its edge on -> (h, w)."""
    oval = polygon(face_px[list(top.FACE_OVAL)], near).astype(np.uint8)
    deep_cm = cv2.distanceTransform(np.pad(oval, 1), cv2.DIST_L2, 5)[1:-1, 1:-1].astype(np.float32) / px_per_cm
    return np.asarray(smoothstep(0.5 * INSIDE_CM, INSIDE_CM, deep_cm), np.float32)


def down_the_face(places_px: Floats, face_px: Floats) -> Floats:
    """How far places (..., 2) are from between the brows, 0, to the chin, 1."""
    down = face_px[CHIN] - face_px[BROW_MIDDLE]
    return np.asarray((places_px - face_px[BROW_MIDDLE]) @ down / (down @ down), np.float32)


def pixel_grid(near: Rectangle) -> Floats:
    """(h, w, 2) x and y of each pixel, from the rectangle's corner."""
    y, x = np.mgrid[: near.height, : near.width].astype(np.float32)
    return np.stack([x, y], 2)
