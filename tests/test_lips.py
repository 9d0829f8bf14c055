"""The lower lip ends where the photo shows it, whatever the mesh says of it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from engine.portrait.lips import LEAST_CM, end_of_lower_lip
from engine.types import Floats, Image

SKIN, LIP, TEETH, DARK = (205, 165, 145), (170, 95, 95), (225, 215, 200), (30, 15, 15)
PX_PER_CM = 30.0
UPPER_Y, TEETH_Y, LIP_Y, CHIN_Y = 60.0, 85.0, 90.0, 120.0  # where the next one ends or begins


def mouth(inside: tuple[int, int, int] = TEETH) -> Image:
    """A smile: lip, teeth, a dark line, lip, skin."""
    image = np.full((180, 240, 3), SKIN, np.uint8)
    for below, colour in ((UPPER_Y - 15, LIP), (UPPER_Y, inside), (TEETH_Y, DARK), (LIP_Y, LIP), (CHIN_Y, SKIN)):
        image[round(below) :] = colour
    rng = np.random.default_rng(0)
    noisy = cv2.GaussianBlur(image, (0, 0), 0.8) + rng.normal(0, 2, image.shape)
    return np.asarray(np.clip(noisy, 0, 255), np.uint8)


def line(y: float) -> Floats:
    return np.stack([np.linspace(40, 200, 61), np.full(61, y)], 1).astype(np.float32)


@pytest.mark.parametrize("too_low_cm", [0.0, 0.1, 0.25])
def test_it_is_found_above_the_mesh_s_line(too_low_cm: float) -> None:
    found = end_of_lower_lip(mouth(), line(UPPER_Y), line(LIP_Y + too_low_cm * PX_PER_CM), PX_PER_CM)
    away = np.abs(found[8:-8, 1] - LIP_Y)
    assert away.max() < 1.5  # pixels
    np.testing.assert_allclose(found[:, 0], line(0)[:, 0], atol=1e-4)


def test_teeth_and_the_dark_are_no_lip() -> None:
    for inside in (TEETH, DARK):
        right = line(TEETH_Y if inside == TEETH else LIP_Y)
        found = end_of_lower_lip(mouth(inside), line(UPPER_Y), right, PX_PER_CM)
        assert np.abs(found - right).max() <= LEAST_CM * PX_PER_CM


def test_tilted_mouths_too() -> None:
    turn = cv2.getRotationMatrix2D((120, 90), 25, 1)
    image = cv2.warpAffine(mouth(), turn, (240, 180), borderMode=cv2.BORDER_REPLICATE)
    upper, lower, wanted = (
        (points @ turn[:, :2].T + turn[:, 2]).astype(np.float32)
        for points in (line(UPPER_Y), line(LIP_Y + 6), line(LIP_Y))
    )
    found = end_of_lower_lip(image, upper, lower, PX_PER_CM)
    assert np.linalg.norm(found - wanted, axis=1)[8:-8].max() < 2
