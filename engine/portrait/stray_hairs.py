"""Hairs that leave a head's outline: left in the background, they would hang in the air once the head has moved."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.types import Floats, Image

REACH_CM = 3.0  # from the outline; less and less towards there
THIN_CM = 0.25  # what is wider is no hair
ABOVE_NOISE, FAINTEST = 4.0, 5.0  # times the usual difference around, and levels of 255, from which one is seen
GAP_CM = 0.15  # over which a hair that is lost against the background goes on


def without_stray_hairs(behind: Image, filled: Image, hidden: NDArray[np.bool_], px_per_cm: float) -> Image:
    """The picture (h, w, 3) behind a person, without hairs that come from where the person was hidden (h, w).

    filled is the same with all that is hidden filled in. A hair is what differs from that and from what is next to it
    outside, or further out what a median filter takes away, by more than such a filter takes away beyond a head's
    reach: where the background is busy, nothing does, and all stays as it is.
    """
    away_cm: Floats = np.asarray(
        cv2.distanceTransform((~hidden).astype(np.uint8), cv2.DIST_L2, 5) / px_per_cm, np.float32
    )
    window = 2 * max(1, round(THIN_CM * px_per_cm)) + 1
    median = cv2.medianBlur(filled, window)
    near = cv2.dilate(hidden.astype(np.uint8), np.ones((window, window), np.uint8)) > 0  # medians see the filling there
    calm = np.where(hidden[..., None], filled, median).astype(np.float32)
    apart = np.minimum(np.abs(behind - calm).max(2), np.abs(behind - next_to(near, calm)).max(2))
    lines = (apart > np.maximum(FAINTEST, ABOVE_NOISE * noise(apart, away_cm, px_per_cm))) & (away_cm < REACH_CM)
    share = attached(lines, hidden, px_per_cm) * np.clip(2 - 2 * away_cm / REACH_CM, 0, 1)
    return np.asarray(np.rint(behind + share[..., None] * (calm - behind)), np.uint8)


def noise(apart: Floats, away_cm: Floats, px_per_cm: float) -> Floats:
    """The mean of what a median filter takes away (h, w), beyond a head's reach and near each place -> (h, w)."""
    beyond = (away_cm > REACH_CM).astype(np.float32)
    side = 2 * round(1.3 * REACH_CM * px_per_cm) + 1
    amount, seen = (cv2.blur(part, (side, side), borderType=cv2.BORDER_CONSTANT) for part in (apart * beyond, beyond))
    return np.asarray(amount / np.maximum(seen, 1e-6), np.float32)


def next_to(hidden: NDArray[np.bool_], picture: Floats) -> Floats:
    """The picture (h, w, 3) with what is hidden (h, w) replaced by the nearest pixel that isn't."""
    _, labels = cv2.distanceTransformWithLabels(hidden.astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    seen = np.zeros((int(labels.max()) + 1, 3), np.float32)
    seen[labels[~hidden]] = picture[~hidden]
    return np.asarray(seen[labels])


def attached(lines: NDArray[np.bool_], hidden: NDArray[np.bool_], px_per_cm: float) -> Floats:
    """1 where lines (h, w) hang together with what is hidden, with soft edges -> (h, w)."""
    gap = np.ones((2 * max(1, round(GAP_CM * px_per_cm / 2)) + 1,) * 2, np.uint8)
    linked = cv2.dilate((lines | hidden).astype(np.uint8), gap)
    _, labels = cv2.connectedComponents(linked, connectivity=8)
    kept = lines & np.isin(labels, np.unique(labels[hidden]))
    wide = cv2.dilate(kept.astype(np.float32), np.ones((3, 3), np.uint8))
    return np.asarray(np.maximum(wide, cv2.blur(wide, (3, 3))), np.float32)
