"""What goes on behind a person next to what is seen."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from engine.portrait.continued import REACH_CM, continued
from engine.types import Image

SIDE, PX_PER_CM = 400, 12.0


def disc(radius_px: float = 110) -> NDArray[np.bool_]:
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    return np.asarray(np.hypot(x, y) < radius_px)


def strip(hidden: NDArray[np.bool_], depth_cm: float) -> NDArray[np.bool_]:
    away = cv2.distanceTransform(hidden.astype(np.uint8), cv2.DIST_L2, 5) / PX_PER_CM
    return np.asarray(hidden & (away < depth_cm))


def shelves(period_px: int, axis: int) -> Image:
    lines = ((np.arange(SIDE) // (period_px // 2)) % 2 * 180 + 40).astype(np.uint8)
    grain = np.random.default_rng(1).integers(0, 12, (SIDE, SIDE, 1))
    return np.asarray(np.moveaxis(np.broadcast_to(lines[:, None, None], (SIDE, SIDE, 3)), 0, axis) + grain, np.uint8)


@pytest.mark.parametrize("axis", [0, 1])
def test_what_is_beside_goes_on(axis: int) -> None:
    """Where a network saw grey mist, shelves are continued to within a few pixels of where they are."""
    photo, hidden = shelves(48, axis), disc()
    filled = np.where(hidden[..., None], np.uint8(130), photo)
    made = continued(photo, filled, hidden, PX_PER_CM).astype(float)
    near = strip(hidden, 1.0)
    before, after = (np.abs(picture - photo)[near].mean() for picture in (filled.astype(float), made))
    assert before > 80
    assert after < 0.35 * before
    np.testing.assert_array_equal(made[~hidden], photo[~hidden])


def test_far_from_what_is_seen_stays_what_was_filled_in() -> None:
    photo, hidden = shelves(48, 0), disc()
    filled = np.where(hidden[..., None], np.uint8(130), photo)
    far = hidden & ~strip(hidden, REACH_CM)
    assert far.any()
    np.testing.assert_array_equal(continued(photo, filled, hidden, PX_PER_CM)[far], filled[far])


def test_a_wall_that_gets_darker_has_no_border() -> None:
    """Pieces from elsewhere are brighter or darker; along the border they have what is seen there."""
    ramp = np.linspace(60, 200, SIDE)
    grain = np.random.default_rng(2).normal(0, 4, (SIDE, SIDE, 1))
    photo = np.clip(ramp[:, None, None] + grain + np.zeros((1, 1, 3)), 0, 255).astype(np.uint8)
    hidden = disc()
    filled = np.where(hidden[..., None], np.uint8(90), photo)  # darker than all that is beside
    made = continued(photo, filled, hidden, PX_PER_CM).astype(float)
    near = strip(hidden, 0.5)
    assert np.abs(made - photo)[near].mean() < 8
    assert made[near].std() > 4  # of grain, not smooth


def test_where_nothing_is_seen_or_hidden_all_stays() -> None:
    photo, filled = shelves(48, 0), shelves(30, 1)
    for hidden in (np.ones((SIDE, SIDE), bool), np.zeros((SIDE, SIDE), bool)):
        np.testing.assert_array_equal(continued(photo, filled, hidden, PX_PER_CM), filled)
    sliver = np.ones((SIDE, SIDE), bool)
    sliver[:, 0] = False  # too little to take pieces from
    made = continued(photo, np.where(sliver[..., None], filled, photo), sliver, PX_PER_CM)
    np.testing.assert_array_equal(made[:, 60:], filled[:, 60:])


@pytest.mark.parametrize(("side", "px_per_cm"), [(1, 3.0), (2, 3.0), (7, 3.0), (40, 2.5), (300, 60.0)])
def test_photos_of_any_size(side: int, px_per_cm: float) -> None:
    photo = np.random.default_rng(3).integers(0, 255, (side, side + 1, 3), np.uint8)
    hidden = np.zeros((side, side + 1), bool)
    hidden[side // 3 :, : side // 2 + 1] = True
    made = continued(photo, photo[::-1].copy(), hidden, px_per_cm)
    assert made.shape == photo.shape
    assert made.dtype == np.uint8
