"""A performance: the motion of one face for one clip, drawn from what is known of an emotion and a seed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from engine.mesh import BLENDSHAPES
from engine.motion.emotions import PERFORMED, Unit
from engine.motion.envelope import Envelope, ease
from engine.motion.gaze import blinks, gaze
from engine.motion.head import head_motion
from engine.motion.track import FPS, Motion
from engine.types import Floats

RELEASE_BEFORE_SECONDS = 0.05  # the old expression begins to go before the new one comes
SIDE_DELAY_SECONDS = 0.06
UNIT_DELAY_SECONDS = (-0.03, 0.10)
LID_PER_GAZE_DEG = 1 / 28  # lids follow eyes that look down or up
Sides = Mapping[str, tuple[float, float]]  # of Left and Right: delay in seconds, gain
INDEX = {name: i for i, name in enumerate(BLENDSHAPES)}


def perform(emotion: str, seconds: float, intensity: float, seed: int, face: int) -> Motion:
    """Motion of round(60 * seconds) frames; the first is the photo itself.

    Another seed gives another performance; so does another face of the same photo. "neutral" keeps the photo's own
    expression, alive. Same arguments, same numbers.
    """
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, face])))
    what = PERFORMED[emotion]
    frames = round(seconds * FPS)
    t = np.arange(frames) / FPS
    envelope = Envelope(what, seconds, rng)
    shapes = np.zeros((frames, len(BLENDSHAPES)))
    for unit in what.units:
        drawn, scale = rng.uniform() < unit.probability, float(np.exp(rng.normal(0, 0.08)))
        timing = float(rng.uniform(*UNIT_DELAY_SECONDS)), float(np.exp(rng.normal(0, 0.12)))
        sides = draw_sides(rng)
        if drawn:
            add_unit(shapes, unit, envelope, t, intensity * scale, timing, sides)
    strength = envelope(t)
    look, jumps = gaze(what, intensity * strength, seconds, rng)
    closed = blinks(what, seconds, rng, jumps)
    rotation, shift, body = head_motion(what, envelope, intensity, seconds, rng)
    for side in ("Left", "Right"):
        shapes[:, INDEX[f"eyeBlink{side}"]] = closed
        shapes[:, INDEX[f"eyeLookDown{side}"]] = np.maximum(look[:, 1], 0) * LID_PER_GAZE_DEG
        shapes[:, INDEX[f"eyeLookUp{side}"]] = np.maximum(-look[:, 1], 0) * LID_PER_GAZE_DEG
    return Motion(
        blendshapes=shapes.astype(np.float32),
        release=release(envelope, t, intensity, bool(what.units)),
        rotation_deg=rotation,
        shift_cm=shift,
        gaze_deg=np.concatenate([look, look], 1),
        body_cm=body,
    )


def draw_sides(rng: np.random.Generator) -> Sides:
    """The two halves of a face are never quite together, and the left is a little stronger."""
    late = float(rng.uniform(-SIDE_DELAY_SECONDS, SIDE_DELAY_SECONDS))
    more = float(np.clip(rng.normal(0.03, 0.05), -0.1, 0.15))
    return {"Left": (max(0.0, late), 1 + more), "Right": (max(0.0, -late), 1 - more)}


def add_unit(
    shapes: Floats, unit: Unit, envelope: Envelope, t: Floats, gain: float, timing: tuple[float, float], sides: Sides
) -> None:
    """Adds one unit's course to the blendshapes (T, 52)."""
    delay, slowness = timing
    for name, weight in unit.weights.items():
        if name in INDEX:
            shapes[:, INDEX[name]] += gain * weight * envelope(t, delay, slowness)
            continue
        for side, (late, more) in sides.items():
            shapes[:, INDEX[name + side]] += gain * weight * more * envelope(t, delay + late, slowness)


def release(envelope: Envelope, t: Floats, intensity: float, performed: bool) -> Floats:
    """Share of the photo's own expression that is gone (T,): all of it at the apex of a full expression."""
    if not performed:
        return np.zeros(len(t), np.float32)
    start = max(0.02, envelope.start - RELEASE_BEFORE_SECONDS)
    return (min(1.0, 1.5 * intensity) * ease(t, start, 1.2 * envelope.onset)).astype(np.float32)
