"""What the tests of detection, mesh, segmentation and inpainting share: the sample photo and opened networks."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import numpy as np
import PIL.Image

from engine.backends import Backend, open_backend
from engine.bundle import Bundle
from engine.detect import Detector
from engine.inpaint import Inpainter
from engine.mesh import MeshFitter
from engine.segment import Segmenter
from engine.types import Box, Face, FaceMesh, Image


@cache
def backend() -> Backend:
    return open_backend()


@cache
def bundle() -> Bundle:
    return Bundle.default()


@cache
def detector() -> Detector:
    return Detector(backend(), bundle())


@cache
def mesh_fitter() -> MeshFitter:
    return MeshFitter(backend(), bundle())


@cache
def segmenter() -> Segmenter:
    return Segmenter(backend(), bundle())


@cache
def inpainter() -> Inpainter:
    return Inpainter(backend(), bundle())


@cache
def astronaut() -> Image:
    with files("engine.samples").joinpath("astronaut.jpg").open("rb") as stream:
        return np.asarray(PIL.Image.open(stream).convert("RGB"))


@cache
def astronaut_face() -> Face:
    return detector().detect(astronaut()).faces[0]


@cache
def astronaut_mesh() -> FaceMesh:
    return mesh_fitter().fit(astronaut(), astronaut_face())


def mirrored_face(face: Face, photo_width: int) -> Face:
    """What a perfect detector would find in the mirrored photo."""
    box = Box(photo_width - face.box.x1, face.box.y0, photo_width - face.box.x0, face.box.y1)
    points = face.five_points[[1, 0, 2, 4, 3]] * np.float32([-1, 1]) + np.float32([photo_width - 1, 0])
    return Face(box, points.astype(np.float32), face.score)
