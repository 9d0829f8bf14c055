"""Blinks, and eyes that jump from one thing to the next."""

from __future__ import annotations

import numpy as np

from engine.motion.emotions import Emotion
from engine.motion.track import FPS
from engine.types import Floats

FIRST_BLINK_SECONDS = 0.45
LAST_BLINK_SECONDS = 0.30  # before the end
BLINK_APART_SECONDS = 0.55
BLINK_WITH_JUMP_DEG = 8.0


def blinks(emotion: Emotion, seconds: float, rng: np.random.Generator, jumps: list[float]) -> Floats:
    """Closure of the lids (T,), 0 open to 1 closed. Large gaze jumps (their times) bring a blink along."""
    t = np.arange(round(seconds * FPS)) / FPS
    closed = np.zeros_like(t)
    rate = float(rng.uniform(*emotion.blinks_per_minute)) / 60
    at = FIRST_BLINK_SECONDS + float(rng.exponential(0.6 / rate)) * float(rng.uniform(0.3, 1.0))
    times = list(jumps)
    while at < seconds - LAST_BLINK_SECONDS:
        times.append(at)
        at += BLINK_APART_SECONDS + float(rng.exponential(max(0.1, 1 / rate - BLINK_APART_SECONDS)))
    last = -1.0
    for at in sorted(times):
        partial = rng.uniform() < emotion.partial_blinks
        depth = float(rng.uniform(0.45, 0.85)) if partial else 1.0
        down, hold, up = (
            float(rng.uniform(0.066, 0.083)),
            float(rng.uniform(0.0, 0.034)),
            float(rng.uniform(0.10, 0.15)),
        )
        if at - last < BLINK_APART_SECONDS or not FIRST_BLINK_SECONDS <= at <= seconds - LAST_BLINK_SECONDS:
            continue
        last = at
        closed = np.maximum(closed, depth * blink_shape(t - at, down, hold, up))
    return closed.astype(np.float32)


def blink_shape(t: Floats, down: float, hold: float, up: float) -> Floats:
    """One blink that starts at t = 0: closing faster than opening, the opening slowing down as it ends."""
    closing = np.sin(0.5 * np.pi * np.clip(t / down, 0, 1)) ** 2
    opening = 1 - (1 - np.clip((t - down - hold) / (1.35 * up), 0, 1)) ** 2.2
    return np.asarray(closing * (1 - np.clip(opening, 0, 1)))


def jump_seconds(degrees: float) -> float:
    """How long a saccade takes (the main sequence, Bahill et al. 1975)."""
    return 0.021 + 0.0022 * abs(degrees)


def gaze(emotion: Emotion, strength: Floats, seconds: float, rng: np.random.Generator) -> tuple[Floats, list[float]]:
    """Where the eyes look, (T, 2) degrees from where the photo has them, and the times of the large jumps.

    strength (T,) is how far the expression has come; people look at the camera again and again between glances.
    """
    t = np.arange(round(seconds * FPS)) / FPS
    look = np.zeros((len(t), 2))
    here, large = np.zeros(2), []
    at = float(rng.uniform(0.35, 0.9))
    while at < seconds - 0.2:
        glance = rng.uniform() < 0.6
        target = rng.normal(0, emotion.gaze_spread_deg) if glance else rng.normal(0, 0.5, 2)
        step = np.clip(target, (-9, -5), (9, 5)) - here
        size = float(np.hypot(*step))
        u = np.clip((t - at) / max(jump_seconds(size), 1.5 / FPS), 0, 1)
        look += (u**3 * (10 - 15 * u + 6 * u**2))[:, None] * step
        here = here + step
        if size > BLINK_WITH_JUMP_DEG:
            large.append(at - 0.02)
        pause = rng.uniform(*emotion.fixation_seconds) * (0.6 if glance else 1.2)
        at += max(0.2, float(pause))
    look[:, 1] += emotion.gaze_down_deg * strength
    return look.astype(np.float32), large
