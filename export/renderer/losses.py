"""What the mouth network and its critic are trained for."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from export.renderer.augment import Batch, Chance, crop_of
from export.renderer.frame import CHANNELS, INSIDE
from export.renderer.network import MouthNet

TONE_BLOCK_PX = 8
BENT_PX = 1.5  # how far lips are moved, standard deviation
MOVED_PX, TURNED_RAD, ZOOMED = 2.0, 0.04, 0.03  # how far the copy of a frame is moved that must come out the same


def weighted_mean(values: Tensor, weight: Tensor) -> Tensor:
    """values (N, C, h, w), weight (N, 1, h, w) -> one number; pictures count the same, however small the mouth."""
    each = (values * weight).mean((1, 2, 3)) / (weight.mean((1, 2, 3)) + 1e-3)
    return each.mean()


def pixel_loss(made: Tensor, batch: Batch) -> Tensor:
    return weighted_mean((made - batch.target).abs(), batch.weight)


def tone_loss(made: Tensor, batch: Batch) -> Tensor:
    """Difference of the mean colours of blocks: other teeth may differ in their edges, not in their light."""
    mean = F.avg_pool2d((made - batch.target) * batch.weight, TONE_BLOCK_PX)
    return weighted_mean(mean.abs(), F.avg_pool2d(batch.weight, TONE_BLOCK_PX))


def style_loss(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Divergence of the styles found from the standard normal that they are drawn from later, in nats."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()


def verdict_weight(verdict: Tensor, batch: Batch) -> Tensor:
    """Of each patch: how much of the mouth's inside it sees, and nothing of pictures that aren't all photo."""
    seen = F.adaptive_max_pool2d(batch.crop[:, INSIDE], verdict.shape[2:])
    return seen * batch.real[:, None, None, None]


def weighted_verdict(values: Tensor, batch: Batch) -> Tensor:
    weight = verdict_weight(values, batch)
    return (values * weight).sum() / (weight.sum() + 1e-3)


def critic_loss(real: Tensor, made: Tensor, batch: Batch) -> Tensor:
    """Hinge, from the verdicts (N, 1, h, w) on photos and on what was made."""
    return weighted_verdict(F.relu(1 - real) + F.relu(1 + made), batch)


def deceiving_loss(made: Tensor, batch: Batch) -> Tensor:
    return -weighted_verdict(made, batch)


def feature_loss(real: list[Tensor], made: list[Tensor], batch: Batch) -> Tensor:
    """Feature matching (Wang et al. 2018): what the critic's layers see should be the same."""
    pairs = zip(real[:-1], made[:-1], strict=True)
    losses = [weighted_mean((b - a.detach()).abs(), verdict_weight(a, batch)) for a, b in pairs]
    return torch.stack(losses).mean()


def moved_grid(chance: Chance, height: int, width: int) -> Tensor:
    """A small turn, shift and zoom as a sampling grid (N, h, w, 2)."""
    angle, zoom = chance.normal(TURNED_RAD)[:, 0, 0, 0], 1 + chance.normal(ZOOMED)[:, 0, 0, 0]
    x, y = (2 / size * chance.normal(MOVED_PX)[:, 0, 0, 0] for size in (width, height))
    aspect = height / width
    rows = [
        torch.stack([zoom * torch.cos(angle), -zoom * torch.sin(angle) * aspect, x], 1),
        torch.stack([zoom * torch.sin(angle) / aspect, zoom * torch.cos(angle), y], 1),
    ]
    return F.affine_grid(torch.stack(rows, 1), [chance.n, CHANNELS, height, width], align_corners=False)


def equivariance_loss(network: MouthNet, crop: Tensor, style: Tensor, found: Tensor, chance: Chance) -> Tensor:
    """A crop that is moved a little must come out as before, moved: teeth that swim or flicker don't."""
    grid = moved_grid(chance, *crop.shape[2:])

    def moved(picture: Tensor) -> Tensor:
        return F.grid_sample(picture, grid, "bilinear", "border", align_corners=False)

    again = network(moved(crop), style).float()
    expected = moved(premultiplied(found))
    return weighted_mean((premultiplied(again) - expected).abs(), moved(crop[:, INSIDE]) ** 2)


def lips_loss(network: MouthNet, batch: Batch, style: Tensor, found: Tensor, chance: Chance) -> Tensor:
    """Lips that slide over teeth must leave those as they are: a look at the same mouth with its skin bent a little."""
    height, width = batch.skin.shape[2:]
    bend = torch.cat([chance.normal(BENT_PX / size, 12).reshape(-1, 1, 3, 4) for size in (width, height)], 1)
    bend = F.interpolate(2 * bend, size=(height, width), mode="bicubic", align_corners=True).permute(0, 2, 3, 1)
    still = F.affine_grid(torch.eye(2, 3, device=bend.device).expand(len(bend), 2, 3), [*batch.skin.shape], False)
    bent = F.grid_sample(
        torch.cat([batch.skin, batch.crop[:, INSIDE]], 1), still + bend, "bilinear", "border", align_corners=False
    )
    again = network(crop_of(bent[:, :3], bent[:, 3:], batch.drawn, batch.parts), style).float()
    both = torch.minimum(bent[:, 3:], batch.crop[:, INSIDE]) ** 4
    return weighted_mean((premultiplied(again) - premultiplied(found)).abs(), both)


def premultiplied(found: Tensor) -> Tensor:
    """The network's result (N, 4, h, w) with its colour weighted by its alpha."""
    return torch.cat([found[:, :3] * found[:, 3:], found[:, 3:]], 1)


def ramp(step: int, start: int, end: int) -> float:
    """0 before start, 1 after end, smooth between."""
    t = min(1.0, max(0.0, (step - start) / (end - start)))
    return 0.5 - 0.5 * math.cos(math.pi * t)
