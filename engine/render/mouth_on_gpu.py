"""`MouthPainter` and `put_on` for frames in the GPU's memory, by kernels/mouth.cu and layer.cu.

Only where mouths are comes back to the host, four numbers a frame.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np

from engine.backends.base import DeviceRunner
from engine.cuda.arrays import DeviceArray
from engine.cuda.kernels import Kernels, ceil_div
from engine.portrait.glasses import Glasses
from engine.portrait.mouth_frame import HEIGHT, MouthFrame
from engine.portrait.patches import Rectangle
from engine.render.mouth import Place, inverse, share_of, style_of
from engine.types import Floats

TILE, THREADS = (32, 8), (256,)
INPUTS, OUTPUTS = 8, 4  # of the network


class DeviceView(ctypes.Structure):
    """View of kernels/mouth.cu."""

    _fields_ = (
        ("frame", ctypes.c_int32),
        ("to_patch", ctypes.c_float * 6),
        ("to_window", ctypes.c_float * 6),
        ("down", ctypes.c_float * 2),
    )


class Mouths(ctypes.Structure):
    """Mouths of kernels/mouth.cu."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("patch", "inside")),
        *((name, ctypes.c_int32) for name in ("height", "width", "coarse")),
        ("views", ctypes.c_void_p),
        *((name, ctypes.c_int32) for name in ("count", "x0", "y0", "window_height", "window_width")),
        *((name, ctypes.c_void_p) for name in ("upper", "lower", "share")),
        ("own_teeth", ctypes.c_int32),
        ("toned", ctypes.c_float),
        ("curve", ctypes.c_float * 9),
        ("limits", ctypes.c_float * 2),
        *((name, ctypes.c_void_p) for name in ("crops", "drawn", "tones", "finished")),
    )


class Layer(ctypes.Structure):
    """Layer of kernels/layer.cu."""

    _fields_ = (
        ("pixels", ctypes.c_void_p),
        *((name, ctypes.c_int32) for name in ("height", "width")),
        *((name, ctypes.c_void_p) for name in ("maps", "box")),
        *((name, ctypes.c_int64) for name in ("frame_bytes", "row_bytes")),
        *((name, ctypes.c_int32) for name in ("box_height", "box_width")),
    )


class GpuMouthPainter:
    """The mouth network with one portrait's mouth."""

    def __init__(self, kernels: Kernels, network: DeviceRunner, mouth: MouthFrame, face: int) -> None:
        self._kernels, self._network, self._mouth = kernels, network, mouth
        self._style = style_of(face, mouth)
        self._upper, self._lower, self._share = (
            self._sent(array.astype(np.float32)) for array in (mouth.upper, mouth.lower, share_of(mouth))
        )

    def paint(self, patch: DeviceArray, inside: DeviceArray, affine: Floats, box: Rectangle) -> None:
        """See `MouthPainter.paint`: patch (T, h, w, 3) and inside (T, h, w, 4) uint8, both contiguous."""
        groups: dict[Rectangle, list[tuple[int, Place]]] = {}
        for frame, shown in enumerate(self._found(inside)):
            place = Place.of(self._mouth, affine[frame], box, shown) if shown is not None else None
            if place is not None:
                groups.setdefault(place.window, []).append((frame, place))
        for window, views in groups.items():
            self._draw(patch, inside, window, views)

    def _found(self, inside: DeviceArray) -> list[Rectangle | None]:
        """Where the inside shows in each frame, if it does."""
        frames, height, width = inside.shape[:3]
        none = np.tile(np.array([width, height, -1, -1], np.int32), (frames, 1))
        bounds = self._sent(none)
        sizes = ctypes.c_int32(height), ctypes.c_int32(width)
        self._kernels.launch("mouth", "find_mouths", tiles(width, height, frames), TILE, [inside, *sizes, bounds])
        return [
            Rectangle(x0, y0, x1 - x0 + 1, y1 - y0 + 1) if x1 >= 0 else None
            for x0, y0, x1, y1 in bounds.read(self._kernels.stream).tolist()
        ]

    def _draw(
        self, patch: DeviceArray, inside: DeviceArray, window: Rectangle, views: Sequence[tuple[int, Place]]
    ) -> None:
        size = (window.height, window.width)
        crops, drawn, finished, tones = (
            DeviceArray.empty(self._kernels.device, (len(views), *shape), np.float32)
            for shape in ((INPUTS, *size), (OUTPUTS, *size), (*size, 4), (3,))
        )
        structs = (DeviceView * len(views))(*(device_view(frame, place) for frame, place in views))
        sent = self._sent(np.frombuffer(bytes(structs), np.uint8))
        toning = self._mouth.toning
        mouths = Mouths(
            patch.address, inside.address, *patch.shape[1:3], max(1, int(self._mouth.patch_px)),
            sent.address, len(views), window.x0, window.y0, *size,
            self._upper.address, self._lower.address, self._share.address, bool(self._mouth.own.any()),
            toning.share, tuple(toning.curve.ravel()), tuple(toning.limits),
            crops.address, drawn.address, tones.address, finished.address,
        )  # fmt: skip
        over_window = tiles(window.width, window.height, len(views))
        self._kernels.launch("mouth", "cut_mouths", over_window, TILE, [mouths, ctypes.c_int32(HEIGHT)])
        style = self._sent(np.repeat(self._style[None], len(views), 0))
        self._network.on_device({"crop": crops, "style": style}, {"mouth": drawn}, self._kernels.stream)
        self._kernels.launch("mouth", "tone_mouths", (len(views),), THREADS, [mouths])
        self._kernels.launch("mouth", "finish_mouths", over_window, TILE, [mouths])
        over_patch = tiles(patch.shape[2], patch.shape[1], len(views))
        self._kernels.launch("mouth", "lay_mouths", over_patch, TILE, [mouths])

    def _sent(self, array: np.ndarray) -> DeviceArray:
        return DeviceArray.of(self._kernels.device, array, self._kernels.stream)


def device_view(frame: int, place: Place) -> DeviceView:
    return DeviceView(
        frame, tuple(place.to_patch.ravel()), tuple(inverse(place.to_patch).ravel()), tuple(place.down.ravel())
    )


def put_on_gpu(
    kernels: Kernels, frames: DeviceArray, layer: DeviceArray, glasses: Glasses, affines: Floats, box: Rectangle
) -> None:
    """`put_on`: lays glasses, whose layer is on the GPU already, over the box of a crop's frames (T, H, W, 3)."""
    part = frames.part(*box.slices)
    maps = affines.astype(np.float32)
    maps[:, :, 2] += maps[:, :, :2] @ np.array([box.x0, box.y0], np.float32)
    sent = DeviceArray.of(kernels.device, maps, kernels.stream)
    struct = Layer(
        layer.address, *glasses.layer.shape[:2], sent.address, part.address, *part.strides[:2], box.height, box.width
    )
    kernels.launch("layer", "lay_layer", tiles(box.width, box.height, len(frames)), TILE, [struct])


def tiles(width: int, height: int, count: int) -> tuple[int, int, int]:
    """Blocks of TILE that cover so many pictures."""
    return ceil_div(width, TILE[0]), ceil_div(height, TILE[1]), count
