"""Brows keep their thickness while they rise, and lashes their length: hairs aren't drawn out with the skin."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from engine.mesh import BLENDSHAPES, CanonicalFace
from engine.portrait import topology as top
from engine.portrait.brows import RISING, rising
from engine.portrait.portrait import FaceAssets
from tests.perception import bundle

PX_PER_CM = 24.0
SKIN, HAIR, FAIR = (205, 160, 140), (50, 35, 30), (195, 150, 130)
RIGHT_UP, LEFT_UP = (BLENDSHAPES.index(f"browOuterUp{side}") for side in ("Right", "Left"))
MIDDLE = slice(2, 5)  # of the 7 points below a brow


@pytest.fixture(scope="module")
def moves() -> np.ndarray:
    return FaceAssets.load(bundle()).basis.displacements_cm


def points_px() -> np.ndarray:
    return np.asarray(CanonicalFace.load(bundle()).points_cm[:, :2] * PX_PER_CM + 220, np.float32)


def face(down_to: float, hair: tuple[int, int, int] = HAIR) -> np.ndarray:
    """Skin with brows, from their upper line down to this share of the way from the lower line to the points below."""
    picture, points = np.full((440, 440, 3), SKIN, np.uint8), points_px()
    for above, brow, below in (
        (top.BROW_TOP_RIGHT, top.BROW_RIGHT, top.ABOVE_LID_RIGHT[1:6]),
        (top.BROW_TOP_LEFT, top.BROW_LEFT, top.ABOVE_LID_LEFT[1:6]),
    ):
        end = points[list(brow)] + down_to * (points[list(below)] - points[list(brow)])
        outline = np.concatenate([points[list(above)], end[::-1]])
        cv2.fillPoly(picture, [np.round(outline).astype(np.int32)], hair)
    return picture


def lashes(picture: np.ndarray) -> np.ndarray:
    """The picture with dense lashes from the right lid to the points above it."""
    points, shown = points_px(), picture.copy()
    outline = points[[*top.ABOVE_LID_RIGHT, *top.UPPER_RING_RIGHT[::-1]]]
    cv2.fillPoly(shown, [np.round(outline).astype(np.int32)], HAIR)
    return shown


def followed(moves: np.ndarray, picture: np.ndarray) -> float:
    """How much of what the skin stays behind a rising brow is made up for, from 0 to 1."""
    found = rising(moves, picture, points_px(), PX_PER_CM)
    below, brow = list(top.ABOVE_LID_RIGHT[MIDDLE]), list(top.BROW_RIGHT[1:4])
    behind, now = (mean_up(moves, brow) - mean_up(which, below) for which in (moves, found))
    return float(1 - now / behind)


def mean_up(moves: np.ndarray, points: list[int]) -> float:
    return float(-moves[RIGHT_UP][points, 1].mean())


def test_thick_brows_take_the_skin_that_they_cover_along(moves: np.ndarray) -> None:
    thick, thin = followed(moves, face(0.95)), followed(moves, face(-0.6))
    assert thick > 0.7
    assert thin < 0.05
    assert thin < followed(moves, face(0.4)) < thick


def test_only_rising_brows_are_changed_and_only_below_them(moves: np.ndarray) -> None:
    found = rising(moves, face(0.95), points_px(), PX_PER_CM)
    changed = (found != moves).any(2)
    assert changed[[RIGHT_UP, LEFT_UP]].any(1).all()
    assert set(np.flatnonzero(changed.any(1))) <= set(RISING)
    assert set(np.flatnonzero(changed.any(0))) <= {*top.ABOVE_LID_RIGHT, *top.ABOVE_LID_LEFT}


def test_brows_that_are_hardly_seen_are_left_alone(moves: np.ndarray) -> None:
    np.testing.assert_array_equal(rising(moves, face(0.95, FAIR), points_px(), PX_PER_CM), moves)


def test_skin_under_lashes_stays_behind(moves: np.ndarray) -> None:
    thin = face(-0.6)
    bare, under = (rising(moves, picture, points_px(), PX_PER_CM) for picture in (thin, lashes(thin)))
    points = list(top.ABOVE_LID_RIGHT[MIDDLE])
    assert 0.4 < mean_up(under, points) / mean_up(bare, points) < 0.7


def test_brows_win_where_both_are(moves: np.ndarray) -> None:
    both = followed(moves, lashes(face(0.95)))
    assert both > 0.5
