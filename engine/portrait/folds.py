"""Furrows and folds that come with their muscles: between the brows, over the forehead, beside nose and mouth, at the
outer corners of the eyes.

Drawn once a photo as a map of how much darker skin gets where it folds, those of smiles as measured
(smile_shading.py); each region of the map is then turned up and down by the muscle that makes it. Places are given on
the canonical face, in centimetres.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.mesh import BLENDSHAPES
from engine.portrait.canonical_places import on_canonical, on_photo
from engine.portrait.patches import rectangle_around, smooth_curve
from engine.portrait.smile_shading import SmileShading
from engine.portrait.toning import Toning
from engine.types import Floats

# Where on the canonical face each part of the map is turned up and down: middle and reach, (x, y) each, in centimetres.
SPOTS = {
    "glabella": ((0, -4.4), (1.2, 1.2)),
    "forehead_inner": ((0, -6.7), (1.7, 1.1)),
    "forehead_outer": ((3.2, -6.3), (1.6, 1.2)),
    "nose": ((0, -1.9), (1.7, 1.6)),
    "nasolabial_right": ((-2.3, 1.2), (1.3, 1.6)),
    "nasolabial_left": ((2.3, 1.2), (1.3, 1.6)),
    "eye_right": ((-5.4, -2.8), (1.1, 1.3)),
    "eye_left": ((5.4, -2.8), (1.1, 1.3)),
    "smile_right": ((-3.0, 2.2), (3.2, 4.4)),
    "smile_left": ((3.0, 2.2), (3.2, 4.4)),
}
REGIONS = tuple(SPOTS)
# How much of a fold's darkness red, green and blue take: light that gets out of one has been through skin. Medians of
# 310 folds beside the mouths of smiling people; on pale and on dark skin they are about the same.
TINT = np.array([0.68, 1.03, 1.29], np.float32)
SUPERSAMPLING = 2
DENSE_POINTS = 24  # of a drawn line
SMILE_NODE_CM = 0.4  # between which the smile's map is carried along straight
RIDGE_WIDTH = 3  # of the skin beside a furrow that bulges into the light, as a multiple of the furrow's

# Lines (x, y) on one half of the face, mirrored to the other; y is down, x away from the middle.
GLABELLA = ((0.42, -3.0), (0.45, -3.8), (0.58, -4.7), (0.85, -5.6))
CROWS_FEET = (((4.9, -3.1), (5.7, -3.7)), ((5.0, -2.7), (5.95, -2.75)), ((4.9, -2.3), (5.7, -1.8)))
NOSE = (
    ((0.6, -2.95), (1.0, -2.55), (1.5, -2.4)),
    ((0.62, -2.2), (1.1, -1.65), (1.75, -1.3)),
    ((0.8, -1.45), (1.2, -0.95), (1.7, -0.65)),
)

# Lines across the forehead, none of them straight or whole: how high, how strong.
FOREHEAD_LINES = ((-5.7, 0.35), (-6.15, 1.0), (-6.75, 0.9), (-7.05, 0.3), (-7.5, 0.7))
FOREHEAD_HALF_CM, FOREHEAD_WAVE_CM, FOREHEAD_BENDS = 3.8, 0.08, 9

# Which blendshapes raise which fold, left and right together where they stand without a side.
DRIVERS: dict[str, dict[str, float]] = {
    "glabella": {"browDownLeft": 0.28, "browDownRight": 0.28, "noseSneerLeft": 0.1, "noseSneerRight": 0.1},
    "forehead_inner": {"browInnerUp": 0.55, "browOuterUpLeft": 0.1, "browOuterUpRight": 0.1},
    "forehead_outer": {"browOuterUpLeft": 0.4, "browOuterUpRight": 0.4},
    "nose": {"noseSneerLeft": 0.6, "noseSneerRight": 0.6},
    "nasolabial_right": {"mouthSmileRight": 0.7, "noseSneerRight": 1.0, "mouthUpperUpRight": 0.25},
    "nasolabial_left": {"mouthSmileLeft": 0.7, "noseSneerLeft": 1.0, "mouthUpperUpLeft": 0.25},
    "eye_right": {"cheekSquintRight": 0.8, "eyeSquintRight": 0.4},
    "eye_left": {"cheekSquintLeft": 0.8, "eyeSquintLeft": 0.4},
    "smile_right": {"mouthSmileRight": 0.7},
    "smile_left": {"mouthSmileLeft": 0.7},
}


def fold_strengths(blendshapes: Floats, own: Floats) -> Floats:
    """(T, 52), and what of the photo's own expression is taken out (T, 52) -> (T, 10), at most 1.2, in the order of
    REGIONS. Where a smile is taken out, what it had darkened gets brighter, down to -1."""
    gains = np.zeros((2, len(REGIONS), len(BLENDSHAPES)))
    for i, region in enumerate(REGIONS):
        for name, gain in DRIVERS[region].items():
            gains[0, i, BLENDSHAPES.index(name)] = gain
            if name.startswith("mouthSmile"):
                gains[1, i, BLENDSHAPES.index(name)] = 1  # readings are what the map was learnt by
    strengths = np.maximum(blendshapes @ gains[0].T, 0) - own @ gains[1].T
    return np.asarray(np.clip(strengths, -1, 1.2), np.float32)


def fold_tint(toning: Toning) -> Floats:
    """`TINT` (3,), or as much of it as there is colour in the photo."""
    return np.asarray(toning.share + (1 - toning.share) * TINT, np.float32)


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


def fold_map(
    canonical_cm: Floats, mesh_px: Floats, px_per_cm: float, width: int, height: int, smile: SmileShading
) -> Floats:
    """How much darker each pixel of the crop gets when its fold is at full strength, -0.1 to about 0.3 -> (h, w)."""

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
        ([stroke for line in NOSE for stroke in both(line)], 0.14, 0.24, 0.2),
        ([carried(*line) for line in forehead_lines()], 0.11, 0.21, 0.5),
        ([stroke for foot in CROWS_FEET for stroke in both(foot)], 0.08, 0.18, 0.3),
    )
    total = np.zeros((height, width), np.float32)
    for strokes, sigma_cm, depth, ridge in parts:
        total[face.slices] += depth * stroke_mask(strokes, face.width, face.height, sigma_cm * px_per_cm, ridge)
    step_px = max(1, round(SMILE_NODE_CM * px_per_cm))
    nodes = np.stack(np.meshgrid(*(np.arange(0, size + step_px, step_px) for size in (face.width, face.height))), -1)
    places = on_canonical(nodes.reshape(-1, 2) + corner, canonical_cm, mesh_px, px_per_cm).reshape(nodes.shape)
    scale = np.array([[step_px, 0, 0], [0, step_px, 0]], np.float32)
    total[face.slices] += smile.at(np.asarray(cv2.warpAffine(places, scale, (face.width, face.height)), np.float32))
    return total


def fold_regions(canonical_cm: Floats, mesh_px: Floats, px_per_cm: float, nodes: NDArray[np.float64]) -> Floats:
    """Where each region of the map lies, as soft spots over nodes (gh, gw, 2) -> (10, gh, gw), sums at most 1."""
    spots = []
    for region in REGIONS:
        middle_cm, reach_cm = np.array(SPOTS[region])
        sides = [middle_cm, middle_cm * [-1, 1]] if region == "forehead_outer" else [middle_cm]
        middle = on_photo(np.array(sides), canonical_cm, mesh_px, px_per_cm)
        away = (nodes[None] - middle[:, None, None]) / (reach_cm * px_per_cm)
        spots.append(np.exp(-((away**2).sum(-1) ** 1.5)).max(0))
        if region.startswith("smile"):  # around the fold, which has more than smiles to come from
            spots[-1] *= 1 - spots[REGIONS.index(region.replace("smile", "nasolabial"))]
    stacked = np.stack(spots)
    return np.asarray(stacked / np.maximum(stacked.sum(0), 1), np.float32)
