"""Everything that may be passed as an emotion becomes a script, or one clear sentence."""

from __future__ import annotations

import numpy as np
import pytest

from engine import OptionError, UnknownEmotionError
from engine.motion.script import SHOWN, Script

HALF_SECONDS = np.arange(8) / 2


def weights(wanted, emotion: str) -> list[float]:
    """Of a clip of four seconds, every half second."""
    return Script.parse(wanted, 4.0).weights(HALF_SECONDS)[:, SHOWN.index(emotion)].tolist()


def test_the_columns_are_the_six_performed_emotions() -> None:
    assert set(SHOWN) == {"joy", "fear", "anger", "sadness", "disgust", "surprise"}
    assert Script.parse("joy", 4.0).weights(HALF_SECONDS).shape == (8, 6)


@pytest.mark.parametrize("emotion", SHOWN)
def test_a_name_is_that_emotion_all_the_time(emotion: str) -> None:
    table = Script.parse(emotion, 4.0).weights(HALF_SECONDS)
    assert weights(emotion, emotion) == [1.0] * 8
    np.testing.assert_array_equal(table.sum(1), 1)


def test_neutral_is_no_emotion() -> None:
    assert not Script.parse("neutral", 4.0).weights(HALF_SECONDS).any()


def test_a_mix_has_the_weights_that_it_says_and_the_rest_is_neutral() -> None:
    mix = {"joy": 0.5, "surprise": 0.25, "neutral": 0.25}
    assert weights(mix, "joy") == [0.5] * 8
    assert weights(mix, "surprise") == [0.25] * 8
    assert Script.parse(mix, 4.0) == Script.parse({"joy": 0.5, "surprise": 0.25}, 4.0)


def test_a_timeline_changes_at_its_times() -> None:
    timeline = [(0, "neutral"), (1.5, "surprise"), (3, {"joy": 0.5, "surprise": 0.5})]
    assert weights(timeline, "surprise") == [0, 0, 0, 1, 1, 1, 0.5, 0.5]
    assert weights(timeline, "joy") == [0, 0, 0, 0, 0, 0, 0.5, 0.5]


def test_weights_that_were_rounded_may_sum_up_to_a_little_more() -> None:
    third = {name: round(1 / 3, 7) + 1e-7 for name in ("joy", "fear", "anger")}
    Script.parse(third, 4.0)


@pytest.mark.parametrize(
    ("wanted", "error", "sentence"),
    [
        ("envy", UnknownEmotionError, "'envy' is not an emotion"),
        ({"envy": 0.5}, UnknownEmotionError, "'envy' is not an emotion"),
        ([(0, "joy"), (1, "envy")], UnknownEmotionError, "'envy' is not an emotion"),
        ({}, UnknownEmotionError, "no emotions"),
        ({"joy": -0.1}, OptionError, "strength of joy must be .* not -0.1"),
        ({"joy": 1.1}, OptionError, "strength of joy must be .* not 1.1"),
        ({"joy": float("nan")}, OptionError, "strength of joy must be .* not nan"),
        ({"joy": "much"}, OptionError, "strength of joy must be .* not 'much'"),
        ({"joy": True}, OptionError, "strength of joy must be .* not True"),
        ({"joy": 0.8, "fear": 0.4}, OptionError, "sum up to 1.2"),
        ([(1, "joy")], OptionError, "must be at 0"),
        ([(0, "joy"), (2, "fear"), (2, "anger")], OptionError, "times that increase"),
        ([(0, "joy"), (float("nan"), "fear")], OptionError, "time must be .* not nan"),
        ([(0, "joy"), (10**400, "fear")], OptionError, "time must be"),
        ([(0, "joy"), (4, "fear")], OptionError, "clip ends at 4"),
        ([], OptionError, "An emotion is a name"),
        (7, OptionError, "An emotion is a name"),
        (["joy", "fear"], OptionError, "such as"),
        ([(0, "joy", 1)], OptionError, "such as"),
        ([("0", "joy")], OptionError, "time must be .* not '0'"),
        ([(0, [(0, "joy")])], OptionError, "such as"),
    ],
)
def test_what_can_t_be_is_said_in_one_sentence(wanted, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=sentence) as caught:
        Script.parse(wanted, 4.0)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)
