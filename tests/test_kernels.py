"""The native kernels against their definition, kernels/reference.py, and that against torch."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from engine.native import to_yuv420
from kernels import reference
from tests.native_library import native_library

KERNELS = Path(__file__).parents[1] / "kernels"
# A float32 place of some hundred pixels is right to 1e-5 of a pixel, and neighbours differ by up to 6.
TOLERANCE = 3e-4
CASES = [
    (axes, mode, padding, align)
    for axes, mode, padding, align in product((2, 3), reference.MODES, reference.PADDINGS, (True, False))
    if not (axes == 3 and mode == "bicubic")
]
NAMES = [f"{axes}d-{mode}-{padding}-{'corners' if align else 'edges'}" for axes, mode, padding, align in CASES]


class Sampling(ctypes.Structure):
    """MienSampling of kernels/native.h."""

    _fields_ = (
        ("image", ctypes.c_void_p),
        *((name, ctypes.c_int32) for name in ("images", "channels", "depth", "height", "width")),
        ("grid", ctypes.c_void_p),
        *((name, ctypes.c_int32) for name in ("axes", "batch", "out_depth", "out_height", "out_width")),
        *((name, ctypes.c_int32) for name in ("mode", "padding", "align_corners")),
        ("out", ctypes.c_void_p),
    )


class Crop(ctypes.Structure):
    """MienCrop."""

    _fields_ = (
        ("pixels", ctypes.c_void_p),
        *((name, ctypes.c_int32) for name in ("height", "width", "x0", "y0")),
    )


class Composite(ctypes.Structure):
    """MienComposite."""

    _fields_ = (
        ("plate", ctypes.c_void_p),
        *((name, ctypes.c_int32) for name in ("frames", "height", "width", "count")),
        ("crops", ctypes.POINTER(Crop)),
        *((name, ctypes.c_void_p) for name in ("rgb", "luma", "colour")),
    )


def native_grid_sample(image: np.ndarray, grid: np.ndarray, mode: str, padding: str, align: bool) -> np.ndarray:
    """As `reference.grid_sample`, by the host library and in float32."""
    image, grid = np.ascontiguousarray(image, np.float32), np.ascontiguousarray(grid, np.float32)
    out = np.full((len(grid), image.shape[1], *grid.shape[1:-1]), np.nan, np.float32)
    size = [*([1] if grid.shape[-1] == 2 else []), *image.shape[2:]]
    out_size = [*([1] if grid.shape[-1] == 2 else []), *grid.shape[1:-1]]
    choices = reference.MODES.index(mode), reference.PADDINGS.index(padding), int(align)
    sampling = Sampling(
        image.ctypes.data, *image.shape[:2], *size,
        grid.ctypes.data, grid.shape[-1], len(grid), *out_size,
        *choices, out.ctypes.data,
    )  # fmt: skip
    assert native_library().mien_grid_sample(ctypes.byref(sampling), 2) == 0
    return out


def planted(axes: int, *, channels: int = 3, batch: int = 2, spread: float = 1.4) -> tuple[np.ndarray, np.ndarray]:
    """A noisy image of odd sizes, and places inside and outside of it, all in float32."""
    rng = np.random.default_rng(axes)
    image = rng.uniform(-3, 3, (batch, channels, *(7, 9, 13)[3 - axes :])).astype(np.float32)
    grid = rng.uniform(-spread, spread, (batch, *(3, 11, 5)[3 - axes :], axes)).astype(np.float32)
    return image, grid


def identity(axes: int, size: tuple[int, ...]) -> np.ndarray:
    """The grid (1, ..., axes) that reads every pixel of an image where it is, with align_corners."""
    lines = [np.linspace(-1, 1, count) if count > 1 else np.zeros(1) for count in size]
    return np.stack(np.meshgrid(*lines, indexing="ij")[::-1], -1)[None].astype(np.float32)


@pytest.mark.parametrize(("axes", "mode", "padding", "align"), CASES, ids=NAMES)
def test_the_definition_is_torch_s(axes: int, mode: str, padding: str, align: bool) -> None:
    torch = pytest.importorskip("torch")
    image, grid = planted(axes)
    found = reference.grid_sample(image, grid, mode, padding, align)
    tensors = torch.from_numpy(image).double(), torch.from_numpy(grid).double()
    expected = torch.nn.functional.grid_sample(*tensors, mode, padding, align_corners=align)
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-9)


@pytest.mark.parametrize(("axes", "mode", "padding", "align"), CASES, ids=NAMES)
def test_the_host_samples_as_defined(axes: int, mode: str, padding: str, align: bool) -> None:
    image, grid = planted(axes)
    found = native_grid_sample(image, grid, mode, padding, align)
    expected = reference.grid_sample(image, grid, mode, padding, align)
    np.testing.assert_allclose(found, expected, atol=TOLERANCE)


@pytest.mark.parametrize("channels", [1, 3, 33])
@pytest.mark.parametrize("axes", [2, 3])
def test_channels_do_not_touch_each_other(axes: int, channels: int) -> None:
    image, grid = planted(axes, channels=channels)
    together = native_grid_sample(image, grid, "bilinear", "zeros", False)
    for c in range(channels):
        alone = native_grid_sample(image[:, c : c + 1], grid, "bilinear", "zeros", False)
        np.testing.assert_array_equal(together[:, c], alone[:, 0])


@pytest.mark.parametrize("mode", reference.MODES)
@pytest.mark.parametrize("axes", [2, 3])
def test_the_identity_gives_the_image_back(axes: int, mode: str) -> None:
    if axes == 3 and mode == "bicubic":
        return
    image, _ = planted(axes, batch=1)
    found = native_grid_sample(image, identity(axes, image.shape[2:]), mode, "border", True)
    np.testing.assert_allclose(found, image, atol=1e-5)


@pytest.mark.parametrize("axes", [2, 3])
def test_a_flipped_grid_flips_the_image(axes: int) -> None:
    image, _ = planted(axes, batch=1)
    for axis in range(axes):
        grid = identity(axes, image.shape[2:])
        grid[..., axis] *= -1
        flipped = np.flip(image, axis=image.ndim - 1 - axis)
        np.testing.assert_allclose(native_grid_sample(image, grid, "nearest", "border", True), flipped, atol=1e-6)


def test_a_ramp_is_read_exactly() -> None:
    height, width = 21, 34
    y, x = np.mgrid[:height, :width].astype(np.float32)
    rng = np.random.default_rng(2)
    places = rng.uniform(0, 1, (1, 40, 40, 2)) * [width - 1, height - 1]
    grid = 2 * places / [width - 1, height - 1] - 1
    found = native_grid_sample(np.stack([x, y])[None], grid, "bilinear", "border", True)
    np.testing.assert_allclose(found[0].transpose(1, 2, 0), places[0], atol=1e-4)


@pytest.mark.parametrize(("axes", "mode", "padding", "align"), CASES, ids=NAMES)
def test_one_image_serves_a_batch(axes: int, mode: str, padding: str, align: bool) -> None:
    image, grid = planted(axes, batch=3)
    shared = native_grid_sample(image[:1], grid, mode, padding, align)
    copied = native_grid_sample(np.repeat(image[:1], 3, 0), grid, mode, padding, align)
    np.testing.assert_array_equal(shared, copied)


@pytest.mark.parametrize(("axes", "mode", "padding", "align"), CASES, ids=NAMES)
def test_far_outside_and_nan(axes: int, mode: str, padding: str, align: bool) -> None:
    image, grid = planted(axes, spread=9)
    grid[0, 0, 0] = np.nan
    found = native_grid_sample(image, grid, mode, padding, align)
    expected = reference.grid_sample(image, grid, mode, padding, align)
    np.testing.assert_allclose(found, expected, atol=10 * TOLERANCE)  # places are ten times as far away
    for far in (1e30, -1e30, np.inf):
        grid[:] = far
        assert np.isfinite(native_grid_sample(image, grid, mode, padding, align)).all()


@pytest.mark.parametrize(("axes", "mode", "padding", "align"), CASES, ids=NAMES)
def test_an_axis_of_one_pixel(axes: int, mode: str, padding: str, align: bool) -> None:
    image, grid = planted(axes)
    for axis in range(2, image.ndim):
        thin = image.take([0], axis)
        expected = reference.grid_sample(thin, grid, mode, padding, align)
        np.testing.assert_allclose(native_grid_sample(thin, grid, mode, padding, align), expected, atol=TOLERANCE)


def test_what_there_is_not_is_refused() -> None:
    for wrong in ({"mode": 2, "axes": 3}, {"mode": 3, "axes": 2}, {"padding": -1, "axes": 2}, {"axes": 4}):
        sampling = Sampling(**{"depth": 1, "height": 1, "width": 1, **wrong})
        assert native_library().mien_grid_sample(ctypes.byref(sampling), 1) == 2


def layers(frames: int = 2) -> tuple[np.ndarray, list[tuple[np.ndarray, int, int]]]:
    """A plate, and two crops that overlap."""
    rng = np.random.default_rng(5)
    plate = rng.integers(0, 256, (26, 38, 3), dtype=np.uint8)
    crops = []
    for height, width, x0, y0 in ((11, 15, 3, 4), (13, 8, 12, 13)):
        alpha = rng.uniform(0, 1, (frames, height, width, 1))
        colour = rng.uniform(0, 255, (frames, height, width, 3)) * alpha
        crops.append((np.concatenate([colour, alpha], 3).astype(np.float32), x0, y0))
    return plate, crops


def native_composite(plate: np.ndarray, crops: list[tuple[np.ndarray, int, int]], nv12: bool) -> list[np.ndarray]:
    frames, (height, width) = len(crops[0][0]), plate.shape[:2]
    array = (Crop * len(crops))(*(Crop(c.ctypes.data, *c.shape[1:3], x0, y0) for c, x0, y0 in crops))
    shapes = [(height, width), (height // 2, width // 2, 2)] if nv12 else [(height, width, 3)]
    out = [np.full((frames, *shape), 77, np.uint8) for shape in shapes]
    places = [None, *(o.ctypes.data for o in out)] if nv12 else [out[0].ctypes.data, None, None]
    composite = Composite(plate.ctypes.data, frames, height, width, len(crops), array, *places)
    assert native_library().mien_composite(ctypes.byref(composite), 2) == 0
    return out


def test_the_host_composes_as_defined() -> None:
    plate, crops = layers()
    (found,), expected = native_composite(plate, crops, nv12=False), reference.composite(plate, crops)
    assert np.abs(found.astype(int) - expected).max() <= 1  # a value beside x.5 may be rounded to either side
    assert (found != expected).mean() < 1e-3
    np.testing.assert_array_equal(found[:, :4], np.repeat(plate[None, :4], 2, 0))


def test_nv12_is_as_defined() -> None:
    plate, crops = layers()
    for found, expected in zip(
        native_composite(plate, crops, True), reference.composite_nv12(plate, crops), strict=True
    ):
        assert np.abs(found.astype(int) - expected).max() <= 1
        assert (found != expected).mean() < 0.01


@pytest.mark.parametrize(
    ("rgb", "nv12"),
    [
        ((0, 0, 0), (16, 128, 128)),
        ((255, 255, 255), (235, 128, 128)),
        ((255, 0, 0), (63, 102, 240)),
        ((0, 0, 255), (32, 240, 118)),
    ],
)
def test_nv12_has_bt709_s_colours(rgb: tuple[int, ...], nv12: tuple[int, ...]) -> None:
    plate, crops = np.tile(np.uint8(rgb), (4, 6, 1)), [(np.zeros((1, 2, 2, 4), np.float32), 1, 1)]
    for luma, colour in (reference.composite_nv12(plate, crops), native_composite(plate, crops, True)):
        np.testing.assert_array_equal(luma, nv12[0])
        np.testing.assert_array_equal(colour, np.broadcast_to(nv12[1:], colour.shape))


@pytest.mark.parametrize("width", [38, 70])
def test_an_encoder_s_planes_are_as_defined(width: int) -> None:
    native_library()
    picture = np.random.default_rng(2).integers(0, 256, (26, width, 3), dtype=np.uint8)
    frame = to_yuv420(picture)
    assert frame is not None
    luma, colour = reference.composite_nv12(picture, [(np.zeros((1, 2, 2, 4)), 0, 0)])
    for plane, expected in zip(frame.planes, (luma[0], colour[0, ..., 0], colour[0, ..., 1]), strict=True):
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)  # type: ignore[call-overload]
        found = rows[: len(expected), : expected.shape[1]].astype(int)
        assert np.abs(found - expected).max() <= 1  # a value beside x.5 may be rounded to either side
        assert (found != expected).mean() < 0.01


@pytest.mark.parametrize("source", sorted(KERNELS.glob("*.cu")), ids=lambda path: path.name)
def test_cuda_compiles(source: Path, tmp_path: Path) -> None:
    nvcc = shutil.which("nvcc")
    if nvcc is None:
        pytest.skip("there is no nvcc")
    command = [
        nvcc,
        "-std=c++17",
        "-arch=sm_90",
        "-fatbin",
        "-Werror=all-warnings",
        "-o",
        str(tmp_path / "out"),
        str(source),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
