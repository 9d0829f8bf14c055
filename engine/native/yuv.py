"""Frames for the encoder, by the host library of kernels/: a tenth of the time that swscale takes for it."""

from __future__ import annotations

import ctypes

import av

from engine.native.library import Planes, library
from engine.types import Image


def to_yuv420(picture: Image) -> av.VideoFrame | None:
    """RGB (H, W, 3), contiguous and of even sizes, as yuv420p of BT.709 in limited range; colours are means of four.

    None where there is no native library.
    """
    found = library()
    if found is None:
        return None
    height, width = picture.shape[:2]
    frame = av.VideoFrame(width, height, "yuv420p")
    luma, blue, red = frame.planes
    planes = Planes(
        picture.ctypes.data, height, width,
        luma.buffer_ptr, blue.buffer_ptr, red.buffer_ptr,
        luma.line_size, blue.line_size,
    )  # fmt: skip
    if (status := found.mien_to_yuv420(ctypes.byref(planes))) == 1:
        raise MemoryError
    assert status == 0, "the caller sees to even sizes"
    return frame
