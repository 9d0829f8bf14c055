"""Blinks and gaze jumps as events; the motion network's last layer turns events into curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.types import Floats
from export.motion.facts import Emotion
from export.motion.style import Style

FIRST_EVENT_SECONDS, LAST_EVENT_SECONDS = 0.40, 0.30  # none before, none after the end less this
BLINK_APART_SECONDS = 0.5
BLINK_WITH_JUMP_DEG = 7.0
JUMPS_BLINKED = 0.6  # share of the large jumps that come with a blink
LARGEST_DEG = (9.0, 5.0)
GLANCES = 0.6  # share of jumps that lead away from the camera
MOODS_PER_SECOND = 4
Moods = Sequence[tuple[Emotion, ...]]  # in force, the strongest first, four times a second


@dataclass(frozen=True)
class Gaze:
    """Jumps: when (n,) in seconds, and where to (n, 2) in degrees from where the photo looks."""

    seconds: Floats
    targets_deg: Floats

    def large_jumps(self) -> list[float]:
        steps = np.diff(np.concatenate([np.zeros((1, 2)), self.targets_deg]), axis=0)
        return [
            float(at) for at, step in zip(self.seconds, steps, strict=True) if np.hypot(*step) > BLINK_WITH_JUMP_DEG
        ]


def mood_at(moods: Moods, at: float) -> Emotion:
    return moods[min(int(at * MOODS_PER_SECOND), len(moods) - 1)][0]


def draw_gaze(moods: Moods, seconds: float, style: Style, rng: np.random.Generator) -> Gaze:
    """People look at the camera again and again between glances."""
    times, targets = [], []
    at = float(rng.uniform(FIRST_EVENT_SECONDS, 0.9))
    while at < seconds - LAST_EVENT_SECONDS:
        mood = mood_at(moods, at)
        glance = rng.uniform() < GLANCES
        target = rng.normal(0, mood.gaze_spread_deg) if glance else rng.normal(0, 0.5, 2)
        times.append(at)
        targets.append(np.clip(target, (-LARGEST_DEG[0], -LARGEST_DEG[1]), LARGEST_DEG))
        pause = float(rng.uniform(*mood.fixation_seconds)) * (0.7 if glance else 1.15) / style.restlessness
        at += max(0.22, pause)
    return Gaze(np.array(times), np.array(targets).reshape(-1, 2))


def draw_blinks(
    moods: Moods, seconds: float, style: Style, jumps: Sequence[float], rng: np.random.Generator
) -> tuple[tuple[float, float], ...]:
    """(seconds, depth) of each blink: a Poisson process with a pause after each, and large jumps bring one along."""
    wanted = [at - 0.02 for at in jumps if rng.uniform() < JUMPS_BLINKED * mood_at(moods, at).blinks_per_minute[1] / 38]
    open_share = 1 - (FIRST_EVENT_SECONDS + LAST_EVENT_SECONDS) / seconds  # of the clip: rates are those of all of it
    at = FIRST_EVENT_SECONDS
    while at < seconds:
        rate = float(rng.uniform(*mood_at(moods, at).blinks_per_minute)) / 60 * style.restlessness
        at += float(rng.exponential(max(0.1, open_share / rate - BLINK_APART_SECONDS)))
        wanted.append(at)
        at += BLINK_APART_SECONDS
    blinks, last = [], -1.0
    for when in sorted(wanted):
        if FIRST_EVENT_SECONDS <= when <= seconds - LAST_EVENT_SECONDS and when - last >= BLINK_APART_SECONDS:
            partial = rng.uniform() < mood_at(moods, when).partial_blinks
            blinks.append((when, float(rng.uniform(0.45, 0.8)) if partial else 1.0))
            last = when
    return tuple(blinks)
