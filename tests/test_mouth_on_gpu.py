"""Mouths painted in the GPU's memory are those that the host paints, on a GPU that isn't there."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from engine.cuda.arrays import DeviceArray
from engine.cuda.kernels import Kernels
from engine.portrait.mouth_frame import MouthFrame
from engine.portrait.patches import Rectangle
from engine.portrait.toning import Toning
from engine.render.mouth import MouthPainter
from engine.render.mouth_on_gpu import GpuMouthPainter
from tests.emulated_kernels import emulated_kernels
from tests.test_mouth import closed, drawn, motion, network

NOBODY, WIDE_OPEN = 0.0, 0.6  # of jawOpen


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Kernels:
    return emulated_kernels(tmp_path_factory.mktemp("fatbins"))


def assert_painted_alike(
    kernels: Kernels, mouth: MouthFrame, found: dict[str, np.ndarray], box: Rectangle, *, changes: bool = True
) -> None:
    expected = found["frames"].copy()
    MouthPainter(network(), mouth, 0).paint(expected, found["inside"], found["affine"], box)
    assert (expected != found["frames"]).any() == changes
    patch, inside = (DeviceArray.of(kernels.device, found[name], kernels.stream) for name in ("frames", "inside"))
    GpuMouthPainter(kernels, network(), mouth, 0).paint(patch, inside, found["affine"], box)
    apart = np.abs(patch.read(kernels.stream).astype(int) - expected)
    assert apart.max() <= 6  # what the network sees is rounded: a level more or less, here and there
    assert (apart > 0).mean() < 5e-3
    assert (apart > 1).mean() < 1e-4


def enlarged(
    mouth: MouthFrame, found: dict[str, np.ndarray], box: Rectangle, times: int
) -> tuple[MouthFrame, dict[str, np.ndarray], Rectangle]:
    """The same mouth in a photo of so many times the resolution."""
    size = times * box.width, times * box.height
    pictures = {
        name: np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_CUBIC) for frame in found[name]])
        for name in ("frames", "inside")
    }
    affine = found["affine"].copy()
    affine[..., 2] *= times
    large = Rectangle(times * box.x0, times * box.y0, *size)
    return replace(mouth, to_patch=times * mouth.to_patch), pictures | {"affine": affine}, large


@pytest.mark.parametrize("times", [1, 2, 3])
def test_mouths_are_painted_alike(kernels: Kernels, times: int) -> None:
    portrait, box = closed(), closed().patches["mouth"]
    found = drawn(portrait, motion(3, jawOpen=np.array([WIDE_OPEN, NOBODY, 0.25])))
    assert_painted_alike(kernels, *enlarged(portrait.mouth, found, box, times))


def test_teeth_and_tones_are_the_photo_s(kernels: Kernels) -> None:
    portrait = closed()
    found = drawn(portrait, motion(1, jawOpen=WIDE_OPEN))
    own = np.zeros_like(portrait.mouth.own)
    own[:, 70:90] = 0.7
    curve = np.array([[0.1, 0, -0.1], [0.05, 0, 0.1], [0.1, 0.02, -0.1]])
    sepia = Toning(0.8, curve, np.array([0.1, 0.8]))
    mouth = replace(portrait.mouth, own=own, toning=sepia)
    assert_painted_alike(kernels, mouth, found, portrait.patches["mouth"])


def test_mouths_stay_where_no_inside_shows(kernels: Kernels) -> None:
    portrait = closed()
    found = drawn(portrait, motion(2))
    found["inside"][:] = 0
    assert_painted_alike(kernels, portrait.mouth, found, portrait.patches["mouth"], changes=False)
