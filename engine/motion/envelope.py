"""When an expression comes, stays and goes."""

from __future__ import annotations

import numpy as np

from engine.motion.emotions import Emotion
from engine.motion.track import FPS
from engine.types import Floats

APEX = (0.35, 0.75)  # of the clip: the expression is fully there in between
DIP = (0.65, 0.85)  # what is left of it between two pulses


def ease(t: Floats, start: float, seconds: float) -> Floats:
    """0 before start, 1 after start + seconds; starts and ends without a jerk, fastest in its first half.

    The minimum-jerk curve (Flash and Hogan 1985) of a slightly hastened time: muscles contract faster than they settle.
    """
    u = np.clip((t - start) / max(seconds, 1 / FPS), 0, 1)
    u = 1 - (1 - u) ** 1.25
    return np.asarray(u**3 * (10 - 15 * u + 6 * u**2))


class Envelope:
    """The course of one clip's expression; each muscle follows it with its own delay."""

    def __init__(self, emotion: Emotion, seconds: float, rng: np.random.Generator) -> None:
        self.seconds = seconds
        ready = APEX[0] * seconds
        self.start = min(float(rng.uniform(0.08, 0.50)), 0.35 * ready)
        self.onset = min(float(rng.uniform(*emotion.onset_seconds)), 0.92 * (ready - self.start))
        self.leave = float(rng.uniform(APEX[1] + 0.01, 0.85)) * seconds
        self.offset = max(self.onset * float(rng.uniform(*emotion.offset_per_onset)), 0.4)
        self.kept = float(rng.uniform(*emotion.kept_at_end))
        self.peak = float(rng.uniform(0.45, 0.65)) * seconds
        self.dips = self._dips(emotion, rng)

    def _dips(self, emotion: Emotion, rng: np.random.Generator) -> list[tuple[float, float, float]]:
        """(middle, width, depth) of the sags between pulses; short clips have none."""
        most = int(rng.integers(emotion.pulses[0], emotion.pulses[1] + 1))
        count = min(most - 1, int(self.seconds // 4) - 1)
        middles = (APEX[0] * self.seconds - 0.2, APEX[1] * self.seconds + 0.1)
        return [
            (middles[i % 2], float(rng.uniform(0.35, 0.6)), 1 - float(rng.uniform(*DIP))) for i in range(max(0, count))
        ]

    def __call__(self, t: Floats, delay: float = 0.0, slowness: float = 1.0) -> Floats:
        """Strength at times t (T,) in seconds, 0 to 1, for a muscle that starts `delay` later and takes longer."""
        come = ease(t, max(0.02, self.start + delay), self.onset * slowness)
        gone = (1 - self.kept) * ease(t, self.leave + delay, self.offset * slowness)
        swell = 0.92 + 0.08 * np.exp(-(((t - self.peak) / (0.2 * self.seconds)) ** 2))
        for middle, width, depth in self.dips:
            swell = swell * (1 - depth * np.exp(-(((t - middle) / width) ** 2)))
        return np.asarray(come * (1 - gone) * swell)
