"""Teeth that the photo shows go on under the lip as they are below it: no second row of drawn ones above them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.portrait.mouth import MouthInterior
from engine.portrait.mouth_frame import picture_in_patch
from engine.portrait.own_teeth import OwnTeeth, own_teeth
from engine.portrait.patches import Rectangle
from engine.portrait.teeth_above import grown
from engine.portrait.teeth_rows import lowered
from engine.types import Floats, HeadPose
from tests.perception import bundle

PX_PER_CM, SIDE = 20.0, 160
SKIN, TOOTH, BETWEEN = np.float32([150, 100, 80]), (210, 200, 170), (170, 160, 135)
GUM, GUM_LIKE_LIP, DARK_RED = (190, 120, 110), (190, 120, 110), (80, 30, 30)
CROWNS = np.ones((SIDE, SIDE), np.float32)


def smile(turn_deg: float) -> tuple[Floats, Floats, Floats, Floats]:
    """A photo with teeth of 16 px, darker where they touch, and its aperture; pixels as seen across and along teeth."""
    angle, middle = np.radians(turn_deg), (SIDE - 1) / 2
    y, x = np.mgrid[:SIDE, :SIDE] - middle
    across, along = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    aperture = ((np.abs(across) < 45) & (np.abs(along) < 12)).astype(np.float32)
    touching = (np.abs((across % 16) - 8) > 5.5)[..., None]
    photo = np.where(aperture[..., None] > 0, np.where(touching, BETWEEN, TOOTH), SKIN).astype(np.float32)
    return photo, aperture, across, along


@pytest.mark.parametrize("turn_deg", [0.0, 25.0, -80.0])
def test_teeth_go_on_upwards_one_by_one(turn_deg: float) -> None:
    photo, aperture, across, along = smile(turn_deg)
    teeth = own_teeth(photo, aperture, SKIN, PX_PER_CM)
    turn = np.radians(turn_deg)
    to_patch = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0]], np.float32)
    own, more = grown(photo, teeth, CROWNS, to_patch, PX_PER_CM)
    above = (np.abs(across) < 35) & (np.abs(along + 22) < 5)
    middles = above & (np.abs((across % 16) - 8) < 2)
    edges = above & (np.abs((across % 16) - 8) > 7.2)
    assert more.kept[above].min() > 0.9
    np.testing.assert_allclose(own[middles].mean(0), TOOTH, atol=8)
    np.testing.assert_allclose(own[edges].mean(0), BETWEEN, atol=16)  # less sharp than below
    below = (np.abs(across) < 40) & (np.abs(along - 4) < 4)
    np.testing.assert_array_equal(own[below], photo[below])
    assert not more.kept[along > 12].any()


@pytest.mark.parametrize("turn_deg", [0.0, 25.0])
def test_gums_go_on_as_gums_and_get_no_teeth_above_them(turn_deg: float) -> None:
    photo, aperture, across, along = smile(turn_deg)
    photo[(aperture > 0) & (along < -6)] = GUM
    teeth = own_teeth(photo, aperture, SKIN, PX_PER_CM)
    turn = np.radians(turn_deg)
    to_patch = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0]], np.float32)
    own, more = grown(photo, teeth, 0 * CROWNS, to_patch, PX_PER_CM)
    above = (np.abs(across) < 30) & (np.abs(along + 22) < 5)
    assert more.kept[above].min() > 0.9
    np.testing.assert_allclose(own[above].mean(0), GUM, atol=8)


@pytest.mark.parametrize("of_lip", [GUM_LIKE_LIP, DARK_RED], ids=["as bright as the lip", "in the shade"])
def test_lips_and_shade_are_no_gums(of_lip: tuple[int, int, int]) -> None:
    photo, aperture, _, along = smile(0.0)
    photo[(np.abs(along + 14) < 8) & (along < -9)] = of_lip
    photo[along < -12] = np.float32(of_lip) * 1.3
    teeth = own_teeth(photo, aperture, SKIN, PX_PER_CM)
    _, more = grown(photo, teeth, 0 * CROWNS, np.eye(2, 3, dtype=np.float32), PX_PER_CM)
    np.testing.assert_array_equal(more.kept, teeth.kept)


def test_they_grow_where_teeth_would_be_drawn_only() -> None:
    photo, aperture, _, _ = smile(0.0)
    teeth = own_teeth(photo, aperture, SKIN, PX_PER_CM)
    _, more = grown(photo, teeth, 0 * CROWNS, np.eye(2, 3, dtype=np.float32), PX_PER_CM)
    np.testing.assert_array_equal(more.kept, teeth.kept)
    assert (grown(photo, teeth, CROWNS, np.eye(2, 3, dtype=np.float32), PX_PER_CM)[1].kept >= teeth.kept).all()


def test_what_is_dark_below_the_lip_does_not_go_on() -> None:
    photo, aperture, across, along = smile(0.0)
    photo[(np.abs(across) < 12) & (along < -4) & (aperture > 0)] = (40, 20, 18)
    teeth = own_teeth(photo, aperture, SKIN, PX_PER_CM)
    _, more = grown(photo, teeth, CROWNS, np.eye(2, 3, dtype=np.float32), PX_PER_CM)
    assert more.kept[(np.abs(across) < 8) & (np.abs(along + 22) < 4)].max() < 0.1
    assert more.kept[(np.abs(across - 25) < 8) & (np.abs(along + 22) < 4)].min() > 0.9


def test_the_lip_s_shade_does_not_go_on() -> None:
    photo, aperture, across, along = smile(0.0)
    lit, _ = grown(
        photo, own_teeth(photo, aperture, SKIN, PX_PER_CM), CROWNS, np.eye(2, 3, dtype=np.float32), PX_PER_CM
    )
    photo[(along < -6) & (aperture > 0)] *= 0.7
    teeth = own_teeth(photo, aperture, SKIN, PX_PER_CM)
    own, _ = grown(photo, teeth, CROWNS, np.eye(2, 3, dtype=np.float32), PX_PER_CM)
    above = (np.abs(across) < 35) & (np.abs(along + 22) < 5)
    np.testing.assert_allclose(own[above], lit[above], atol=12)


def test_a_mouth_that_shows_no_teeth_stays() -> None:
    photo = np.full((SIDE, SIDE, 3), SKIN, np.float32)
    teeth = own_teeth(photo, 0 * CROWNS, SKIN, PX_PER_CM)
    own, same = grown(photo, teeth, CROWNS, np.eye(2, 3, dtype=np.float32), PX_PER_CM)
    assert own is photo
    assert same is teeth


@pytest.mark.parametrize("turn_deg", [0.0, 17.0, 70.0])
@pytest.mark.parametrize(("tooth", "rows"), [(TOOTH, 1), (TOOTH, 12), ((0, 0, 0), 12)])
def test_specks_of_teeth_and_a_black_mouth_do_no_harm(turn_deg: float, tooth: tuple[int, int, int], rows: int) -> None:
    turn, kept = np.radians(turn_deg), 0 * CROWNS
    kept[80 : 80 + rows, 75 : 75 + rows] = 0.6
    teeth = OwnTeeth(kept, CROWNS, 0 * CROWNS, CROWNS)
    photo = np.full((SIDE, SIDE, 3), tooth, np.float32)
    to_patch = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0]], np.float32)
    own, more = grown(photo, teeth, CROWNS, to_patch, PX_PER_CM)
    np.testing.assert_allclose(own, photo, atol=1e-3)
    assert np.isfinite(more.kept).all()


@pytest.mark.parametrize("lower_cm", [0.0, 0.3])
def test_drawn_teeth_end_where_the_photo_s_do(lower_cm: float) -> None:
    mesh = MouthInterior.load(bundle().path("mouth_interior.npz"))
    upright = HeadPose(np.eye(3, dtype=np.float32), PX_PER_CM, np.zeros(3, np.float32))
    place = np.float32([SIDE / 2, SIDE / 2, 0])
    drawn = np.asarray(place + PX_PER_CM * (mesh.vertices_cm - mesh.lip_line_cm), np.float32)
    upper = mesh.is_tooth & ~mesh.is_lower
    edge = float(drawn[upper & (np.abs(mesh.vertices_cm[:, 0]) < 0.4), 1].max()) + lower_cm * PX_PER_CM
    photo, aperture, _, _ = smile(0.0)
    rows = np.arange(SIDE, dtype=np.float32)[:, None]
    teeth = own_teeth(photo, aperture, SKIN, PX_PER_CM)
    teeth = replace(teeth, above=np.broadcast_to((rows < edge).astype(np.float32), aperture.shape).copy())
    box = Rectangle(0, 0, SIDE, SIDE)
    found = lowered(mesh, drawn, teeth, upright, picture_in_patch(place, upright, box), box)
    moved_cm = (found - drawn) / PX_PER_CM
    np.testing.assert_allclose(moved_cm[upper, 1], lower_cm, atol=0.08)
    assert not moved_cm[mesh.is_lower].any()
    assert not moved_cm[:, [0, 2]].any()


def test_gaps_between_drawn_crowns_do_not_show_in_what_goes_on() -> None:
    """They aren't where the photo's teeth have theirs, and looked like dark notches."""
    photo, aperture, across, along = smile(0.0)
    teeth = own_teeth(photo, aperture, SKIN, PX_PER_CM)
    crowns = CROWNS * (np.abs((across % 16) - 2) > 3)
    _, more = grown(photo, teeth, crowns, np.eye(2, 3, dtype=np.float32), PX_PER_CM)
    assert more.kept[(np.abs(across) < 35) & (np.abs(along + 22) < 5)].min() > 0.9


def test_a_single_tooth_does_not_go_on_where_the_others_end() -> None:
    photo, aperture, across, along = smile(0.0)
    photo[(np.abs(across) > 8) & (along < -4) & (aperture > 0)] = DARK_RED
    teeth = own_teeth(photo, aperture, SKIN, PX_PER_CM)
    _, more = grown(photo, teeth, CROWNS, np.eye(2, 3, dtype=np.float32), PX_PER_CM)
    assert more.kept[np.abs(along + 22) < 4].max() < 0.1
