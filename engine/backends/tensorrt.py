"""TensorRT and TensorRT-RTX: networks compiled for one NVIDIA GPU, with bound inputs and results kept in its memory."""

from __future__ import annotations

import importlib
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.backends.base import Array
from engine.backends.cache import Cache
from engine.backends.half import in_half
from engine.backends.onnx_file import tensor_specs
from engine.backends.plans import build_plan, new_logger, plan_key
from engine.backends.profiles import batch_size, cut, largest_batch, parts
from engine.backends.validate import check_arrays, free_inputs
from engine.cuda.device import Device, Graph, Memory, OutOfDeviceMemoryError, Stream, open_device
from engine.errors import BackendError, MissingExtraError
from engine.types import TensorSpec

log = logging.getLogger("engine")

PREPARED = 16  # shapes per runner whose memory is kept: a pyramid's levels, the windows around mouths
OLDEST = (11, 2, 1)  # TensorRT whose GridSample takes volumes
# TensorRT-RTX makes its kernels on the GPU it finds; these are what its makers list.
RTX_CAPABILITIES = ((7, 5), (8, 0), (8, 6), (8, 9), (12, 0), (12, 1))

Specs = Mapping[str, TensorSpec]


class TensorRtBackend:
    """Opens ONNX files on the first NVIDIA GPU.

    Args:
        half: Compute in float16 where that is safe (engine/backends/half.py).
        cache: Where plans are kept.

    Raises MissingExtraError without its package, BackendError without a GPU that it runs on.
    """

    name = "tensorrt"
    package = "tensorrt"

    def __init__(self, *, half: bool = True, cache: Cache | None = None) -> None:
        self._half, self._cache = half, cache or Cache()
        # The GPU first: without one, TensorRT's own objects raise or even crash.
        self._device = device = open_device()
        self._trt = trt = _import(self.package)
        self._check()
        self._logger = new_logger(trt)
        self._runtime = trt.Runtime(self._logger)
        self._opening = threading.Lock()  # one network after the other: builders take all the memory they find
        precision = "float16" if half else "float32"
        self.device = f"{device.name}, {precision}"
        self._made_for = (self.name, trt.__version__, device.name, str(device.capability), str(device.driver_version))

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
        network = _Network(model.name, self._trt, engine, self._device, self._device.stream(), (inputs, outputs))
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
        plan, learned = build_plan(self._trt, self._logger, name, graph, specs, timings=self._cache.read(timings))
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


@dataclass(eq=False)
class _Network:
    """What all runners of one file share."""

    name: str
    trt: Any
    engine: Any
    device: Device
    stream: Stream
    specs: tuple[Specs, Specs]
    most: int = 0  # how large a batch may be; halved where memory runs out

    def __post_init__(self) -> None:
        self.most = largest_batch(self.name, self.specs[0])
        self.lock = threading.Lock()  # the stream and the memory of prepared shapes serve one call at a time


class TensorRtRunner:
    """One compiled network. Bound inputs go to the GPU once; shapes that come again are launched as one CUDA graph."""

    def __init__(self, network: _Network, bound: Mapping[str, tuple[Memory, tuple[int, ...]]]) -> None:
        self._network: _Network | None = network
        self._name, self._specs = network.name, network.specs
        self._bound = dict(bound)
        self._inputs = free_inputs(network.specs[0], bound)
        self._prepared: OrderedDict[tuple[Any, ...], _Prepared] = OrderedDict()

    @property
    def inputs(self) -> Specs:
        """The inputs that aren't bound."""
        return self._inputs

    @property
    def outputs(self) -> Specs:
        """All outputs."""
        return self._specs[1]

    def bind(self, **constants: Array) -> TensorRtRunner:
        """See `Runner.bind`. The arrays are copied to the GPU: changing them later changes nothing."""
        network = self._open_network()
        check_arrays(self._name, self._inputs, constants, complete=False)
        with network.lock:
            network.device.make_current()
            placed = {
                name: (network.device.upload(np.ascontiguousarray(array), network.stream), array.shape)
                for name, array in constants.items()
            }
        return TensorRtRunner(network, {**self._bound, **placed})

    def __call__(self, **arrays: Array) -> dict[str, Array]:
        """See `Runner.__call__`. Batches that are too large for the plan or the memory go in parts."""
        network = self._open_network()
        check_arrays(self._name, self._inputs, arrays, complete=True)
        given = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        size = batch_size(self._inputs, given)
        with network.lock:
            network.device.make_current()
            while True:
                try:
                    done = [self._run(network, cut(self._inputs, given, *part)) for part in parts(size, network.most)]
                    break
                except OutOfDeviceMemoryError:
                    self._prepared.clear()
                    self._halve(network, size)
        return {name: _joined(spec, [part[name] for part in done]) for name, spec in self.outputs.items()}

    def close(self) -> None:
        """See `Runner.close`. Other runners of the same network, bound from this one or before it, go on."""
        self._network = None
        self._bound = {}
        self._prepared.clear()

    def _open_network(self) -> _Network:
        if self._network is None:
            raise BackendError(f"{self._name} was closed; open it again.")
        return self._network

    def _halve(self, network: _Network, size: int) -> None:
        tried = min(network.most, size)
        if tried <= 1:
            raise BackendError(
                f"The GPU hasn't enough memory for {self._name}; close other programs, or use a smaller photo."
            )
        network.most = tried // 2
        log.warning("%s runs out of GPU memory with a batch of %d; %d now.", self._name, tried, network.most)

    def _run(self, network: _Network, arrays: Mapping[str, Array]) -> dict[str, Array]:
        key = tuple(array.shape for array in arrays.values())
        if key not in self._prepared:
            while len(self._prepared) >= PREPARED:
                self._prepared.popitem(last=False)
            try:
                self._prepared[key] = _Prepared(network, self._bound, arrays)
            except OutOfDeviceMemoryError:
                if not self._prepared:
                    raise
                self._prepared.clear()  # other sizes may have taken the room
                self._prepared[key] = _Prepared(network, self._bound, arrays)
        self._prepared.move_to_end(key)
        return self._prepared[key].run(arrays)


class _Prepared:
    """A network at fixed shapes: its memory, and after the first run its graph."""

    def __init__(
        self, network: _Network, bound: Mapping[str, tuple[Memory, tuple[int, ...]]], arrays: Mapping[str, Array]
    ) -> None:
        self._network, self._bound = network, bound
        self._context = network.engine.create_execution_context(
            network.trt.ExecutionContextAllocationStrategy.USER_MANAGED
        )
        if self._context is None:
            raise OutOfDeviceMemoryError(f"The GPU has no room for {network.name}; close other programs.")
        shapes = {name: shape for name, (_, shape) in bound.items()}
        shapes |= {name: array.shape for name, array in arrays.items()}
        for name, shape in shapes.items():
            if not self._context.set_input_shape(name, shape):
                raise BackendError(
                    f"{network.name} takes no '{name}' of shape {shape} on the GPU; use a smaller photo."
                )
        device = network.device
        self._inputs = {name: device.allocate(array.nbytes) for name, array in arrays.items()}
        self._results: dict[str, tuple[Memory, tuple[int, ...], np.dtype[Any]]] = {}
        for name, spec in network.specs[1].items():
            shape = tuple(self._context.get_tensor_shape(name))
            self._results[name] = device.allocate(int(np.prod(shape)) * spec.dtype.itemsize), shape, spec.dtype
        needed = int(self._context.update_device_memory_size_for_shapes())
        self._scratch = device.allocate(needed)
        self._context.set_device_memory(self._scratch.address, needed)
        places = {name: memory for name, (memory, _) in bound.items()} | self._inputs
        places |= {name: memory for name, (memory, _, _) in self._results.items()}
        for name, memory in places.items():
            self._context.set_tensor_address(name, memory.address)
        self._graph: Graph | None = None
        self._runs = 0

    def run(self, arrays: Mapping[str, Array]) -> dict[str, Array]:
        stream = self._network.stream
        for name, array in arrays.items():
            self._inputs[name].write(array, stream)
        # The first run sets things up that a graph must not hold; only shapes that come again are worth one.
        if self._runs == 1 and self._context.is_stream_capturable(int(stream.handle)):
            self._graph = stream.capture(self._enqueue)
        if self._graph is not None:
            self._graph.launch(stream)
        else:
            self._enqueue()
        self._runs += 1
        return {name: memory.read(shape, dtype, stream) for name, (memory, shape, dtype) in self._results.items()}

    def _enqueue(self) -> None:
        if not self._context.execute_async_v3(int(self._network.stream.handle)):
            raise OutOfDeviceMemoryError(f"{self._network.name} failed on the GPU; close other programs.")


def _joined(spec: TensorSpec, results: Sequence[Array]) -> Array:
    if len(results) == 1 or not spec.shape or isinstance(spec.shape[0], int):
        return results[0]
    return np.concatenate(results)


def _import(package: str) -> Any:
    try:
        return importlib.import_module(package)
    except ImportError as error:
        extra = "gpu" if package == "tensorrt" else "rtx"
        raise MissingExtraError(
            f"The backend '{package.replace('_', '-')}' needs a package that can't be imported; "
            f"pip install 'mien-engine[{extra}]'."
        ) from error
