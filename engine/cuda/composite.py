"""Crops over the plate by kernels/composite.cu, as RGB or as the NV12 that encoders take."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Literal

import numpy as np

from engine.cuda.arrays import DeviceArray
from engine.cuda.kernels import Kernels, ceil_div

Version = Literal["naive", "fast"]
THREADS = (32, 8)
WIDE = {"naive": 2, "fast": 8}  # pixels beside each other that a thread writes


class Crop(ctypes.Structure):
    """MienCrop of kernels/native.h."""

    _fields_ = (
        ("pixels", ctypes.c_void_p),
        *((name, ctypes.c_int32) for name in ("height", "width", "x0", "y0")),
    )


class Composite(ctypes.Structure):
    """MienComposite."""

    _fields_ = (
        ("plate", ctypes.c_void_p),
        *((name, ctypes.c_int32) for name in ("frames", "height", "width", "count")),
        *((name, ctypes.c_void_p) for name in ("crops", "rgb", "luma", "colour")),
    )


Placed = Sequence[tuple[DeviceArray, int, int]]  # premultiplied crops (T, h, w, 4) float32 and their x0 and y0


def composite_rgb(kernels: Kernels, plate: DeviceArray, crops: Placed, out: DeviceArray) -> None:
    """Crops over plate (H, W, 3), the first one lowest -> out (T, H, W, 3) uint8. Only starts the work."""
    frames, height, width = out.shape[:3]
    placed = upload_crops(kernels, crops)
    composite = Composite(plate.address, frames, height, width, len(crops), placed.address, out.address, None, None)
    blocks = (ceil_div(width, THREADS[0]), ceil_div(height, THREADS[1]), frames)
    kernels.launch("composite", "composite_rgb", blocks, THREADS, [composite])


def composite_nv12(
    kernels: Kernels, plate: DeviceArray, crops: Placed, out: DeviceArray, *, version: Version = "fast"
) -> None:
    """The same as NV12 of BT.709 in limited range: out (T, 3 H / 2, W), luma above colour, a frame after the other.

    H and W are even, and W is a multiple of 8 for the fast version. Only starts the work.
    """
    width = out.shape[2]
    height = out.shape[1] * 2 // 3
    placed = upload_crops(kernels, crops)
    wide = WIDE[version]
    blocks = (ceil_div(width, THREADS[0] * wide), ceil_div(height, THREADS[1] * 2), 1)
    for frame in range(len(out)):  # an encoder wants each frame's colour right behind its luma
        luma = out.address + frame * out.strides[0]
        composite = Composite(
            plate.address, 1, height, width, len(crops), placed.address + frame * len(crops) * ctypes.sizeof(Crop),
            None, luma, luma + height * width,
        )  # fmt: skip
        kernels.launch("composite", f"composite_nv12_{version}", blocks, THREADS, [composite])


def upload_crops(kernels: Kernels, crops: Placed) -> DeviceArray:
    """The crops' structs for each frame alone, T after each other."""
    frames = len(crops[0][0]) if crops else 0
    structs = [
        Crop(pixels.address + frame * pixels.strides[0], *pixels.shape[1:3], x0, y0)
        for frame in range(frames)
        for pixels, x0, y0 in crops
    ]
    array = (Crop * len(structs))(*structs)
    return DeviceArray.of(kernels.device, np.frombuffer(bytes(array), np.uint8), kernels.stream)
