"""Everything that only a machine with an NVIDIA GPU can tell, in under ten minutes, as benchmarks/results/gpu.json.

    python -m benchmarks.gpu [--minutes 9] [--results FOLDER]

Kernels: each against its definition, compute-sanitizer where it is installed, then timed, beside torch's grid_sample.
Networks: what they are off by and how fast they are, with TensorRT, TensorRT-RTX, CUDA and torch. Frames: against the
CPU's, and how many faces a second are drawn, warp, mouth network and all. Clips: from the photo
to the closed MP4, for 1, 4 and 16 faces at 1920x1080. What isn't installed, or no longer fits the time, is skipped and
named. The kernels must have been compiled: make native. Without them, or cuda-bindings, only torch is measured.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks import gpu_frames, gpu_kernels, gpu_plugin
from benchmarks.record import RESULTS, ROOT, commit, machine
from benchmarks.subject import check_clip, portrait_photo
from engine import Engine
from engine.backends import ON_A_GPU, open_backend
from engine.backends.base import Runner
from engine.backends.onnx_runtime import OnnxRuntimeBackend
from engine.backends.profiles import BATCH
from engine.backends.tensorrt import TensorRtBackend
from engine.bundle import Bundle
from engine.cuda import kernels
from engine.cuda.device import Device, open_device
from engine.errors import BackendError, MienError
from engine.media import nvenc
from engine.media.encoding import FPS

BATCHES = (1, 60, 240)
FACES = {1: (1, 1), 4: (2, 2), 16: (2, 8)}  # rows and columns
FRAME = (1080, 1920)
CLIP_SECONDS, EMOTION, SEED = 4.0, "fear", 7
PER_FRAME = ("mouth.onnx",)  # networks that run for every frame of every face
ON_A_CPU = ("motion.onnx", "warp.onnx")  # which GPU engines run there, or draw with kernels
PACKAGES = ("numpy", "onnxruntime", "onnxruntime-gpu", "tensorrt-cu13", "tensorrt-rtx-cu13", "cuda-bindings",
            "pynvvideocodec", "torch", "av")  # fmt: skip
RUNS = 10
WINDOW = (64, 128)  # pixels that the renderer sees of a smile
SANITIZER_S = 120

Inputs = dict[str, dict[str, np.ndarray]]


class Sections:
    """Runs parts of the benchmark one after the other; one that fails or comes too late doesn't stop the others."""

    def __init__(self, minutes: float) -> None:
        self._end = time.monotonic() + 60 * minutes
        self.results: dict[str, Any] = {}
        self.failed = False

    def run(self, name: str, work: Callable[[], Any], *, needs_s: float = 20) -> None:
        left = self._end - time.monotonic()
        if left < needs_s:
            self.results[name] = "skipped: no time was left"
        else:
            start = time.monotonic()
            try:
                self.results[name] = work()
            except (MienError, ImportError) as error:
                self.results[name] = f"skipped: {error}"
            except Exception as error:  # an assertion, or whatever a runtime raises: it belongs into the record
                self.results[name] = f"failed: {type(error).__name__}: {error}"
                self.failed = True
            print(f"{name} ({time.monotonic() - start:.0f} s): {json.dumps(self.results[name])[:2000]}", flush=True)


def gpu(device: Device) -> dict[str, Any]:
    return {
        "name": device.name,
        "capability": ".".join(map(str, device.capability)),
        "cuda_of_driver": device.driver_version,
        "free_mb": device.free_bytes() >> 20,
        "encodes": {codec: nvenc.usable(codec) for codec in ("h264", "hevc", "av1")},
    }


def recorded() -> Inputs:
    """What each network is given for a sample photo; torch isn't needed."""
    from export.precision import recorded_inputs

    return recorded_inputs()


def sanitized() -> str:
    """The conformance once more, under compute-sanitizer."""
    tool = shutil.which("compute-sanitizer")
    if tool is None:
        return "skipped: compute-sanitizer isn't installed"
    command = [tool, "--error-exitcode", "9", sys.executable, "-m", "benchmarks.gpu", "--conformance"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SANITIZER_S, check=False)
    last = (done.stdout.strip().splitlines() or ["it says nothing"])[-1]
    assert done.returncode == 0, last
    return last


def parity(name: str, half: bool, inputs: Inputs) -> list[dict[str, Any]]:
    """Each network's outputs on a GPU against those on the CPU; raises AssertionError over a bound."""
    from export.precision import compare

    backend, single = open_backend(name, half=half), OnnxRuntimeBackend()
    rows = []
    for file, given in inputs.items():
        if file not in ON_A_CPU:
            model = Bundle.default().path(file)
            rows += compare(backend, model, given, single.open(model)(**given))
    over = [f"{row.network} {row.output}" for row in rows if not row.within]
    assert not over, f"over the bound: {', '.join(over)}; {[asdict(row) for row in rows if not row.within]}"
    return [
        {"network": row.network, "output": row.output, "largest": row.largest, "psnr_db": row.psnr_db} for row in rows
    ]


def speed(name: str, half: bool, inputs: Inputs) -> dict[str, Any]:
    """Milliseconds a run, and for what runs every frame also items a second, with the copies to the card and back."""
    backend = open_backend(name, half=half)
    found: dict[str, Any] = {}
    for file, given in inputs.items():
        if file in ON_A_CPU:
            continue
        start = time.perf_counter()
        runner = backend.open(Bundle.default().path(file))
        found[f"{file} open_s"] = round(time.perf_counter() - start, 1)
        for batch in BATCHES if file in PER_FRAME else BATCHES[:1]:
            found[f"{file} batch {batch}"] = run_timing(runner, given, batch)
    return found


def run_timing(runner: Runner, given: dict[str, np.ndarray], batch: int) -> dict[str, float]:
    arrays = {
        name: np.resize(array, (batch, *array.shape[1:])) if runner.inputs[name].shape[0] in BATCH else array
        for name, array in given.items()
    }
    for _ in range(3):
        runner(**arrays)
    start = time.perf_counter()
    for _ in range(RUNS):
        runner(**arrays)
    seconds = (time.perf_counter() - start) / RUNS
    return {"ms": round(1000 * seconds, 3), "per_s": round(batch / seconds, 1)}


def plugin(launched: kernels.Kernels, inputs: Inputs) -> dict[str, Any]:
    """Mien's grid_sample in TensorRT's place, alone and in the warp's graph: milliseconds of both."""
    trt = importlib.import_module("tensorrt")
    found = gpu_plugin.samplers(launched, trt)
    for replaced in (False, True):
        runner = TensorRtBackend(half=False, plugin=replaced).open(Bundle.default().path("warp.onnx"))
        found[f"warp.onnx {'plugin' if replaced else 'stock'}"] = run_timing(runner, inputs["warp.onnx"], 1)
    return found


def torch_speed() -> dict[str, Any]:
    """The renderer by torch itself, with weights that were never trained; what it takes is on the device already."""
    import torch

    from export.renderer.network import MouthNet

    if not torch.cuda.is_available():
        raise BackendError("torch finds no GPU.")
    found: dict[str, Any] = {}
    for half, compiled in product((True, False), (False, True)):
        dtype = torch.float16 if half else torch.float32
        network = MouthNet().eval().to("cuda", dtype)
        run = torch.compile(network, dynamic=True) if compiled else network
        for batch in BATCHES:
            crop = torch.rand(batch, 8, *WINDOW, device="cuda", dtype=dtype)
            style = torch.zeros(batch, 8, device="cuda", dtype=dtype)
            with torch.inference_mode():
                for _ in range(3):
                    run(crop, style)
                torch.cuda.synchronize()
                start = time.perf_counter()
                for _ in range(RUNS):
                    run(crop, style)
                torch.cuda.synchronize()
            seconds = (time.perf_counter() - start) / RUNS
            label = f"{'float16' if half else 'float32'}{' compiled' if compiled else ''} batch {batch}"
            found[label] = {"ms": round(1000 * seconds, 3), "per_s": round(batch / seconds, 1)}
    return found


def group_photo(faces: int) -> np.ndarray:
    """So many of the sample's portraits beside each other, 1920x1080."""
    rows, columns = FACES[faces]
    height, width = FRAME[0] // rows, FRAME[1] // columns
    side = min(height, width)
    cell = np.full((height, width, 3), 96, np.uint8)
    top, left = (height - side) // 2, (width - side) // 2
    cell[top : top + side, left : left + side] = cv2.resize(
        portrait_photo(), (side, side), interpolation=cv2.INTER_AREA
    )
    return np.tile(cell, (rows, columns, 1))


def clip(backend: str, faces: int) -> dict[str, Any]:
    """Seconds from the photo to the closed MP4, and of its parts; the networks' plans are there already."""
    photo = group_photo(faces)
    engine = Engine(backend)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        start = time.perf_counter()
        people = engine.prepare(photo)
        prepared = time.perf_counter()
        video = engine.animate(people, EMOTION, seconds=CLIP_SECONDS, seed=SEED)
        video.save(path)
        end = time.perf_counter()
        check_clip(path, photo, round(CLIP_SECONDS * FPS))
        for _ in video.frames():
            pass
        drawn = time.perf_counter()
    return {
        "faces_found": len(people.faces),
        "whole_s": round(end - start, 3),
        "prepare_s": round(prepared - start, 3),
        "animate_and_save_s": round(end - prepared, 3),
        "draw_alone_s": round(drawn - end, 3),
        "networks": engine.report(),
    }


def measure(device: Device, minutes: float, results: Path) -> bool:
    """Runs everything and writes gpu.json; returns whether nothing failed."""
    sections = Sections(minutes)
    launched = kernels.Kernels(device)
    inputs = recorded()
    warp = inputs["warp.onnx"]
    sections.run("gpu", lambda: gpu(device))
    sections.run("conformance", lambda: gpu_kernels.conformance(launched, warp))
    sections.run("kernels", lambda: gpu_kernels.timings(launched, warp, BATCHES))
    for name in ON_A_GPU:
        for half in (True, False) if name != "cuda" else (False,):
            label = f"{name} {'float16' if half else 'float32'}"
            sections.run(f"{label} parity", lambda name=name, half=half: parity(name, half, inputs), needs_s=60)
            sections.run(f"{label} speed", lambda name=name, half=half: speed(name, half, inputs))
            draw = partial(gpu_frames.renderer, launched, name, half, BATCHES)
            sections.run(f"{label} renderer", draw, needs_s=30)
    sections.run("tensorrt plugin", lambda: plugin(launched, inputs), needs_s=60)
    sections.run("torch renderer", torch_speed, needs_s=60)
    for faces in FACES:
        sections.run(f"clip of {faces}", lambda faces=faces: clip("auto", faces), needs_s=10 + 4 * faces)
    sections.run("sanitizer", sanitized, needs_s=SANITIZER_S)
    return save(sections, results)


def measure_torch(reason: MienError, minutes: float, results: Path) -> bool:
    """The same for what torch alone can tell, where the driver's bindings or our kernels aren't there."""
    sections = Sections(minutes)
    sections.results["all but torch"] = f"skipped: {reason}"
    sections.run("torch renderer", torch_speed, needs_s=60)
    sections.run("torch grid_sample", lambda: {name: gpu_kernels.torch_milliseconds(*shapes, "float32")
                                               for name, shapes in gpu_kernels.SIZES.items()})  # fmt: skip
    return save(sections, results)


def save(sections: Sections, results: Path) -> bool:
    results.mkdir(parents=True, exist_ok=True)
    record = {"benchmark": "gpu", "machine": machine(), "versions": versions(), "commit": commit()}
    (results / "gpu.json").write_text(json.dumps(record | {"results": sections.results}, indent=2) + "\n")
    return not sections.failed


def torch_finds_a_gpu() -> bool:
    try:
        import torch
    except ImportError:
        return False
    return bool(torch.cuda.is_available())


def versions() -> dict[str, str]:
    """Of the packages that are there."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--conformance", action="store_true", help="only that, as compute-sanitizer runs it")
    options = parser.parse_args()
    try:
        device = open_device()
        if not kernels.available():
            raise BackendError("The CUDA kernels aren't compiled; `make native` does it where there is nvcc.")
    except MienError as error:
        if torch_finds_a_gpu() and not options.conformance:
            return 0 if measure_torch(error, options.minutes, options.results) else 1
        print(f"This benchmark needs an NVIDIA GPU and the compiled kernels. {error}", file=sys.stderr)
        return 2
    if options.conformance:
        print(gpu_kernels.conformance(kernels.Kernels(device), recorded()["warp.onnx"]))
        return 0
    return 0 if measure(device, options.minutes, options.results) else 1


if __name__ == "__main__":
    sys.exit(main())
