"""What cameras and files do to pictures (N, 3, h, w) with values from 0 to 1, as tensor operations."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

BLUR_REACH_PX = 5
COARSENESS = 0.55
BLOCK = 8
LUMA = (0.299, 0.587, 0.114)
# Quantisation of brightness at quality 50, rows of the block (ITU-T T.81, annex K).
QUANTA = (
    (16, 11, 10, 16, 24, 40, 51, 61), (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56), (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77), (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101), (72, 92, 95, 98, 112, 100, 103, 99),
)  # fmt: skip


def blurred(picture: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur with a sigma (N, 1, 1, 1) in pixels for each picture."""
    n, channels, height, width = picture.shape
    at = torch.arange(-BLUR_REACH_PX, BLUR_REACH_PX + 1, device=picture.device, dtype=picture.dtype)
    kernel = torch.exp(-0.5 * (at[None] / sigma.reshape(n, 1)) ** 2)
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(channels, 0)
    flat = F.pad(picture, [BLUR_REACH_PX] * 4, mode="replicate").reshape(1, n * channels, height + 10, width + 10)
    flat = F.conv2d(flat, kernel[:, None, :, None], groups=n * channels)
    flat = F.conv2d(flat, kernel[:, None, None, :], groups=n * channels)
    return flat.reshape(n, channels, height, width)


def coarser(picture: Tensor) -> Tensor:
    """As a photo of about half the resolution, enlarged."""
    small = F.interpolate(picture, scale_factor=COARSENESS, mode="bilinear", align_corners=False, antialias=True)
    return F.interpolate(small, size=picture.shape[2:], mode="bicubic", align_corners=False)


def cosines(device: torch.device) -> Tensor:
    """The discrete cosine transform of a block's rows, orthonormal (8, 8)."""
    k, x = torch.meshgrid(torch.arange(BLOCK), torch.arange(BLOCK), indexing="ij")
    matrix = torch.cos((2 * x + 1) * k * math.pi / (2 * BLOCK)) * math.sqrt(2 / BLOCK)
    matrix[0] /= math.sqrt(2)
    return matrix.to(device)


def compressed(picture: Tensor, coarseness: Tensor) -> Tensor:
    """As JPEG would store it: brightness with its quanta times coarseness (N, 1, 1, 1), colour twice as coarse.

    Height and width must be multiples of 8.
    """
    n, _, height, width = picture.shape
    luma = (picture * picture.new_tensor(LUMA)[:, None, None]).sum(1, keepdim=True)
    planes = torch.cat([luma, picture - luma], 1)  # (N, 4, h, w)
    blocks = planes.reshape(n, 4, height // BLOCK, BLOCK, width // BLOCK, BLOCK).transpose(3, 4)
    matrix = cosines(picture.device)
    quanta = picture.new_tensor(QUANTA) / 255 * coarseness[..., None, None]
    quanta = quanta * picture.new_tensor([1.0, 2.0, 2.0, 2.0])[:, None, None, None, None]
    found = torch.round(matrix @ blocks @ matrix.T / quanta) * quanta
    blocks = matrix.T @ found @ matrix
    planes = blocks.transpose(3, 4).reshape(n, 4, height, width)
    return planes[:, :1] + planes[:, 1:]
