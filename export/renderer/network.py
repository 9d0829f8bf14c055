"""The mouth network, and those that only training needs: an encoder of style and a critic."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from export.renderer.frame import CHANNELS, HEIGHT, INSIDE, PARTS, SHOWN, STYLE_SIZE, WIDTH

WIDTHS = (24, 48, 96, 160)  # channels at full size, a half, a quarter, an eighth
CRITIC_WIDTHS = (48, 96, 192)
STYLES_DECAY = 0.98
LEAST_VARIANCE = 1e-3
ALPHA_START = 2.0  # logit: the network begins by replacing most of what is drawn


def rectified(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.2)


class Block(nn.Module):
    """Two convolutions beside a shortcut; the style scales and shifts what is between them.

    There is no normalisation: statistics over the picture would let all teeth change when a lip moves.
    """

    def __init__(self, channels: int, *, single: bool = False) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = None if single else nn.Conv2d(channels, channels, 3, padding=1)
        self.style = nn.Linear(STYLE_SIZE, 2 * channels)
        nn.init.normal_(self.style.weight, std=0.1)
        nn.init.zeros_(self.style.bias)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        gain, shift = self.style(style)[:, :, None, None].chunk(2, 1)
        inner = rectified(self.first(x) * (1 + gain) + shift)
        return rectified(x + (inner if self.second is None else self.second(inner)))


class MouthNet(nn.Module):
    """A small U-Net: the crop with a drawn mouth -> the mouth's colours, and how far they replace what was drawn."""

    def __init__(self) -> None:
        super().__init__()
        full, half, quarter, eighth = WIDTHS
        self.enter = nn.Conv2d(CHANNELS, full, 3, padding=1)
        self.down = nn.ModuleList([nn.Conv2d(a, b, 3, 2, 1) for a, b in pairwise(WIDTHS)])
        self.inward = nn.ModuleList([Block(half, single=True), Block(quarter, single=True), Block(eighth)])
        self.up = nn.ModuleList([nn.Conv2d(a, b, 1) for a, b in ((eighth, quarter), (quarter, half), (half, full))])
        self.outward = nn.ModuleList([Block(quarter, single=True), Block(half, single=True), Block(full, single=True)])
        self.leave = nn.Conv2d(full, 4, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        with torch.no_grad():
            self.leave.bias.copy_(torch.tensor([0.0, 0.0, 0.0, ALPHA_START]))

    def forward(self, crop: Tensor, style: Tensor) -> Tensor:
        """crop (N, 8, 96, 160) as in `frame`, style (N, 8) as in `StylesSeen` -> (N, 4, 96, 160).

        The result is colour, -1 to 1, and alpha, 0 to 1: exactly 0 where no inside shows in the pixel or beside it.
        """
        x = rectified(self.enter(crop))
        passed = [x]
        for down, block in zip(self.down, self.inward, strict=True):
            x = block(rectified(down(x)), style)
            passed.append(x)
        for i, (up, block) in enumerate(zip(self.up, self.outward, strict=True)):
            x = F.interpolate(up(x), scale_factor=2.0, mode="bilinear", align_corners=False)
            x = block(x + passed[2 - i], style)
        found = self.leave(x)
        colour = torch.tanh(found[:, :3] + crop[:, SHOWN])  # starts near what is drawn
        near = F.max_pool2d(crop[:, INSIDE], 3, 1, 1) > 0  # with the pixels beside, so that it can be enlarged
        return torch.cat([colour, torch.sigmoid(found[:, 3:]) * near], 1)


def finished(crop: Tensor, found: Tensor) -> Tensor:
    """The crop (N, 3, h, w), -1 to 1, with the network's mouth in the place of the drawn one."""
    weight = found[:, 3:] * crop[:, INSIDE]
    return crop[:, SHOWN] + weight * (found[:, :3] - crop[:, SHOWN])


class StyleEncoder(nn.Module):
    """Sums up what can't be known from the input: these teeth's shape and shade. Used in training only."""

    def __init__(self) -> None:
        super().__init__()
        widths = (4, 32, 64, 96, 128)
        self.layers = nn.ModuleList([nn.Conv2d(a, b, 3, 2, 1) for a, b in pairwise(widths)])
        self.leave = nn.Linear(widths[-1], 2 * STYLE_SIZE)
        nn.init.normal_(self.leave.weight, std=0.01)
        nn.init.zeros_(self.leave.bias)

    def forward(self, photo: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
        """photo (N, 3, h, w), inside (N, 1, h, w) -> mean and logarithm of the variance, (N, 8) each."""
        x = torch.cat([photo * inside, inside], 1)
        for layer in self.layers:
            x = rectified(layer(x))
        weight = F.adaptive_avg_pool2d(inside, x.shape[2:]) + 1e-4
        pooled = (x * weight).sum((2, 3)) / weight.sum((2, 3))
        mean, log_variance = self.leave(pooled).chunk(2, 1)
        return mean, log_variance.clamp(-8, 4)


class StylesSeen(nn.Module):
    """Where the styles of photographed teeth lie. Zero is far from it: of their spread around zero little is asked."""

    mean: Tensor
    square: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(STYLE_SIZE))
        self.register_buffer("square", torch.eye(STYLE_SIZE))

    @torch.no_grad()
    def update(self, found: Tensor) -> None:
        """found: (N, 8), the encoder's means for photos."""
        self.mean.lerp_(found.mean(0), 1 - STYLES_DECAY)
        self.square.lerp_(found.T @ found / len(found), 1 - STYLES_DECAY)

    def spread(self) -> Tensor:
        """(8, 8): a standard normal times its transpose is as different from the mean as people's styles are."""
        covariance = self.square - torch.outer(self.mean, self.mean)
        return torch.linalg.cholesky(covariance + LEAST_VARIANCE * torch.eye(STYLE_SIZE, device=covariance.device))

    def forward(self, normal: Tensor) -> Tensor:
        """Standard normal (N, 8) -> styles."""
        return self.mean + normal @ self.spread().T


class PatchCritic(nn.Module):
    """Tells photographed mouths from made ones, patch by patch, given where the inside and its parts are."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3 + 1 + 4, *CRITIC_WIDTHS)
        self.layers = nn.ModuleList([spectral_norm(nn.Conv2d(a, b, 4, 2, 1)) for a, b in pairwise(widths)])
        self.leave = spectral_norm(nn.Conv2d(widths[-1], 1, 3, padding=1))

    def forward(self, picture: Tensor, crop: Tensor) -> list[Tensor]:
        """picture (N, 3, h, w) judged beside its crop (N, 8, h, w) -> features of each layer, last the verdict."""
        x = torch.cat([picture, crop[:, INSIDE], crop[:, PARTS]], 1)
        found = []
        for layer in self.layers:
            x = rectified(layer(x))
            found.append(x)
        return [*found, self.leave(x)]


def flop_per_frame() -> int:
    """Floating point operations of one frame, a multiplication and an addition being two."""
    total = 0

    def count(module: nn.Module, _: object, output: Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d):
            total += 2 * output.numel() * module.weight[0].numel()
        elif isinstance(module, nn.Linear):
            total += 2 * output.numel() * module.in_features

    network = MouthNet().eval()
    for module in network.modules():
        module.register_forward_hook(count)
    with torch.no_grad():
        network(torch.zeros(1, CHANNELS, HEIGHT, WIDTH), torch.zeros(1, STYLE_SIZE))
    return total
