"""PNG pictures of samples and of losses, with nothing but NumPy: machines for training may have little else."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

COLOURS = ((31, 119, 180), (255, 127, 14), (44, 160, 44), (214, 39, 40), (148, 103, 189), (140, 86, 75), (80, 80, 80))
PLOT_HEIGHT, PLOT_WIDTH = 90, 700


def write_png(path: Path, picture: NDArray[np.uint8]) -> None:
    """picture (h, w, 3) RGB."""
    height, width, _ = picture.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), picture.reshape(height, -1)], 1).tobytes()

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )


def as_pixels(pictures: Tensor) -> NDArray[np.uint8]:
    """(N, 3, h, w), -1 to 1 -> (N, h, w, 3) uint8."""
    scaled = (pictures.detach().float().clamp(-1, 1) + 1) * 127.5
    return scaled.round().byte().permute(0, 2, 3, 1).cpu().numpy()


def contact_sheet(columns: Sequence[Tensor], *, across: int, enlarged: int) -> NDArray[np.uint8]:
    """Columns of pictures (N, 3, h, w) side by side, a row for each of N; `across` such rows next to each other."""
    rows = np.concatenate([as_pixels(column) for column in columns], 2)
    missing = -len(rows) % across
    rows = np.concatenate([rows, np.zeros((missing, *rows.shape[1:]), np.uint8)])
    lines = [np.concatenate(list(rows[i : i + across]), 1) for i in range(0, len(rows), across)]
    return np.concatenate(lines).repeat(enlarged, 0).repeat(enlarged, 1)


def loss_plot(series: NDArray[np.float64]) -> NDArray[np.uint8]:
    """series (steps, K): one band for each, from its lowest to its highest value, smoothed."""
    bands = []
    for k in range(series.shape[1]):
        band = np.full((PLOT_HEIGHT, PLOT_WIDTH, 3), 255, np.uint8)
        band[-1] = 200
        values = np.interp(np.linspace(0, len(series) - 1, PLOT_WIDTH), np.arange(len(series)), series[:, k])
        spread = max(float(values.max() - values.min()), 1e-9)
        rows = np.rint((PLOT_HEIGHT - 8) * (1 - (values - values.min()) / spread) + 3).astype(int)
        for x in range(PLOT_WIDTH):
            low, high = sorted((rows[x], rows[max(0, x - 1)]))
            band[low : high + 2, x] = COLOURS[k % len(COLOURS)]
        bands.append(band)
    return np.concatenate(bands)
