"""The CUDA kernels on a real GPU: first against their definition, then timed, both versions of each.

The bound of a kernel that moves memory is the device's own copy: it reads and writes `bytes_moved`, once each where
the kernel reads its grid and its image and writes its output.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from engine.cuda.arrays import DeviceArray
from engine.cuda.composite import composite_nv12, composite_rgb
from engine.cuda.kernels import Kernels
from engine.cuda.layered_warp import CudaWarp
from engine.cuda.sampling import MODES, PADDINGS, sample_grid
from engine.native.layered_warp import INPUTS
from kernels import reference

VERSIONS = ("naive", "fast")
WARM_UP, RUNS = 3, 20
# A float32 place of some hundred pixels is right to 1e-5 of a pixel, and neighbours differ by up to 6.
SINGLE_ERROR, HALF_ERROR = 1e-3, 6e-3
WARP_PSNR_DB = 50.0
CASES = [
    (axes, mode, padding, align)
    for axes, mode, padding, align in product((2, 3), MODES, PADDINGS, (True, False))
    if not (axes == 3 and mode == "bicubic")
]
# (image, grid): what a renderer with feature volumes samples, and a picture of 512 x 512.
SIZES = {
    "5d": ((1, 32, 16, 64, 64), (8, 16, 64, 64, 3)),
    "4d": ((1, 32, 512, 512), (8, 512, 512, 2)),
}
NV12_SIZE = (1080, 1920)


def conformance(kernels: Kernels, warp_inputs: dict[str, np.ndarray], *, small: bool = False) -> dict[str, Any]:
    """The largest error of each kernel; raises AssertionError over a bound. small: few cases, for a test."""
    found: dict[str, Any] = {}
    rng = np.random.default_rng(1)
    for (axes, mode, padding, align), version, dtype in product(
        CASES[:: 7 if small else 1], VERSIONS, (np.float32, np.float16)
    ):
        image = rng.uniform(-3, 3, (2, 11, *(7, 9, 13)[3 - axes :])).astype(dtype)
        grid = rng.uniform(-3, 3, (2, *(3, 11, 5)[3 - axes :], axes)).astype(np.float32)
        grid[0, 0, 0] = np.nan
        error = np.abs(_sampled(kernels, image, grid, mode, padding, align, version)
                       - reference.grid_sample(image, grid, mode, padding, align)).max()  # fmt: skip
        bound = SINGLE_ERROR if dtype == np.float32 else HALF_ERROR
        name = f"grid_sample_{version}_{axes}d_{mode}_{padding}_{np.dtype(dtype).name}"
        assert error < bound, f"{name} is off by {error:.1e}"
        found[f"grid_sample_{version}"] = max(found.get(f"grid_sample_{version}", 0.0), float(error))
    found |= _composite_errors(kernels, rng)
    expected = reference.layered_warp(warp_inputs)
    for version in VERSIONS:
        drawn = CudaWarp(kernels, version=version)(**warp_inputs)
        for name, frames in drawn.items():
            square = float(np.mean((frames.astype(float) - expected[name]) ** 2))
            psnr = 10 * np.log10(255**2 / max(square, 1e-6))
            assert psnr > WARP_PSNR_DB, f"the {version} warp's '{name}' has {psnr:.1f} dB"
            found[f"warp_{version}_psnr_db"] = min(found.get(f"warp_{version}_psnr_db", 999.0), round(psnr, 1))
    return found


def timings(kernels: Kernels, warp_inputs: dict[str, np.ndarray], batches: tuple[int, ...]) -> dict[str, Any]:
    """Milliseconds a launch, the share of a device copy's speed, and torch's own where it is there."""
    copy = copy_gb_per_s(kernels)
    found: dict[str, Any] = {"device_copy_gb_per_s": copy}
    rng = np.random.default_rng(2)
    for (name, (image_shape, grid_shape)), dtype in product(SIZES.items(), (np.float32, np.float16)):
        image = _sent(kernels, rng.standard_normal(image_shape).astype(dtype))
        grid = _sent(kernels, rng.uniform(-1.1, 1.1, grid_shape).astype(np.float32))
        out = DeviceArray.empty(kernels.device, (grid_shape[0], image_shape[1], *grid_shape[1:-1]), dtype)
        moved = sum(array.memory.size for array in (image, grid, out))
        label = f"grid_sample_{name}_{np.dtype(dtype).name}"
        for version in VERSIONS:
            ms = milliseconds(kernels, partial(sample_grid, kernels, image, grid, out, version=version))
            found[f"{label}_{version}"] = {"ms": ms, "share_of_copy": round(moved / ms / 1e6 / copy, 3)}
        found[f"{label}_torch"] = torch_milliseconds(image_shape, grid_shape, np.dtype(dtype).name)
    found |= _nv12_timings(kernels, copy)
    for version, batch in product(VERSIONS, batches):
        found[f"warp_{version}_batch_{batch}"] = warp_timing(kernels, warp_inputs, version, batch)
    return found


def milliseconds(kernels: Kernels, launch: Callable[[], object]) -> float:
    """Of one launch, as the device's clock has it."""
    start, end = kernels.device.event(), kernels.device.event()
    for _ in range(WARM_UP):
        launch()
    kernels.stream.record(start)
    for _ in range(RUNS):
        launch()
    kernels.stream.record(end)
    end.wait()
    return round(end.milliseconds_since(start) / RUNS, 4)


def copy_gb_per_s(kernels: Kernels, size: int = 256 << 20) -> float:
    """What a copy within the device's memory reads and writes."""
    source, target = (kernels.device.allocate(size) for _ in range(2))
    ms = milliseconds(kernels, partial(kernels.stream.copy_bytes, source.address, target.address, size))
    return round(2 * size / ms / 1e6, 1)


def torch_milliseconds(image_shape: tuple[int, ...], grid_shape: tuple[int, ...], dtype: str) -> float | str:
    """torch's grid_sample of the same sizes; it needs a copy of the image for each grid, and its type for both."""
    try:
        import torch
    except ImportError:
        return "skipped: torch isn't installed"
    if not torch.cuda.is_available():
        return "skipped: torch finds no GPU"
    image = torch.randn(image_shape, device="cuda", dtype=getattr(torch, dtype))
    images = image.expand(grid_shape[0], *image_shape[1:])
    grid = (torch.rand(grid_shape, device="cuda") * 2.2 - 1.1).to(image.dtype)
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    for run in range(WARM_UP + RUNS):
        if run == WARM_UP:
            start.record()
        torch.nn.functional.grid_sample(images, grid, align_corners=False)
    end.record()
    torch.cuda.synchronize()
    return round(start.elapsed_time(end) / RUNS, 4)


def warp_timing(kernels: Kernels, inputs: dict[str, np.ndarray], version: Any, batch: int) -> dict[str, float]:
    """Face-frames a second of the whole warp, with its small inputs sent and its frames left on the device."""
    per_frame = {name for name, spec in INPUTS.items() if spec.shape[0] == "frames"}
    moving = {name: np.resize(inputs[name], (batch, *inputs[name].shape[1:])) for name in per_frame}
    warp = CudaWarp(kernels, version=version).bind(**{n: a for n, a in inputs.items() if n not in per_frame})
    for _ in range(WARM_UP):
        warp.draw(**moving)
    kernels.stream.wait()
    start = time.perf_counter()
    for _ in range(RUNS):
        warp.draw(**moving)
    kernels.stream.wait()
    seconds = (time.perf_counter() - start) / RUNS
    return {"ms": round(1000 * seconds, 3), "face_frames_per_s": round(batch / seconds, 1)}


def _nv12_timings(kernels: Kernels, copy: float) -> dict[str, Any]:
    height, width = NV12_SIZE
    plate = DeviceArray.empty(kernels.device, (height, width, 3), np.uint8)
    out = DeviceArray.empty(kernels.device, (1, height * 3 // 2, width), np.uint8)
    moved, found = plate.memory.size + out.memory.size, {}
    for version in VERSIONS:
        ms = milliseconds(kernels, partial(composite_nv12, kernels, plate, [], out, version=version))
        found[f"nv12_1080p_{version}"] = {"ms": ms, "share_of_copy": round(moved / ms / 1e6 / copy, 3)}
    return found


def _composite_errors(kernels: Kernels, rng: np.random.Generator) -> dict[str, float]:
    plate = rng.integers(0, 256, (26, 40, 3), dtype=np.uint8)
    alpha = rng.uniform(0, 1, (2, 11, 15, 1))
    crop = np.concatenate([rng.uniform(0, 255, (2, 11, 15, 3)) * alpha, alpha], 3).astype(np.float32)
    crops, placed = [(crop, 3, 4)], [(_sent(kernels, crop), 3, 4)]
    out = DeviceArray.empty(kernels.device, (2, *plate.shape), np.uint8)
    composite_rgb(kernels, _sent(kernels, plate), placed, out)
    found = {
        "composite_rgb": float(np.abs(out.read(kernels.stream).astype(int) - reference.composite(plate, crops)).max())
    }
    luma, colour = reference.composite_nv12(plate, crops)
    expected = np.concatenate([luma, colour.reshape(2, 13, 40)], 1)
    for version in VERSIONS:
        nv12 = DeviceArray.empty(kernels.device, (2, 39, 40), np.uint8)
        composite_nv12(kernels, _sent(kernels, plate), placed, nv12, version=version)
        found[f"nv12_{version}"] = float(np.abs(nv12.read(kernels.stream).astype(int) - expected).max())
    assert max(found.values()) <= 1, f"composites are off: {found}"
    return found


def _sampled(
    kernels: Kernels, image: np.ndarray, grid: np.ndarray, mode: str, padding: str, align: bool, version: Any
) -> np.ndarray:
    out = DeviceArray.empty(kernels.device, (len(grid), image.shape[1], *grid.shape[1:-1]), image.dtype)
    given = _sent(kernels, image), _sent(kernels, grid)
    sample_grid(kernels, *given, out, mode=mode, padding=padding, align_corners=align, version=version)
    return out.read(kernels.stream).astype(np.float64)


def _sent(kernels: Kernels, array: np.ndarray) -> DeviceArray:
    return DeviceArray.of(kernels.device, array, kernels.stream)
