"""Hairs that leave a head's outline: left in the background, they would hang in the air once the head has moved."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.portrait.behind import next_to
from engine.portrait.patches import bounding_rectangle
from engine.types import Floats, Image

REACH_CM = 3.0  # from where hair is; less and less from half of that on
SEEN_CM = 2.5 * REACH_CM  # from hair, where what is usual around is looked for
THIN_CM = 0.25  # what is wider is no hair
ABOVE_NOISE, FAINTEST = 4.0, 5.0  # times the usual difference around, and levels of 255, from which one is seen
EVEN, EVEN_CM = 4.0, 1.5  # levels by which an even background differs from its mean around, and how far that reaches
GAP_CM = 0.15  # over which a hair that is lost against the background goes on


def without_stray_hairs(
    behind: Image, filled: Image, hidden: NDArray[np.bool_], hair: NDArray[np.bool_], px_per_cm: float
) -> Image:
    """The picture (h, w, 3) behind a person who was hidden (h, w), without single hairs near where hair (h, w) was.

    filled is the same with all that is hidden filled in. A hair is what differs from that and from what is next to it
    outside, or further out what a median filter takes away, by more than such a filter takes away beyond a head's
    reach: where the background is busy, nothing does, and all stays as it is.
    """
    if not hair.any():
        return behind
    found, near_hair = behind.copy(), bounding_rectangle(hair, math.ceil(SEEN_CM * px_per_cm))
    behind, filled = behind[near_hair.slices], filled[near_hair.slices]
    hidden, hair = hidden[near_hair.slices], hair[near_hair.slices]
    away_cm, from_hair_cm = (distance_cm(~place, px_per_cm) for place in (hidden, hair))
    window = 2 * max(1, round(THIN_CM * px_per_cm)) + 1
    median = cv2.medianBlur(filled, window)
    near = cv2.dilate(hidden.astype(np.uint8), np.ones((window, window), np.uint8)) > 0  # medians see the filling there
    outside = next_to(near, median.astype(np.float32))
    apart = difference(behind.astype(np.float32), outside)
    apart[hidden] = np.minimum(apart, difference(behind, filled))[hidden]
    lines = (apart > np.maximum(FAINTEST, ABOVE_NOISE * noise(apart, away_cm, px_per_cm))) & (from_hair_cm < REACH_CM)
    share = attached(lines, hidden, px_per_cm) * np.clip(2 - 2 * from_hair_cm / REACH_CM, 0, 1)
    share *= calmness(outside, px_per_cm)
    found[near_hair.slices] = np.rint(behind + share[..., None] * (outside - behind))
    return found


def difference(a: Floats | Image, b: Floats | Image) -> Floats:
    """The largest of the channels', of two pictures (h, w, 3) -> (h, w)."""
    red, green, blue = cv2.split(cv2.absdiff(a, b))  # many times faster than NumPy along three numbers
    return np.asarray(np.maximum(np.maximum(red, green), blue), np.float32)


def distance_cm(outside: NDArray[np.bool_], px_per_cm: float) -> Floats:
    """To the nearest place that is False."""
    return np.asarray(cv2.distanceTransform(outside.astype(np.uint8), cv2.DIST_L2, 5) / px_per_cm, np.float32)


def calmness(background: Floats, px_per_cm: float) -> Floats:
    """1 where a picture (h, w, 3) is even, 0 where it shows things -> (h, w)."""
    side = (2 * round(EVEN_CM * px_per_cm) + 1,) * 2
    uneven = difference(background, np.asarray(cv2.blur(background, side), np.float32))
    return np.asarray(np.clip(2 - cv2.blur(uneven, side) / EVEN, 0, 1), np.float32)


def noise(apart: Floats, away_cm: Floats, px_per_cm: float) -> Floats:
    """The mean of what a median filter takes away (h, w), beyond a head's reach and near each place -> (h, w)."""
    beyond = (away_cm > REACH_CM).astype(np.float32)
    side = 2 * round(1.3 * REACH_CM * px_per_cm) + 1
    amount, seen = (cv2.blur(part, (side, side), borderType=cv2.BORDER_CONSTANT) for part in (apart * beyond, beyond))
    return np.asarray(amount / np.maximum(seen, 1e-6), np.float32)


def attached(lines: NDArray[np.bool_], hidden: NDArray[np.bool_], px_per_cm: float) -> Floats:
    """1 where lines (h, w) hang together with what is hidden, with soft edges -> (h, w)."""
    gap = np.ones((2 * max(1, round(GAP_CM * px_per_cm / 2)) + 1,) * 2, np.uint8)
    linked = cv2.dilate((lines | hidden).astype(np.uint8), gap)
    _, labels = cv2.connectedComponents(linked, connectivity=8)
    kept = lines & np.isin(labels, np.unique(labels[hidden]))
    wide = cv2.dilate(kept.astype(np.float32), np.ones((3, 3), np.uint8))
    return np.asarray(np.maximum(wide, cv2.blur(wide, (3, 3))), np.float32)
