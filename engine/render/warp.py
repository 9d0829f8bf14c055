"""Chooses what draws frames."""

from __future__ import annotations

from engine.backends import ON_A_CPU, ON_A_GPU
from engine.backends.base import Backend, Runner
from engine.bundle import Bundle
from engine.cuda import kernels
from engine.cuda.device import open_device
from engine.cuda.layered_warp import CudaWarp
from engine.native import NativeWarp, available
from engine.render.sharing import threads_each


def open_warp(backend: Backend, bundle: Bundle) -> Runner:
    """Mien's own warp where it was compiled, for the CPU or for GPUs as the backend is, else warp.onnx."""
    if backend.name in ON_A_CPU and available():
        return NativeWarp(threads_each())
    if backend.name in ON_A_GPU and kernels.available():
        return CudaWarp(kernels.Kernels(open_device()))
    return backend.open(bundle.path("warp.onnx"))
