"""MediaPipe's face mesh (478 points) and blendshape networks (Google, Apache-2.0) as torch modules."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from export.tflite import read_graph
from export.tflite_module import TFLiteModule


class Mesh(nn.Module):
    """478 points in a 256x256 crop around a face, and whether there is one."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.body = TFLiteModule(read_graph(path))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, 256, 256) RGB 0 to 1 -> points (N, 478, 3) in crop pixels, presence (N,) 0 to 1."""
        points, presence, _tongue = self.body(image)
        return points.reshape(-1, 478, 3), torch.sigmoid(presence.reshape(-1))


class Blendshapes(nn.Module):
    """52 readings of the expression from 146 of the points; it normalises the points itself."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.body = TFLiteModule(read_graph(path))

    def forward(self, points: Tensor) -> Tensor:
        """(N, 146, 2) in pixels -> (N, 52), 0 to 1."""
        (readings,) = self.body(points)
        return readings
