"""Values that travel between the stages: photo -> faces -> portrait -> motion -> frames -> video.

Pixel coordinates are (x, y) with the centre of the top-left pixel at (0, 0). Images are RGB uint8 (H, W, 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]  # (H, W, 3) RGB
Mask = NDArray[np.float32]  # (H, W), 0 to 1
Floats = NDArray[np.floating[Any]]  # float32 where networks are near, else float64


@dataclass(frozen=True)
class Box:
    """A rectangle in photo pixels: x0 <= x < x1, y0 <= y < y1."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def width(self) -> float:
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        return self.y1 - self.y0

    @property
    def center(self) -> tuple[float, float]:
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2


@dataclass(frozen=True, eq=False)
class Face:
    """One detected face, in photo pixels."""

    box: Box
    five_points: Floats  # (5, 2) eyes, nose, mouth corners; the person's right eye (left in the picture) first
    score: float  # of the detector's last net, 0 to 1


@dataclass(frozen=True, eq=False)
class HeadPose:
    """Where the canonical face sits in the photo: photo = scale_px * rotation @ canonical + origin_px.

    Axes of both frames: x to the right of the picture, y down, z away from the viewer. The canonical face is
    measured in its own units (centimetres), so scale_px is pixels per centimetre.
    """

    rotation: Floats  # (3, 3)
    scale_px: float
    origin_px: Floats  # (3,)


@dataclass(frozen=True, eq=False)
class FaceMesh:
    """478 points and the expression that the photo shows."""

    points_px: Floats  # (478, 3) photo pixels; z in the same unit, smaller is nearer
    blendshapes: Floats  # (52,) 0 to 1, in the order of engine.mesh.BLENDSHAPES
    presence: float  # 0 to 1, the mesh network's own belief that this is a face
    pose: HeadPose


@dataclass(frozen=True)
class TensorSpec:
    """Name, element type and shape of one tensor; a str in `shape` is a dynamic dimension."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | str, ...]
