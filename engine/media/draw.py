"""Draws what was found in a photo: boxes, numbers and mesh points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np

from engine.types import Face, FaceMesh, Image

MOVES: Final = (64, 224, 96)  # RGB, a face that will be animated
STILL: Final = (255, 144, 32)  # RGB, one that can't
POINT: Final = (255, 255, 255)


def draw_faces(photo: Image, faces: Sequence[Face], meshes: Sequence[FaceMesh | None]) -> Image:
    """A copy of the photo, (H, W, 3) uint8 RGB, with each face's box, number, size and mesh points.

    Green boxes will move; orange ones, without a mesh, stay still.
    """
    picture = photo.copy()
    line_px = max(1, round(max(photo.shape[:2]) / 800))
    for number, (face, mesh) in enumerate(zip(faces, meshes, strict=True)):
        colour = STILL if mesh is None else MOVES
        if mesh is not None:
            _draw_points(picture, mesh)
        box = face.box
        cv2.rectangle(picture, (round(box.x0), round(box.y0)), (round(box.x1), round(box.y1)), colour, line_px)
        label = f"{number}  {round(box.width)}x{round(box.height)}"
        _draw_label(picture, label, (round(box.x0), round(box.y0) - 2 * line_px), colour, line_px)
    return picture


def _draw_points(picture: Image, mesh: FaceMesh) -> None:
    width_px = float(np.ptp(mesh.points_px[:, 0]))
    radius_px = max(1, round(width_px / 300))
    for x, y in np.rint(mesh.points_px[:, :2]).astype(int).tolist():
        cv2.circle(picture, (x, y), radius_px, POINT, cv2.FILLED)


def _draw_label(picture: Image, text: str, foot: tuple[int, int], colour: tuple[int, int, int], line_px: int) -> None:
    """Text over a dark copy of itself, so that it reads on any background; moved down where it would be cut off."""
    scale = 0.5 * line_px
    (_, height_px), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, line_px)
    origin = (max(0, foot[0]), max(height_px, foot[1]))
    for ink, thickness in (((0, 0, 0), 3 * line_px), (colour, line_px)):
        cv2.putText(picture, text, origin, cv2.FONT_HERSHEY_SIMPLEX, scale, ink, thickness, cv2.LINE_AA)
