"""The motion network: a small U-Net over time that turns noise into a score, by flow matching.

Lipman et al., Flow Matching for Generative Modeling (ICLR 2023); Liu et al., Flow Straight and Fast (ICLR 2023).
Channels over knots, (F, C, K); K is a multiple of 4.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from export.motion.blinks import BlinkOdds
from export.motion.score import CHANNELS
from export.motion.style import STYLE_SIZE

ASKED = 9  # weights of six emotions, time, time left, share of the clip
OWN = 52
WIDTHS = (64, 128, 192)
EMBEDDED = 160
HEADS = 4


class Block(nn.Module):
    """Two convolutions over time, told by `told` (F, EMBEDDED) how to scale and shift."""

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(inner, outer, 3, padding=1)
        self.second = nn.Conv1d(outer, outer, 3, padding=1)
        self.tell = nn.Linear(EMBEDDED, 2 * outer)
        self.skip = nn.Conv1d(inner, outer, 1) if inner != outer else nn.Identity()
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        scale, shift = self.tell(told)[..., None].chunk(2, 1)
        y = F.silu(normed(self.first(x)) * (1 + scale) + shift)
        out: Tensor = self.skip(x) + self.second(y)
        return out


def normed(x: Tensor) -> Tensor:
    """To an RMS of 1 over the channels, each knot by itself, so that a clip's length doesn't matter."""
    return x * torch.rsqrt((x * x).mean(1, keepdim=True) + 1e-5)


class Attention(nn.Module):
    """Every knot looks at every other; places are told by `near`, a bias that falls with the distance, per head."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.ask = nn.Conv1d(width, 3 * width, 1)
        self.answer = nn.Conv1d(width, width, 1)
        self.near = nn.Parameter(torch.tensor([0.0, 0.05, 0.2, 0.6]))
        nn.init.zeros_(self.answer.weight)

    def forward(self, x: Tensor) -> Tensor:
        faces, width, knots = x.shape
        q, k, v = self.ask(normed(x)).reshape(faces, 3 * HEADS, width // HEADS, knots).chunk(3, 1)
        place = torch.arange(knots, device=x.device, dtype=x.dtype)
        apart = (place[:, None] - place[None]).abs() * self.near[:, None, None]
        weights = torch.softmax(q.transpose(2, 3) @ k * (width // HEADS) ** -0.5 - apart, -1)
        seen = (v @ weights.transpose(2, 3)).reshape(faces, width, knots)
        out: Tensor = x + self.answer(seen)
        return out


class MotionModel(nn.Module):
    """All that is trained."""

    def __init__(self) -> None:
        super().__init__()
        self.field, self.blinks = ScoreField(), BlinkOdds(ASKED)


class ScoreField(nn.Module):
    """The velocity that carries noise, at flow time 0, to a score, at flow time 1."""

    def __init__(self) -> None:
        super().__init__()
        a, b, c = WIDTHS
        self.tell = nn.Sequential(
            nn.Linear(32 + STYLE_SIZE + OWN + 3, EMBEDDED), nn.SiLU(), nn.Linear(EMBEDDED, EMBEDDED), nn.SiLU()
        )
        self.enter = nn.Conv1d(CHANNELS + ASKED, a, 3, padding=1)
        self.down_a, self.down_b = Block(a, a), Block(b, b)
        self.halve_a, self.halve_b = nn.Conv1d(a, b, 4, 2, 1), nn.Conv1d(b, c, 4, 2, 1)
        self.middle = nn.ModuleList([Block(c, c), Block(c, c)])
        self.look = nn.ModuleList([Attention(c), Attention(c)])
        self.up_b, self.up_a = Block(c + b, b), Block(b + a, a)
        self.leave = nn.Conv1d(a, CHANNELS, 3, padding=1)
        nn.init.zeros_(self.leave.weight)

    def forward(self, x: Tensor, time: Tensor, asked: Tensor, about: Tensor) -> Tensor:
        """x (F, C, K), time (F,) 0 to 1, asked (F, ASKED, K), about (F, STYLE_SIZE + OWN + 3) -> (F, C, K)."""
        told = self.tell(torch.cat([waves(time), about], 1))
        at_a = self.down_a(self.enter(torch.cat([x, asked], 1)), told)
        at_b = self.down_b(self.halve_a(at_a), told)
        y = self.halve_b(at_b)
        for block, look in zip(self.middle, self.look, strict=True):
            y = look(block(y, told))
        y = self.up_b(torch.cat([F.interpolate(y, scale_factor=2.0), at_b], 1), told)
        y = self.up_a(torch.cat([F.interpolate(y, scale_factor=2.0), at_a], 1), told)
        out: Tensor = self.leave(F.silu(normed(y)))
        return out


def waves(time: Tensor) -> Tensor:
    """(F,) -> (F, 32)."""
    angle = time[:, None] * torch.exp(torch.linspace(0, 4.6, 16, device=time.device))
    return torch.cat([angle.sin(), angle.cos()], 1)


def flow(field: ScoreField, noise: Tensor, asked: Tensor, about: Tensor, steps: int) -> Tensor:
    """Noise (F, C, K) carried to a score in `steps` midpoint steps, finer where the flow bends, near its end."""
    times = torch.linspace(0, 1, steps + 1) ** 0.8
    x, same = noise, torch.zeros_like(noise[:, 0, 0])
    for i in range(steps):
        start, step = times[i], times[i + 1] - times[i]
        half = x + step / 2 * field(x, start + same, asked, about)
        x = x + step * field(half, start + step / 2 + same, asked, about)
    return x
