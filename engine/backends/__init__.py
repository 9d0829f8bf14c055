"""Where networks run. Everything above this folder knows only `Backend` and `Runner` (engine/backends/base.py)."""

from __future__ import annotations

import importlib.util
import logging

from engine.backends.base import Backend, Runner
from engine.backends.onnx_runtime import CudaBackend, OnnxRuntimeBackend, has_cuda
from engine.backends.openvino import OpenVinoBackend
from engine.backends.tensorrt import TensorRtBackend, TensorRtRtxBackend, runs_rtx
from engine.cuda.device import open_device
from engine.errors import BackendError, MissingExtraError

__all__ = ["BACKENDS", "ON_A_CPU", "ON_A_GPU", "Backend", "Runner", "open_backend"]

ON_A_CPU = ("onnxruntime", "openvino")
ON_A_GPU = ("tensorrt", "tensorrt-rtx", "cuda")
BACKENDS = ("auto", *ON_A_CPU, *ON_A_GPU)

log = logging.getLogger("engine")


def open_backend(name: str = "auto", *, half: bool = True) -> Backend:
    """The backend of that name; "auto" takes the first of TensorRT, TensorRT-RTX and CUDA that is installed and finds
    its GPU, else ONNX Runtime on the CPU.

    half: TensorRT computes in float16 where that is safe.

    Raises BackendError for any other name, or where there is no GPU for it; MissingExtraError where the backend's
    package isn't installed.
    """
    if name not in BACKENDS:
        raise BackendError(f"There is no backend '{name}'; choose one of {', '.join(BACKENDS)}.")
    if name == "auto":
        name = best_backend()
    if name == "tensorrt":
        return TensorRtBackend(half=half)
    if name == "tensorrt-rtx":
        return TensorRtRtxBackend(half=half)
    if name == "openvino":
        return OpenVinoBackend()
    return CudaBackend() if name == "cuda" else OnnxRuntimeBackend()


def best_backend() -> str:
    """What "auto" stands for on this machine."""
    installed = {name for name, package in (("tensorrt", "tensorrt_bindings"), ("tensorrt-rtx", "tensorrt_rtx"))
                 if importlib.util.find_spec(package) is not None}  # fmt: skip
    if has_cuda():
        installed.add("cuda")
    if not installed:
        return "onnxruntime"
    try:
        device = open_device()
    except (BackendError, MissingExtraError) as error:
        log.warning("Packages for GPUs are installed, but networks run on the CPU: %s", error)
        return "onnxruntime"
    if not runs_rtx(device):
        installed.discard("tensorrt-rtx")
    return next((name for name in ON_A_GPU if name in installed), "onnxruntime")
