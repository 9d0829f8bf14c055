"""The score: what the motion network writes and its last layer, `Performer`, plays.

A clip of one face as channels over knots, 15 a second. Smooth tracks are coefficients of cubic B-splines; what goes on
at rest is their change from knot to knot, whose spectrum is flat enough to be learnt; gaze jumps are bumps. Blinks are
events beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.mesh import BLENDSHAPES
from engine.motion.track import FPS
from engine.types import Floats
from export.motion.simulator import Performance

KNOT_FPS = 15
FRAMES_PER_KNOT = FPS // KNOT_FPS
EXTRA_KNOTS = 3  # a cubic B-spline of n spans has n + 3 coefficients
SHAPE_CHANNELS = 26
POSED, RESTING, GAZE, JUMPS = 6, 7, 2, 1  # release, rotation 3, forward, gaze down | rotation 3, shift 2, body 2
CHANNELS = SHAPE_CHANNELS + POSED + RESTING + GAZE + JUMPS
LEAK = float(np.exp(-1 / (KNOT_FPS * 1.5)))  # per knot, of resting tracks: they come back in about 1.5 s
BUMP_KNOTS = 0.8  # SD of an event's bump


def frames_of(knots: int) -> int:
    return FRAMES_PER_KNOT * (knots - EXTRA_KNOTS)


def spline_matrix(knots: int) -> Floats:
    """(frames, knots): coefficients -> values at 60 Hz. Coefficient k sits at (k - 1) / 15 s."""
    matrix = np.zeros((frames_of(knots), knots))
    for phase in range(FRAMES_PER_KNOT):
        rows = np.arange(phase, len(matrix), FRAMES_PER_KNOT)
        for tap, weight in enumerate(cubic_weights(phase / FRAMES_PER_KNOT)):
            matrix[rows, rows // FRAMES_PER_KNOT + tap] = weight
    return matrix


def cubic_weights(u: float) -> tuple[float, float, float, float]:
    """Of the four coefficients around a place between two knots, 0 <= u < 1."""
    return (1 - u) ** 3 / 6, (3 * u**3 - 6 * u**2 + 4) / 6, (-3 * u**3 + 3 * u**2 + 3 * u + 1) / 6, u**3 / 6


def bumps(seconds: Floats, knots: int) -> Floats:
    """(knots,): a bell around every event."""
    at = (np.arange(knots) - 1)[:, None]
    bells = np.exp(-0.5 * ((at - KNOT_FPS * seconds[None]) / BUMP_KNOTS) ** 2)
    return bells.max(1, initial=0.0)


def written(performance: Performance, fit: Floats) -> tuple[Floats, Floats]:
    """Blendshapes' coefficients (knots, 52) and all other channels (knots, ...); fit = pinv(spline_matrix)."""
    knots = len(fit)
    posed = np.concatenate(
        [
            performance.release[:, None],
            performance.posed_rotation_deg,
            performance.posed_forward_cm[:, None],
            performance.posed_gaze_down_deg[:, None],
        ],
        1,
    )
    resting = fit @ np.concatenate([performance.idle_rotation_deg, performance.idle_shift_cm, performance.body_cm], 1)
    change = resting - LEAK * np.concatenate([np.zeros((1, RESTING)), resting[:-1]])
    gaze = performance.gaze
    passed = np.searchsorted(gaze.seconds, (np.arange(knots) - 1) / KNOT_FPS, side="right")
    levels = np.concatenate([np.zeros((1, 2)), gaze.targets_deg])[passed]
    jumps = bumps(gaze.seconds, knots)
    return fit @ performance.blendshapes, np.concatenate([fit @ posed, change, levels, jumps[:, None]], 1)


def blink_events(performance: Performance, knots: int) -> Floats:
    """(3, knots): whether a blink starts nearest to a knot, how many knots later than that, and how deep it is."""
    events = np.zeros((3, knots))
    for seconds, depth in performance.blinks:
        place = 1 + KNOT_FPS * seconds
        knot = min(round(place), knots - 1)
        events[:, knot] = 1, place - knot, depth
    return events


@dataclass(frozen=True)
class Scale:
    """Standard scores <-> real ones."""

    axes: Floats  # (26, 52) orthonormal: the blendshapes' main components
    mean: Floats  # (channels,)
    spread: Floats  # (channels,)

    @classmethod
    def of(cls, shapes: Floats, others: Floats) -> Scale:
        """From coefficients (n, 52) and (n, channels - 26) of many clips."""
        _, _, axes = np.linalg.svd(shapes[:: max(1, len(shapes) // 40000)], full_matrices=False)
        axes = axes[:SHAPE_CHANNELS]
        channels = np.concatenate([shapes @ axes.T, others], 1)
        return cls(axes, channels.mean(0), channels.std(0) + 1e-4)

    def standard(self, shapes: Floats, others: Floats) -> Floats:
        """(..., channels) of mean 0 and SD 1."""
        return np.asarray((np.concatenate([shapes @ self.axes.T, others], -1) - self.mean) / self.spread)


MOVED_BY_EVENTS = tuple(i for i, name in enumerate(BLENDSHAPES) if name.startswith(("eyeBlink", "eyeLook")))
