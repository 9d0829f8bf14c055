"""The CUDA kernels and their launchers against kernels/reference.py, without a GPU: compiled for the host."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from engine.cuda.arrays import DeviceArray
from engine.cuda.composite import composite_nv12, composite_rgb
from engine.cuda.kernels import Kernels
from engine.cuda.layered_warp import CudaWarp
from engine.cuda.sampling import sample_grid
from engine.errors import BackendError
from kernels import reference
from tests.emulated_kernels import emulated_kernels
from tests.test_kernels import CASES, NAMES, TOLERANCE, layers, planted
from tests.test_native import assert_alike, noisy

HALF_TOLERANCE = 4e-3  # of features up to 3: the result's own rounding


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Kernels:
    return emulated_kernels(tmp_path_factory.mktemp("fatbins"))


def sampled(
    kernels: Kernels, image: np.ndarray, grid: np.ndarray, mode: str, padding: str, align: bool, version: str
) -> np.ndarray:
    out = DeviceArray.empty(kernels.device, (len(grid), image.shape[1], *grid.shape[1:-1]), image.dtype)
    on_device = [DeviceArray.of(kernels.device, array, kernels.stream) for array in (image, grid)]
    sample_grid(kernels, *on_device, out, mode=mode, padding=padding, align_corners=align, version=version)
    return out.read(kernels.stream)


@pytest.mark.parametrize("version", ["naive", "fast"])
@pytest.mark.parametrize(("axes", "mode", "padding", "align"), CASES, ids=NAMES)
def test_grids_are_sampled_as_defined(
    kernels: Kernels, axes: int, mode: str, padding: str, align: bool, version: str
) -> None:
    image, grid = planted(axes, channels=11, spread=3)
    grid[0, 0, 0] = np.nan
    expected = reference.grid_sample(image, grid, mode, padding, align)
    found = sampled(kernels, image, grid, mode, padding, align, version)
    np.testing.assert_allclose(found, expected, atol=3 * TOLERANCE)
    shared = sampled(kernels, image[:1], grid, mode, padding, align, version)
    np.testing.assert_allclose(shared, reference.grid_sample(image[:1], grid, mode, padding, align), atol=3 * TOLERANCE)


@pytest.mark.parametrize("version", ["naive", "fast"])
@pytest.mark.parametrize("axes", [2, 3])
def test_features_may_be_half(kernels: Kernels, axes: int, version: str) -> None:
    image, grid = planted(axes, channels=9)
    half = image.astype(np.float16)
    found = sampled(kernels, half, grid, "bilinear", "border", True, version)
    assert found.dtype == np.float16
    expected = reference.grid_sample(half, grid, "bilinear", "border", True)
    np.testing.assert_allclose(found, expected, atol=HALF_TOLERANCE)


def on_device(kernels: Kernels, crops: list[tuple[np.ndarray, int, int]]) -> list[tuple[DeviceArray, int, int]]:
    return [(DeviceArray.of(kernels.device, crop, kernels.stream), x0, y0) for crop, x0, y0 in crops]


def test_crops_are_composed_as_defined(kernels: Kernels) -> None:
    plate, crops = layers()
    out = DeviceArray.empty(kernels.device, (2, *plate.shape), np.uint8)
    composite_rgb(kernels, DeviceArray.of(kernels.device, plate, kernels.stream), on_device(kernels, crops), out)
    assert np.abs(out.read(kernels.stream).astype(int) - reference.composite(plate, crops)).max() <= 1


@pytest.mark.parametrize("version", ["naive", "fast"])
@pytest.mark.parametrize("alone", [False, True], ids=["crops", "plate"])
def test_nv12_is_as_defined(kernels: Kernels, version: str, alone: bool) -> None:
    plate, crops = layers()
    plate = np.ascontiguousarray(np.pad(plate, ((0, 0), (0, 2), (0, 0)), mode="edge"))  # to a multiple of 8
    height, width = plate.shape[:2]
    out = DeviceArray.empty(kernels.device, (1 if alone else 2, height * 3 // 2, width), np.uint8)
    placed = [] if alone else on_device(kernels, crops)
    composite_nv12(kernels, DeviceArray.of(kernels.device, plate, kernels.stream), placed, out, version=version)
    found = out.read(kernels.stream)
    nothing = [(np.zeros((1, 2, 2, 4), np.float32), 0, 0)]
    luma, colour = reference.composite_nv12(plate, nothing if alone else crops)
    assert np.abs(found[:, :height].astype(int) - luma).max() <= 1
    assert np.abs(found[:, height:].reshape(colour.shape).astype(int) - colour).max() <= 1


@pytest.mark.parametrize("version", ["naive", "fast"])
def test_the_warp_is_as_defined(kernels: Kernels, version: str) -> None:
    inputs = noisy(frames=3, strength=1.5)
    warp = CudaWarp(kernels, version=version)
    expected = reference.layered_warp(inputs)
    found = warp(**inputs)
    assert_alike(found, {name: expected[name] for name in found})
    constants = {name: inputs.pop(name) for name in ("source", "base_functions", "eye_left_box", "mouth_textures")}
    bound = warp.bind(**constants)
    warp.close()
    assert_alike(bound(**inputs), found)
    with pytest.raises(BackendError, match="closed"):
        warp(**inputs)


def test_any_thread_may_use_the_warp(kernels: Kernels) -> None:
    inputs = noisy(frames=1)
    warp = CudaWarp(kernels, version="naive")
    with ThreadPoolExecutor(1) as beside:
        bound = beside.submit(warp.bind, source=inputs.pop("source")).result()
        found = beside.submit(lambda: bound(**inputs)).result()
    assert_alike(bound(**inputs), found)


def test_kernels_that_are_not_compiled_say_so(kernels: Kernels, tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"composite\.fatbin aren't compiled"):
        Kernels(kernels.device, tmp_path).launch("composite", "composite_rgb", (1,), (1,), [])
