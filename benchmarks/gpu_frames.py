"""Whole frames on a GPU: that they are those of the host, in float16 as well, and how many faces a second it draws."""

from __future__ import annotations

import time
from typing import Any

import cv2
import numpy as np

from benchmarks.subject import portrait_photo
from engine import Engine, Motion, PortraitSet
from engine.backends import open_backend
from engine.backends.base import DeviceRunner
from engine.backends.onnx_runtime import OnnxRuntimeBackend
from engine.bundle import Bundle
from engine.composite import render_frames
from engine.cuda.arrays import DeviceArray
from engine.cuda.kernels import Kernels
from engine.cuda.layered_warp import CudaWarp
from engine.render.on_gpu import GpuFaceRenderer, render_on_gpu
from engine.render.warp import open_warp

FRAMES_PSNR_DB = 45.0
EMOTION, SEED, SIDE_PX = "fear", 7, 512
COMPARED = slice(40, 100, 20)  # frames in the middle of a clip
WARM_UP, RUNS = 2, 5


def renderer(kernels: Kernels, backend: str, half: bool, batches: tuple[int, ...]) -> dict[str, Any]:
    """The PSNR of frames against this machine's CPU, and face-frames a second of everything that draws them."""
    engine = Engine("onnxruntime")
    people, motion = engine.prepare(portrait_photo(SIDE_PX)), engine.motion(EMOTION, seconds=2, seed=SEED)
    mouth = open_backend(backend, half=half).open(Bundle.default().path("mouth.onnx"))
    assert isinstance(mouth, DeviceRunner)
    found: dict[str, Any] = {"psnr_db": frames_psnr_db(kernels, mouth, people, motion[COMPARED])}
    for batch in batches:
        found[f"batch {batch}"] = drawing_speed(kernels, mouth, people, repeated(motion, batch))
    return found


def frames_psnr_db(kernels: Kernels, mouth: DeviceRunner, people: PortraitSet, motion: Motion) -> float:
    """Of the worst frame; raises AssertionError under the bound."""
    host, bundle = OnnxRuntimeBackend(), Bundle.default()
    motions = dict.fromkeys(people.scene.portraits, motion)
    expected = render_frames(people.scene, motions, open_warp(host, bundle), host.open(bundle.path("mouth.onnx")))
    found = []
    for ours, theirs in zip(render_on_gpu(people.scene, motions, CudaWarp(kernels), mouth), expected, strict=True):
        height, width = theirs.shape[:2]
        found.append(cv2.PSNR(ours.read(kernels.stream)[:height, :width], theirs))
    worst = round(min(found), 1)
    assert worst >= FRAMES_PSNR_DB, f"frames have {worst} dB of {FRAMES_PSNR_DB}"
    return worst


def drawing_speed(kernels: Kernels, mouth: DeviceRunner, people: PortraitSet, motion: Motion) -> dict[str, float]:
    """Of one person, in frames that stay on the device."""
    number, portrait = next(iter(people.scene.portraits.items()))
    drawer = GpuFaceRenderer(CudaWarp(kernels), mouth, portrait, face=number, still_behind=True)
    canvas = DeviceArray.empty(kernels.device, (len(motion), *people.scene.backdrop.shape), np.uint8)
    for run in range(WARM_UP + RUNS):
        if run == WARM_UP:
            kernels.stream.wait()
            start = time.perf_counter()
        drawer.draw(canvas, motion)
    kernels.stream.wait()
    seconds = (time.perf_counter() - start) / RUNS
    drawer.close()
    return {"ms": round(1000 * seconds, 2), "face_frames_per_s": round(len(motion) / seconds, 1)}


def repeated(motion: Motion, frames: int) -> Motion:
    """What is performed, over and over, but for its quiet beginning."""
    return Motion(
        **{name: np.resize(track[20:], (frames, *track.shape[1:])) for name, track in motion.tracks().items()}
    )
