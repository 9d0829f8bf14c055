"""Points at the far edge of a turned face move together, and no others."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from engine.mesh import CanonicalFace
from engine.portrait import topology as top
from engine.portrait.far_side import EYES, LEAST_MOTION, OWN_MOTION, free_of_nose, motion_from_aside, shared_motion
from engine.render.drive import rotations
from engine.types import Floats
from tests.perception import bundle


@cache
def canonical() -> CanonicalFace:
    return CanonicalFace.load(bundle())


def shared(yaw_deg: float) -> Floats | None:
    turn = rotations(np.array([[0.0, yaw_deg, 0.0]], np.float32))[0]
    return shared_motion(canonical().points_cm[: top.FACE_POINTS], canonical().triangles, turn)


@pytest.mark.parametrize("yaw_deg", [0.0, 3.0, -3.0, 60.0])
def test_heads_that_look_ahead_or_away_share_nothing(yaw_deg: float) -> None:
    assert shared(yaw_deg) is None


@pytest.mark.parametrize("yaw_deg", [-25.0, 25.0])
def test_the_far_cheek_moves_as_one(yaw_deg: float) -> None:
    found = shared(yaw_deg)
    assert found is not None
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)
    points = canonical().points_cm[: top.FACE_POINTS]
    sharing = np.diag(found) < 0.5
    assert sharing.sum() > 20
    far = np.sign(yaw_deg) * points[:, 0] > 0  # positive yaw carries the nose towards +x, and hides the cheek there
    assert far[sharing].all()
    np.testing.assert_allclose(np.diag(found)[list(OWN_MOTION)], 1, atol=1e-6)
    noise = np.random.default_rng(0).normal(size=(top.FACE_POINTS, 3))
    assert (found @ noise)[sharing].std() < 0.5 * noise[sharing].std()


@pytest.mark.parametrize(("yaw_deg", "mouth"), [(0.0, 1.0), (-20.0, 1.0), (45.0, LEAST_MOTION), (-45.0, LEAST_MOTION)])
def test_mouths_seen_from_aside_move_less(yaw_deg: float, mouth: float) -> None:
    turn = rotations(np.array([[0.0, yaw_deg, 0.0]], np.float32))[0]
    found = motion_from_aside(canonical().points_cm[: top.FACE_POINTS], turn)
    np.testing.assert_allclose(found[[*top.UPPER_LIP, *top.LOWER_LIP]], mouth, atol=1e-6)
    np.testing.assert_array_equal(found[[*top.UPPER_LID_LEFT, *top.BROW_RIGHT]], 1)


@pytest.mark.parametrize(("yaw_deg", "held"), [(0.0, None), (30.0, None), (45.0, 1), (-45.0, 0)])
def test_an_eye_that_the_nose_hides_is_left_alone(yaw_deg: float, held: int | None) -> None:
    """The far one: positive yaw carries the nose towards +x, where the left eye is. The mouth is free."""
    turn = rotations(np.array([[0.0, yaw_deg, 0.0]], np.float32))[0]
    found = free_of_nose(canonical().points_cm[: top.FACE_POINTS], turn)
    for eye, points in enumerate(EYES):
        np.testing.assert_allclose(found[list(points)], float(eye != held), atol=1e-6)
    np.testing.assert_array_equal(found[[*top.UPPER_LIP, *top.LOWER_LIP]], 1)
