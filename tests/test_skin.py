"""Skin gives way before the picture folds."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from engine.mesh import BLENDSHAPES, CanonicalFace
from engine.native import available
from engine.portrait import skin
from engine.portrait import topology as top
from engine.portrait.expression import ExpressionBasis
from engine.portrait.portrait import FaceAssets
from engine.portrait.skin import GIVE, SHORTEST_CM, Skin
from tests.perception import bundle

ANGER = {"browDown": 2.5, "browInnerUp": -1.1, "noseSneer": 1.2, "eyeSquint": 1.5}
DISGUST = {"noseSneer": 1.9, "mouthUpperUp": 0.8, "browDown": 1.2, "eyeSquint": 1.6, "cheekSquint": 0.8}
BROW_RIGHT, CREASE_RIGHT, LID_RIGHT = 65, 27, 159  # one above the other


@cache
def assets() -> FaceAssets:
    return FaceAssets.load(bundle())


def rest() -> np.ndarray:
    return CanonicalFace.load(bundle()).points_cm[: top.FACE_POINTS, :2].astype(np.float32)


def moved(weights: dict[str, float], share: float = 1.0) -> np.ndarray:
    """What the basis says of weights -> (1, 468, 2)."""
    basis: ExpressionBasis = assets().basis
    drawn = np.zeros((top.FACE_POINTS, 3))
    for name, weight in weights.items():
        sides = [name] if name in BLENDSHAPES else [f"{name}Left", f"{name}Right"]
        drawn += share * weight * sum(basis.displacements_cm[BLENDSHAPES.index(side)] for side in sides)
    return drawn[None, :, :2].astype(np.float32)


def strain(displacement: np.ndarray) -> float:
    """How far points move against each other, but for stretching, of their distance: from 1 on the picture folds."""
    first, second = assets().skin.pairs.T
    edge = rest()[second] - rest()[first]
    length = np.linalg.norm(edge, axis=1, keepdims=True)
    against = displacement[0, second] - displacement[0, first]
    along = (against * edge).sum(1, keepdims=True) / length**2
    against = against - np.maximum(along, 0) * edge
    return float((np.linalg.norm(against, axis=1) / np.maximum(length[:, 0], SHORTEST_CM)).max())


@pytest.mark.parametrize("weights", [ANGER, DISGUST])
def test_strong_expressions_do_not_fold_the_face(weights: dict[str, float]) -> None:
    asked = moved(weights)
    assert strain(asked) > 1.5  # it would
    assert strain(assets().skin.relaxed(asked, rest())) < min(1.35 * GIVE, 0.9)


def test_what_skin_has_room_for_stays_as_it_is() -> None:
    asked = moved(ANGER, share=0.1)
    np.testing.assert_array_equal(assets().skin.relaxed(asked, rest()), asked)


def test_a_lowered_brow_takes_the_crease_along_and_leaves_the_lid_where_it_is() -> None:
    asked = moved(ANGER)
    found = assets().skin.relaxed(asked, rest())
    gained = (found - asked)[0, :, 1]
    assert abs(gained[LID_RIGHT]) < 0.1 < gained[CREASE_RIGHT]
    height = (rest() + found[0])[:, 1]
    assert height[BROW_RIGHT] < height[CREASE_RIGHT] < height[LID_RIGHT]


def test_nothing_asked_of_it_tears_it_apart() -> None:
    for share in (2.0, 5.0, -3.0):
        asked = moved(ANGER, share)
        assert np.abs(assets().skin.relaxed(asked, rest())).max() < 1.2 * np.abs(asked).max()


def test_skin_stretches_freely() -> None:
    wide = 3 * (rest() - rest().mean(0))[None]
    np.testing.assert_array_equal(assets().skin.relaxed(wide, rest()), wide)


def test_a_small_change_of_expression_is_a_small_change_of_skin() -> None:
    shares = np.linspace(0.2, 1.2, 101)
    clip = np.concatenate([moved(ANGER, share) for share in shares])
    found = assets().skin.relaxed(clip, rest())
    assert np.abs(np.diff(found, axis=0)).max() < 2 * np.abs(np.diff(clip, axis=0)).max()


def test_a_frame_does_not_depend_on_those_beside_it() -> None:
    clip = np.concatenate([moved(ANGER), moved(DISGUST), moved(ANGER, 0.5)])
    together = assets().skin.relaxed(clip, rest())
    np.testing.assert_array_equal(together[1:2], assets().skin.relaxed(clip[1:2], rest()))


@pytest.mark.skipif(not available(), reason="the native library isn't built")
@pytest.mark.parametrize("share", [0.1, 1.0, 3.0])
def test_native_code_does_what_numpy_does(share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = np.concatenate([moved(ANGER, share), moved(DISGUST, share), moved(ANGER, 0.5 * share)])
    native = assets().skin.relaxed(clip, rest())
    monkeypatch.setattr(skin, "relax_skin", lambda *arrays, rounds: False)
    np.testing.assert_allclose(native, assets().skin.relaxed(clip, rest()), atol=1e-4)


def test_triangles_without_neighbours_hold_their_own_corners() -> None:
    pairs = Skin.of(np.array([[5, 4, 45]])).pairs
    assert sorted(map(tuple, pairs.tolist())) == [(4, 5), (4, 45), (5, 45)]
