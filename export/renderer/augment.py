"""Stored pairs -> batches: the network's input, the photo it should come out as, and how much each pixel counts.

Everything is drawn at random from a CPU generator and computed on the pairs' device, so that a batch depends on its
seed alone.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor

from export.renderer.degrade import blurred, coarser, compressed
from export.renderer.frame import HEIGHT, MARGIN_PX, WIDTH

DEPTH_SHADE = 0.2  # the engine's: teeth and gums are darker where skin is near
ZOOM, TURN_RAD, SHIFT_PX = 0.1, 0.1, 7.0
MISPLACED_PX = 1.2  # standard deviation of the drawn teeth's place
OPENED_SHARE, OPENED_PX = 0.3, (4.0, 34.0)  # mouths pulled open further than the photo shows, and by how much
RAISED_PX = (0.0, 12.0)  # of lower teeth in them: photos with closed jaws hide these behind the lip
GAP_WEIGHT = 0.5  # of pixels that no photo shows: there the drawn mouth is the target
TOOTH_GAIN = (0.6, 1.8)  # how much darker or brighter than drawn the photo's teeth may make those that it doesn't show


@dataclass(frozen=True)
class Batch:
    """N mouths of h by w pixels: what the network gets, what should come out, and what the former is made of."""

    crop: Tensor  # (N, 8, h, w) as in `frame`
    target: Tensor  # (N, 3, h, w), -1 to 1
    weight: Tensor  # (N, 1, h, w) of each pixel's difference
    real: Tensor  # (N,) 1 where all of the target is a photo
    skin: Tensor  # (N, 3, h, w), 0 to 1
    drawn: Tensor  # (N, 3, h, w), 0 to 1
    parts: Tensor  # (N, 4, h, w), also where skin is before them

    def part(self, rows: slice) -> Batch:
        return Batch(*(getattr(self, field.name)[rows] for field in fields(self)))


class Chance:
    """Random numbers of a batch of n, drawn on the CPU and put on a device, shaped (n, 1, 1, 1)."""

    def __init__(self, n: int, generator: torch.Generator, device: torch.device) -> None:
        self.n, self.generator, self.device = n, generator, device

    def uniform(self, low: float, high: float, channels: int = 1) -> Tensor:
        drawn = torch.rand(self.n, channels, 1, 1, generator=self.generator)
        return (low + (high - low) * drawn).to(self.device)

    def normal(self, spread: float, channels: int = 1) -> Tensor:
        return (spread * torch.randn(self.n, channels, 1, 1, generator=self.generator)).to(self.device)

    def happens(self, share: float) -> Tensor:
        """1 in this share of the batch, else 0."""
        return (self.uniform(0, 1) < share).float()


def sampled(layer: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """layer (N, C, h, w) at positions x, y (N, 1, H, W) in its own pixels."""
    height, width = layer.shape[2:]
    grid = torch.stack([2 * x[:, 0] / (width - 1) - 1, 2 * y[:, 0] / (height - 1) - 1], -1)
    return F.grid_sample(layer, grid, "bilinear", "border", align_corners=True)


def layers_of(stored: dict[str, Tensor]) -> dict[str, Tensor]:
    """uint8 (N, h, w, C) -> float (N, C, h, w); colours 0 to 1 as well as shares."""
    found = {name: stored[name].permute(0, 3, 1, 2).float() / 255 for name in ("photo", "upper", "lower")}
    return found | {
        "inside": stored["inside"][:, None].float() / 255,
        "dark": stored["dark"][:, :, None, None].float() / 255,
    }


def drawn_over_dark(inside: Tensor, upper: Tensor, lower: Tensor, dark: Tensor) -> tuple[Tensor, Tensor]:
    """The drawn interior (N, 3, h, w), shaded as the engine does it, and its parts (N, 4, h, w)."""
    near = 1 - F.avg_pool2d(inside, 9, 1, 4)
    lit = 1 - DEPTH_SHADE * near
    seen = 1 - upper[:, 3:4]
    colour = lit * upper[:, :3] + seen * (lit * lower[:, :3] + (1 - lower[:, 3:4]) * dark)
    gums = (upper[:, 3:4] - upper[:, 4:]).clamp(min=0), (lower[:, 3:4] - lower[:, 4:]).clamp(min=0)
    parts = torch.cat([upper[:, 4:], gums[0], seen * lower[:, 4:], seen * gums[1]], 1)
    return colour, parts


def assemble(
    photo: Tensor, skin: Tensor, inside: Tensor, drawn: Tensor, parts: Tensor, gap: Tensor, opened: Tensor
) -> Batch:
    """Puts a batch together; all are (N, C, h, w) with colours 0 to 1, opened is (N, 1, 1, 1)."""
    target = photo + gap * (in_tone_of_teeth(drawn, parts, photo, inside * (1 - gap)) - photo)
    weight = inside * (1 - (1 - GAP_WEIGHT) * gap * (1 - parts[:, 2:3]))  # few photos show lower teeth
    crop = crop_of(skin, inside, drawn, parts)
    return Batch(crop, 2 * target - 1, weight, 1 - opened[:, 0, 0, 0], skin, drawn, parts)


def crop_of(skin: Tensor, inside: Tensor, drawn: Tensor, parts: Tensor) -> Tensor:
    """The network's input (N, 8, h, w), from skin and drawing with colours 0 to 1."""
    return torch.cat([2 * (skin + inside * (drawn - skin)) - 1, inside, parts * (inside > 0)], 1)


def in_tone_of_teeth(drawn: Tensor, parts: Tensor, photo: Tensor, seen: Tensor) -> Tensor:
    """The drawn interior with its teeth as bright and as yellow as those that are `seen` (N, 1, h, w) in the photo."""
    upper = parts[:, :1] * seen
    in_photo, in_drawing = ((picture * upper).sum((2, 3), keepdim=True) for picture in (photo, drawn))
    gain = ((in_photo + 1) / (in_drawing + 1)).clamp(*TOOTH_GAIN)  # 1 where no teeth are seen
    teeth = parts[:, :1] + parts[:, 2:3]
    return (drawn * (1 + (gain - 1) * teeth)).clamp(max=1)


def plain_batch(stored: dict[str, Tensor]) -> Batch:
    """The pairs as they are, for figures and samples."""
    inner = slice(MARGIN_PX, MARGIN_PX + HEIGHT), slice(MARGIN_PX, MARGIN_PX + WIDTH)
    layers = {name: value[(..., *inner)] if name != "dark" else value for name, value in layers_of(stored).items()}
    drawn, parts = drawn_over_dark(layers["inside"], layers["upper"], layers["lower"], layers["dark"])
    nothing = torch.zeros_like(layers["inside"])
    return assemble(layers["photo"], layers["photo"], layers["inside"], drawn, parts, nothing, nothing[:, :, :1, :1])


def augmented_batch(
    stored: dict[str, Tensor], edge: Tensor, generator: torch.Generator, size: tuple[int, int] = (HEIGHT, WIDTH)
) -> Batch:
    """Pairs under other light, from another camera, a little elsewhere; some with the jaw dropped further.

    size: height and width, multiples of 8; a smaller part of the frame, around the lips, is learnt faster.
    """
    device = edge.device
    chance = Chance(len(edge), generator, device)
    layers = layers_of(stored)
    x, y = positions(chance, size)
    opened = chance.happens(OPENED_SHARE)
    drop, gap, y_photo = dropped_jaw(chance, opened, edge, x, y)
    inside = torch.maximum(sampled(layers["inside"], x, y_photo), gap)
    upper = sampled(layers["upper"], x + chance.normal(MISPLACED_PX), y + chance.normal(MISPLACED_PX))
    down = drop - opened * chance.uniform(*RAISED_PX) + chance.normal(MISPLACED_PX)
    lower = sampled(layers["lower"], x + chance.normal(MISPLACED_PX), y - down)
    drawn, parts = drawn_over_dark(inside, upper, lower, layers["dark"])
    light = OtherLight(chance)
    drawn = (light(drawn) * (1 + chance.normal(0.06) + chance.normal(0.02, 3))).clamp(0, 1)
    photo = other_camera(light(sampled(layers["photo"], x, y_photo)), chance)
    stretched = chance.happens(0.3)  # skin that the warp has pulled is softer than the rest of the photo
    skin = photo + stretched * (blurred(photo, chance.uniform(0.5, 2.0)) - photo)
    return assemble(photo, skin, inside, drawn, parts, gap, opened)


def positions(chance: Chance, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Where each pixel of the batch is in the stored picture (N, 1, h, w): turned, mirrored, shifted."""
    height, width = size
    across = torch.arange(width, dtype=torch.float32, device=chance.device) - (width - 1) / 2
    down = torch.arange(height, dtype=torch.float32, device=chance.device) - (height - 1) / 2
    across, down = across[None, None, None, :], down[None, None, :, None]
    zoom, angle = 1 + chance.uniform(-ZOOM, ZOOM), chance.uniform(-TURN_RAD, TURN_RAD)
    mirror = 1 - 2 * chance.happens(0.5)
    x = mirror * zoom * (torch.cos(angle) * across - torch.sin(angle) * down)
    y = zoom * (torch.sin(angle) * across + torch.cos(angle) * down)
    spare_x, spare_y = SHIFT_PX + (WIDTH - width) / 4, SHIFT_PX
    middle_x = MARGIN_PX + (WIDTH - 1) / 2
    middle_y = MARGIN_PX + (HEIGHT - 1) / 2 - (HEIGHT - height) / 8  # the lips are above the frame's middle
    return x + middle_x + chance.uniform(-spare_x, spare_x), y + middle_y + chance.uniform(-spare_y, spare_y)


def dropped_jaw(chance: Chance, opened: Tensor, edge: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Pulls the lower lip down where `opened` is 1: the jaw's way in pixels (N, 1, 1, 1), where a gap came to be, 0 to
    1, and the rows that the photo is read at, both (N, 1, h, w).

    Photos show few mouths that are wide open. The gap opens along the lower lip's edge (see `Pairs.lower_edge`).
    """
    c0, c1, c2, middle, half = edge[:, :, None, None, None].unbind(1)
    drop = opened * chance.uniform(*OPENED_PX)
    lip = c0 + c1 * x + c2 * x * x - 1.0
    way = drop * torch.sqrt((1 - ((x - middle) / half) ** 2).clamp(min=0))
    beyond = y - lip
    gap = ((beyond + 0.5).clamp(0, 1) * (way - beyond + 0.5).clamp(0, 1)) * (way > 0)
    return drop, gap, y - torch.minimum(beyond.clamp(min=0), way)


class OtherLight:
    """One change of colour and brightness for each of a batch, the same for all that it is applied to."""

    def __init__(self, chance: Chance) -> None:
        self.gain = (1 + chance.normal(0.1)) * (1 + chance.normal(0.03, 3))
        self.gamma = torch.exp(chance.normal(0.18))
        self.grey = chance.uniform(-0.3, 0.3)

    def __call__(self, colour: Tensor) -> Tensor:
        """(N, 3, h, w), 0 to 1."""
        mean = colour.mean(1, keepdim=True)
        return (self.gain * (colour + self.grey * (mean - colour)).clamp(min=1e-4) ** self.gamma).clamp(0, 1)


def other_camera(photo: Tensor, chance: Chance) -> Tensor:
    """Less sharp, coarser, noisier or compressed, each in a part of the batch; (N, 3, h, w), 0 to 1."""
    photo = photo + chance.happens(0.3) * (blurred(photo, chance.uniform(0.4, 1.4)) - photo)
    photo = photo + chance.happens(0.15) * (coarser(photo) - photo)
    noise = torch.randn(photo.shape, generator=chance.generator).to(chance.device)
    photo = photo + chance.happens(0.2) * chance.uniform(0, 0.02) * noise
    return (photo + chance.happens(0.3) * (compressed(photo, chance.uniform(0.3, 2.0)) - photo)).clamp(0, 1)
