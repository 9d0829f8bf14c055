"""What is behind a person's edge is the photo's background, so that no halo of another travels with the person."""

from __future__ import annotations

import numpy as np

from engine.portrait.behind import GOES_ON_CM, going_on

PX_PER_CM = 20.0
GREY, YELLOW, RED = 120, np.array([220, 200, 60]), np.array([180, 60, 50])
SIZE = 160


def person() -> np.ndarray:
    """A disc of 5 cm, its edge as soft as three pixels (h, w)."""
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE / 2 + 0.5
    return np.clip((50 - np.hypot(x, y)) / 3 + 0.5, 0, 1).astype(np.float32)


def photo() -> np.ndarray:
    matte = person()[..., None]
    return np.rint(GREY + matte * (RED - GREY)).astype(np.uint8)


def filled() -> np.ndarray:
    """Yellow, as the network made it up."""
    return np.where(person()[..., None] > 0, YELLOW, GREY).astype(np.uint8)


def bald() -> np.ndarray:
    return np.zeros((SIZE, SIZE), np.float32)


def test_the_background_goes_on_below_the_edge() -> None:
    behind = going_on(photo(), filled(), person(), bald(), PX_PER_CM)
    soft = (person() > 0) & (person() < 0.9)
    assert np.abs(behind[soft].astype(int) - GREY).max() <= 12
    deep = np.hypot(*(np.mgrid[:SIZE, :SIZE] - SIZE / 2)) < 50 - (GOES_ON_CM + 0.3) * PX_PER_CM
    np.testing.assert_array_equal(behind[deep], filled()[deep])
    outside = person() == 0
    np.testing.assert_array_equal(behind[outside][0], [GREY] * 3)


def test_the_person_s_edge_takes_no_halo_along() -> None:
    """Over the same grey elsewhere it must look as before; with yellow behind, it was blue."""
    matte, behind = person()[..., None], going_on(photo(), filled(), person(), bald(), PX_PER_CM)
    moved = [photo() - (1 - matte) * back + (1 - matte) * GREY for back in (behind, filled())]
    ours, before = (np.abs(picture - photo()).max() for picture in moved)
    assert ours < 0.25 * before


def test_hair_is_left_as_it_was() -> None:
    """What is beside hair may be hair."""
    np.testing.assert_array_equal(going_on(photo(), filled(), person(), bald() + 1, PX_PER_CM), filled())


def test_nothing_beside_nothing_to_go_on() -> None:
    whole = bald() + 1
    np.testing.assert_array_equal(going_on(photo(), filled(), whole, bald(), PX_PER_CM), filled())


def test_no_background_goes_on_below_what_hides_it() -> None:
    """A matte that fades within a dark shoulder is wrong: white behind it came out as the shoulder rose."""
    columns = np.linspace(-0.5, 1.5, SIZE, dtype=np.float32)
    fading = np.tile(np.clip(columns, 0, 1), (SIZE, 1))
    white, dark = np.full((SIZE, SIZE, 3), 250, np.uint8), np.full((SIZE, SIZE, 3), 20, np.uint8)
    seen = np.where((fading > 0)[..., None], dark, white)
    np.testing.assert_array_equal(going_on(seen, dark, fading, bald(), PX_PER_CM)[fading > 0.02][0], dark[0, 0])
