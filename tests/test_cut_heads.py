"""Heads that the photo's side cuts: they keep their expression, and hardly turn away from what can't be seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.mesh import BLENDSHAPES
from engine.motion.track import Motion
from engine.portrait.portrait import Portrait
from engine.portrait.scene import LEAST_FREEDOM
from engine.render.drive import as_far_as_free, control_displacement_px
from engine.types import Image
from tests.clips import engine, one, small_photo

CUT_X = 118  # through the hair and the cheek of the small photo


def portrait_of(photo: Image) -> Portrait:
    (portrait,) = engine().prepare(np.ascontiguousarray(photo)).scene.portraits.values()
    return portrait


def turned() -> Motion:
    shapes = np.zeros((2, len(BLENDSHAPES)))
    shapes[:, BLENDSHAPES.index("jawOpen")] = 0.5
    rotation, shift = np.tile([2.0, 10.0, 4.0], (2, 1)), np.tile([1.0, 0.5, 0], (2, 1))
    return Motion(shapes, np.ones(2), rotation, shift, np.zeros((2, 4)), np.tile([0.5, 0.2, 0], (2, 1)))


def test_a_whole_head_is_free() -> None:
    portrait = one().scene.portraits[0]
    assert portrait.freedom == 1
    motion = turned()
    assert as_far_as_free(portrait, motion) is motion


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_head_that_the_photo_cuts_hardly_turns(mirrored: bool) -> None:
    photo = small_photo()[:, CUT_X:]
    portrait = portrait_of(photo[:, ::-1] if mirrored else photo)
    assert portrait.freedom == pytest.approx(LEAST_FREEDOM)
    motion = turned()
    held = as_far_as_free(portrait, motion)
    np.testing.assert_array_equal(held.blendshapes, motion.blendshapes)
    np.testing.assert_allclose(held.rotation_deg, LEAST_FREEDOM * motion.rotation_deg, rtol=1e-6)
    still = replace(motion, blendshapes=np.zeros_like(motion.blendshapes), release=np.zeros(2))
    unmoved = portrait.shape.displacement_cm(still.blendshapes, still.release)
    far, near = (control_displacement_px(portrait, m, unmoved) for m in (still, as_far_as_free(portrait, still)))
    assert np.abs(near).max() < 0.3 * np.abs(far).max()


def test_a_body_or_a_shoulder_that_the_photo_cuts_holds_no_head() -> None:
    """The small photo's lower and right sides cut the person below the head."""
    assert portrait_of(small_photo()[:, 20:290]).freedom > 0.95
