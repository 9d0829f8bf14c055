"""What the tests of whole clips share: an engine, and photos small enough to be drawn quickly, prepared once."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from engine import Engine, PortraitSet
from engine.types import Image
from tests.perception import astronaut

SIDE = 320  # of the sample; its face is still larger than the smallest that can be animated


@cache
def engine() -> Engine:
    return Engine()


@cache
def small_photo() -> Image:
    return cv2.resize(astronaut(), (SIDE, SIDE), interpolation=cv2.INTER_AREA)


@cache
def pair_photo() -> Image:
    """Two people beside each other, the right one a little smaller and higher."""
    right = small_photo()[20:300, 30:290]
    below = np.repeat(right[-1:], SIDE - right.shape[0], axis=0)
    return np.concatenate([small_photo(), np.concatenate([right, below])], axis=1)


@cache
def one() -> PortraitSet:
    return engine().prepare(small_photo())


@cache
def pair() -> PortraitSet:
    return engine().prepare(pair_photo())
