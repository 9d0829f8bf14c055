"""When people blink: the odds of it at each knot, given the rest of the score, learnt from events by likelihood.

A flow that writes blinks as bumps of a curve averages rare events away. The odds at each knot, with a pause after each
blink, are a point process in discrete time (Cox 1972, hazard regression), which loses none of them to averaging.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from export.motion.score import CHANNELS
from export.motion.style import STYLE_SIZE

WIDTH, REACH_KNOTS = 32, 5
PAUSE_KNOTS = 6  # after a blink, before another one can start
LONGEST_CHAIN = 6  # of wishes to blink that are less than a pause apart
PARTIAL_DEPTHS = (0.45, 0.80)
CHANCES = 2  # channels of noise: whether, and how deep


class BlinkOdds(nn.Module):
    """Score, wishes and style -> the logits, per knot, of a blink and of its closing the eye."""

    def __init__(self, asked: int) -> None:
        super().__init__()
        self.enter = nn.Conv1d(CHANNELS + asked, WIDTH, REACH_KNOTS, padding=REACH_KNOTS // 2)
        self.tell = nn.Linear(STYLE_SIZE, WIDTH)
        self.inner = nn.Conv1d(WIDTH, WIDTH, REACH_KNOTS, padding=REACH_KNOTS // 2)
        self.leave = nn.Conv1d(WIDTH, 2, 1)
        nn.init.zeros_(self.leave.weight)
        with torch.no_grad():
            self.leave.bias.copy_(torch.tensor([-4.0, 0.0]))

    def forward(self, score: Tensor, asked: Tensor, style: Tensor) -> Tensor:
        """score (F, C, K), asked (F, A, K), style (F, S) -> (F, 2, K)."""
        x = F.silu(self.enter(torch.cat([score, asked], 1)) + self.tell(style)[..., None])
        out: Tensor = self.leave(F.silu(self.inner(x)))
        return out


def blink_loss(logits: Tensor, depths: Tensor) -> Tensor:
    """Negative log-likelihood per knot; depths (F, K) are 0 where no blink starts.

    What happens in the pause after a blink is no evidence of how likely one is.
    """
    happens = (depths > 0).to(logits.dtype)
    free = 1 - recent(happens)
    whether = F.binary_cross_entropy_with_logits(logits[:, 0], happens, weight=free, reduction="sum")
    complete = (depths > PARTIAL_DEPTHS[1] + 0.01).to(logits.dtype)
    how = F.binary_cross_entropy_with_logits(logits[:, 1], complete, weight=happens, reduction="sum")
    return (whether + how) / free.sum()


def recent(happens: Tensor) -> Tensor:
    """(F, K): 1 where something happened in the pause before."""
    return F.max_pool1d(F.pad(happens[:, None], (PAUSE_KNOTS, 0))[..., :-1], PAUSE_KNOTS, 1)[:, 0]


def draw_blinks(logits: Tensor, chances: Tensor, may: Tensor) -> Tensor:
    """Blinks (F, 3, K): whether one starts at a knot, how many knots later than that, how deep it is.

    logits (F, 2, K), chances (F, 2, K) standard normal, may (F, K) 0 where none may start.
    """
    odds = torch.sigmoid(logits)
    whether, how = (0.5 + 0.5 * torch.erf(chances * 0.5**0.5)).unbind(1)
    wished = (whether < odds[:, 0]).to(logits.dtype) * may
    happens = wished
    for _ in range(LONGEST_CHAIN):  # the first of a chain stands, the second falls, the third stands after that pause
        happens = wished * (1 - recent(happens))
    late = (whether / odds[:, 0].clamp(min=1e-6)).clamp(0, 1) - 0.5
    shallow, deep = PARTIAL_DEPTHS
    rest = ((how - odds[:, 1]) / (1 - odds[:, 1]).clamp(min=1e-6)).clamp(0, 1)
    depth = torch.where(how < odds[:, 1], torch.ones_like(how), shallow + (deep - shallow) * rest)
    return torch.stack([happens, late * happens, depth * happens], 1)
