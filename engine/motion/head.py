"""How heads move while faces do: a pose for the emotion, idle motion that never repeats, breath and shoulders."""

from __future__ import annotations

import numpy as np

from engine.motion.emotions import Emotion
from engine.motion.envelope import Envelope, ease
from engine.motion.track import FPS
from engine.types import Floats

SPECTRUM_SLOPE = -3.0  # of power against frequency, measured on captured heads
IDLE_BAND_HZ = (0.08, 5.0)
BREATH_HZ, BREATH_CM = (0.22, 0.32), (0.07, 0.13)
SHOULDER_GAIN, SHOULDER_LAG_SECONDS = 0.18, 0.12
TREMOR_HZ = 5.0


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


def tremor(frames: int, rng: np.random.Generator) -> Floats:
    """A fine shiver (T,), SD about 1, swelling and fading."""
    t = np.arange(frames) / FPS
    drift = np.cumsum(rng.normal(0, 0.06, frames))
    return np.asarray(np.sqrt(2) * np.sin(2 * np.pi * TREMOR_HZ * t + drift + rng.uniform(0, 2 * np.pi)))


def lagged(track: Floats, seconds: float) -> Floats:
    """First-order follower (T, ...) with the given time constant."""
    share, followed = 1 / (1 + seconds * FPS), np.zeros_like(track)
    for i in range(1, len(track)):
        followed[i] = followed[i - 1] + share * (track[i] - followed[i - 1])
    return followed


def head_motion(
    emotion: Emotion, envelope: Envelope, intensity: float, seconds: float, rng: np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    """rotation_deg (T, 3), shift_cm (T, 3) and body_cm (T, 3) as in `Motion`."""
    frames = round(seconds * FPS)
    t = np.arange(frames) / FPS
    aside = rng.normal(0, emotion.aside_deg, 2) * [1, 0.8]
    apex = np.clip([rng.uniform(*emotion.pitch_deg), *aside], -7, 7)
    course = envelope(t, delay=float(rng.uniform(0.0, 0.12)), slowness=1.6 / emotion.head_speed)
    rotation = intensity * course[:, None] * apex
    sway = np.stack([idle(frames, rng) for _ in range(3)], 1) * emotion.idle_deg * [0.8, 1.1, 0.6]
    shiver = tremor(frames, rng) * emotion.tremor_deg * intensity * course
    rotation = rotation + sway + shiver[:, None] * [0.6, 1.0, 0.5]
    shift = np.zeros((frames, 3))
    shift[:, 2] = -intensity * course * rng.uniform(*emotion.forward_cm)
    shift[:, 0] = 0.12 * idle(frames, rng)
    breath_hz, phase = rng.uniform(*BREATH_HZ), rng.uniform(0, 2 * np.pi)
    breath = -rng.uniform(*BREATH_CM) * (np.sin(2 * np.pi * breath_hz * t + phase) - np.sin(phase)) * ease(t, 0, 0.8)
    leaning = lagged(rotation, SHOULDER_LAG_SECONDS)
    body = np.zeros((frames, 3))
    body[:, 0] = SHOULDER_GAIN * np.radians(leaning[:, 1] + leaning[:, 2]) * 10
    body[:, 1] = breath + 0.5 * SHOULDER_GAIN * np.radians(leaning[:, 0]) * 10
    shift[:, 1] = 0.5 * breath
    return rotation.astype(np.float32), shift.astype(np.float32), body.astype(np.float32)
