"""Chooses what draws frames."""

from __future__ import annotations

from engine.backends.base import Backend, Runner
from engine.bundle import Bundle
from engine.native import NativeWarp, available

ON_THE_CPU = ("onnxruntime", "openvino")


def open_warp(backend: Backend, bundle: Bundle) -> Runner:
    """The native warp where the package was built with it and the backend computes on the CPU, else warp.onnx."""
    if backend.name in ON_THE_CPU and available():
        return NativeWarp()
    return backend.open(bundle.path("warp.onnx"))
