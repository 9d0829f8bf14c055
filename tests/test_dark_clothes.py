"""Dark clothes and bites out of heads are looked at again in a brighter picture, and nothing else is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from engine.portrait.dark_clothes import NAMES, person_classes
from engine.segment import Segmenter
from engine.types import Box, Floats, HeadPose, Image

HEIGHT, WIDTH, PX_PER_CM = 120, 160, 10.0
WHOLE = Box(0, 0, WIDTH, HEIGHT)
POSE = HeadPose(np.eye(3, dtype=np.float32), PX_PER_CM, np.array([80, -80, 0], np.float32))  # the picture is below it
CLOTHES, BACKGROUND, HAIR = (NAMES.index(name) for name in ("clothes", "background", "hair"))


class Looks(Segmenter):
    """Takes all for background but in a bright picture, where everything is clothes; hair as it is told."""

    def __init__(self, hair: slice = slice(0, 0)) -> None:
        self.hair = hair
        self.pictures: list[Image] = []

    def segment(self, photo: Image, region: Box, *, head: Box | None = None, classes: Sequence[str] = NAMES) -> Floats:
        self.pictures.append(photo)
        found = np.zeros((len(classes), HEIGHT, WIDTH), np.float32)
        found[CLOTHES if len(self.pictures) > 1 else BACKGROUND] = 1
        found[:, :, self.hair] = 0
        found[HAIR, :, self.hair] = 1
        return found


def photo(left_level: int) -> Image:
    """Grey, its left half of another level."""
    picture = np.full((HEIGHT, WIDTH, 3), 150, np.uint8)
    picture[:, : WIDTH // 2] = left_level
    return picture


def test_dark_clothes_are_seen_in_a_brighter_picture() -> None:
    looks = Looks()
    seen = person_classes(looks, photo(15), WHOLE, WHOLE, POSE)
    first, second = looks.pictures
    assert second[0, 0, 0] > 70 > first[0, 0, 0]
    assert seen["clothes"][:, : WIDTH // 2 - 5].min() > 0.99
    assert seen["background"][:, WIDTH // 2 + 5 :].min() > 0.99
    np.testing.assert_allclose(sum(seen.values()), 1, atol=1e-5)


def test_a_bright_picture_is_looked_at_once() -> None:
    looks = Looks()
    person_classes(looks, photo(100), WHOLE, WHOLE, POSE)
    assert len(looks.pictures) == 1


def test_dark_hair_stays_as_the_head_s_own_look_has_it() -> None:
    seen = person_classes(Looks(hair=slice(0, 20)), photo(15), WHOLE, WHOLE, POSE)
    assert seen["hair"][:, :20].min() == 1
    assert seen["background"][:, 20:23].min() > 0.9, "beside hair, where fine strands may be"
    assert seen["clothes"][:, 30:70].min() > 0.99


def test_what_is_dark_beside_a_head_is_left_alone() -> None:
    low = HeadPose(POSE.rotation, PX_PER_CM, np.array([80, 20, 0], np.float32))  # its mouth is at 70 pixels
    seen = person_classes(Looks(), photo(15), WHOLE, WHOLE, low)
    assert seen["background"][:65].min() > 0.99
    assert seen["clothes"][95:, : WIDTH // 2 - 5].min() > 0.99


class HeadWithBite(Segmenter):
    """A head, hair above its middle, of which something is missing at the left; in a bright picture nothing is."""

    def __init__(self) -> None:
        self.pictures: list[Image] = []

    def segment(self, photo: Image, region: Box, *, head: Box | None = None, classes: Sequence[str] = NAMES) -> Floats:
        self.pictures.append(photo)
        y, x = np.mgrid[:HEIGHT, :WIDTH]
        is_head = np.hypot(x - 80, y - 60) < 50
        if len(self.pictures) == 1:
            is_head &= ~bitten()
        found = np.zeros((len(classes), HEIGHT, WIDTH), np.float32)
        found[BACKGROUND], found[HAIR] = ~is_head, is_head
        return found


def bitten() -> np.ndarray:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.hypot(x - 36, y - 50) < 12


def test_dark_hair_that_bites_into_a_head_s_outline_is_seen_in_a_brighter_picture() -> None:
    low = HeadPose(POSE.rotation, PX_PER_CM, np.array([80, 60, 0], np.float32))
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    inside = bitten() & (np.hypot(x - 80, y - 60) < 46)
    for level, hair in ((15, 1.0), (120, 0.0)):
        looks = HeadWithBite()
        seen = person_classes(looks, np.full((HEIGHT, WIDTH, 3), level, np.uint8), WHOLE, WHOLE, low)
        assert np.median(seen["hair"][inside]) == pytest.approx(hair, abs=0.1)
        assert seen["background"][:, :8].min() > 0.99, "beside the head all stays"
        assert len(looks.pictures) == 1 + (level == 15)
        np.testing.assert_allclose(sum(seen.values()), 1, atol=1e-5)
