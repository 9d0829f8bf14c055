"""Plays a score: 15 knots a second become tracks at 60 frames a second, events become blinks and saccades."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.mesh import BLENDSHAPES
from engine.motion.track import FPS
from export.motion.score import (
    BUMP_KNOTS,
    EXTRA_KNOTS,
    FRAMES_PER_KNOT,
    GAZE,
    KNOT_FPS,
    LEAK,
    MOVED_BY_EVENTS,
    POSED,
    RESTING,
    SHAPE_CHANNELS,
    Scale,
    cubic_weights,
)

DETAILS = 3  # channels of noise: how blinks run (closing, hold, opening)
BLINK_SECONDS = ((0.0745, 0.004), (0.017, 0.009), (0.125, 0.013))  # closing, hold, opening: mean and SD
BLINK_SD_LIMIT = 1.9
JUMP_SEEN, JUMP_APART_KNOTS = 0.45, 2
QUIET_START_SECONDS, QUIET_END_SECONDS = 0.36, 0.26  # no event starts there
START_SECONDS = 0.12  # in which what is left of a track's first value is given up
LATEST_KNOTS = 2  # how many knots later than the other a side of the face may be
LID_PER_GAZE_DEG = 1 / 28  # lids follow eyes that look down or up
SHOULDER_GAIN, SHOULDER_LAG_SECONDS = 0.18, 0.12
LARGEST_GAZE_DEG = (10.0, 7.0)


def index(*names: str) -> list[int]:
    return [BLENDSHAPES.index(name) for name in names]


class Performer(nn.Module):
    """Score (F, C, K) and its details -> the tracks of `engine.Motion`, F faces at once."""

    def __init__(self, scale: Scale) -> None:
        super().__init__()
        axes = scale.axes.copy()
        axes[:, list(MOVED_BY_EVENTS)] = 0
        self.register_buffer("axes", torch.tensor(axes, dtype=torch.float32))
        self.register_buffer("mean", torch.tensor(scale.mean[:, None], dtype=torch.float32))
        self.register_buffer("spread", torch.tensor(scale.spread[:, None], dtype=torch.float32))
        taps = np.array([cubic_weights(phase / FRAMES_PER_KNOT) for phase in range(FRAMES_PER_KNOT)])
        self.register_buffer("taps", torch.tensor(taps, dtype=torch.float32))
        lids = torch.zeros(2, len(BLENDSHAPES))
        lids[0, index("eyeLookDownLeft", "eyeLookDownRight")] = LID_PER_GAZE_DEG
        lids[1, index("eyeLookUpLeft", "eyeLookUpRight")] = LID_PER_GAZE_DEG
        self.register_buffer("lids", lids)
        blinking = torch.zeros(len(BLENDSHAPES))
        blinking[index("eyeBlinkLeft", "eyeBlinkRight")] = 1
        self.register_buffer("blinking", blinking)
        sides = [float(name.endswith("Left")) - float(name.endswith("Right")) for name in BLENDSHAPES]
        self.register_buffer("sides", torch.tensor(sides))

    def forward(
        self, score: Tensor, blinks: Tensor, details: Tensor, strength: Tensor, seconds: Tensor, lead: Tensor
    ) -> list[Tensor]:
        """Plays F scores.

        blinks (F, 3, K) as in `blink_events`, details (F, 3, K) standard normal, strength (F,) of what follows the
        intensity, seconds (F,), lead (F,) seconds by which the left side is ahead -> blendshapes (F, T, 52), release
        (F, T), rotation_deg (F, T, 3), shift_cm (F, T, 3), gaze_deg (F, T, 4), body_cm (F, T, 3), with T = 4 (K - 3).
        """
        values = score * self.spread + self.mean
        shapes, posed, resting, gaze, jumps = values.split([SHAPE_CHANNELS, POSED, RESTING, GAZE, 1], 1)
        knots = score.shape[2]
        time = (torch.arange(knots, dtype=score.dtype) - 1) / KNOT_FPS  # of the knots
        within = within_quiet_ends(time, seconds)
        much = strength[:, None, None]
        lowered = torch.cat([torch.zeros_like(posed[:, 5:]), posed[:, 5:]], 1)  # eyes only ever move by jumping
        expressed = self.delayed(self.axes.t() @ shapes, F.relu(-KNOT_FPS * lead[:, None] * self.sides))
        smooth = self.splined(torch.cat([posed[:, :5], self.accumulated(resting)], 1))
        tracks = from_rest(torch.cat([expressed, smooth], 1)).transpose(1, 2)
        shapes, posed, resting = tracks.split([len(BLENDSHAPES), POSED - 1, RESTING], 2)
        posed_rotation = much * posed[..., 1:4]
        look = self.saccades(gaze + much * lowered, jumps[:, 0] * within, time)
        closed = closure(blinks, details)
        up_down = torch.cat([F.relu(look[..., 1:]), F.relu(-look[..., 1:])], 2)
        shapes = much * shapes + closed[..., None] * self.blinking + up_down @ self.lids
        release = (posed[..., 0] * (1.5 * strength[:, None]).clamp(max=1)).clamp(0, 1)
        forward = much * posed[..., 4:5]
        shift = torch.cat([resting[..., 3:5], -forward], 2)
        return [
            shapes,
            release,
            posed_rotation + resting[..., :3],
            shift,
            torch.cat([look, look], 2),
            self.body(resting[..., 5:7], posed_rotation),
        ]

    def accumulated(self, change: Tensor) -> Tensor:
        """Leaky sum over knots, (F, C, K)."""
        place = torch.arange(change.shape[2], dtype=change.dtype)
        apart = place[:, None] - place[None]
        return change @ torch.where(apart >= 0, torch.exp(apart.clamp(min=0) * float(np.log(LEAK))), 0.0).t()

    def splined(self, coefficients: Tensor) -> Tensor:
        """(F, C, K) -> values at 60 Hz (F, C, T)."""
        count = coefficients.shape[2] - EXTRA_KNOTS
        near = torch.stack([coefficients[:, :, i : i + count] for i in range(4)], 3)
        return (near @ self.taps.t()).flatten(2)

    def delayed(self, coefficients: Tensor, late: Tensor) -> Tensor:
        """As `splined`, but each channel as many knots later as `late` (F, C) says, up to `LATEST_KNOTS`."""
        count = coefficients.shape[2] - EXTRA_KNOTS
        padded = F.pad(coefficients, (LATEST_KNOTS, 0), mode="replicate")
        near = torch.stack([padded[:, :, i : i + count] for i in range(4 + LATEST_KNOTS)], 3)
        phase = torch.arange(FRAMES_PER_KNOT, dtype=late.dtype) / FRAMES_PER_KNOT
        place = torch.arange(4 + LATEST_KNOTS, dtype=late.dtype) - LATEST_KNOTS - 1
        away = (phase[None] - place[:, None] - late[:, :, None, None]).abs()  # of each phase from each coefficient
        taps = (F.relu(2 - away) ** 3 - 4 * F.relu(1 - away) ** 3) / 6
        return (near @ taps).flatten(2)

    def saccades(self, gaze: Tensor, jumps: Tensor, time: Tensor) -> Tensor:
        """(F, T, 2): gaze levels (F, 2, K) hold still between jumps; the main sequence says how fast those are."""
        here, late = peaks(jumps, JUMP_SEEN, JUMP_APART_KNOTS)
        part = torch.cumsum(here, 1)
        share = (part[:, :, None] == part[:, None, :]).to(gaze.dtype) * (1 - 0.9 * here)[:, None]
        levels = gaze @ (share / share.sum(2, keepdim=True)).transpose(1, 2) * (part > 0)[:, None].to(gaze.dtype)
        levels = torch.maximum(torch.minimum(levels, limit(LARGEST_GAZE_DEG)), -limit(LARGEST_GAZE_DEG))
        step = F.pad(levels[:, :, 1:] - levels[:, :, :-1], (1, 0)) * here[:, None]
        size = torch.sqrt((step * step).sum(1) + 1e-12)
        lasting = (0.021 + 0.0022 * size).clamp(min=1.5 / FPS)  # Bahill et al. 1975
        frames = torch.arange(FRAMES_PER_KNOT * (time.shape[0] - EXTRA_KNOTS), dtype=gaze.dtype) / FPS
        u = ((frames[None, None] - (time + late / KNOT_FPS)[:, :, None]) / lasting[:, :, None]).clamp(0, 1)
        return (step @ (u * u * u * (10 - 15 * u + 6 * u * u))).transpose(1, 2)

    def body(self, resting: Tensor, posed_rotation: Tensor) -> Tensor:
        """Shoulders (F, T, 3): their own motion, and what follows the head later and less."""
        taps = torch.exp(-torch.arange(36, dtype=resting.dtype) / (SHOULDER_LAG_SECONDS * FPS))
        padded = F.pad(posed_rotation.transpose(1, 2), (35, 0))
        faces, axes, frames = padded.shape
        followed = F.conv1d(padded.reshape(faces * axes, 1, frames), (taps / taps.sum()).flip(0)[None, None])
        lean = (SHOULDER_GAIN * 10 * np.pi / 180) * followed.reshape(faces, axes, -1).transpose(1, 2)
        sideways = resting[..., :1] + lean[..., 1:2] + lean[..., 2:3]
        return torch.cat([sideways, resting[..., 1:2] + 0.5 * lean[..., :1], torch.zeros_like(sideways)], 2)


def within_quiet_ends(time: Tensor, seconds: Tensor) -> Tensor:
    """(F, K): 1 where an event may start, for knots at time (K,) in clips of seconds (F,)."""
    inside = (time >= QUIET_START_SECONDS) & (time[None] <= seconds[:, None] - QUIET_END_SECONDS)
    return inside.to(seconds.dtype)


def closure(blinks: Tensor, details: Tensor) -> Tensor:
    """Blinks (F, 3, K) -> closure of the lids (F, T): closing faster than opening, which slows down as it ends."""
    happens, late, depth = blinks.unbind(1)
    wide = details.clamp(-BLINK_SD_LIMIT, BLINK_SD_LIMIT)
    down, hold, up = (mean + sd * wide[:, i] for i, (mean, sd) in enumerate(BLINK_SECONDS))
    count = blinks.shape[2] - EXTRA_KNOTS
    phase = torch.arange(FRAMES_PER_KNOT, dtype=blinks.dtype) / FPS
    closed = torch.zeros_like(blinks[:, 0, :1])
    for back in range(-6, 2):  # an event this many knots away still matters
        away = slice(max(0, 1 + back), max(0, 1 + back) + count + min(0, 1 + back))
        pad = (max(0, -1 - back), 0)
        d, b, h, o, e = (F.pad(x[:, away], pad)[..., None] for x in (happens * depth, down, hold, up, late))
        since = (phase - (back + e) / KNOT_FPS).clamp(min=0)
        closing = torch.sin(0.5 * np.pi * (since / b.clamp(min=0.05)).clamp(max=1)) ** 2
        left = (1 - ((since - b - h) / (1.35 * o.clamp(min=0.05))).clamp(0, 1)) ** 2.2
        closed = torch.maximum(closed, (d * closing * left).flatten(1))
    return closed


def limit(sizes: tuple[float, float]) -> Tensor:
    return torch.tensor(sizes)[None, :, None]


def from_rest(tracks: Tensor) -> Tensor:
    """Tracks (F, C, T) that begin at 0."""
    t = torch.arange(tracks.shape[2], dtype=tracks.dtype) / FPS
    return tracks - tracks[:, :, :1] * torch.exp(-t / START_SECONDS)


def peaks(bumps: Tensor, seen: float, apart_knots: int) -> tuple[Tensor, Tensor]:
    """Events in (F, K): 1 where one is, and how many knots later than the knot it is."""
    highest = F.max_pool1d(bumps[:, None], 2 * apart_knots + 1, 1, apart_knots)[:, 0]
    here = ((bumps >= highest) & (bumps > seen)).to(bumps.dtype)
    wide = F.pad(bumps[:, None], (1, 1), mode="replicate")[:, 0].clamp(min=1e-3)
    late = (0.5 * BUMP_KNOTS**2 * torch.log(wide[:, 2:] / wide[:, :-2])).clamp(-0.5, 0.5) * here
    return here, late
