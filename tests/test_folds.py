"""Furrows lie where their muscles fold the skin, and nowhere else."""

from __future__ import annotations

import numpy as np

from engine.mesh import BLENDSHAPES
from engine.portrait import topology as top
from engine.portrait.folds import REGIONS, TINT, fold_map, fold_strengths, fold_tint, forehead_lines
from engine.portrait.portrait import FaceAssets
from engine.portrait.toning import Toning
from tests.perception import astronaut_mesh, bundle

BETWEEN_BROWS, NOSE_TIP = 9, 1
FOLD_RIGHT, FOLD_LEFT, CHEEK_RIGHT, CHEEK_LEFT = 203, 423, 50, 280


def drawn(shift_px: tuple[float, float] = (0.0, 0.0)) -> tuple[np.ndarray, np.ndarray]:
    """The map of the astronaut, (512, 512), and the mesh's points in it."""
    mesh = astronaut_mesh()
    points = mesh.points_px + np.array([*shift_px, 0], np.float32)
    assets = FaceAssets.load(bundle())
    folds = fold_map(assets.canonical_cm, points, mesh.pose.scale_px, 512, 512, assets.smile)
    return folds, points[: top.FACE_POINTS, :2]


def at(folds: np.ndarray, place: np.ndarray) -> float:
    """The strongest within 3 pixels."""
    x, y = np.rint(place).astype(int)
    return float(folds[y - 3 : y + 4, x - 3 : x + 4].max())


def test_skin_folds_between_the_brows_and_not_on_the_nose() -> None:
    folds, points = drawn()
    assert at(folds, points[BETWEEN_BROWS]) > 0.1
    assert at(folds, points[NOSE_TIP]) < 0.02


def test_smiles_shade_the_fold_beside_the_nose_more_than_the_cheek() -> None:
    folds, points = drawn()
    for fold, cheek in ((FOLD_RIGHT, CHEEK_RIGHT), (FOLD_LEFT, CHEEK_LEFT)):
        assert at(folds, points[fold]) > 0.15
        assert at(folds, points[cheek]) < 0.07


def test_folds_stay_within_the_face_and_keep_skin_skin() -> None:
    folds, points = drawn()
    assert 0.1 < folds.max() < 0.5
    outside = np.ones(folds.shape, bool)
    (x0, y0), (x1, y1) = points.min(0).astype(int), points.max(0).astype(int)
    outside[y0 - 40 : y1 + 40, x0 - 40 : x1 + 40] = False
    assert not folds[outside].any()


def test_folds_go_where_the_face_goes() -> None:
    """By whole pixels, so that they are drawn alike."""
    folds, _ = drawn()
    moved, _ = drawn((12.0, 7.0))
    np.testing.assert_allclose(moved[7:, 12:], folds[:-7, :-12], atol=2e-3)


def test_forehead_lines_are_neither_straight_nor_even() -> None:
    for line, strengths in forehead_lines():
        bent = line[:, 1] - np.polyval(np.polyfit(*line.T, 2), line[:, 0])
        assert np.abs(bent).max() > 0.03
        assert np.ptp(strengths) > 0.2 * strengths.max()


def test_each_fold_has_its_muscles() -> None:
    rest = np.zeros((1, len(BLENDSHAPES)), np.float32)
    assert not fold_strengths(rest, rest).any()
    for name, region in (("browInnerUp", "forehead_inner"), ("noseSneerLeft", "nasolabial_left")):
        moved = rest.copy()
        moved[0, BLENDSHAPES.index(name)] = 1
        strengths = fold_strengths(moved, rest)[0]
        assert strengths.argmax() == REGIONS.index(region)


def test_a_sneer_wrinkles_the_nose_and_a_smile_does_not() -> None:
    shown = np.zeros((2, len(BLENDSHAPES)), np.float32)
    shown[0, [BLENDSHAPES.index(f"noseSneer{side}") for side in ("Left", "Right")]] = 0.9
    shown[1, [BLENDSHAPES.index(f"mouthSmile{side}") for side in ("Left", "Right")]] = 0.9
    sneer, smile = fold_strengths(shown, 0 * shown)
    assert sneer[REGIONS.index("nose")] > 0.8 > smile[REGIONS.index("smile_left")] > 0.5
    assert smile[REGIONS.index("nose")] == sneer[REGIONS.index("smile_left")] == 0


def test_a_smile_that_is_taken_out_takes_its_shading_along() -> None:
    shown = np.zeros((1, len(BLENDSHAPES)), np.float32)
    shown[0, BLENDSHAPES.index("mouthSmileLeft")] = 0.6
    strengths = dict(zip(REGIONS, fold_strengths(0 * shown, shown)[0], strict=True))
    assert strengths["smile_left"] == strengths["nasolabial_left"] < -0.5
    assert strengths["smile_right"] == strengths["nasolabial_right"] == 0


def test_folds_are_redder_than_skin_but_not_in_grey_photos() -> None:
    """What is dark there is light that has been through skin; a grey multiple of it looks like pencil."""
    rng = np.random.default_rng(0)
    coloured = rng.integers(0, 256, (60, 60, 3), dtype=np.uint8)
    grey = np.repeat(coloured[..., :1], 3, 2)
    red, green, blue = fold_tint(Toning.of(coloured))
    assert red < green < blue
    np.testing.assert_allclose(fold_tint(Toning.of(coloured)), TINT)
    np.testing.assert_allclose(fold_tint(Toning.of(grey)), 1)
