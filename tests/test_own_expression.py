"""A photo that already shows part of the wanted expression keeps it."""

from __future__ import annotations

import numpy as np

from engine.mesh import BLENDSHAPES
from engine.motion.own_expression import keep_what_fits
from tests.motions import perform

SQUINTS = [BLENDSHAPES.index(f"eyeSquint{side}") for side in ("Left", "Right")]
SMILES = [BLENDSHAPES.index(f"mouthSmile{side}") for side in ("Left", "Right")]


def smiling(strength: float) -> np.ndarray:
    own = np.zeros(len(BLENDSHAPES), np.float32)
    own[SMILES] = strength
    return own


def shown(emotion: str, own: np.ndarray) -> np.ndarray:
    """Blendshapes (T, 52) that the viewer sees: what is left of the photo's own, and what comes on top."""
    motion = keep_what_fits(perform(emotion, 3, 1.0, 5, 0), own)
    return (1 - motion.release[:, None]) * own + motion.blendshapes


def test_a_smile_never_shrinks_on_its_way_to_joy() -> None:
    own = smiling(0.8)
    assert (shown("joy", own)[:, SMILES] >= 0.8 - 1e-5).all()


def test_a_smile_goes_when_sadness_comes() -> None:
    seen = shown("sadness", smiling(0.8))
    assert np.allclose(seen[0, SMILES], 0.8)
    assert (seen[90, SMILES] < 0.1 * 0.8).all()


def test_eyes_that_squint_in_both_keep_nothing_of_a_smile_in_anger() -> None:
    own = smiling(0.8)
    own[SQUINTS] = 0.7
    seen = shown("anger", own)
    assert (seen[90, SMILES] < 0.1 * 0.8).all()
    assert (seen[90, SQUINTS] > 0.69).all()


def test_what_fits_stays_the_photo_s_own_where_nobody_smiles() -> None:
    own = np.zeros(len(BLENDSHAPES), np.float32)
    own[SQUINTS] = 0.7
    assert keep_what_fits(perform("anger", 3, 1.0, 5, 0), own).release.max() < 0.05


def test_the_first_frame_is_still_the_photo() -> None:
    motion = keep_what_fits(perform("joy", 3, 1.0, 5, 0), smiling(0.8))
    assert np.abs(motion.blendshapes[0]).max() < 1e-6
    assert motion.release[0] == 0


def test_a_face_that_shows_nothing_gets_the_motion_as_it_is() -> None:
    motion = perform("joy", 3, 1.0, 5, 0)
    assert keep_what_fits(motion, smiling(0.2)) is motion
