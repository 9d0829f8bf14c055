"""Where networks run. Everything above this folder knows only `Backend` and `Runner` (engine/backends/base.py)."""

from __future__ import annotations

from engine.backends.base import Backend, Runner
from engine.backends.onnx_runtime import OnnxRuntimeBackend
from engine.backends.openvino import OpenVinoBackend
from engine.errors import BackendError

__all__ = ["BACKENDS", "Backend", "Runner", "open_backend"]

BACKENDS = ("auto", "onnxruntime", "openvino")


def open_backend(name: str = "auto") -> Backend:
    """The backend of that name; "auto" takes the best one for this machine, today always ONNX Runtime on the CPU.

    Raises BackendError for any other name, MissingExtraError where the backend's package isn't installed.
    """
    if name not in BACKENDS:
        raise BackendError(f"There is no backend '{name}'; choose one of {', '.join(BACKENDS)}.")
    return OpenVinoBackend() if name == "openvino" else OnnxRuntimeBackend()
