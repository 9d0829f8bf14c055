"""Upper and lower teeth that a photo shows: told apart where there is a gap, and each goes with its jaw."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from engine.portrait import mouth_layers
from engine.portrait import topology as top
from engine.portrait.mouth_frame import HEIGHT, LIP_LINE_Y, PX_PER_CM, WIDTH
from engine.portrait.mouth_layers import MOST_LOWER_CM, edge_below_lip_line_cm
from engine.portrait.own_teeth import OwnTeeth, continued_below, own_teeth
from engine.portrait.teeth_rows import in_rows
from engine.types import Floats
from tests.clips import one

SIDE = 220  # of the mouth's patch
SKIN, TOOTH, DARK = np.float32([170, 120, 100]), (220, 210, 190), (30, 15, 12)
TOP, EDGE, BELOW, BOTTOM = LIP_LINE_Y - 8, LIP_LINE_Y + 8, LIP_LINE_Y + 13, LIP_LINE_Y + 24  # rows of the mouth
WHERE_THEY_TOUCH = tuple(round(0.8 * value) for value in TOOTH)
NO_GAP = (TOOTH, TOOTH, TOOTH)
LOWER_TEETH, NO_LOWER_TEETH = (TOOTH, DARK, TOOTH), (TOOTH, DARK, DARK)


def placed(turn_deg: float) -> Floats:
    """The network's picture in the middle of a patch, turned."""
    angle = np.radians(turn_deg)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = np.array([WIDTH / 2, HEIGHT / 2])
    return np.column_stack([turn, SIDE / 2 - turn @ middle]).astype(np.float32)


def mouth(rows: tuple[tuple[int, int, int], ...], to_patch: Floats) -> tuple[Floats, Floats, OwnTeeth]:
    """A patch's photo and aperture, and the teeth found in it; rows: colours of upper teeth, gap and lower teeth."""
    photo = np.full((HEIGHT, WIDTH, 3), SKIN, np.float32)
    aperture = np.zeros((HEIGHT, WIDTH), np.float32)
    aperture[TOP:BOTTOM, 45:115] = 1
    for (first, last), colour in zip(((TOP, EDGE), (EDGE, BELOW), (BELOW, BOTTOM)), rows, strict=True):
        photo[first:last, 45:115] = colour
    size, border = (SIDE, SIDE), cv2.BORDER_REPLICATE
    photo, aperture = (cv2.warpAffine(a, to_patch, size, borderMode=border) for a in (photo, aperture))
    return photo, aperture, own_teeth(photo, aperture, SKIN, PX_PER_CM)


def at(share: Floats, to_patch: Floats, row: int) -> float:
    """In the middle column, at a row of the network's picture."""
    x, y = to_patch @ [WIDTH / 2, row, 1]
    return float(share[round(y), round(x)])


@pytest.mark.parametrize("turn_deg", [0.0, 20.0, -30.0])
def test_lower_teeth_below_a_gap_are_the_jaw_s(turn_deg: float) -> None:
    to_patch = placed(turn_deg)
    photo, aperture, teeth = mouth(LOWER_TEETH, to_patch)
    found = in_rows(teeth, photo, aperture, to_patch)
    shares = [(at(found.kept, to_patch, y), at(found.lower, to_patch, y)) for y in (EDGE - 6, EDGE + 3, BELOW + 5)]
    assert shares == [(1, 0), (0, 0), (0, pytest.approx(1, abs=0.05))]
    assert at(found.above, to_patch, EDGE - 6) == 1
    assert at(found.above, to_patch, EDGE + 3) == 0


def test_rows_that_touch_part_as_well() -> None:
    """Both would stay with the skull, above a drawn second lower row; one row alone has no such line."""
    to_patch = placed(0.0)
    photo, aperture, teeth = mouth((TOOTH, WHERE_THEY_TOUCH, TOOTH), to_patch)
    found = in_rows(teeth, photo, aperture, to_patch)
    assert at(found.kept, to_patch, EDGE - 6) == 1
    assert at(found.lower, to_patch, BELOW + 5) > 0.9
    assert at(found.kept, to_patch, BELOW + 5) == 0
    photo, aperture, teeth = mouth((TOOTH, WHERE_THEY_TOUCH, WHERE_THEY_TOUCH), to_patch)
    dark = np.where(aperture[..., None] > 0.5, np.minimum(photo, 0.7 * np.float32(TOOTH)), photo)
    assert in_rows(teeth, dark, aperture, to_patch) is teeth


def test_where_the_gap_shows_no_lower_teeth_some_may_be_drawn() -> None:
    to_patch = placed(0.0)
    photo, aperture, teeth = mouth(NO_LOWER_TEETH, to_patch)
    found = in_rows(teeth, photo, aperture, to_patch)
    assert at(found.kept, to_patch, EDGE - 6) == 1
    assert at(found.kept, to_patch, BELOW) == 0
    assert not found.lower.any()
    assert (found.below == 1).all()


def test_what_is_left_of_upper_teeth_s_edge_is_no_lower_row() -> None:
    """It was, and drawn lower teeth grew up to it as spikes."""
    to_patch = placed(0.0)
    photo, aperture, teeth = mouth(LOWER_TEETH, to_patch)
    clean = in_rows(teeth, photo, aperture, to_patch)
    x, y = np.rint(to_patch[:, 2]).astype(int)
    photo[y + EDGE + 1 : y + EDGE + 3, x + 70 : x + 90] = TOOTH  # two rows that bite below an edge
    found = in_rows(teeth, photo, aperture, to_patch)
    assert not found.lower[: y + BELOW - 1].any()
    np.testing.assert_allclose(found.below, clean.below, atol=0.6)


def test_a_gleam_on_the_lower_lip_is_no_lower_row() -> None:
    """It would float in the dark as soon as the jaw goes down."""
    to_patch = placed(0.0)
    photo, aperture, teeth = mouth(NO_LOWER_TEETH, to_patch)
    x, y = np.rint(to_patch[:, 2]).astype(int)
    photo[y + BOTTOM - 5 : y + BOTTOM - 3, x + 60 : x + 100] = TOOTH
    found = in_rows(teeth, photo, aperture, to_patch)
    assert not found.lower.any()
    assert at(found.kept, to_patch, BOTTOM - 4) == 0
    assert (found.below == 1).all()


def test_teeth_without_a_gap_stay_together() -> None:
    to_patch = placed(0.0)
    photo, aperture, teeth = mouth(NO_GAP, to_patch)
    assert in_rows(teeth, photo, aperture, to_patch) is teeth


def test_mouths_that_show_no_teeth_or_hardly_anything_have_no_rows() -> None:
    to_patch = placed(0.0)
    photo, aperture, teeth = mouth((DARK, DARK, DARK), to_patch)
    assert in_rows(teeth, photo, aperture, to_patch) is teeth
    photo, aperture, teeth = mouth(LOWER_TEETH, to_patch)
    assert in_rows(teeth, photo, np.zeros_like(aperture), to_patch) is teeth


def test_lower_teeth_are_put_where_the_closed_jaw_has_them_and_none_is_drawn_above() -> None:
    to_patch = placed(0.0)
    photo, aperture, teeth = mouth(LOWER_TEETH, to_patch)
    found = in_rows(teeth, photo, aperture, to_patch)
    drawn = np.full((SIDE, SIDE, 4), [90.0, 80, 70, 1], np.float32)
    layer = continued_below(photo, found, drawn, np.array([0.0, 12.0]))
    assert at(layer[..., 0], to_patch, BELOW + 5 - 12) == pytest.approx(TOOTH[0], abs=5)
    assert at(layer[..., 0], to_patch, BOTTOM + 2 - 12) == 90
    assert at(layer[..., 3], to_patch, EDGE + 2 - 12) == 0
    np.testing.assert_array_equal(continued_below(photo, teeth, drawn, np.array([0.0, 12.0])), drawn)


@pytest.mark.parametrize("turn_deg", [0.0, 20.0])
def test_the_upper_edge_is_measured_from_where_lips_meet(turn_deg: float) -> None:
    to_patch = placed(turn_deg)
    photo, aperture, teeth = mouth(LOWER_TEETH, to_patch)
    found = edge_below_lip_line_cm(in_rows(teeth, photo, aperture, to_patch), to_patch)
    assert found == pytest.approx((EDGE - LIP_LINE_Y) / PX_PER_CM, abs=0.08)
    assert edge_below_lip_line_cm(no_teeth(), to_patch) == 0


def no_teeth() -> OwnTeeth:
    nowhere, everywhere = np.zeros((SIDE, SIDE), np.float32), np.ones((SIDE, SIDE), np.float32)
    return OwnTeeth(nowhere, everywhere, nowhere, everywhere)


@pytest.mark.parametrize(("edge_cm", "lower_cm"), [(0.1, 0.0), (0.6, 0.35), (2.0, MOST_LOWER_CM)])
def test_lips_of_a_laugh_meet_over_the_ends_of_its_teeth(
    edge_cm: float, lower_cm: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lips that met higher would leave gums, not teeth, to be shown when the upper one rises."""
    portrait = one().scene.portraits[0]  # other tests share it, so it must be there before
    monkeypatch.setattr(mouth_layers, "edge_below_lip_line_cm", lambda teeth, to_patch: edge_cm)
    patch = portrait.patches["mouth"]
    aperture, pose = np.zeros((patch.height, patch.width), np.float32), one().meshes[0].pose
    _, shape = mouth_layers.shown_teeth(portrait.behind, aperture, portrait.shape, pose, SKIN, patch)
    moved = shape.release_cm - portrait.shape.release_cm
    lips = [*top.UPPER_LIP_INNER, *top.LOWER_LIP_INNER]
    np.testing.assert_allclose(moved[lips, 1], lower_cm, atol=1e-3)
    assert np.abs(moved[[33, 263, 10]]).max() < 0.01 * max(lower_cm, 0.1)  # eyes and forehead stay
