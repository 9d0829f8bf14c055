"""What a face is asked to do over a clip, in whatever form the caller says it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from engine.checks import number
from engine.errors import OptionError, UnknownEmotionError
from engine.motion.emotions import EMOTIONS
from engine.sentences import shown
from engine.types import Floats

Mix = Mapping[str, float]  # emotion -> strength, 0 to 1
Timeline = Sequence[tuple[float, str | Mix]]  # (seconds, what is shown from then on)
Wanted = str | Mix | Timeline

SHOWN = tuple(name for name in EMOTIONS if name != "neutral")  # the order of the columns of `Script.weights`
LATEST_SECONDS = 3600.0  # of a step; clips are shorter, which is said of them
ROUNDING = 1e-6  # by which the strengths of a mix may exceed 1


@dataclass(frozen=True)
class Script:
    """Steps (seconds, {emotion: strength}), the first at 0, in order of time; a step lasts until the next one.

    Strengths are from 0 to 1 and sum up to at most 1; the rest is neutral, so that {} is a neutral face.
    """

    steps: tuple[tuple[float, Mix], ...]

    @classmethod
    def parse(cls, wanted: Wanted, seconds: float) -> Script:
        """The script of a clip of this length.

        wanted: a name, a mix {"joy": 0.6, "surprise": 0.4}, or a timeline [(0, "neutral"), (1.5, "surprise")] whose
            steps are names or mixes.

        Raises UnknownEmotionError for a name that isn't one of `EMOTIONS` and OptionError for strengths or times that
        can't be.
        """
        if isinstance(wanted, (str, Mapping)):
            return cls(((0.0, _mix(wanted)),))
        steps = [_step(step) for step in wanted] if isinstance(wanted, Sequence) else []
        if not steps:
            raise OptionError(
                f"An emotion is a name, a mix {{'joy': 0.6, 'surprise': 0.4}} or a timeline "
                f"[(0, 'neutral'), (1.5, 'joy')], not {shown(wanted)}."
            )
        times = [at for at, _ in steps]
        if times[0] != 0:
            raise OptionError(f"The timeline starts at {times[0]:g} seconds; its first step must be at 0.")
        for before, at in pairwise(times):
            if not at > before:
                raise OptionError(
                    f"The timeline has a step at {at:g} seconds after one at {before:g}; give times that increase."
                )
        if not times[-1] < seconds:
            raise OptionError(
                f"The timeline has a step at {times[-1]:g} seconds, but the clip ends at {seconds:g}; "
                "make the clip longer or the step earlier."
            )
        return cls(tuple(steps))

    def weights(self, times: Floats) -> Floats:
        """Strength of each emotion of `SHOWN` at times (T,) in seconds -> (T, 6), in steps."""
        table = np.array([[mix.get(name, 0.0) for name in SHOWN] for _, mix in self.steps], np.float32)
        starts = [at for at, _ in self.steps]
        return np.asarray(table[np.searchsorted(starts, times, side="right") - 1])


def _step(step: object) -> tuple[float, Mix]:
    if isinstance(step, (str, Mapping)) or not isinstance(step, Sequence) or len(step) != 2:
        raise OptionError(f"A timeline has steps such as (1.5, 'surprise'), not {shown(step)}.")
    at, what = step
    if not isinstance(what, (str, Mapping)):
        raise OptionError(f"A timeline has steps such as (1.5, 'surprise'), not {shown(step)}.")
    return number("A timeline's time", at, 0, LATEST_SECONDS), _mix(what)


def _mix(wanted: str | Mix) -> Mix:
    """Emotion -> strength, without neutral and without those of strength 0."""
    strengths = {wanted: 1.0} if isinstance(wanted, str) else wanted
    if not strengths:
        raise UnknownEmotionError("A mix of no emotions was given; name at least one, as in {'joy': 0.6}.")
    for name, strength in strengths.items():
        if name not in EMOTIONS:
            raise UnknownEmotionError(
                f"{shown(name)} is not an emotion that can be shown; choose one of {', '.join(EMOTIONS)}."
            )
        number(f"The strength of {name}", strength, 0, 1)
    whole = sum(strengths.values())
    if whole > 1 + ROUNDING:
        raise OptionError(f"The strengths of the mix sum up to {whole:g}; make that 1 at most, the rest is neutral.")
    return {name: float(strength) for name, strength in strengths.items() if name != "neutral" and strength}
