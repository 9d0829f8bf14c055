"""What the generator promises whatever is inside of it: starts at the photo, keeps to the script, same arguments same
numbers, and a face performs alike whatever the others show."""

from __future__ import annotations

import numpy as np
import pytest

from engine import Motion
from engine.mesh import BLENDSHAPES
from engine.motion.generator import NOTHING_SHOWN
from engine.motion.script import Script, Wanted
from engine.motion.track import FPS
from tests.motions import generator, same

SMILE = [BLENDSHAPES.index(f"mouthSmile{side}") for side in ("Left", "Right")]
BROWS = BLENDSHAPES.index("browInnerUp")
TIMELINE = [(0, "neutral"), (1.5, "surprise"), (3.5, {"joy": 0.8})]


def generate(wanted: dict[int, Wanted], *, seconds: float = 5.0, intensity: float = 1.0, seed: int = 7) -> dict:
    scripts = {face: Script.parse(what, seconds) for face, what in wanted.items()}
    shown = dict.fromkeys(wanted, NOTHING_SHOWN)
    return generator().generate(scripts, shown, seconds=seconds, intensity=intensity, seed=seed)


def one_face(wanted: Wanted, **options) -> Motion:
    return generate({0: wanted}, **options)[0]


@pytest.mark.parametrize("wanted", ["joy", "neutral", {"joy": 0.5, "anger": 0.3}, TIMELINE])
@pytest.mark.parametrize("seconds", [4.0, 7.3, 10.0])
def test_the_first_frame_is_the_photo(wanted: Wanted, seconds: float) -> None:
    motion = one_face(wanted, seconds=seconds)
    assert len(motion) == round(seconds * FPS)
    assert not any(track[0].any() for track in motion.tracks().values())


def test_same_arguments_same_numbers() -> None:
    assert same(one_face(TIMELINE), one_face(TIMELINE))
    assert not same(one_face(TIMELINE), one_face(TIMELINE, seed=8))


def test_a_face_performs_alike_whatever_others_show_that_it_is_not_in_step_with() -> None:
    """But for the last digits, which the size of a batch may change."""
    few, many = generate({1: "joy"})[1], generate({1: "joy", 0: "neutral", 2: TIMELINE})[1]
    for name, track in few.tracks().items():
        np.testing.assert_allclose(track, many.tracks()[name], atol=1e-4)


def test_a_mix_shows_a_part_of_each_emotion() -> None:
    joy, surprise = one_face("joy").blendshapes.max(0), one_face("surprise").blendshapes.max(0)
    mixed = one_face({"joy": 0.5, "surprise": 0.5}).blendshapes.max(0)
    for shapes, whole in ((SMILE, joy), ([BROWS], surprise)):
        assert 0.3 * whole[shapes].mean() < mixed[shapes].mean() < 0.8 * whole[shapes].mean()


def test_a_timeline_shows_each_emotion_in_its_time() -> None:
    shapes = one_face(TIMELINE).blendshapes
    neutral, surprised, joyful = shapes[: round(1.5 * FPS)], shapes[round(2.5 * FPS)], shapes[round(4.5 * FPS)]
    assert np.abs(neutral[:, [*SMILE, BROWS]]).max() < 0.2
    assert surprised[BROWS] > 0.6
    assert surprised[SMILE].max() < 0.3
    assert joyful[SMILE].min() > 0.4


def test_a_timeline_has_no_jumps() -> None:
    """At the borders nothing moves faster than it does in a performance of its own."""
    motion = one_face(TIMELINE)
    fastest = max(np.abs(np.diff(one_face(name).blendshapes, axis=0)).max() for name in ("surprise", "joy"))
    moves = [i for i, name in enumerate(BLENDSHAPES) if not name.startswith(("eyeBlink", "eyeLook"))]
    assert np.abs(np.diff(motion.blendshapes[:, moves], axis=0)).max() < 1.5 * fastest
    assert np.abs(np.diff(motion.rotation_deg, axis=0)).max() < 1.0
