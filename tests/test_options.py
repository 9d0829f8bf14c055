"""What `animate` is asked for."""

from __future__ import annotations

import numpy as np
import pytest

from engine.errors import FaceIndexError, OptionError
from engine.motion.script import Script
from engine.options import asked_faces, clip_seconds, read_emotion
from tests.motions import random_motion, same


def test_a_clip_is_as_long_as_its_motion_or_as_the_beginning_of_it() -> None:
    assert clip_seconds("joy", None) == 4
    assert clip_seconds(random_motion(180), None) == 3
    assert clip_seconds(random_motion(720), 4) == 4
    assert clip_seconds({0: random_motion(720), 1: random_motion(300), 2: "joy"}, 5) == 5
    assert clip_seconds({0: random_motion(180), 1: "joy"}, None) == 3
    long = random_motion(720)
    assert same(read_emotion(long, 4.0), long[:240])  # type: ignore[arg-type]
    found = read_emotion({0: long, 1: "joy"}, 2.5)
    assert isinstance(found, dict)
    assert same(found[0], long[:150])  # type: ignore[arg-type]
    assert isinstance(found[1], Script)


@pytest.mark.parametrize(
    ("emotion", "seconds", "sentence"),
    [
        (random_motion(180), 4, "ask for that at most"),
        (random_motion(720), None, "say with seconds how many"),
        (random_motion(60), None, "make it longer"),
        ({0: random_motion(180), 1: random_motion(240)}, None, "3 and 4 seconds"),
        ({0: random_motion(180), 1: random_motion(240)}, 4, "lasts 3"),
        (random_motion(720), 11, "from 2 to 10"),
    ],
)
def test_lengths_that_cannot_be(emotion, seconds: float | None, sentence: str) -> None:
    with pytest.raises(OptionError, match=sentence):
        clip_seconds(emotion, seconds)


def test_faces_are_named_by_whole_numbers() -> None:
    with pytest.raises(OptionError, match="keys int"):
        read_emotion({"0": "joy", "1": "fear"}, 4.0)  # type: ignore[dict-item]
    for faces in ([2, 0], (2, 0), {2: "a", 0: "b"}, np.array([2, 0])):
        assert asked_faces(faces) == [2, 0]  # type: ignore[arg-type]
    assert asked_faces("all") == []
    for wrong in ([], "02", b"02", [1.0], [True], 3, None, map(int, "02")):
        with pytest.raises(FaceIndexError, match="give 'all' or the numbers"):
            asked_faces(wrong)  # type: ignore[arg-type]
