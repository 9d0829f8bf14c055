"""TensorRT and TensorRT-RTX: networks compiled for one NVIDIA GPU, with bound inputs and results kept in its memory."""

from __future__ import annotations

import importlib
import logging
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.backends.cache import Cache
from engine.backends.half import in_half
from engine.backends.onnx_file import tensor_specs
from engine.backends.plans import build_plan, new_logger, plan_key
from engine.backends.plugin import kernel_code
from engine.backends.tensorrt_runner import Network, TensorRtRunner
from engine.cuda.device import Device, open_device
from engine.errors import BackendError, MissingExtraError
from engine.types import TensorSpec

log = logging.getLogger("engine")

OLDEST = (11, 2, 1)  # TensorRT whose GridSample takes volumes
# TensorRT-RTX makes its kernels on the GPU it finds; these are what its makers list.
RTX_CAPABILITIES = ((7, 5), (8, 0), (8, 6), (8, 9), (12, 0), (12, 1))

Specs = Mapping[str, TensorSpec]


class TensorRtBackend:
    """Opens ONNX files on the first NVIDIA GPU.

    Args:
        half: Compute in float16 where that is safe (engine/backends/half.py).
        plugin: Samples with Mien's own kernel, which has to be compiled (engine/backends/plugin.py).

    Raises MissingExtraError without its package, BackendError without a GPU that it runs on, or the kernel.
    """

    name = "tensorrt"
    package = "tensorrt"

    def __init__(self, *, half: bool = True, plugin: bool = False) -> None:
        self._half, self._cache, self._plugin = half, Cache(), plugin
        # The GPU first: without one, TensorRT's own objects raise or even crash.
        self._device = device = open_device()
        self._trt = trt = _import(self.package)
        self._check()
        self._logger = new_logger(trt)
        self._runtime = trt.Runtime(self._logger)
        self._opening = threading.Lock()  # one network after the other: builders take all the memory they find
        precision = "float16" if half else "float32"
        self.device = f"{device.name}, {precision}"
        self._made_for: tuple[str, ...] = (
            self.name,
            trt.__version__,
            device.name,
            str(device.capability),
            str(device.driver_version),
        )
        if plugin:
            self._made_for += (kernel_code(),)

    def rest(self) -> None:
        """Does nothing: contexts keep their memory."""

    def open(self, model: Path) -> TensorRtRunner:
        """Raises BackendError where the file can't be read or compiled. The first time on a GPU takes long."""
        try:
            inputs, outputs = tensor_specs(model)
            graph = in_half(model) if self._half else model.read_bytes()
        except (BackendError, MissingExtraError):
            raise
        except Exception as error:  # whatever a damaged file makes its readers raise
            raise BackendError(f"{self.name} can't load {model}: {error}.") from error
        if not outputs:
            raise BackendError(f"{self.name} can't load {model}: it isn't an ONNX file with outputs.")
        with self._opening:
            self._device.make_current()
            engine = self._engine(model.name, graph, inputs)
        log.debug("opened %s with %s %s on %s", model.name, self.name, self._trt.__version__, self.device)
        network = Network(model.name, self._trt, engine, self._device, self._device.stream(), (inputs, outputs))
        return TensorRtRunner(network, {})

    def _engine(self, name: str, graph: bytes, specs: Specs) -> Any:
        """From the cache, or built and put there."""
        key = f"{plan_key(name, graph, specs, *self._made_for)}.plan"
        kept = self._cache.read(key)
        if kept is not None:
            engine = self._runtime.deserialize_cuda_engine(kept)
            if engine is not None:
                return engine
            log.warning("The plan of %s in %s is damaged; it is built again.", name, self._cache.folder)
        log.warning("Building %s for %s; this takes a while, but only the first time.", name, self.device)
        start = time.monotonic()
        timings = f"{plan_key('', b'', {}, *self._made_for)}.timings"
        plan, learned = build_plan(
            self._trt, self._logger, name, graph, specs, timings=self._cache.read(timings), plugin=self._plugin
        )
        log.info("built %s in %.0f s", name, time.monotonic() - start)
        self._cache.write(key, plan)
        if learned:
            self._cache.write(timings, learned)
        engine = self._runtime.deserialize_cuda_engine(plan)
        if engine is None:
            raise BackendError(f"{self.name} can't load its plan of {name}: {self._logger.last_error}.")
        return engine

    def _check(self) -> None:
        version = tuple(int(part) for part in self._trt.__version__.split(".")[:3])
        if version < OLDEST:
            raise BackendError(
                f"TensorRT {self._trt.__version__} is too old; pip install 'mien-engine[gpu]' brings 11.2.1 or newer."
            )


class TensorRtRtxBackend(TensorRtBackend):
    """The same on consumer GPUs, with TensorRT-RTX, which is small and builds within seconds."""

    name = "tensorrt-rtx"
    package = "tensorrt_rtx"

    def _check(self) -> None:
        if not runs_rtx(self._device):
            raise BackendError(
                f"TensorRT-RTX doesn't run on {self._device.name}; choose the backend 'tensorrt' or 'cuda' instead."
            )


def runs_rtx(device: Device) -> bool:
    return device.capability in RTX_CAPABILITIES


def _import(package: str) -> Any:
    try:
        return importlib.import_module(package)
    except ImportError as error:
        extra = "gpu" if package == "tensorrt" else "rtx"
        raise MissingExtraError(
            f"The backend '{package.replace('_', '-')}' needs a package that can't be imported; "
            f"pip install 'mien-engine[{extra}]'."
        ) from error
