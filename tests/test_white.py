"""What white looks like in a photo's light: the brightness and colour of teeth that are drawn into it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from engine.portrait.eyes import IRISES, iris_of
from engine.portrait.patches import TEARS, contour
from engine.portrait.white import BRIGHTEST, eye_white, skin_tone, white_of_light
from engine.types import Floats, Image
from tests.clips import one

EYES = [tear for tear in TEARS if tear.name in IRISES]
DARK_SKIN, PALE_SKIN = np.array([66.0, 50, 44]), np.array([190.0, 150, 130])
WHITE_OF_EYE = np.array([190.0, 180, 165])
LARGER = 4  # than the sample, whose eyes are a few pixels wide


def face_of(skin: Floats, eyes: Floats) -> tuple[Image, Floats]:
    """A photo of the sample's face in plain colours, with black pupils, and its mesh."""
    mesh_px = LARGER * next(mesh for mesh in one().meshes if mesh is not None).points_px
    height, width, _ = one().photo.shape
    photo = np.tile(np.rint(skin).astype(np.uint8), (LARGER * height, LARGER * width, 1))
    for tear in EYES:
        upper, lower = (contour(mesh_px, tear.ends, between) for between in (tear.upper, tear.lower))
        outline = np.rint(np.concatenate([upper, lower[::-1]])).astype(np.int32)
        cv2.fillPoly(photo, [outline], np.rint(eyes).tolist())
        iris = iris_of(mesh_px, IRISES[tear.name])
        x, y = np.rint(iris.centre_px).astype(int).tolist()
        cv2.circle(photo, (x, y), round(iris.radius_px), (0, 0, 0), cv2.FILLED)
    return photo, mesh_px


def test_the_whites_of_the_eyes_are_seen_without_lids_and_irises() -> None:
    photo, mesh_px = face_of(DARK_SKIN, WHITE_OF_EYE)
    assert eye_white(photo, mesh_px) == pytest.approx(WHITE_OF_EYE, abs=1)
    assert skin_tone(photo, mesh_px) == pytest.approx(DARK_SKIN, abs=1)


def test_closed_eyes_say_nothing() -> None:
    photo, mesh_px = face_of(PALE_SKIN, WHITE_OF_EYE)
    closed = mesh_px.copy()
    for tear in EYES:
        closed[list(tear.lower)] = closed[list(tear.upper)]
    assert not eye_white(photo, closed).any()
    assert white_of_light(PALE_SKIN, np.zeros(3)).mean() > 1.1 * PALE_SKIN.mean()


def test_teeth_are_as_bright_as_eyes_whatever_the_skin() -> None:
    in_studio = [white_of_light(skin, WHITE_OF_EYE).mean() for skin in (DARK_SKIN, 2 * DARK_SKIN, PALE_SKIN)]
    assert in_studio == pytest.approx([WHITE_OF_EYE.mean()] * 3, rel=0.15)


def test_eyes_in_the_shade_are_not_believed() -> None:
    shaded = np.array([80.0, 40, 40])
    assert white_of_light(PALE_SKIN, shaded) == pytest.approx(white_of_light(PALE_SKIN, np.zeros(3)))


def test_white_is_orange_by_candles_and_hardly_so_on_dark_skin_in_white_light() -> None:
    by_candles = white_of_light(np.array([130.0, 60, 42]), np.array([111.0, 55, 40]))
    in_white_light = white_of_light(np.array([130.0, 60, 42]), np.array([180.0, 175, 170]))
    assert by_candles[2] / by_candles[0] < 0.55
    assert in_white_light[2] / in_white_light[0] > 0.7


def test_teeth_are_not_green_behind_glasses_that_reflect_blue() -> None:
    """But in blue light they are, as everything is."""
    white = white_of_light(np.array([190.0, 140, 106]), np.array([158.0, 200, 227]))
    assert white[0] > white[1] > white[2]
    on_a_stage = white_of_light(np.array([70.0, 80, 160]), np.array([90.0, 110, 220]))
    assert on_a_stage.argmax() == 2


def test_white_is_never_brighter_than_paper() -> None:
    assert white_of_light(np.full(3, 250.0), np.full(3, 255.0)).max() == BRIGHTEST
    assert white_of_light(np.full(3, 1.0), np.zeros(3)).max() == pytest.approx(2)
