"""torch's grid_sample by kernels/grid_sample.cu: float16 or float32 features, always float32 grids."""

from __future__ import annotations

import ctypes
from typing import Literal

import numpy as np

from engine.cuda.arrays import DeviceArray
from engine.cuda.kernels import Kernels, ceil_div

Version = Literal["naive", "fast"]
MODES = ("bilinear", "nearest", "bicubic")
PADDINGS = ("zeros", "border", "reflection")
THREADS = 256
FAST_CHANNELS = 8  # of a thread


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


def sample_grid(
    kernels: Kernels,
    image: DeviceArray,
    grid: DeviceArray,
    out: DeviceArray,
    *,
    mode: str = "bilinear",
    padding: str = "zeros",
    align_corners: bool = False,
    version: Version = "fast",
) -> None:
    """image (N or 1, C, H, W) or (N or 1, C, D, H, W) read at grid (N, ..., 2 or 3) -> out (N, C, ...).

    out is of the image's type. Only starts the work. There is no bicubic in 3-D.
    """
    axes = grid.shape[-1]
    flat = (1,) * (3 - axes)
    size, out_size = (*flat, *image.shape[2:]), (*flat, *grid.shape[1:-1])
    sampling = Sampling(
        image.address, *image.shape[:2], *size,
        grid.address, axes, len(grid), *out_size,
        MODES.index(mode), PADDINGS.index(padding), int(align_corners), out.address,
    )  # fmt: skip
    places, channels = int(np.prod(out_size)), image.shape[1]
    across = ceil_div(channels, FAST_CHANNELS) if version == "fast" else channels
    suffix = "f16" if image.dtype == np.float16 else "f32"
    name = f"grid_sample_{version}_{axes}d_{mode}_{suffix}"
    kernels.launch("grid_sample", name, (ceil_div(places, THREADS), across, len(grid)), (THREADS,), [sampling])
