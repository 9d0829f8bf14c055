"""Eyes that the photo shows shut: they tear along their lashes, and an iris has to be made up for when they open."""

from __future__ import annotations

import numpy as np

from engine.portrait.patches import TEARS, contour
from engine.types import Floats

SHUT = 0.155  # of an eye's width: nearer than this the mesh has only the lids of shut eyes, since it leaves a slit
IRIS_CM, ABOVE_CORNERS_CM = 0.59, 0.1  # the radius of people's irises, and where their middles are
EYES = [tear for tear in TEARS if tear.name.startswith("eye")]
OPEN_CM = 0.68  # between lids in the mean, of which the middle has a third more
PUPIL, RIM = 0.34, 0.8  # in radii; the iris gets darker from there on
BROWN, EDGE_SHARE = np.array([0.34, 0.21, 0.13]), 0.35  # of white: most people's irises, and how dark they are outside
CATCHLIGHT, CATCHLIGHT_RADIUS = np.array([-0.2, -0.36]), 0.16


def lids_are_shut(upper: Floats, lower: Floats) -> bool:
    """Whether the contours (m, 2) of two lids, from corner to corner, are those of a shut eye."""
    return bool(np.linalg.norm(lower - upper, axis=1).max() < SHUT * np.linalg.norm(upper[-1] - upper[0]))


def opening_cm(points_cm: Floats, blinks_cm: Floats) -> Floats:
    """What opens lids (468, 3) that are shut: blinks (2, 468, 3) of the right and the left eye, undone; else 0."""
    found = np.zeros_like(points_cm)
    for tear, blink in zip(EYES, blinks_cm, strict=True):
        upper, lower = (contour(points_cm, tear.ends, between) for between in (tear.upper, tear.lower))
        if lids_are_shut(upper, lower):
            apart = np.linalg.norm(points_cm[list(tear.lower)] - points_cm[list(tear.upper)], axis=1).mean()
            closing = np.linalg.norm(blink[list(tear.lower)] - blink[list(tear.upper)], axis=1).mean()
            found -= (OPEN_CM - apart) / closing * blink
    return found


def hidden_iris_px(corners: Floats, px_per_cm: float) -> tuple[Floats, float]:
    """Where behind shut lids an eye that looks straight ahead has its iris: its middle (2,) and radius.

    corners (2, 2): the left one in the picture first.
    """
    along = corners[1] - corners[0]
    up = np.array([along[1], -along[0]]) / max(float(np.linalg.norm(along)), 1e-6)
    return np.asarray(corners.mean(0) + ABOVE_CORNERS_CM * px_per_cm * up, np.float32), IRIS_CM * px_per_cm


def unseen_iris(away: Floats, white: Floats) -> Floats:
    """A brown iris with its pupil and a catchlight; away (h, w, 2) from its middle, in radii, and white (3,) is what
    white looks like in the photo's light, 0-255 -> (h, w, 3)."""
    radius = np.hypot(away[..., 0], away[..., 1])[..., None]
    pupil = np.clip((PUPIL + 0.06 - radius) / 0.12, 0, 1)
    edge = np.clip((radius - RIM) / (1 - RIM), 0, 1)
    lighter = 0.8 + 0.4 * np.clip((radius - PUPIL) / (RIM - PUPIL), 0, 1)
    share = BROWN * lighter * (1 - (1 - EDGE_SHARE) * edge)
    share = share + pupil * (0.03 - share)
    from_light = np.linalg.norm(away - CATCHLIGHT, axis=2, keepdims=True)
    light = 0.85 * np.clip(2 - 2 * from_light / CATCHLIGHT_RADIUS, 0, 1)
    return np.asarray((share + light * (1 - share)) * white, np.float32)
