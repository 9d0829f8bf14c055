"""Earrings belong to who wears them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from engine.portrait.earrings import LOBES, with_earrings
from engine.types import Floats, Image

PX_PER_CM = 20.0
SIZE = 300
LOBE = (210, 120)
RING = (218, 160)  # its middle; it hangs from the lobe
NOBODY_ELSE = np.ones((SIZE, SIZE), np.float32)


def scene(ring: tuple[int, int] | None = RING, busy: float = 0.0) -> Image:
    """Half a head at the left, a ring beside it, before a wall that gets darker downwards."""
    image = np.repeat(np.linspace(200, 120, SIZE)[:, None, None], SIZE, 1) * [1.0, 0.9, 0.7]
    rng = np.random.default_rng(0)
    if busy:
        spots = cv2.resize(rng.normal(0, busy, (SIZE // 3, SIZE // 3)).astype(np.float32), (SIZE, SIZE))
        image = image + spots[..., None]
    image = image + rng.normal(0, 1.5, image.shape)
    image = np.clip(image, 0, 255).astype(np.uint8)
    if ring is not None:
        cv2.ellipse(image, ring, (16, 40), 0, 0, 360, (250, 230, 150), 2, cv2.LINE_AA)
    image[:, : LOBE[0]] = (120, 80, 60)
    return image


def matte() -> Floats:
    found = np.zeros((SIZE, SIZE), np.float32)
    found[:, : LOBE[0]] = 1
    return found


def mesh() -> Floats:
    points = np.zeros((478, 3), np.float32)
    points[list(LOBES), :2] = [[60, 120], LOBE]
    return points


def share_of_ring(found: Floats, ring: tuple[int, int]) -> float:
    """How much of the ring beside the head counts as the person."""
    drawn = np.zeros((SIZE, SIZE), np.uint8)
    cv2.ellipse(drawn, ring, (16, 40), 0, 0, 360, 1, 1)
    drawn[:, : LOBE[0] + 2] = 0
    return float((found[drawn > 0] > 0.5).mean())


def test_a_ring_is_its_wearer_s_and_what_it_frames_is_not() -> None:
    found = with_earrings(scene(), matte(), NOBODY_ELSE, mesh(), PX_PER_CM)
    assert share_of_ring(found, RING) > 0.9
    assert found[RING[1], RING[0] : RING[0] + 10].max() == 0
    assert (found >= matte()).all()
    assert found[:, 250:].max() == 0


@pytest.mark.parametrize(
    ("ring", "busy"), [(None, 0.0), ((250, 160), 0.0), ((214, 240), 0.0), (RING, 40.0)],
    ids=["none", "in the air", "far from the lobe", "busy background"],
)  # fmt: skip
def test_nothing_else_is(ring: tuple[int, int] | None, busy: float) -> None:
    np.testing.assert_array_equal(with_earrings(scene(ring, busy), matte(), NOBODY_ELSE, mesh(), PX_PER_CM), matte())


def test_a_line_of_the_background_that_begins_at_the_lobe_is_not() -> None:
    horizon = scene(None)
    cv2.line(horizon, LOBE, (SIZE, LOBE[1] + 40), (60, 40, 30), 3, cv2.LINE_AA)
    np.testing.assert_array_equal(with_earrings(horizon, matte(), NOBODY_ELSE, mesh(), PX_PER_CM), matte())


def test_what_another_person_wears_is_not() -> None:
    others = np.zeros_like(NOBODY_ELSE)
    np.testing.assert_array_equal(with_earrings(scene(), matte(), others, mesh(), PX_PER_CM), matte())


def test_small_faces_stay() -> None:
    np.testing.assert_array_equal(with_earrings(scene(), matte(), NOBODY_ELSE, mesh(), 5.0), matte())


def test_a_picture_of_nobody_stays() -> None:
    nobody = np.zeros((SIZE, SIZE), np.float32)
    np.testing.assert_array_equal(with_earrings(scene(), nobody, NOBODY_ELSE, mesh(), PX_PER_CM), nobody)
