"""The layered warp by the native library: the tensors of warp.onnx, the same pixels within a grey level, much faster.

Images are packed when they are bound, into four 16-bit numbers a pixel, so that a neighbour is one read.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.backends.base import Array
from engine.backends.validate import check_arrays, free_inputs
from engine.errors import BackendError
from engine.native.library import Grid, Images, Patch, Warp, library, usable_cpus
from engine.types import Floats, TensorSpec

MODEL = "warp.onnx"
TEXTURES = {"eye_right": 3, "eye_left": 3, "mouth": 4}  # what each patch shows behind the skin
EYES = ("eye_right", "eye_left")  # the patches whose upper layer changes its colours
FLOAT, BYTE = np.dtype(np.float32), np.dtype(np.uint8)
LARGEST = np.iinfo(np.int16).max


def _input_specs() -> dict[str, TensorSpec]:
    """As `LayeredWarp.forward` in export/warp.py describes them."""
    shapes: dict[str, tuple[int | str, ...]] = {
        "base_coefficients": ("frames", "functions", 2),
        "folds": ("frames", "regions"),
        "light": ("frames", "terms"),
        "behind": ("backs", "crop_h", "crop_w", 3),
        "source": (1, 5, "crop_h", "crop_w"),
        "base_functions": ("nodes_h", "nodes_w", "functions"),
        "fold_regions": ("regions", "nodes_h", "nodes_w"),
        "fold_tint": (3,),
        "light_maps": ("terms", "nodes_h", "nodes_w"),
    }
    for p, count in TEXTURES.items():
        size = (f"{p}_h", f"{p}_w")
        shapes |= {
            f"{p}_box": (4,),
            f"{p}_functions": (f"{p}_nodes_h", f"{p}_nodes_w", "functions"),
            f"{p}_upper": ("frames", "functions", 2),
            f"{p}_lower": ("frames", "functions", 2),
            f"{p}_skin_alpha": (1, 2, *size),
            f"{p}_feather": (1, 1, *size),
            f"{p}_textures": (count, 4, *size),
            f"{p}_shade": (count,),
            f"{p}_shade_step": (1,),
            f"{p}_affine": ("frames", count, 2, 3),
            f"{p}_opacity": ("frames", count),
        }
        if p in EYES:
            shapes |= {f"{p}_lid_changes": (2, 3, *size), f"{p}_lid_shares": ("frames", 2)}
        shapes[f"{p}_behind"] = (f"{p}_backs", *size, 3)
    return {name: TensorSpec(name, BYTE if "behind" in name else FLOAT, shape) for name, shape in shapes.items()}


INPUTS = _input_specs()
OUTPUTS = {
    name: TensorSpec(name, BYTE, ("frames", f"{size}_h", f"{size}_w", 3))
    for name, size in {"frames": "crop", **{f"{p}_frames": p for p in TEXTURES}}.items()
}
OUTPUTS["mouth_inside"] = TensorSpec("mouth_inside", BYTE, ("frames", "mouth_h", "mouth_w", 4))
BLOCK = 32  # kMienBlock of kernels/native.h
IMAGES = ("source", *(f"{p}_textures" for p in TEXTURES))


@dataclass(frozen=True)
class PackedImages:
    """Premultiplied images (K, 4, h, w) as the library reads them."""

    pixels: NDArray[np.int16]  # (K, h + 3, w + 3, 4), the first row and column twice, the last ones three times
    colour: float  # what one step is worth, grey levels
    alpha: float
    folds: Floats | None  # (h + 3, w + 3) a fifth channel, which stays as it is
    occupied: NDArray[np.uint8] | None  # of a single image's blocks, 0 where it is empty there and beside

    @classmethod
    def pack(cls, images: Floats) -> PackedImages:
        """images: (K, 4 or 5, h, w)."""
        colour, alpha = _step(images[:, :3]), _step(images[:, 3])
        steps = np.array([colour, colour, colour, alpha], np.float32)
        whole = np.rint(images[:, :4].transpose(0, 2, 3, 1) / steps).astype(np.int16)
        folds = np.pad(images[0, 4], (1, 2), mode="edge") if images.shape[1] > 4 else None
        padded = np.pad(whole, ((0, 0), (1, 2), (1, 2), (0, 0)), mode="edge")
        return cls(padded, colour, alpha, folds, occupied_blocks(whole[0]) if len(whole) == 1 else None)


def occupied_blocks(pixels: NDArray[np.int16]) -> NDArray[np.uint8]:
    """Pixels (h, w, 4) -> blocks of BLOCK x BLOCK: 0 where neither one nor any beside it holds anything."""
    height, width = pixels.shape[:2]
    filled = np.pad(np.any(pixels, axis=2), ((0, -height % BLOCK), (0, -width % BLOCK)))
    blocks = filled.reshape(len(filled) // BLOCK, BLOCK, -1, BLOCK).max((1, 3)).astype(np.uint8)
    return np.asarray(cv2.dilate(np.asarray(blocks), np.ones((3, 3), np.uint8)), np.uint8)


def _step(values: Floats) -> float:
    """The smallest power of two in which values can be counted with 16 bits; at least 2**-14."""
    largest = max(float(np.abs(values).max(initial=0)), 1.0)
    return float(2.0 ** np.ceil(np.log2(largest / LARGEST)))


class NativeWarp:
    """A `Runner` of warp.onnx. Raises BackendError where the library isn't there: ask `available()` first.

    threads: 0 takes as many as this process has processors; the pixels are the same for any number.
    """

    def __init__(self, threads: int = 0) -> None:
        found = library()
        if found is None:
            raise BackendError("The native library isn't there; install the package again with a C++ compiler.")
        self._library: ctypes.CDLL | None = found
        self._threads = threads or usable_cpus()
        self._bound: dict[str, Array | PackedImages] = {}
        self._sizes: dict[str, int] = {}
        self._inputs: Mapping[str, TensorSpec] = INPUTS

    @property
    def inputs(self) -> Mapping[str, TensorSpec]:
        """The inputs that aren't bound."""
        return self._inputs

    @property
    def outputs(self) -> Mapping[str, TensorSpec]:
        """All outputs."""
        return OUTPUTS

    def bind(self, **constants: Array) -> NativeWarp:
        """See `Runner.bind`. Arrays that can be changed are copied: changing them later changes nothing."""
        self._open_library()
        check_arrays(MODEL, self._inputs, constants, complete=False)
        bound = NativeWarp(self._threads)
        bound._sizes = sizes_of(constants, self._sizes)
        bound._bound = {**self._bound, **{name: _ready(name, array, copy=True) for name, array in constants.items()}}
        bound._inputs = free_inputs(INPUTS, bound._bound)
        return bound

    def __call__(self, **arrays: Array) -> dict[str, Array]:
        """See `Runner.__call__`."""
        self._open_library()
        check_arrays(MODEL, self._inputs, arrays, complete=True)
        sizes = sizes_of(arrays, self._sizes)
        frames = np.empty((sizes["frames"], sizes["crop_h"], sizes["crop_w"], 3), np.uint8)
        return {"frames": frames, **self.draw(frames, **arrays)}

    def draw(self, frames: NDArray[np.uint8], **arrays: Array) -> dict[str, Array]:
        """The same, with the crop's frames drawn straight into `frames` (T, h, w, 3) and the patches returned.

        Its rows may lie apart, as in part of a larger picture. It must not share memory with an input.
        """
        found = self._open_library()
        check_arrays(MODEL, self._inputs, arrays, complete=True)
        sizes = sizes_of(arrays, self._sizes)
        shape = sizes["frames"], sizes["crop_h"], sizes["crop_w"], 3
        if frames.shape != shape or (frames.size and frames.strides[2:] != (3, 1)):
            raise BackendError(f"{MODEL} draws frames of {shape}, pixels side by side, not of {frames.shape}.")
        given = {**self._bound, **{name: _ready(name, array, copy=False) for name, array in arrays.items()}}
        patches: dict[str, Array] = {
            f"{p}_frames": np.empty((len(frames), sizes[f"{p}_h"], sizes[f"{p}_w"], 3), np.uint8) for p in TEXTURES
        }
        patches["mouth_inside"] = np.empty((*patches["mouth_frames"].shape[:3], 4), np.uint8)
        if found.mien_layered_warp(warp_struct(given, frames, patches, sizes), self._threads):
            raise BackendError(f"There isn't enough memory for {MODEL}; use fewer or smaller frames.")
        return patches

    def close(self) -> None:
        """See `Runner.close`. Other runners of the same network, bound from this one or before it, go on."""
        self._library = None
        self._bound = {}

    def _open_library(self) -> ctypes.CDLL:
        if self._library is None:
            raise BackendError(f"{MODEL} was closed; open it again.")
        return self._library


def _ready(name: str, array: Array, *, copy: bool) -> Array | PackedImages:
    if name in IMAGES:
        return PackedImages.pack(array)
    if copy and (array.flags.writeable or array.base is not None):  # else nobody can change it later
        return np.array(array, order="C")
    return np.require(array, requirements="C")


def sizes_of(arrays: Mapping[str, Array], known: Mapping[str, int]) -> dict[str, int]:
    """The sizes of the named dimensions; raises BackendError where two arrays differ: the library relies on them."""
    sizes = dict(known)
    for name, array in arrays.items():
        for size, actual in zip(INPUTS[name].shape, array.shape, strict=True):
            if isinstance(size, int):
                continue
            expected = sizes.setdefault(size, actual)
            if actual != expected:
                raise BackendError(f"{MODEL} was given '{name}' with {actual} {size}, but there are {expected}.")
            if actual < 2 and size.endswith(("_h", "_w")):
                raise BackendError(f"{MODEL} takes '{name}' with at least 2 {size}, but it was given {actual}.")
    for size, actual in sizes.items():
        if size.endswith("backs") and actual not in (1, sizes.get("frames", actual)):
            raise BackendError(f"{MODEL} was given {actual} {size}; there must be 1, or as many as frames.")
    return sizes


def warp_struct(
    given: Mapping[str, Array | PackedImages],
    frames: NDArray[np.uint8],
    patches: Mapping[str, Array],
    sizes: Mapping[str, int],
) -> Warp:
    """The struct that tells the library where everything is; the arrays must outlive the call."""

    def place(name: str) -> int | None:
        array = given[name]
        assert not isinstance(array, PackedImages)
        return array.ctypes.data

    def images(name: str, size: str) -> Images:
        packed = given[name]
        assert isinstance(packed, PackedImages)
        count, height, width = len(packed.pixels), sizes[f"{size}_h"], sizes[f"{size}_w"]
        return Images(packed.pixels.ctypes.data, count, height, width, packed.colour, packed.alpha)

    def patch(p: str) -> Patch:
        nodes = sizes[f"{p}_nodes_h"], sizes[f"{p}_nodes_w"]
        return Patch(
            box=place(f"{p}_box"),
            grid=Grid(place(f"{p}_functions"), *nodes),
            upper=place(f"{p}_upper"),
            lower=place(f"{p}_lower"),
            height=sizes[f"{p}_h"],
            width=sizes[f"{p}_w"],
            skin_alpha=place(f"{p}_skin_alpha"),
            feather=place(f"{p}_feather"),
            textures=images(f"{p}_textures", p),
            shade=place(f"{p}_shade"),
            shade_step=place(f"{p}_shade_step"),
            affine=place(f"{p}_affine"),
            opacity=place(f"{p}_opacity"),
            lid_changes=place(f"{p}_lid_changes") if p in EYES else None,
            lid_shares=place(f"{p}_lid_shares") if p in EYES else None,
            behind=place(f"{p}_behind"),
            backs=sizes[f"{p}_backs"],
            frames=patches[f"{p}_frames"].ctypes.data,
            inside=patches[f"{p}_inside"].ctypes.data if f"{p}_inside" in patches else None,
        )

    source = given["source"]
    assert isinstance(source, PackedImages) and source.folds is not None
    return Warp(
        frames=sizes["frames"],
        functions=sizes["functions"],
        regions=sizes["regions"],
        terms=sizes["terms"],
        coefficients=place("base_coefficients"),
        folds=place("folds"),
        fold_regions=place("fold_regions"),
        fold_tint=place("fold_tint"),
        light=place("light"),
        light_maps=place("light_maps"),
        base=Grid(place("base_functions"), sizes["nodes_h"], sizes["nodes_w"]),
        source=images("source", "crop"),
        source_folds=source.folds.ctypes.data,
        occupied=None if source.occupied is None else source.occupied.ctypes.data,
        behind=place("behind"),
        backs=sizes["backs"],
        drawn=frames.ctypes.data,
        drawn_row=frames.strides[1],
        drawn_frame=frames.strides[0],
        patches=(Patch * len(TEXTURES))(*(patch(p) for p in TEXTURES)),
    )
