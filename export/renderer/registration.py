"""Moves drawn teeth onto those that a photo shows, so that a network learns to keep teeth where they are drawn.

The drawn mouth is a guess: its teeth may end higher or lower than the person's. A network that is trained on such pairs
learns to ignore where they are, and its teeth would then neither follow the skull nor the jaw.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import cv2
import numpy as np

from engine.types import Floats, Image
from export.renderer.mouth_crop import DrawnMouth

UPPER_X_PX, UPPER_Y_PX = range(-3, 4, 1), range(-7, 11, 1)
LOWER_Y_PX = range(-4, 17, 2)
RELUCTANCE = 0.004  # in correlation, per pixel of shift
LEAST_INSIDE_PX = 60  # of the stored picture; less shows too little to go by


def shifted(layer: Floats, x: int, y: int) -> Floats:
    """A layer (h, w, C) moved by whole pixels; nothing comes in from outside."""
    moved = np.zeros_like(layer)
    height, width = layer.shape[:2]
    to_y, to_x = slice(max(0, y), height + min(0, y)), slice(max(0, x), width + min(0, x))
    from_y, from_x = slice(max(0, -y), height + min(0, -y)), slice(max(0, -x), width + min(0, -x))
    moved[to_y, to_x] = layer[from_y, from_x]
    return moved


def correlation(a: Floats, b: Floats) -> float:
    """Of two pictures' values (n,), -1 to 1; 0 where one of them is flat."""
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / size if size > 1e-3 else 0.0


def registered(drawn: DrawnMouth, photo: Image) -> tuple[DrawnMouth, float, tuple[int, int, int]]:
    """The drawn mouth with upper and lower teeth where they look most like the photo's; how much they do, -1 to 1;
    and by how many pixels the upper ones moved to the right and down, the lower ones down.

    photo (h, w, 3) is the stored picture. Tries whole pixels, by the correlation of brightness inside the mouth.
    """
    seen = drawn.inside > 0.9
    if seen.sum() < LEAST_INSIDE_PX:
        return drawn, 0.0, (0, 0, 0)
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    grey = cv2.GaussianBlur(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), (0, 0), 1.0)[window][seen[window]].astype(
        np.float32
    )
    dark = float(drawn.dark.mean())

    def flat(layer: Floats) -> tuple[Floats, Floats]:
        part = cv2.GaussianBlur(layer[window], (0, 0), 1.0)
        return part[..., :3].mean(2)[seen[window]], part[..., 3][seen[window]]

    lowers = {y: flat(shifted(drawn.lower, 0, y)) for y in LOWER_Y_PX}
    best, place = -2.0, (0, 0, 0)
    for x, y in product(UPPER_X_PX, UPPER_Y_PX):
        colour, alpha = flat(shifted(drawn.upper, x, y))
        for down, (lower_colour, lower_alpha) in lowers.items():
            whole = colour + (1 - alpha) * (lower_colour + (1 - lower_alpha) * dark)
            score = correlation(whole, grey) - RELUCTANCE * (abs(x) + abs(y) + abs(down) / 2)
            if score > best:
                best, place = score, (x, y, down)
    x, y, down = place
    return replace(drawn, upper=shifted(drawn.upper, x, y), lower=shifted(drawn.lower, 0, down)), best, place
