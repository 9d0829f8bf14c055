"""Photos without colours, grey or of one tone such as sepia: what is drawn into them has to be of that tone as well."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.products import product
from engine.types import Floats, Image

LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
# SD of colours around the tone, 0-255, at which a photo is of one tone and at which it is in colour: scanned and
# compressed sepia has up to 2.7, of 300 colour portraits the one with the least 4.1.
ONE_TONE, COLOURED = 3.0, 4.0
PIXELS = 50_000  # enough to tell
DARKEST_SHARE = 0.005  # beyond the darkest and brightest of the photo's pixels its tone goes on as it is there


@dataclass(frozen=True)
class Toning:
    """How the colours of a photo follow from their brightness."""

    share: float  # 1 in a photo of one tone, 0 in colours
    curve: Floats  # (3, 3) polynomial of the brightness 0-1, highest power first -> what R, G and B differ from it by
    limits: Floats  # (2,) brightness, 0-1, within which the curve is known

    @classmethod
    def of(cls, image: Image) -> Toning:
        """Of the picture of a person and what is around, (h, w, 3)."""
        colours = image.reshape(-1, 3)[:: max(1, image.size // 3 // PIXELS)].astype(np.float64) / 255
        luma = colours @ LUMA
        powers = luma[:, None] ** np.array([2, 1, 0])
        apart = colours - luma[:, None]
        squares, mixed = (np.einsum("ni,nj->ij", powers, other) for other in (powers, apart))
        curve = np.linalg.lstsq(squares, mixed, rcond=None)[0]
        spread = 255 * float((apart - product(powers, curve)).std(0).max())
        share = float(np.clip((COLOURED - spread) / (COLOURED - ONE_TONE), 0, 1))
        return cls(share, curve, np.quantile(luma, [DARKEST_SHARE, 1 - DARKEST_SHARE]))

    def applied(self, colours: Floats) -> Floats:
        """Colours (..., 3), 0-255, in the photo's tone; as they are in a photo in colours."""
        if not self.share:
            return colours
        luma = colours @ LUMA
        known = np.clip(luma / 255, *self.limits)
        toned = luma[..., None] + 255 * known[..., None] ** np.array([2, 1, 0]) @ self.curve
        return np.asarray(colours + self.share * (toned - colours), np.float32)
