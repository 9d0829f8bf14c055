"""The inside of the mouth: what the photo shows of it, over teeth, gums and tongue drawn from a mesh.

Four layers, back to front: the dark of the mouth; the lower jaw; the upper teeth, fixed to the skull; and the photo's
own pixels between parted lips, which are kept as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.portrait.patches import Rectangle
from engine.types import Floats, HeadPose, Image

SUPERSAMPLING = 3
TOOTH_HEIGHT_CM = 1.0
UPPER_TEETH_LENGTH = 1.3  # the mesh's gums come down far; most smiles show none
TEETH_BELOW_LIP_LINE_CM = 0.15  # more than in the mesh: parted lips usually show the upper teeth's edge
BLUSH = np.array([1.0, 1.5, 1.6])  # light that comes back from deep in a mouth is red
TOOTH, GUM, DARK = np.array([0.93, 0.90, 0.83]), np.array([0.52, 0.25, 0.24]), np.array([0.20, 0.07, 0.06])


@dataclass(frozen=True)
class MouthInterior:
    """The mesh of weights/mouth_interior.npz, in the canonical face's frame."""

    vertices_cm: Floats  # (V, 3)
    triangles: NDArray[np.int64]  # (T, 3)
    is_tooth: NDArray[np.bool_]  # (V,)
    is_lower: NDArray[np.bool_]  # (V,)
    lip_line_cm: Floats  # (3,) where closed lips meet, in the middle

    @classmethod
    def load(cls, path: Path) -> MouthInterior:
        with np.load(path) as arrays:
            return cls(
                arrays["vertices_cm"].astype(np.float32),
                arrays["triangles"].astype(np.int64),
                arrays["is_tooth"],
                arrays["is_lower"],
                arrays["lip_line_cm"],
            )


def normals(vertices: Floats, triangles: NDArray[np.int64]) -> Floats:
    """Unit normals at the vertices, mean of the triangles' around them -> (V, 3)."""
    a, b, c = (vertices[triangles[:, i]] for i in range(3))
    face = np.cross(b - a, c - a)
    summed = np.zeros_like(vertices)
    for i in range(3):
        np.add.at(summed, triangles[:, i], face)
    return np.asarray(summed / (np.linalg.norm(summed, axis=1, keepdims=True) + 1e-9), np.float32)


def shaded(mesh: MouthInterior, vertices_px: Floats, px_per_cm: float) -> Floats:
    """Colour of each vertex for white light from above and before the face, 0-1 -> (V, 3).

    Deeper in the mouth less light arrives: it falls by half every one and a half centimetres behind the front teeth.
    """
    normal = normals(vertices_px, mesh.triangles)
    normal *= np.sign((normal * [0, 0, -1]).sum(1, keepdims=True)) + (normal[:, 2:] == 0)
    light = np.array([0.0, -0.45, -0.9]) / np.hypot(0.45, 0.9)
    diffuse = np.clip(normal @ light, 0, 1)
    gloss = np.clip(normal @ (light + [0, 0, -1]) / np.linalg.norm(light + [0, 0, -1]), 0, 1) ** 40
    depth_cm = (vertices_px[:, 2] - vertices_px[mesh.is_tooth, 2].min()) / px_per_cm
    reach = 0.5 ** np.clip((depth_cm - 0.6) / 1.5, 0, None)
    albedo = np.where(mesh.is_tooth[:, None], TOOTH, GUM)
    bright = (0.72 + 0.33 * diffuse)[:, None] * albedo + np.where(mesh.is_tooth, 0.10, 0.05)[:, None] * gloss[:, None]
    return np.asarray(bright * reach[:, None] ** BLUSH, np.float32)


def rasterise(vertices_px: Floats, colours: Floats, triangles: NDArray[np.int64], rectangle: Rectangle) -> Floats:
    """Paints triangles from back to front -> premultiplied (h, w, 4), colours as given."""
    k = SUPERSAMPLING
    corners = (vertices_px[triangles][..., :2] - [rectangle.x0, rectangle.y0] + 0.5) * k - 0.5
    colour = colours[triangles].mean(1)
    canvas = np.zeros((rectangle.height * k, rectangle.width * k, 4), np.float32)
    for i in np.argsort(-vertices_px[triangles][..., 2].mean(1)):
        points = np.round(corners[i] * 16).astype(np.int32)
        cv2.fillConvexPoly(canvas, points, (*map(float, colour[i]), 1.0), lineType=cv2.LINE_8, shift=4)
    return np.asarray(cv2.resize(canvas, (rectangle.width, rectangle.height), interpolation=cv2.INTER_AREA), np.float32)


def mouth_textures(
    image: Image,
    aperture: Floats,
    white: Floats,
    mesh: MouthInterior,
    pose: HeadPose,
    lip_line_px: Floats,
    width_ratio: float,
    rectangle: Rectangle,
) -> Floats:
    """The four layers -> (4, 4, h, w) premultiplied, of the rectangle's size.

    aperture (h, w) is 1 where the photo shows the inside of the mouth; white (3,) is what white looks like in the
    photo's light, 0-255; lip_line_px (3,) where the closed lips' middle would be, in the crop; width_ratio that of this
    mouth to the canonical face's.
    """
    shape = (mesh.vertices_cm - mesh.lip_line_cm) * [width_ratio, 1, 1]
    edge = shape[mesh.is_tooth & ~mesh.is_lower, 1].max()
    upper_y = shape[~mesh.is_lower, 1]
    shape[~mesh.is_lower, 1] = edge + UPPER_TEETH_LENGTH * (upper_y - edge) + TEETH_BELOW_LIP_LINE_CM
    vertices = (lip_line_px + pose.scale_px * shape @ pose.rotation.T).astype(np.float32)
    colours = shaded(mesh, vertices, pose.scale_px) * white
    lower = mesh.is_lower[mesh.triangles].all(1)
    upper = ~mesh.is_lower[mesh.triangles].any(1) & ~behind_teeth(mesh)
    back = np.broadcast_to((*(DARK * white), 1.0), (rectangle.height, rectangle.width, 4))
    layers = [
        back,
        rasterise(vertices, colours, mesh.triangles[lower], rectangle),
        rasterise(vertices, colours, mesh.triangles[upper], rectangle),
        photo_layer(image, aperture, rectangle),
    ]
    return np.ascontiguousarray(np.stack(layers).transpose(0, 3, 1, 2), np.float32)


def behind_teeth(mesh: MouthInterior) -> NDArray[np.bool_]:
    """Triangles (T,) of the throat and palate, which would hang below the upper teeth like a curtain."""
    is_gum = ~mesh.is_tooth[mesh.triangles].any(1)
    edge = mesh.vertices_cm[mesh.is_tooth & ~mesh.is_lower, 1].max()
    return np.asarray(is_gum & (mesh.vertices_cm[mesh.triangles, 1].max(1) > edge - TOOTH_HEIGHT_CM / 2))


def photo_layer(image: Image, aperture: Floats, rectangle: Rectangle) -> Floats:
    """The photo's own pixels between the lips, and a soft rim of them under the lips -> (h, w, 4) premultiplied."""
    own = image[rectangle.slices].astype(np.float32)
    alpha = (aperture > 0).astype(np.float32)[..., None]
    return np.concatenate([own * alpha, alpha], 2)
