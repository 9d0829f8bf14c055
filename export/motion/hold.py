"""What keeps an expression alive while it lasts: its strength drifts, that of brows and lids apart from the mouth's.

Simulated muscles rise to their height and stay within a few hundredths of it, all alike, which looks like a mask.
Animators call the remedy a moving hold (Thomas and Johnston 1981, The Illusion of Life).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from engine.mesh import BLENDSHAPES
from export.motion.corpus import NAMES

DRIFT: Mapping[str, float] = {  # SD, of the expression's height; fear freezes
    "joy": 0.10, "fear": 0.075, "anger": 0.08, "sadness": 0.07, "disgust": 0.09, "surprise": 0.05,
}  # fmt: skip
MOST_UNUSUAL = 1.8  # SD
SHARED = 0.6  # of the drift's SD, by the whole face
SMOOTH_KNOTS = 4.5
HALVES = (("brow", "eyeWide", "eyeSquint"), ("nose", "cheek", "mouth", "jaw"))


class Drift(nn.Module):
    """White noise (F, 3, K) -> by how much stronger each blendshape is at each knot."""

    def __init__(self) -> None:
        super().__init__()
        members = [[float(name.startswith(half)) for name in BLENDSHAPES] for half in HALVES]
        self.register_buffer("members", torch.tensor(members), persistent=False)
        self.register_buffer("sizes", torch.tensor([DRIFT[name] for name in NAMES]), persistent=False)

    def forward(self, noise: Tensor, felt: Tensor) -> Tensor:
        """noise is standard normal: of the face, of its upper and of its lower half; felt (F, 6, K) how much of each
        emotion there is, 1 in all -> factors (F, 52, K)."""
        place = torch.arange(noise.shape[2], dtype=noise.dtype)
        near = torch.exp(-0.5 * ((place[:, None] - place[None]) / SMOOTH_KNOTS) ** 2)
        slow = noise @ (near / near.square().sum(0, keepdim=True).sqrt())
        halves = SHARED * slow[:, :1] + (1 - SHARED**2) ** 0.5 * slow[:, 1:]
        size = (self.sizes[:, None] * felt).sum(1, keepdim=True)
        drift = size * halves.clamp(-MOST_UNUSUAL, MOST_UNUSUAL)
        return 1 + (drift.transpose(1, 2) @ self.members).transpose(1, 2)
