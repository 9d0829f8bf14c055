"""MediaPipe's selfie multiclass segmenter (Google, Apache-2.0) as a torch module."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from export.tflite import read_graph
from export.tflite_module import TFLiteModule


class Segmenter(nn.Module):
    """Background, hair, body skin, face skin, clothes, other."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.body = TFLiteModule(read_graph(path))

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, 256, 256) RGB 0 to 1 -> probabilities (N, 6, 256, 256)."""
        (logits,) = self.body(image)
        return torch.softmax(logits, dim=1)
