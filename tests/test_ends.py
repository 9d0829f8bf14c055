"""Clips start from the photo, and looped ones come back to it, whatever the motion in between."""

from __future__ import annotations

import numpy as np
import pytest

from engine import EMOTIONS, Motion
from engine.mesh import BLENDSHAPES
from engine.motion.ends import looped, starting_at_photo
from engine.motion.track import FPS
from engine.portrait.portrait import Portrait
from engine.render.drive import control_displacement_px
from tests.clips import one
from tests.motions import perform, random_motion, same

BLINK = BLENDSHAPES.index("eyeBlinkLeft")
LENGTHS = (2.0, 4.0, 10.0)


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_a_motion_that_starts_at_rest_stays_as_it_is(emotion: str) -> None:
    motion = perform(emotion, 2.0, 1.0, 3, 0)
    assert same(starting_at_photo(motion), motion)


def test_any_motion_is_led_in_from_the_photo() -> None:
    motion = random_motion()
    led = starting_at_photo(motion)
    for name, track in led.tracks().items():
        assert not track[0].any(), name
    settled = round(0.3 * FPS)
    np.testing.assert_allclose(led.release[settled:], motion.release[settled:], rtol=1e-6)
    looks = [i for i, name in enumerate(BLENDSHAPES) if name.startswith("eyeLook")]
    before, after = (np.delete(m.blendshapes, looks, 1)[settled:] for m in (motion, led))
    np.testing.assert_allclose(after, before)


def test_poses_count_from_the_first_frame() -> None:
    """A captured head that is held askew, with eyes that look down at the phone, doesn't jerk into that pose."""
    motion = random_motion()
    led = starting_at_photo(motion)
    for name in ("rotation_deg", "shift_cm", "gaze_deg", "body_cm"):
        before, after = motion.tracks()[name], led.tracks()[name]
        np.testing.assert_allclose(np.diff(after, axis=0), np.diff(before, axis=0), atol=1e-5)


def steps(track: np.ndarray) -> np.ndarray:
    return np.abs(np.diff(track, axis=0))


@pytest.mark.parametrize("emotion", EMOTIONS)
@pytest.mark.parametrize("seconds", LENGTHS)
def test_a_loop_ends_where_it_began(emotion: str, seconds: float) -> None:
    for seed in range(4):
        motion = looped(perform(emotion, seconds, 1.5, seed, 0))
        assert len(motion) == round(seconds * FPS)
        for name, track in motion.tracks().items():
            assert np.abs(track[-1] - track[0]).max() <= max(1e-3, float(steps(track).max())), name
            assert np.abs(track[-1]).max() < 1e-2, name


@pytest.mark.parametrize("seconds", LENGTHS)
def test_the_way_back_of_a_loop_is_smooth(seconds: float) -> None:
    """No step is much larger than those of the motion itself: the whole way is 1, the fastest step 1.875 / frames."""
    for seed in range(6):
        motion = perform("joy", seconds, 1.0, seed, 0)
        back = looped(motion)
        moves = [i for i, name in enumerate(BLENDSHAPES) if not name.startswith(("eyeBlink", "eyeLook"))]
        for name in ("blendshapes", "release", "rotation_deg", "shift_cm", "body_cm"):
            before, after = motion.tracks()[name], back.tracks()[name]
            if name == "blendshapes":
                before, after = before[:, moves], after[:, moves]
            frames = min(FPS, 0.4 * len(motion))
            assert (steps(after).max(0) <= steps(before).max(0) + 1.9 / frames * np.abs(before).max(0)).all(), name


def test_a_loop_cuts_no_blink_short() -> None:
    """Each blink of the loop has all frames of the original's blink, or none of them."""
    for seed in range(60):
        before = perform("sadness", 4.0, 1.0, seed, 0)
        after = looped(before)
        closed = before.blendshapes[:, BLINK] > 0.02
        edges = np.flatnonzero(np.diff(np.concatenate([[False], closed, [False]]).astype(int)))
        for start, end in zip(edges[::2], edges[1::2], strict=True):
            kept = after.blendshapes[start:end, BLINK]
            whole = np.allclose(kept, before.blendshapes[start:end, BLINK])
            assert whole or kept.max() < 0.02, seed


def test_the_eyes_of_a_loop_jump_back_and_then_rest() -> None:
    for seed in range(20):
        gaze = looped(perform("fear", 4.0, 1.0, seed, 0)).gaze_deg
        moving = steps(gaze).max(1) > 1e-3
        edges = np.flatnonzero(np.diff(np.concatenate([[False], moving, [False]]).astype(int)))
        assert (edges[1::2] - edges[::2]).max() <= 8
        assert not gaze[-1].any()


def farthest_px(portrait: Portrait, motion: Motion) -> float:
    expression_cm = portrait.shape.displacement_cm(motion.blendshapes, motion.release)
    return float(np.abs(control_displacement_px(portrait, motion, expression_cm)).max())


@pytest.mark.parametrize(
    "make", [lambda: perform("surprise", 2.0, 1.5, 4, 0), lambda: starting_at_photo(random_motion())]
)
def test_the_last_frame_of_a_loop_is_within_a_pixel_of_the_photo(make) -> None:
    portrait, motion = one().scene.portraits[0], make()
    last: Motion = looped(motion)[-1:]
    assert farthest_px(portrait, last) < 1
    assert farthest_px(portrait, motion[60:61]) > 1
