"""The mouth network as the engine runs it: a mouth patch of the warp in, the finished patch out.

The patch has the photo's own resolution and moves; the network's frame is small and fixed to the skull. The graph reads
the patch in that frame, draws the mouth, and lays it over the patch where the inside of the mouth shows.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from export.renderer.frame import HEIGHT, STYLE_SIZE, WIDTH
from export.renderer.network import MouthNet

SUPERSAMPLING = 2  # photos of higher resolution than the frame would alias
FADE_PX = 6.0  # at the frame's border, beyond which the drawn interior stays

INPUTS = ("patch", "interior", "inside", "parts", "to_patch", "style")


def lattice(height: int, width: int) -> Tensor:
    """Pixel positions (height, width, 2) as x, y."""
    y, x = torch.arange(height, dtype=torch.float32), torch.arange(width, dtype=torch.float32)
    return torch.stack([x[None, :].expand(height, width), y[:, None].expand(height, width)], -1)


def through(affine: Tensor, positions: Tensor) -> Tensor:
    """affine (T, 2, 3) of positions (h, w, 2) -> (T, h, w, 2)."""
    return torch.matmul(positions, affine[:, None, :, :2].transpose(-1, -2)) + affine[:, None, None, :, 2]


def inverse(affine: Tensor) -> Tensor:
    """Of maps of the plane (T, 2, 3)."""
    a, b, x = affine[:, 0].unbind(1)
    c, d, y = affine[:, 1].unbind(1)
    size = a * d - b * c
    rows = torch.stack([d, -b, b * y - d * x, -c, a, c * x - a * y], 1) / size[:, None]
    return rows.reshape(-1, 2, 3)


def read(picture: Tensor, positions: Tensor) -> Tensor:
    """picture (T, C, h, w) at positions (T, H, W, 2) in its own pixels; beyond its border, the border's."""
    x = 2 * positions[..., 0] / (picture.shape[3] - 1) - 1
    y = 2 * positions[..., 1] / (picture.shape[2] - 1) - 1
    return F.grid_sample(picture, torch.stack([x, y], -1), "bilinear", "border", align_corners=True)


class MouthGraph(nn.Module):
    """The trained network with its sampling, for patches of any size."""

    def __init__(self, network: MouthNet) -> None:
        super().__init__()
        self.network = network
        k = SUPERSAMPLING
        self.register_buffer("finer", (lattice(k * HEIGHT, k * WIDTH) + 0.5) / k - 0.5, persistent=False)
        y, x = torch.arange(HEIGHT, dtype=torch.float32), torch.arange(WIDTH, dtype=torch.float32)
        near = torch.minimum(torch.minimum(x, WIDTH - 1 - x)[None], torch.minimum(y, HEIGHT - 1 - y)[:, None])
        self.register_buffer("fade", (near / FADE_PX).clamp(max=1)[None, None], persistent=False)

    def forward(
        self, patch: Tensor, interior: Tensor, inside: Tensor, parts: Tensor, to_patch: Tensor, style: Tensor
    ) -> Tensor:
        """Draws the mouth of T frames.

        patch (T, h, w, 3)    uint8, as the warp drew it
        interior (T, 3, h, w) what it drew behind the skin, 0-255
        inside (T, 1, h, w)   how much of that shows, 0-1; 0 as well where the photo's own mouth shows
        parts (T, 4, h, w)    shares of upper teeth, upper gums, lower teeth, lower gums and tongue
        to_patch (T, 2, 3)    pixels of the network's frame -> the patch's, moving with the skull
        style (T, 8)          the clip's, the same for all frames
        -> (T, h, w, 3) uint8; where nothing of the inside shows, the patch
        """
        picture = patch.permute(0, 3, 1, 2).float()
        known = torch.cat([picture / 127.5 - 1, inside, parts], 1)
        crop = F.avg_pool2d(read(known, through(to_patch, self.finer)), SUPERSAMPLING)
        found = self.network(crop, style)
        drawn = torch.cat([found[:, :3], found[:, 3:] * self.fade], 1)
        back = read(drawn, through(inverse(to_patch), lattice(patch.shape[1], patch.shape[2])))
        colour = (back[:, :3] + 1) * 127.5
        laid = picture + inside * back[:, 3:] * (colour - interior)
        return torch.round(laid).clamp(0, 255).permute(0, 2, 3, 1).to(torch.uint8)


def example_inputs(frames: int, height: int = 150, width: int = 170) -> dict[str, Tensor]:
    """Tensors of the right shapes with values at random, half of the patch without any inside."""
    generator = torch.Generator().manual_seed(0)

    def drawn(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    inside = drawn(frames, 1, height, width)
    inside[..., : width // 2] = 0
    patch, interior = (255 * drawn(frames, height, width, 3)).to(torch.uint8), 255 * drawn(frames, 3, height, width)
    to_patch = torch.tensor([[0.9, 0.05, 3.0], [-0.05, 0.9, 20.0]]).expand(frames, -1, -1).clone()
    style = torch.randn(frames, STYLE_SIZE, generator=generator)
    values = (patch, interior, inside, drawn(frames, 4, height, width), to_patch, style)
    return dict(zip(INPUTS, values, strict=True))
