"""How heads move while faces do: a posture for the emotion, shifts of it, idle motion that never repeats."""

from __future__ import annotations

import numpy as np

from engine.motion.track import FPS
from engine.types import Floats
from export.motion.course import Course, ease
from export.motion.facts import Emotion
from export.motion.style import Style

SPECTRUM_SLOPE = -3.0  # of power against frequency, measured on captured heads
IDLE_BAND_HZ = (0.08, 5.0)
BREATH_HZ, BREATH_CM = (0.22, 0.32), (0.07, 0.13)
TURNED_BACK = 0.12  # of the photo's yaw and roll
OTHER_WAY = 0.15  # share of heads that go the other way than most
SHIFT_DEG = (2.6, 3.2, 2.1)  # SD of a change of posture, per axis
SHIFT_SECONDS, SHIFT_APART_SECONDS = (0.25, 0.65), (0.6, 1.9)


def idle(frames: int, rng: np.random.Generator) -> Floats:
    """Noise (T,) with the spectrum of a head at rest, SD about 1; starts at 0 and from rest."""
    padded = max(4 * frames, 8 * FPS)
    frequency = np.fft.rfftfreq(padded, 1 / FPS)
    band = (frequency >= IDLE_BAND_HZ[0]) & (frequency <= IDLE_BAND_HZ[1])
    amplitude = np.where(band, np.maximum(frequency, IDLE_BAND_HZ[0]) ** (SPECTRUM_SLOPE / 2), 0)
    phase = rng.uniform(0, 2 * np.pi, len(frequency))
    wave = np.fft.irfft(amplitude * np.exp(1j * phase), padded)
    wave = wave[:frames] / wave.std()
    return np.asarray((wave - wave[0]) * ease(np.arange(frames) / FPS, 0.0, 1.2))


def lagged(track: Floats, seconds: float) -> Floats:
    """First-order follower (T, ...) with the given time constant."""
    share, followed = 1 / (1 + seconds * FPS), np.zeros_like(track)
    for i in range(1, len(track)):
        followed[i] = followed[i - 1] + share * (track[i] - followed[i - 1])
    return followed


def posture(
    emotion: Emotion, course: Course, t: Floats, style: Style, pose_deg: Floats, rng: np.random.Generator
) -> Floats:
    """Rotation (T, 3) in degrees that belongs to the emotion, reached in the head's own time."""
    pitch = float(rng.uniform(*emotion.pitch_deg)) * style.head_mobility
    if rng.uniform() < OTHER_WAY:
        pitch = -0.5 * pitch
    aside = emotion.aside_deg * (rng.normal(0, 0.8, 2) + 0.6 * np.array([style.turn, style.tilt])) * [1, 0.8]
    back = np.clip(-TURNED_BACK * pose_deg[1:], -3, 3)
    apex = np.clip([pitch, *(aside + back)], -7, 7)
    slowness = min(float(rng.uniform(1.2, 2.2)) / emotion.head_speed, course.slowest)
    timing = course.varied(float(rng.uniform(0.0, 0.45)), slowness, rng)
    return np.asarray(course(t, timing)[:, None] * apex)


def posture_shifts(sizes: Floats, speeds: Floats, t: Floats, rng: np.random.Generator) -> Floats:
    """Rotation (T, 3): every second or two a head moves on to hold itself a little differently.

    sizes, speeds (T,): how far and how fast, 1 is usual.
    """
    rotation = np.zeros((len(t), 3))
    at = float(rng.uniform(0.3, 1.2))
    while at < t[-1] - 0.2:
        now = int(np.searchsorted(t, at))
        size = sizes[now] * rng.normal(0, SHIFT_DEG)
        seconds = float(rng.uniform(*SHIFT_SECONDS)) / speeds[now]
        rotation = rotation + ease(t, at, seconds)[:, None] * (size - 0.5 * rotation[-1])
        at += float(rng.uniform(*SHIFT_APART_SECONDS))
    return rotation
