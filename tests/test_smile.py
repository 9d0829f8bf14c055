"""The smile is that of real people: corners go up and aside, the chin stays; and the script that learns it does so."""

from __future__ import annotations

import numpy as np
import pytest

from engine.mesh import BLENDSHAPES, CanonicalFace
from engine.portrait import topology as top
from engine.portrait.portrait import FaceAssets
from tests.perception import bundle

CHIN = 152
SMILES = [BLENDSHAPES.index(f"mouthSmile{side}") for side in ("Left", "Right")]


def test_a_smile_lifts_the_corners_of_the_mouth_and_not_the_chin() -> None:
    smile = FaceAssets.load(bundle()).basis.displacements_cm[SMILES].sum(0)
    right, left = (smile[corner] for corner in top.MOUTH_CORNERS)
    assert right[1] < -0.5 and left[1] < -0.5
    assert right[0] < -0.5 and left[0] > 0.5
    assert abs(smile[CHIN, 1]) < 0.2  # the artist had it rise by 0.31


def test_what_parts_lips_moves_the_lower_one_down() -> None:
    parted = FaceAssets.load(bundle()).basis.parted_cm
    assert (parted[list(top.LOWER_LIP_INNER), 1] - parted[list(top.UPPER_LIP_INNER), 1]).mean() > 0.4


def test_the_script_finds_what_a_basis_lacks() -> None:
    pytest.importorskip("torch")
    from export.basis import FACE_POINTS, mirror_index
    from export.smile import Pairs, causes, corrected, fitted

    rng = np.random.default_rng(3)
    face = CanonicalFace.load(bundle()).points_cm[:FACE_POINTS].astype(np.float64)
    across = mirror_index(face)
    basis = np.zeros((len(BLENDSHAPES), FACE_POINTS, 3))
    basis[SMILES, 61] = basis[SMILES, 291] = [0.0, -0.5, 0.0]
    lack = rng.normal(0, 0.1, (FACE_POINTS, 3))
    lack = (lack + lack[across] * [-1, 1, 1]) / 2  # as the script asks for: faces are alike left and right
    shown = np.zeros((40, len(BLENDSHAPES)))
    shown[:, SMILES] = rng.uniform(0.3, 1.0, 40)[:, None]
    true = np.tensordot(shown, basis, 1) + shown[:, SMILES[0], None, None] * lack
    pairs = Pairs(np.repeat(face[None], 40, 0), face + true, shown)
    found, _ = fitted(pairs, basis, across)
    mended = corrected(basis, found)
    left = true - np.tensordot(shown, mended, 1)
    strength, said = causes(pairs, basis)
    assert strength[:, 0] == pytest.approx(shown[:, SMILES[0]])
    assert np.sqrt((left**2).mean()) < 0.3 * np.sqrt(((true - said) ** 2).mean())
