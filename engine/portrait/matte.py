"""Where a person ends: a soft matte per person, at the photo's own resolution."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.types import Floats, Image

EDGE_CM = 1.2  # how far from its outline a person can be half transparent: the reach of fine hair
EPSILON = 1e-3  # of the guided filter: where the guide varies less (0 to 1, squared), it is no edge


def guided_filter(guide: Floats, mask: Floats, radius: int) -> Floats:
    """Gives a coarse mask the edges of the picture (He et al. 2010, colourless). All (h, w), guide 0 to 1."""
    size = (2 * radius + 1, 2 * radius + 1)

    def mean(a: Floats) -> Floats:
        return np.asarray(cv2.blur(a, size, borderType=cv2.BORDER_REFLECT), np.float32)

    mean_g, mean_m = mean(guide), mean(mask)
    slope = (mean(guide * mask) - mean_g * mean_m) / (mean(guide * guide) - mean_g**2 + EPSILON)
    return mean(slope) * guide + mean(mean_m - slope * mean_g)


def person_matte(image: Image, probability: Floats, px_per_cm: float) -> Floats:
    """Probability of "person" (h, w) -> matte (h, w), exactly 0 and 1 away from the edge."""
    guide = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    radius = max(2, round(0.5 * px_per_cm))
    soft = guided_filter(guide, probability.astype(np.float32), radius)
    soft = np.clip((soft - 0.15) / 0.7, 0, 1)
    solid = without_holes(probability > 0.4)  # dark clothes in particular have spots that look like background
    edge = max(2.0, EDGE_CM * px_per_cm)
    inside = cv2.distanceTransform(solid, cv2.DIST_L2, 5) / edge
    outside = cv2.distanceTransform(1 - solid, cv2.DIST_L2, 5) / edge
    return np.asarray(np.clip(np.maximum(soft, 2 * inside - 1), 0, np.clip(2 - 1.5 * outside, 0, 1)), np.float32)


def without_holes(mask: NDArray[np.bool_] | NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Fills what a mask (h, w) of 0 and 1 encloses -> (h, w)."""
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros(mask.shape, np.uint8)
    cv2.drawContours(filled, outlines, -1, 1, cv2.FILLED)
    return filled
