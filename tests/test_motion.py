"""Generated motion: starts from the photo, peaks in the middle, blinks and looks as people do, never in step."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest

from benchmarks.motion_figures import (
    EXPRESSION,
    blinks_of,
    correlations,
    face_correlation,
    figures,
    saccades_of,
    side_delays_ms,
    strength,
)
from engine.errors import MotionError
from engine.mesh import BLENDSHAPES
from engine.motion.emotions import EMOTIONS
from engine.motion.ensemble import in_turn
from engine.motion.generator import Shown
from engine.motion.script import Script
from engine.motion.track import FPS, Motion
from tests.motions import perform, perform_together, same

PERFORMED = tuple(name for name in EMOTIONS if name != "neutral")
LENGTHS = (2.0, 3.0, 5.0, 10.0)
LARGEST_CORRELATION = 0.3
# Measured on people, per minute; see export/motion/facts.py. A sample's mean may be off by a third.
BLINKS = {"neutral": (12, 12), "sadness": (22, 41), "anger": (23, 32), "fear": (2, 12)}


@pytest.fixture(scope="module")
def clips() -> dict[str, list[Motion]]:
    """Forty clips of five seconds per emotion."""
    return {emotion: [perform(emotion, 5.0, 1.0, seed, seed % 3) for seed in range(40)] for emotion in EMOTIONS}


@pytest.mark.parametrize("emotion", EMOTIONS)
@pytest.mark.parametrize("seconds", LENGTHS)
def test_the_first_frame_is_the_photo(emotion: str, seconds: float) -> None:
    for seed in range(3):
        motion = perform(emotion, seconds, 1.5, seed, seed % 3)
        assert len(motion) == round(seconds * FPS)
        for name, track in motion.tracks().items():
            assert track.dtype == np.float32
            assert len(track) == len(motion)
            assert not track[0].any(), name


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_same_arguments_same_tracks(emotion: str) -> None:
    motion = perform(emotion, 3.0, 1.0, 7, 0)
    assert same(motion, perform(emotion, 3.0, 1.0, 7, 0))
    assert not same(motion, perform(emotion, 3.0, 1.0, 8, 0))
    assert not same(motion, perform(emotion, 3.0, 1.0, 7, 1))


@pytest.mark.parametrize("emotion", PERFORMED)
@pytest.mark.parametrize("seconds", LENGTHS)
def test_the_apex_lies_in_the_middle(emotion: str, seconds: float) -> None:
    """Nowhere is the expression stronger than between 35 % and 75 % of the clip, and it doesn't begin at once."""
    for seed in range(8):
        level = strength(perform(emotion, seconds, 1.0, seed, 0))
        middle = level[round(0.35 * len(level)) : round(0.75 * len(level))]
        assert middle.max() >= level.max() - 1e-4, seed
        assert level[:3].max() < 0.3 * level.max(), seed


@pytest.mark.parametrize("emotion", PERFORMED)
def test_no_expression_stands_still(emotion: str) -> None:
    """Not for a quarter of a second, also not where it would be stronger early or late than in the middle."""
    for seconds in (2.0, 4.0, 10.0):
        for seed in range(8):
            level = strength(perform(emotion, seconds, 1.0, seed, 0))[60:]
            still = np.abs(np.diff(level)) < 1e-5 * level.max()
            longest = max((len(run) for run in "".join(" x"[int(s)] for s in still).split()), default=0)
            assert longest < 15, (seconds, seed)


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_intensity_0_is_alive_without_an_expression(emotion: str) -> None:
    motion = perform(emotion, 10.0, 0.0, 3, 0)
    assert not motion.blendshapes[:, EXPRESSION].any()
    assert not motion.release.any()
    assert motion.rotation_deg.std(0).min() > 0.05
    assert motion.body_cm.std(0).max() > 0.01
    assert motion.gaze_deg.std() > 0.4
    assert any(blinks_of(perform(emotion, 10.0, 0.0, seed, 0)) for seed in range(4))


@pytest.mark.parametrize("emotion", PERFORMED)
def test_the_expression_grows_with_the_intensity(emotion: str) -> None:
    levels = [strength(perform(emotion, 3.0, intensity, 5, 0)).max() for intensity in (0.0, 0.5, 1.0, 1.5)]
    assert levels == sorted(levels)
    assert levels[3] == pytest.approx(1.5 * levels[2], rel=0.01)


def test_neutral_keeps_the_photo_s_own_expression() -> None:
    motion = perform("neutral", 4.0, 1.0, 3, 0)
    assert not motion.blendshapes[:, EXPRESSION].any()
    assert not motion.release.any()


@pytest.mark.parametrize("seconds", [2.0, 4.0, 10.0])
@pytest.mark.parametrize("emotion", EMOTIONS)
def test_two_faces_of_a_photo_are_not_in_step(emotion: str, seconds: float) -> None:
    """Their tracks as they are, of every pair: blendshapes, how strong they are together, and heads."""
    pairs = [perform_together(emotion, seconds, seed, 2) for seed in range(12)]
    assert_not_in_step(pairs)
    if emotion != "neutral":  # nor do they move against each other
        assert np.mean([face_correlation(a, b) for a, b in pairs]) > -0.4


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_neighbours_in_a_group_are_not_in_step(emotion: str) -> None:
    for seed in range(4):
        assert_not_in_step(list(pairwise(perform_together(emotion, 4.0, seed, 7))))


def test_those_who_share_a_turn_do_not_begin_on_one_beat() -> None:
    """Every second face of a group comes to the emotion in the same turn, but not at the same moment."""
    spread_s = []
    for seed in range(6):
        group = perform_together("surprise", 4.0, seed, 6)
        begins_s = [float(np.argmax(strength(motion) > 0.2 * strength(motion).max())) / FPS for motion in group]
        spread_s += [np.ptp(begins_s[::2]), np.ptp(begins_s[1::2])]
    assert np.mean(spread_s) > 0.3


def assert_not_in_step(pairs: Sequence[Sequence[Motion]]) -> None:
    for a, b in pairs:
        assert np.mean(correlations(a.rotation_deg, b.rotation_deg)) < LARGEST_CORRELATION
        levels = [strength(motion) for motion in (a, b)]
        if min(level.std() for level in levels) > 0:
            assert face_correlation(a, b) < LARGEST_CORRELATION
            assert np.corrcoef(*levels)[0, 1] < LARGEST_CORRELATION


def test_the_smile_of_two_faces_is_drawn_apart_too() -> None:
    """What a photo already shows is counted with what is played, and at low intensity as well."""
    smile = np.zeros(52)
    smile[[BLENDSHAPES.index("mouthSmileLeft"), BLENDSHAPES.index("mouthSmileRight")]] = 0.7
    smiling = Shown(smile, smile, np.zeros(3))
    for seed in range(12):
        assert_not_in_step([perform_together("joy", 3.0, seed, 2, intensity=0.5, shown=smiling)])


@pytest.mark.parametrize("emotion", PERFORMED)
@pytest.mark.parametrize("seconds", LENGTHS)
def test_each_face_of_a_group_comes_to_the_whole_emotion(emotion: str, seconds: float) -> None:
    """Whoever comes late or fades has the apex in the middle of the clip all the same, and as strong as alone."""
    alone = np.mean([strength(perform(emotion, seconds, 1.0, seed, 0)).max() for seed in range(6)])
    levels = [strength(motion) for seed in range(6) for motion in perform_together(emotion, seconds, seed, 2)]
    for level in levels:
        assert level[round(0.35 * len(level)) : round(0.75 * len(level))].max() >= level.max() - 1e-4
    assert np.mean([level.max() for level in levels]) > 0.85 * alone


def test_what_faces_do_by_themselves_stays_theirs() -> None:
    """Only faces that are asked for an emotion over the whole clip take turns."""
    timeline, joy = Script.parse([(0, "neutral"), (1.5, "joy")], 4.0), Script.parse("joy", 4.0)
    neutral = Script.parse("neutral", 4.0)
    assert in_turn({0: joy}, 4.0, 1) == {0: joy}
    assert in_turn({0: timeline, 1: joy, 2: neutral}, 4.0, 1) == {0: timeline, 1: joy, 2: neutral}
    taken = in_turn({0: joy, 1: neutral, 2: joy}, 4.0, 1)
    assert list(taken) == [0, 1, 2]
    assert taken[1] == neutral
    assert taken[0] != taken[2]
    assert {in_turn({0: joy, 1: joy}, 4.0, seed)[0] == taken[0] for seed in range(12)} == {False, True}


@pytest.mark.parametrize("emotion", BLINKS)
def test_people_blink_as_often_as_they_do(emotion: str, clips: dict[str, list[Motion]]) -> None:
    low, high = BLINKS[emotion]
    assert 0.66 * low < figures(clips[emotion])["blinks_per_minute"] < 1.34 * high


def test_blinks_are_people_s(clips: dict[str, list[Motion]]) -> None:
    """Closing takes 66 to 83 ms and opening longer; about half of them don't close the eye."""
    blinks = [blink for motions in clips.values() for motion in motions for blink in blinks_of(motion)]
    depth, closing, opening = np.array(blinks).T
    assert len(blinks) > 100
    assert 0.35 < (depth < 0.95).mean() < 0.65
    assert 60 < np.mean(closing) < 90
    assert (opening > closing).mean() > 0.95
    for motions in clips.values():
        for motion in motions:
            starts = np.flatnonzero(np.diff((motion.blendshapes[:, 9] > 0.02).astype(int)) == 1)
            assert all(b - a > 0.3 * FPS for a, b in pairwise(starts))


def test_eyes_jump_and_then_rest(clips: dict[str, list[Motion]]) -> None:
    """A jump takes 2 to 5 frames, the longer the further it goes; between jumps eyes hold quite still."""
    jumps = []
    for motions in clips.values():
        for motion in motions:
            np.testing.assert_array_equal(motion.gaze_deg[:, :2], motion.gaze_deg[:, 2:])
            moving = np.abs(np.diff(motion.gaze_deg[:, :2], axis=0)).max(1) > 1e-4
            edges = np.flatnonzero(np.diff(np.concatenate([[False], moving, [False]]).astype(int)))
            assert (edges[1::2] - edges[::2]).max(initial=0) <= 6
            jumps += saccades_of(motion)
    frames, degrees = np.array(jumps).T
    assert frames[degrees > 6].mean() > frames[(degrees > 1) & (degrees < 3)].mean()


@pytest.mark.parametrize("emotion", PERFORMED)
def test_the_two_sides_of_a_face_are_nearly_together(emotion: str, clips: dict[str, list[Motion]]) -> None:
    """More than 125 ms between them looks wrong, none at all does so too."""
    delays = [delay for motion in clips[emotion] for delay in side_delays_ms(motion)]
    assert np.mean([delay <= 125 for delay in delays]) > 0.98
    assert 10 < np.mean(delays) < 60


def test_a_slice_of_a_motion_is_a_motion() -> None:
    motion = perform("joy", 2.0, 1.0, 7, 0)
    part = motion[30:40]
    assert isinstance(part, Motion)
    assert len(part) == 10
    for name, track in part.tracks().items():
        np.testing.assert_array_equal(track, motion.tracks()[name][30:40])


@pytest.mark.parametrize("frames", [0, -1, (0, 2), None])
def test_a_motion_is_cut_by_slices_alone(frames: object) -> None:
    motion = perform("joy", 2.0, 1.0, 1, 0)
    assert len(motion[30:90]) == 60
    with pytest.raises(MotionError, match=r"as in motion\[:240\]"):
        motion[frames]  # type: ignore[index]
