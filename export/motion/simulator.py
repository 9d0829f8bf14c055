"""Performances drawn from what is known of faces: the training set of the motion network.

The laws are those of `export.motion.facts`; the shape of rises, falls and wavering and the muscles that come along are
taken from captured curves. Tracks are at 60 Hz; what follows the intensity is kept apart from what goes on anyway.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from engine.mesh import BLENDSHAPES
from engine.motion.track import FPS
from engine.types import Floats
from export.motion.captured import CAPTURE_FPS, CapturedMotion
from export.motion.course import Course, ease
from export.motion.facts import NEUTRAL, PERFORMED, Emotion, Unit
from export.motion.gaze_events import Gaze, draw_blinks, draw_gaze
from export.motion.head import BREATH_CM, BREATH_HZ, idle, lagged, posture, posture_shifts
from export.motion.style import Style

INDEX = {name: i for i, name in enumerate(BLENDSHAPES)}
UNIT_DELAY_SECONDS = (-0.03, 0.10)
COMPANION_SHARE = (0.05, 0.35)  # of what the captured face would show; people differ
LARGEST_COMPANION = 0.25
# What tells emotions apart comes only where an emotion has it: the captured face smiled while it sneered.
TELLING = ("mouthSmile", "cheekSquint", "browInnerUp", "browOuterUp", "browDown", "mouthFrown", "noseSneer", "eye")
WAVER_SHARE = 0.55  # of a captured face's, which does its best to move
SHOULDER_GAIN, SHOULDER_LAG_SECONDS = 0.18, 0.12
Steps = Sequence[tuple[float, Mapping[str, float]]]  # (start in seconds, emotion -> weight)


@dataclass(frozen=True)
class Performance:
    """One face's clip, T frames at 60 Hz. Posed tracks are those of intensity 1 and are multiplied by it."""

    blendshapes: Floats  # (T, 52) without blinks and looks
    release: Floats  # (T,)
    posed_rotation_deg: Floats  # (T, 3)
    posed_forward_cm: Floats  # (T,)
    posed_gaze_down_deg: Floats  # (T,)
    idle_rotation_deg: Floats  # (T, 3)
    idle_shift_cm: Floats  # (T, 2)
    body_cm: Floats  # (T, 2) without what follows the posed head
    gaze: Gaze
    blinks: tuple[tuple[float, float], ...]  # (seconds, depth)


def simulate(
    steps: Steps,
    seconds: float,
    frames: int,
    style: Style,
    pose_deg: Floats,
    captured: CapturedMotion,
    rng: np.random.Generator,
) -> Performance:
    """A clip of `seconds`, drawn on for T = `frames`, which may be more.

    pose_deg (3,): how the photo holds the head; people turn back a little from where they are turned to.
    """
    t = np.arange(frames) / FPS
    shapes, release = np.zeros((len(t), len(BLENDSHAPES))), np.zeros(len(t))
    rotation, forward, gaze_down = np.zeros((len(t), 3)), np.zeros(len(t)), np.zeros(len(t))
    share = np.zeros(len(t))  # how much of an emotion is asked for
    for i, (start, weights) in enumerate(steps):
        end = steps[i + 1][0] if i + 1 < len(steps) else seconds
        for name, weight in weights.items():
            emotion = PERFORMED[name]
            if not emotion.units or weight <= 0:
                continue
            course = Course(emotion, start, end, seconds, style, captured, rng)
            strength = course(t)
            shapes += weight * expression(emotion, course, t, style, captured, rng)
            release = np.maximum(release, min(1.0, 1.5 * weight) * course.released(t))
            rotation += weight * posture(emotion, course, t, style, pose_deg, rng)
            forward += weight * strength * rng.uniform(*emotion.forward_cm)
            gaze_down += weight * strength * emotion.gaze_down_deg
            share = np.maximum(share, strength)
    shapes = with_wavering(shapes, captured, rng)
    mood = [blended(steps, at) for at in t[:: FPS // 4]]
    gaze = draw_gaze(mood, seconds, style, rng)
    blinks = draw_blinks(mood, seconds, style, gaze.large_jumps(), rng)
    idle_rotation, shift, body = resting(mood, t, style, rng)
    return Performance(shapes, release, rotation, forward, gaze_down, idle_rotation, shift, body, gaze, blinks)


def blended(steps: Steps, at: float) -> tuple[Emotion, ...]:
    """The emotions asked for at a time, the strongest first; neutral where there is none."""
    weights = [weights for start, weights in steps if start <= at + 1e-9][-1]
    named = sorted((name for name, weight in weights.items() if weight > 0), key=lambda name: -weights[name])
    return tuple(PERFORMED[name] for name in named) or (NEUTRAL,)


def expression(
    emotion: Emotion, course: Course, t: Floats, style: Style, captured: CapturedMotion, rng: np.random.Generator
) -> Floats:
    """Blendshapes (T, 52) of one emotion, at full strength."""
    shapes = np.zeros((len(t), len(BLENDSHAPES)))
    for unit in emotion.units:
        if rng.uniform() < unit.probability:
            add_unit(shapes, unit, course, t, style, rng)
    active = np.flatnonzero(shapes.any(0))
    along = np.clip(shapes[:, active], 0, 1) @ captured.companions(list(active)).T
    along[:, [i for i, name in enumerate(BLENDSHAPES) if name.startswith(TELLING)]] = 0
    return shapes + np.clip(rng.uniform(*COMPANION_SHARE) * along, -LARGEST_COMPANION, LARGEST_COMPANION)


def add_unit(shapes: Floats, unit: Unit, course: Course, t: Floats, style: Style, rng: np.random.Generator) -> None:
    """Adds one muscle's course to the blendshapes; its two sides are never quite as strong."""
    gain = style.expressivity * float(np.exp(rng.normal(0, 0.08)))
    timing = course.varied(float(rng.uniform(*UNIT_DELAY_SECONDS)), float(np.exp(rng.normal(0, 0.15))), rng)
    more = float(np.clip(style.left_more + rng.normal(0, 0.03), -0.12, 0.15))
    for name, weight in unit.weights.items():
        if name in INDEX:
            shapes[:, INDEX[name]] += gain * weight * course(t, timing)
            continue
        for side, sign in (("Left", 1), ("Right", -1)):
            shapes[:, INDEX[name + side]] += gain * weight * (1 + sign * more) * course(t, timing)


def with_wavering(shapes: Floats, captured: CapturedMotion, rng: np.random.Generator) -> Floats:
    """Adds the small fast changes of a captured face, where and as far as this one is active."""
    take = captured.wavers[int(rng.integers(len(captured.wavers)))]
    frames = int(np.ceil(len(shapes) * CAPTURE_FPS / FPS)) + 2
    start = int(rng.integers(len(take) - frames))
    at = np.arange(len(shapes)) * CAPTURE_FPS / FPS
    piece = np.stack([np.interp(at, np.arange(frames), channel) for channel in take[start : start + frames].T], 1)
    moving = np.abs(gaussian_filter1d(np.gradient(shapes, 1 / FPS, axis=0), 0.1 * FPS, axis=0))
    activity = 0.012 * np.tanh(2 * np.abs(shapes)) + 0.02 * np.clip(moving, 0, 1.5)
    begin = ease(np.arange(len(shapes)) / FPS, 0.0, 0.4)[:, None]
    return np.asarray(shapes + WAVER_SHARE * begin * piece * activity)


def resting(
    mood: Sequence[tuple[Emotion, ...]], t: Floats, style: Style, rng: np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    """Idle rotation (T, 3), shift (T, 2) and body (T, 2): a head that never holds quite still, breath, shoulders."""
    frames = len(t)
    sizes = np.interp(t, np.arange(len(mood)) / 4, [moods[0].idle_deg for moods in mood])
    sizes = gaussian_filter1d(sizes, 0.5 * FPS, mode="nearest") * style.head_mobility
    speeds = np.interp(t, np.arange(len(mood)) / 4, [moods[0].head_speed for moods in mood])
    rotation = np.stack([idle(frames, rng) for _ in range(3)], 1) * sizes[:, None] * [0.8, 1.1, 0.6]
    rotation = rotation + posture_shifts(sizes, speeds, t, rng)
    shift = np.zeros((frames, 2))
    shift[:, 0] = 0.12 * idle(frames, rng)
    breath_hz, phase = rng.uniform(*BREATH_HZ), rng.uniform(0, 2 * np.pi)
    breath = -rng.uniform(*BREATH_CM) * (np.sin(2 * np.pi * breath_hz * t + phase) - np.sin(phase)) * ease(t, 0, 0.8)
    leaning = np.radians(lagged(rotation, SHOULDER_LAG_SECONDS)) * 10 * SHOULDER_GAIN
    shift[:, 1] = 0.5 * breath
    return rotation, shift, np.stack([leaning[:, 1] + leaning[:, 2], breath + 0.5 * leaning[:, 0]], 1)
