"""The layered warp by kernels/layered_warp.cu and patch.cu: the tensors of warp.onnx, drawn in the GPU's memory."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from engine.backends.base import Array
from engine.backends.validate import check_arrays, free_inputs
from engine.cuda.arrays import DeviceArray
from engine.cuda.kernels import Kernels, ceil_div
from engine.errors import BackendError
from engine.native.layered_warp import IMAGES, INPUTS, MODEL, OUTPUTS, TEXTURES, PackedImages, sizes_of, warp_struct
from engine.native.library import Grid, Warp
from engine.types import TensorSpec

Version = Literal["naive", "fast"]
THREADS, TILE = (256,), (32, 8)
FRAMES_AT_ONCE, NODES_AT_ONCE = 8, 8  # of a block of displace_fast
NARROWEST = 4  # pixels between nodes, for the fast version


class CudaWarp:
    """A `Runner` of warp.onnx on the GPU, at any batch that its memory holds."""

    def __init__(self, kernels: Kernels, *, version: Version = "fast") -> None:
        self._kernels: Kernels | None = kernels
        self._version = version
        self._bound: dict[str, Any] = {}
        self._known: dict[str, int] = {}
        self._boxes: dict[str, tuple[float, float]] = {}
        self._rooms: dict[str, DeviceArray] = {}
        self._inputs: Mapping[str, TensorSpec] = INPUTS

    @property
    def inputs(self) -> Mapping[str, TensorSpec]:
        """The inputs that aren't bound."""
        return self._inputs

    @property
    def outputs(self) -> Mapping[str, TensorSpec]:
        """All outputs."""
        return OUTPUTS

    def bind(self, **constants: Array) -> CudaWarp:
        """See `Runner.bind`. The arrays are copied to the GPU: changing them later changes nothing."""
        kernels = self._open()
        kernels.device.make_current()
        check_arrays(MODEL, self._inputs, constants, complete=False)
        bound = CudaWarp(kernels, version=self._version)
        bound._known = sizes_of(constants, self._known)
        bound._boxes = self._boxes | _boxes(constants)
        bound._bound = {**self._bound, **{name: _placed(kernels, name, array) for name, array in constants.items()}}
        bound._inputs = free_inputs(INPUTS, bound._bound)
        return bound

    def __call__(self, **arrays: Array) -> dict[str, Array]:
        """See `Runner.__call__`."""
        drawn = self.draw(None, **arrays)
        return {name: drawn[name].read(self._open().stream) for name in OUTPUTS}

    def draw(self, into: DeviceArray | None = None, /, **arrays: Array | DeviceArray) -> dict[str, DeviceArray]:
        """The same, left in the GPU's memory until the next call. Only starts the work, in the kernels' stream.

        into: Where the crop's frames go, as a part of larger pictures; it must not share memory with an input.
        """
        kernels = self._open()
        kernels.device.make_current()
        given_now: dict[str, Any] = dict(arrays)  # device arrays have types and shapes as NumPy's
        check_arrays(MODEL, self._inputs, given_now, complete=True)
        sizes = sizes_of(given_now, self._known)
        boxes = self._boxes | _boxes(given_now)
        given = {**self._bound, **{name: self._sent(name, array) for name, array in given_now.items()}}
        drawn = {} if into is None else {"frames": into}
        for name, spec in OUTPUTS.items():
            drawn[name] = drawn.get(name) or self._room(name, self._shape(spec, sizes), np.uint8)
        frames: Any = drawn["frames"]
        patches: Any = {name: array for name, array in drawn.items() if name != "frames"}
        warp = warp_struct(given, frames, patches, sizes)
        coarse = self._draw_crop(warp, (float(sizes["crop_w"] - 1), float(sizes["crop_h"] - 1)))
        for place, name in enumerate(TEXTURES):
            self._draw_patch(warp, place, coarse, boxes[name])
        return drawn

    def close(self) -> None:
        """See `Runner.close`. Other runners of the same network, bound from this one or before it, go on."""
        self._kernels = None
        self._bound = {}
        self._rooms = {}

    @property
    def kernels(self) -> Kernels:
        """What it is drawn with; raises BackendError after `close`."""
        return self._open()

    def _open(self) -> Kernels:
        if self._kernels is None:
            raise BackendError(f"{MODEL} was closed; open it again.")
        return self._kernels

    def _room(self, name: str, shape: tuple[int, ...], dtype: type) -> DeviceArray:
        """Memory that is kept from call to call."""
        kept = self._rooms.get(name)
        if kept is None or kept.shape != shape:
            self._rooms.pop(name, None)
            kept = self._rooms[name] = DeviceArray.empty(self._open().device, shape, dtype)
        return kept

    def _sent(self, name: str, array: Array | DeviceArray) -> Any:
        if isinstance(array, DeviceArray):
            return array
        if name in IMAGES:
            return _placed(self._open(), name, array)
        room = self._room(name, array.shape, array.dtype.type)
        room.write(array, self._open().stream)
        return room

    def _shape(self, spec: TensorSpec, sizes: Mapping[str, int]) -> tuple[int, ...]:
        return tuple(sizes[size] if isinstance(size, str) else size for size in spec.shape)

    def _displaced(self, warp: Warp, grid: Grid, coefficients: int, name: str) -> DeviceArray:
        """How far each node of a grid is moved (T, nodes, 2), pixels."""
        nodes = grid.rows * grid.columns
        moved = self._room(f"{name} moved", (warp.frames, nodes, 2), np.float32)
        places = ctypes.c_void_p(grid.functions), ctypes.c_void_p(coefficients)
        counts = [ctypes.c_int32(nodes), ctypes.c_int32(warp.functions)]
        if self._version == "naive":
            blocks = ceil_div(nodes, THREADS[0]), warp.frames
        else:
            blocks = ceil_div(nodes, NODES_AT_ONCE), ceil_div(warp.frames, FRAMES_AT_ONCE)
            counts.append(ctypes.c_int32(warp.frames))
        self._launch("layered_warp", f"displace_{self._version}", blocks, THREADS, *places, *counts, moved)
        return moved

    def _inverted(
        self, warp: Warp, grid: Grid, moved: DeviceArray, box: tuple[float, float], *, folds: bool, name: str
    ) -> DeviceArray:
        """Where the skin at each node comes from, less the node, and how strongly it folds and is lit (T, nodes, 4)."""
        nodes = grid.rows * grid.columns
        coarse = self._room(f"{name} coarse", (warp.frames, nodes, 4), np.float32)
        sizes = ctypes.c_int32(grid.rows), ctypes.c_int32(grid.columns), *(ctypes.c_float(side) for side in box)
        blocks = ceil_div(nodes, THREADS[0]), warp.frames
        self._launch("layered_warp", "invert", blocks, THREADS, warp, moved, *sizes, ctypes.c_int32(folds), coarse)
        return coarse

    def _draw_crop(self, warp: Warp, box: tuple[float, float]) -> DeviceArray:
        """Draws the crop; returns what `_inverted` found, which the patches need as well."""
        moved = self._displaced(warp, warp.base, warp.coefficients, "base")
        coarse = self._inverted(warp, warp.base, moved, box, folds=True, name="base")
        near = box[0] < NARROWEST * (warp.base.columns - 1) or box[1] < NARROWEST * (warp.base.rows - 1)
        blocks = _tiles(warp.source.width, warp.source.height, warp.frames)
        if self._version == "naive" or near:
            self._launch("layered_warp", "draw_frames", blocks, TILE, warp, coarse)
        else:
            self._launch("layered_warp", "warp_frames", blocks, TILE, warp, moved)
        return coarse

    def _draw_patch(self, warp: Warp, place: int, base: DeviceArray, box: tuple[float, float]) -> None:
        patch = warp.patches[place]
        layers = []
        for side in ("upper", "lower"):
            name = f"{place} {side}"
            moved = self._displaced(warp, patch.grid, getattr(patch, side), name)
            layers.append(self._inverted(warp, patch.grid, moved, box, folds=False, name=name))
        size = warp.frames, patch.height, patch.width
        skin = self._room(f"{place} skin", (*size, 4), np.float32)
        covered = self._room(f"{place} covered", size, np.float32)
        blocks = _tiles(patch.width, patch.height, warp.frames)
        self._launch("patch", "cover_patch", blocks, TILE, warp, patch, base, *layers, skin, covered)
        self._launch("patch", f"finish_patch_{self._version}", blocks, TILE, patch, skin, covered)

    def _launch(
        self, file: str, kernel: str, blocks: tuple[int, ...], threads: tuple[int, ...], *arguments: Any
    ) -> None:
        self._open().launch(file, kernel, blocks, threads, arguments)


def _placed(kernels: Kernels, name: str, array: Array) -> Any:
    """An input on the GPU; images are packed first."""

    def send(values: Array) -> Any:
        return DeviceArray.of(kernels.device, values, kernels.stream)

    if name not in IMAGES:
        return send(array)
    packed = PackedImages.pack(array)
    folds = None if packed.folds is None else send(packed.folds.astype(np.float32))
    return PackedImages(send(packed.pixels), packed.colour, packed.alpha, folds, None)


def _boxes(arrays: Mapping[str, Array]) -> dict[str, tuple[float, float]]:
    """Width and height of the patches whose boxes are among the inputs."""
    found = {name: arrays[f"{name}_box"] for name in TEXTURES if f"{name}_box" in arrays}
    return {name: (float(box[2] - box[0]), float(box[3] - box[1])) for name, box in found.items()}


def _tiles(width: int, height: int, frames: int) -> tuple[int, int, int]:
    return ceil_div(width, TILE[0]), ceil_div(height, TILE[1]), frames
