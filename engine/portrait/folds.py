"""Furrows and folds that come with their muscles: between the brows, over the forehead, beside nose and mouth, at the
outer corners of the eyes.

Drawn once a photo as a map of how much darker skin gets where it folds; each region of the map is then turned up and
down by the muscle that makes it. Places are given on the canonical face, in centimetres.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.mesh import BLENDSHAPES
from engine.portrait.patches import rectangle_around, smooth_curve
from engine.portrait.toning import Toning
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
# How much of a fold's darkness red, green and blue take: light that gets out of one has been through skin. Medians of
# 310 folds beside the mouths of smiling people; on pale and on dark skin they are about the same.
TINT = np.array([0.68, 1.03, 1.29], np.float32)
SUPERSAMPLING = 2
DENSE_POINTS = 24  # of a drawn line
RIDGE_WIDTH = 3  # of the skin beside a furrow that bulges into the light, as a multiple of the furrow's

# Lines (x, y) on one half of the face, mirrored to the other; y is down, x away from the middle.
NASOLABIAL = ((1.75, 0.7), (2.15, 1.5), (2.6, 2.5), (2.95, 3.5), (3.05, 4.4))
CHEEK_SLOPE = tuple((x + 0.22, y - 0.06) for x, y in NASOLABIAL)  # of the cheek that bulges over that fold
GLABELLA = ((0.42, -3.0), (0.45, -3.8), (0.58, -4.7), (0.85, -5.6))
CROWS_FEET = (((4.9, -3.1), (5.7, -3.7)), ((5.0, -2.7), (5.95, -2.75)), ((4.9, -2.3), (5.7, -1.8)))

# Lines across the forehead, none of them straight or whole: how high, how strong.
FOREHEAD_LINES = ((-5.7, 0.35), (-6.15, 1.0), (-6.75, 0.9), (-7.05, 0.3), (-7.5, 0.7))
FOREHEAD_HALF_CM, FOREHEAD_WAVE_CM, FOREHEAD_BENDS = 3.8, 0.08, 9

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


def fold_tint(toning: Toning) -> Floats:
    """`TINT` (3,), or as much of it as there is colour in the photo."""
    return np.asarray(toning.share + (1 - toning.share) * TINT, np.float32)


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


@dataclass(frozen=True)
class Stroke:
    """A line in the crop that gets stronger and weaker on its way."""

    points_px: Floats  # (n, 2)
    strengths: Floats  # (n,)


def stroke_mask(strokes: Sequence[Stroke], width: int, height: int, sigma_px: float, ridge: float) -> Floats:
    """Soft dark lines, tapering at their ends, with a bright rim of this share -> (height, width), 1 at most."""
    k = SUPERSAMPLING
    drawn = np.zeros((height * k, width * k), np.float32)
    for stroke in strokes:
        points = (stroke.points_px + 0.5) * k - 0.5
        taper = np.sin(np.pi * (np.arange(len(points) - 1) + 0.5) / (len(points) - 1)) ** 0.7
        for start, end, strength in zip(points, points[1:], taper * stroke.strengths[1:], strict=False):
            ends = np.round(np.stack([start, end]) * 16).astype(int)
            cv2.line(drawn, tuple(ends[0].tolist()), tuple(ends[1].tolist()), float(strength), 1, cv2.LINE_8, 4)
    drawn = np.asarray(cv2.resize(drawn, (width, height), interpolation=cv2.INTER_AREA), np.float32)
    dark = cv2.GaussianBlur(drawn, (0, 0), max(0.6, sigma_px))
    broad = cv2.GaussianBlur(drawn, (0, 0), max(1.2, RIDGE_WIDTH * sigma_px))
    mask = dark / max(float(dark.max()), 1e-6) - ridge * broad / max(float(broad.max()), 1e-6)
    return np.asarray(mask, np.float32)


def dense(line: NDArray[np.float64]) -> NDArray[np.float64]:
    """A polyline as DENSE_POINTS points, evenly by index."""
    at = np.linspace(0, len(line) - 1, DENSE_POINTS)
    return np.stack([np.interp(at, np.arange(len(line)), line[:, c]) for c in range(2)], 1)


def forehead_lines() -> list[tuple[NDArray[np.float64], Floats]]:
    """Points (40, 2) on the canonical face and strengths (40,) of each line; always the same ones."""
    rng = np.random.default_rng(4)
    x, bends = np.linspace(-1, 1, 40), np.linspace(-1, 1, FOREHEAD_BENDS)
    lines = []
    for height_cm, strength in FOREHEAD_LINES:
        wave = smooth_curve(np.stack([bends, rng.normal(0, FOREHEAD_WAVE_CM, FOREHEAD_BENDS)], 1))
        strengths = strength * np.interp(x, bends, rng.uniform(0.25, 1, FOREHEAD_BENDS))
        across = FOREHEAD_HALF_CM * rng.uniform(0.75, 1) * x + rng.normal(0, 0.5)
        down = height_cm + 0.03 * across**2 + np.interp(x, *wave.T)
        lines.append((np.stack([across, down], 1), strengths.astype(np.float32)))
    return lines


def fold_map(canonical_cm: Floats, mesh_px: Floats, px_per_cm: float, width: int, height: int) -> Floats:
    """How much darker each pixel of the crop gets when its fold is at full strength, 0 to about 0.3 -> (h, w)."""

    middle, half = (mesh_px.max(0) + mesh_px.min(0))[:2] / 2, np.ptp(mesh_px[:, :2], axis=0) / 2 + px_per_cm
    face = rectangle_around(middle, (half[0], half[1], half[1]), width, height)  # folds fade within it
    corner = np.array([face.x0, face.y0], np.float32)

    def carried(points_cm: NDArray[np.float64], strengths: Floats | None = None) -> Stroke:
        points_px = on_photo(points_cm, canonical_cm, mesh_px, px_per_cm) - corner
        return Stroke(points_px, np.ones(len(points_px), np.float32) if strengths is None else strengths)

    def both(line: Sequence[tuple[float, float]]) -> list[Stroke]:
        return [carried(dense(np.array(line)) * [side, 1]) for side in (1, -1)]

    parts = (  # strokes, how wide, how deep, how bright beside them
        (both(GLABELLA), 0.21, 0.26, 0.2),
        ([carried(*line) for line in forehead_lines()], 0.11, 0.21, 0.5),
        (both(NASOLABIAL), 0.2, 0.155, 0.15),
        (both(CHEEK_SLOPE), 0.42, 0.165, 0.0),
        ([stroke for foot in CROWS_FEET for stroke in both(foot)], 0.08, 0.18, 0.3),
    )
    total = np.zeros((height, width), np.float32)
    for strokes, sigma_cm, depth, ridge in parts:
        total[face.slices] += depth * stroke_mask(strokes, face.width, face.height, sigma_cm * px_per_cm, ridge)
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
