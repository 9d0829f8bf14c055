"""Native code against what computes the same: its definition in NumPy, ONNX Runtime, torch, OpenCV. In milliseconds.

python -m benchmarks.kernels [--runs 7] [--side 1024] [--no-compile] [--results FOLDER]

All of them draw the same frames of the same portrait, and are compared before they are timed. torch and what it
compiles are left out where torch isn't installed; compiling takes a minute and comes last. NumPy draws one frame.
"""

from __future__ import annotations

import ctypes
import importlib.util
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.child import EMOTION, SEED
from benchmarks.record import RESULTS, arguments, spread, timed, write
from benchmarks.subject import SIDE_PX, portrait_photo
from engine import Engine
from engine.backends import open_backend
from engine.bundle import Bundle
from engine.native import NativeWarp, available
from engine.native.library import library
from engine.render.drive import frame_inputs
from engine.render.renderer import behind_inputs
from kernels import reference

Arrays = dict[str, np.ndarray]
Draw = Callable[[], Arrays]
FRAMES, START = 8, 60  # of the clip: a batch while the face moves
GREY_LEVELS, SHARE_BEYOND = 1, 2e-3  # two ways differ by more in so few pixels at most
SAMPLED = (4, 512, 512)  # channels, height and width of the picture that grid_sample reads


def warp_inputs(side_px: int) -> tuple[Arrays, Arrays]:
    """Constants of the sample's portrait, and what changes in a batch of its frames."""
    engine = Engine()
    scene = engine.prepare(portrait_photo(side_px)).scene
    portrait = scene.portraits[0]
    motion = engine.motion(EMOTION, seconds=2, seed=SEED)[START : START + FRAMES]
    constants = {**portrait.constants, **behind_inputs(portrait, portrait.behind[None])}
    return constants, dict(frame_inputs(portrait, motion))


def warps(constants: Arrays, frames: Arrays) -> dict[str, Draw]:
    """The ways to draw the batch that can be had here, the first one being warp.onnx."""
    graph = open_backend("onnxruntime").open(Bundle.default().path("warp.onnx"))
    bound = graph.bind(**constants)

    def one_by_one() -> Arrays:
        parts = [bound(**{name: array[i : i + 1] for name, array in frames.items()}) for i in range(FRAMES)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    ways: dict[str, Draw] = {"onnx_runtime": lambda: bound(**frames), "onnx_runtime_frame_by_frame": one_by_one}
    if available():
        native = NativeWarp().bind(**constants)
        ways["native"] = lambda: native(**frames)
    if importlib.util.find_spec("torch") is not None:
        inputs, outputs = {**constants, **frames}, list(graph.outputs)
        tensors = [inputs[name] for name in graph.inputs]
        ways["torch"] = lambda: torch_warp(tensors, outputs, compiled=False)
        ways["torch_compile"] = lambda: torch_warp(tensors, outputs, compiled=True)
    return ways


@cache
def torch_module(*, compiled: bool) -> Callable[..., Any]:
    """The module that warp.onnx was exported from."""
    import torch

    from export.warp import LayeredWarp

    module = LayeredWarp().eval()
    return torch.compile(module) if compiled else module


def torch_warp(arrays: list[np.ndarray], outputs: list[str], *, compiled: bool) -> Arrays:
    import torch

    with torch.inference_mode():
        found = torch_module(compiled=compiled)(*(torch.from_numpy(np.ascontiguousarray(array)) for array in arrays))
    return {name: image.numpy() for name, image in zip(outputs, found, strict=True)}


def check_alike(found: Arrays, expected: Arrays, way: str) -> None:
    for name, image in expected.items():
        apart = np.abs(found[name].astype(int) - image) > GREY_LEVELS
        assert apart.mean() <= SHARE_BEYOND, f"{way} draws {name} unlike warp.onnx in {100 * apart.mean():.2f} %"


def samplers() -> dict[str, Callable[[], np.ndarray]]:
    """Ways to read a picture at the places of a smooth field, bilinear, borders repeated -> (channels, h, w)."""
    height, width = SAMPLED[1:]
    rng = np.random.default_rng(0)
    image = rng.uniform(0, 255, SAMPLED).astype(np.float32)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    x, y = x + 5 * np.sin(y / 40), y + 5 * np.sin(x / 40)
    grid = np.stack([2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1], -1)[None]
    last = np.ascontiguousarray(image.transpose(1, 2, 0))
    ways: dict[str, Callable[[], np.ndarray]] = {
        "numpy": lambda: reference.grid_sample(image[None], grid, "bilinear", "border", True)[0],
        "opencv": lambda: cv2.remap(last, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).transpose(2, 0, 1),
    }
    if available():
        ways["native"] = lambda: native_sample(image, grid)
    if importlib.util.find_spec("torch") is not None:
        import torch
        from torch.nn.functional import grid_sample

        tensors = torch.from_numpy(image[None]), torch.from_numpy(grid)

        def by_torch() -> np.ndarray:
            return grid_sample(*tensors, "bilinear", "border", align_corners=True)[0].numpy()

        ways["torch"] = by_torch
    return ways


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


def native_sample(image: np.ndarray, grid: np.ndarray) -> np.ndarray:
    found = library()
    assert found is not None
    out = np.empty((len(image), *grid.shape[1:3]), np.float32)
    size = 1, len(image), 1, *image.shape[1:]
    sampling = Sampling(image.ctypes.data, *size, grid.ctypes.data, 2, 1, 1, *out.shape[1:], 0, 1, 1, out.ctypes.data)
    assert found.mien_grid_sample(ctypes.byref(sampling), 2) == 0
    return out


def measure(runs: int, side_px: int, results: Path = RESULTS, *, compiled: bool = True) -> Path:
    """Writes the JSON: first without what torch compiles, then with it."""
    constants, frames = warp_inputs(side_px)
    ways = warps(constants, frames)
    late = ways.pop("torch_compile", None)
    expected = ways["onnx_runtime"]()
    drawing = {way: milliseconds_a_frame(way, draw, expected, runs) for way, draw in ways.items()}
    drawing["numpy"] = numpy_milliseconds(constants, frames, expected)
    sampling, wanted = {}, samplers()["numpy"]()
    for way, read in samplers().items():
        # OpenCV rounds places to a 32nd of a pixel.
        np.testing.assert_allclose(read(), wanted, atol=255 / 16 if way == "opencv" else 0.05, err_msg=way)
        sampling[way] = spread(timed(read, runs))
    settings = {"photo": [side_px, side_px], "frames": FRAMES, "sampled": list(SAMPLED)}
    found = {"layered_warp_ms_per_frame": drawing, "grid_sample_ms": sampling}
    path = write("kernels", settings, found, results)
    if compiled and late is not None:
        drawing["torch_compile"] = milliseconds_a_frame("torch_compile", late, expected, runs)
        path = write("kernels", settings, found, results)
    return path


def milliseconds_a_frame(way: str, draw: Draw, expected: Arrays, runs: int) -> dict[str, Any]:
    check_alike(draw(), expected, way)
    return spread([milliseconds / FRAMES for milliseconds in timed(draw, runs)])


def numpy_milliseconds(constants: Arrays, frames: Arrays, expected: Arrays) -> dict[str, Any]:
    """Of one frame, drawn once: it is written to be read."""
    start = time.perf_counter()
    found = reference.layered_warp({**constants, **{name: array[:1] for name, array in frames.items()}})
    taken = 1000 * (time.perf_counter() - start)
    check_alike(dict(found), {name: image[:1] for name, image in expected.items()}, "numpy")
    return spread([taken])


def main() -> None:
    options = arguments(__doc__, runs=7, side=SIDE_PX, no_compile=False)
    measure(options.runs, options.side, options.results, compiled=not options.no_compile)


if __name__ == "__main__":
    main()
