"""When an expression comes, stays and goes, with the shapes of captured rises and falls."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.motion.track import FPS
from engine.types import Floats
from export.motion.captured import CURVE_POINTS, CapturedMotion
from export.motion.facts import Emotion
from export.motion.style import Style

APEX = (0.35, 0.75)  # of the clip: the expression is fully there in between
LATEST_APEX = 0.58  # by which the slowest onset is over
START_SECONDS = (0.08, 0.50)
DIP = (0.55, 0.85)  # what is left of it between two waves
CAPTURED_SHARE = 0.6  # of a rise's shape; the rest is smooth
RELEASE_BEFORE_SECONDS = 0.05  # the old expression begins to go before the new one comes


def between(limits: tuple[float, float], share: float) -> float:
    return limits[0] + share * (limits[1] - limits[0])


def ease(t: Floats, start: float, seconds: float) -> Floats:
    """0 before start, 1 after start + seconds; starts and ends without a jerk, fastest in its first half.

    The minimum-jerk curve (Flash and Hogan 1985) of a slightly hastened time: muscles contract faster than they settle.
    """
    u = np.clip((t - start) / max(seconds, 1 / FPS), 0, 1)
    u = 1 - (1 - u) ** 1.25
    return np.asarray(u**3 * (10 - 15 * u + 6 * u**2))


@dataclass(frozen=True)
class Timing:
    """One muscle's own: delay, slowness, and the shapes of its rise and fall, (33,) each."""

    delay_seconds: float
    slowness: float
    rise: Floats
    fall: Floats


class Course:
    """The course of one emotion from start to end (of its step of the clip), after which it gives way to the next."""

    def __init__(
        self,
        emotion: Emotion,
        start: float,
        end: float,
        clip: float,
        style: Style,
        captured: CapturedMotion,
        rng: np.random.Generator,
    ) -> None:
        self.captured, self.end, self.clip = captured, end, clip
        whole, last = start == 0 and end == clip, end == clip
        ready = LATEST_APEX * clip if whole else 0.6 * (end - start)
        self.start = start + min(between(START_SECONDS, style.reaction), 0.35 * ready)
        onset = style.slowness * between(emotion.onset_seconds, style.leisure)
        self.onset = min(onset, 0.92 * (start + ready - self.start))
        self.slowest = max(1.0, (start + ready - self.start) / self.onset)  # for what arrives with the apex
        self.leave = float(rng.uniform(APEX[1] + 0.01, 0.85)) * clip if whole else end + float(rng.uniform(-0.05, 0.1))
        self.offset = max(self.onset * float(rng.uniform(*emotion.offset_per_onset)), 0.4)
        self.kept = float(rng.uniform(*emotion.kept_at_end)) if last else 0.0
        if not last:
            self.offset = min(self.offset, 1.6)
        self.peak = (
            (self.start + self.onset + min(self.leave, end)) / 2 if not whole else float(rng.uniform(0.45, 0.65)) * clip
        )
        self.dips = self._dips(emotion, rng) if whole else []
        self.own = self.varied(0.0, 1.0, rng)

    def _dips(self, emotion: Emotion, rng: np.random.Generator) -> list[tuple[float, float, float]]:
        """(middle, width, depth) of the sags between waves; short clips have none."""
        most = int(rng.integers(emotion.pulses[0], emotion.pulses[1] + 1))
        count = min(most - 1, int(self.clip // 3.3) - 1)
        middles = (APEX[0] * self.clip - 0.2, APEX[1] * self.clip + 0.1)
        order = rng.permutation(2)
        return [
            (middles[order[i % 2]], float(rng.uniform(0.35, 0.6)), 1 - float(rng.uniform(*DIP)))
            for i in range(max(0, count))
        ]

    def varied(self, delay: float, slowness: float, rng: np.random.Generator) -> Timing:
        """Timing of one muscle, with shapes of its own."""
        rises, falls = self.captured.rises, self.captured.falls
        return Timing(delay, slowness, rises[int(rng.integers(len(rises)))], falls[int(rng.integers(len(falls)))])

    def __call__(self, t: Floats, timing: Timing | None = None) -> Floats:
        """Strength (T,) at times t (T,), 0 to 1."""
        own = timing or self.own
        come = move(t, max(0.02, self.start + own.delay_seconds), self.onset * own.slowness, own.rise)
        gone = (1 - self.kept) * move(t, self.leave + own.delay_seconds, self.offset * own.slowness, own.fall)
        swell = 0.92 + 0.08 * np.exp(-(((t - self.peak) / (0.2 * self.clip)) ** 2))
        for middle, width, depth in self.dips:
            swell = swell * (1 - depth * np.exp(-(((t - middle) / width) ** 2)))
        return np.asarray(come * (1 - gone) * swell)

    def released(self, t: Floats) -> Floats:
        """How far the photo's own expression is gone (T,)."""
        return ease(t, max(0.02, self.start - RELEASE_BEFORE_SECONDS), 1.2 * self.onset)


def move(t: Floats, start: float, seconds: float, shape: Floats) -> Floats:
    """0 to 1 from start on; partly smooth, partly as a captured face did it."""
    real = np.interp((t - start) / seconds, np.linspace(0, 1, CURVE_POINTS), shape)
    return np.asarray((1 - CAPTURED_SHARE) * ease(t, start, seconds) + CAPTURED_SHARE * real)
