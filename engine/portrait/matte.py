"""Where a person ends: a soft matte per person, at the photo's own resolution."""

from __future__ import annotations

import cv2
import numpy as np

from engine.types import Floats, Image


def guided_filter(guide: Floats, mask: Floats, radius: int, epsilon: float) -> Floats:
    """Gives a coarse mask the edges of the picture (He et al. 2010, colourless). All (h, w), guide 0 to 1."""
    size = (2 * radius + 1, 2 * radius + 1)

    def mean(a: Floats) -> Floats:
        return np.asarray(cv2.blur(a, size, borderType=cv2.BORDER_REFLECT), np.float32)

    mean_g, mean_m = mean(guide), mean(mask)
    slope = (mean(guide * mask) - mean_g * mean_m) / (mean(guide * guide) - mean_g**2 + epsilon)
    return mean(slope) * guide + mean(mean_m - slope * mean_g)


def person_matte(image: Image, probability: Floats, px_per_cm: float) -> Floats:
    """Probability of "person" (h, w) -> matte (h, w), exactly 0 and 1 away from the edge."""
    guide = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    radius = max(2, round(0.5 * px_per_cm))
    soft = guided_filter(guide, probability.astype(np.float32), radius, 1e-3)
    soft = np.clip((soft - 0.15) / 0.7, 0, 1)
    core = cv2.GaussianBlur(probability, (0, 0), max(1.0, 0.4 * px_per_cm))
    soft = np.where(core > 0.97, 1, np.where(core < 0.03, 0, soft))
    return np.asarray(soft, np.float32)
