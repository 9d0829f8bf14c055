"""Furrows and folds that come with their muscles: between the brows, over the forehead, beside nose and mouth, at the
outer corners of the eyes.

Drawn once a photo as a map of how much darker skin gets where it folds; each region of the map is then turned up and
down by the muscle that makes it. Places are given on the canonical face, in centimetres.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.mesh import BLENDSHAPES
from engine.types import Floats

REGIONS = (
    "glabella",
    "forehead_inner",
    "forehead_outer",
    "nasolabial_right",
    "nasolabial_left",
    "eye_right",
    "eye_left",
)
SUPERSAMPLING = 2
RIDGE_SHARE = 0.2  # skin beside a furrow bulges into the light

# Lines (x, y) on one half of the face, mirrored to the other; y is down, x away from the middle.
FOREHEAD_HEIGHTS_CM = (-6.0, -6.7, -7.4)
NASOLABIAL = ((1.75, 0.7), (2.15, 1.5), (2.6, 2.5), (2.95, 3.5), (3.05, 4.4))
GLABELLA = ((0.42, -3.0), (0.45, -3.8), (0.58, -4.7), (0.85, -5.6))
CROWS_FEET = (((4.9, -3.1), (5.7, -3.7)), ((5.0, -2.7), (5.95, -2.75)), ((4.9, -2.3), (5.7, -1.8)))

# Which blendshapes raise which fold, left and right together where they stand without a side.
DRIVERS: dict[str, dict[str, float]] = {
    "glabella": {"browDownLeft": 0.28, "browDownRight": 0.28, "noseSneerLeft": 0.1, "noseSneerRight": 0.1},
    "forehead_inner": {"browInnerUp": 0.55, "browOuterUpLeft": 0.1, "browOuterUpRight": 0.1},
    "forehead_outer": {"browOuterUpLeft": 0.4, "browOuterUpRight": 0.4},
    "nasolabial_right": {"mouthSmileRight": 0.7, "noseSneerRight": 0.7, "mouthUpperUpRight": 0.4},
    "nasolabial_left": {"mouthSmileLeft": 0.7, "noseSneerLeft": 0.7, "mouthUpperUpLeft": 0.4},
    "eye_right": {"cheekSquintRight": 0.8, "eyeSquintRight": 0.4},
    "eye_left": {"cheekSquintLeft": 0.8, "eyeSquintLeft": 0.4},
}


def fold_strengths(blendshapes: Floats) -> Floats:
    """(T, 52) -> (T, 7), 0 to 1.2, in the order of REGIONS."""
    gains = np.zeros((len(REGIONS), len(BLENDSHAPES)))
    for i, region in enumerate(REGIONS):
        for name, gain in DRIVERS[region].items():
            gains[i, BLENDSHAPES.index(name)] = gain
    return np.clip(blendshapes @ gains.T, 0, 1.2).astype(np.float32)


def on_photo(places_cm: NDArray[np.float64], canonical_cm: Floats, mesh_px: Floats, px_per_cm: float) -> Floats:
    """Places (m, 2) on the canonical face -> crop pixels (m, 2), carried along by the mesh points around them."""
    apart = np.linalg.norm(places_cm[:, None] - canonical_cm[None, :, :2], axis=2)
    nearest = np.argsort(apart, axis=1)[:, :8]
    weight = 1 / (np.take_along_axis(apart, nearest, 1) + 0.1) ** 2
    weight /= weight.sum(1, keepdims=True)
    across = mesh_px[263, :2] - mesh_px[33, :2]
    turn = np.array([[across[0], -across[1]], [across[1], across[0]]]) / np.hypot(*across) * px_per_cm
    moved = mesh_px[nearest, :2] + (places_cm[:, None] - canonical_cm[nearest, :2]) @ turn.T
    return np.asarray((weight[..., None] * moved).sum(1), np.float32)


def line_mask(lines: Sequence[Floats], width: int, height: int, sigma_px: float) -> Floats:
    """Soft dark lines with a bright rim, tapering at their ends -> (height, width), about 1 at their middle."""
    k = SUPERSAMPLING
    drawn = np.zeros((height * k, width * k), np.float32)
    for line in lines:
        points = (line + 0.5) * k - 0.5
        for i in range(len(points) - 1):
            taper = np.sin(np.pi * (i + 0.5) / (len(points) - 1)) ** 0.7
            ends = np.round(points[i : i + 2] * 16).astype(int)
            cv2.line(drawn, tuple(ends[0].tolist()), tuple(ends[1].tolist()), float(taper), 1, cv2.LINE_8, 4)
    drawn = np.asarray(cv2.resize(drawn, (width, height), interpolation=cv2.INTER_AREA), np.float32)
    dark = cv2.GaussianBlur(drawn, (0, 0), max(0.6, sigma_px))
    broad = cv2.GaussianBlur(drawn, (0, 0), max(1.2, 3 * sigma_px))
    mask = dark / max(float(dark.max()), 1e-6) - RIDGE_SHARE * broad / max(float(broad.max()), 1e-6)
    return np.asarray(mask / max(float(mask.max()), 1e-6), np.float32)


def dense(line: NDArray[np.float64], count: int = 24) -> NDArray[np.float64]:
    """A polyline as `count` points, evenly by index."""
    at = np.linspace(0, len(line) - 1, count)
    return np.stack([np.interp(at, np.arange(len(line)), line[:, c]) for c in range(2)], 1)


def fold_map(canonical_cm: Floats, mesh_px: Floats, px_per_cm: float, width: int, height: int) -> Floats:
    """How much darker each pixel of the crop gets when its fold is at full strength, 0 to about 0.3 -> (h, w)."""
    both = np.array([[1, 1], [-1, 1]])

    def carried(line: Sequence[tuple[float, float]]) -> list[Floats]:
        return [on_photo(dense(np.array(line)) * side, canonical_cm, mesh_px, px_per_cm) for side in both]

    x = np.linspace(-3.6, 3.6, 24)
    forehead = [np.stack([x, y + 0.03 * x**2], 1) for y in FOREHEAD_HEIGHTS_CM]
    parts = (
        (carried(GLABELLA), 0.21, 0.3),
        ([on_photo(line, canonical_cm, mesh_px, px_per_cm) for line in forehead], 0.09, 0.24),
        (carried(NASOLABIAL), 0.20, 0.25),
        ([line for foot in CROWS_FEET for line in carried(foot)], 0.07, 0.22),
    )
    total = np.zeros((height, width), np.float32)
    for lines, sigma_cm, depth in parts:
        total += depth * line_mask(lines, width, height, sigma_cm * px_per_cm)
    return total


def fold_regions(canonical_cm: Floats, mesh_px: Floats, px_per_cm: float, nodes: NDArray[np.float64]) -> Floats:
    """Where each region of the map lies, as soft spots over nodes (gh, gw, 2) -> (7, gh, gw); they sum to 1 at most."""
    centres = np.array([[0, -4.4], [0, -6.7], [3.2, -6.3], [-2.6, 2.4], [2.6, 2.4], [-5.4, -2.8], [5.4, -2.8]])
    reach = np.array([[1.2, 1.2], [1.7, 1.1], [1.6, 1.2], [1.3, 2.2], [1.3, 2.2], [1.1, 1.3], [1.1, 1.3]])
    spots = []
    for i, (centre, size) in enumerate(zip(centres, reach, strict=True)):
        sides = [centre, centre * [-1, 1]] if REGIONS[i] == "forehead_outer" else [centre]
        middle = on_photo(np.array(sides), canonical_cm, mesh_px, px_per_cm)
        away = (nodes[None] - middle[:, None, None]) / (size * px_per_cm)
        spots.append(np.exp(-((away**2).sum(-1) ** 1.5)).max(0))
    stacked = np.stack(spots)
    return np.asarray(stacked / np.maximum(stacked.sum(0), 1), np.float32)
