"""The shade of lips and lids on what lies behind them: it is the darker, the more of what is around is skin.

The warp draws it anew in every frame, so a texture has to be what it would be without.
"""

from __future__ import annotations

import cv2
import numpy as np

from engine.types import Floats

STEP_CM = 0.0625  # between the 9 x 9 places at which the warp looks for skin
STEPS = np.arange(-4, 5)


def skin_around(aperture: Floats, px_per_cm: float) -> Floats:
    """The share of skin around each pixel, as the warp takes it; aperture (h, w) is 1 where the inside shows."""
    at = np.rint(STEPS * STEP_CM * px_per_cm).astype(int)
    line = np.bincount(at - at[0], minlength=at[-1] - at[0] + 1).astype(np.float32) / len(STEPS)
    covered = np.asarray(1 - aperture, np.float32)
    return np.asarray(cv2.sepFilter2D(covered, -1, line, line, borderType=cv2.BORDER_REPLICATE), np.float32)


def unshaded(photo: Floats, aperture: Floats, shade: float, px_per_cm: float) -> Floats:
    """A patch of the photo (h, w, 3) without such a shade, which makes it darker by up to `shade`, 0 to 1."""
    return np.asarray(photo / (1 - shade * skin_around(aperture, px_per_cm))[..., None], np.float32)
