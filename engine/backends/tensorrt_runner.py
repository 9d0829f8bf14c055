"""One compiled network of TensorRT: shapes prepared once, constants bound, arrays of the host's or the GPU's memory."""

from __future__ import annotations

import logging
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from engine.backends.base import Array
from engine.backends.profiles import batch_size, cut, fitting_profile, largest_batch, parts, profile_count
from engine.backends.validate import check_arrays, free_inputs
from engine.cuda.arrays import DeviceArray
from engine.cuda.device import Device, Graph, Memory, OutOfDeviceMemoryError, Stream
from engine.errors import BackendError
from engine.types import TensorSpec

log = logging.getLogger("engine")

PREPARED = 16  # shapes per runner whose memory is kept: a pyramid's levels, the windows around mouths

Specs = Mapping[str, TensorSpec]
Bound = Mapping[str, tuple[Memory, tuple[int, ...]]]  # constants on the device, and their shapes
Result = TypeVar("Result")


@dataclass(eq=False)
class Network:
    """What all runners of one file share."""

    name: str
    trt: Any
    engine: Any
    device: Device
    stream: Stream
    specs: tuple[Specs, Specs]
    most: int = sys.maxsize  # how large a batch the memory holds; halved where it runs out

    def __post_init__(self) -> None:
        self.lock = threading.Lock()  # the stream and the memory of prepared shapes serve one call at a time
        self.begun, self.ended = self.device.event(), self.device.event()


class TensorRtRunner:
    """One compiled network. Bound inputs go to the GPU once; shapes that come again are launched as one CUDA graph."""

    def __init__(self, network: Network, bound: Bound) -> None:
        self._network: Network | None = network
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

        def run(start: int, stop: int) -> dict[str, Array]:
            part = cut(self._inputs, given, start, stop)
            return self._prepare(network, part).run(part)

        with network.lock:
            network.device.make_current()
            done = self._in_parts(network, given, run)
        return {name: _joined(spec, [part[name] for part in done]) for name, spec in self.outputs.items()}

    def on_device(self, inputs: Mapping[str, DeviceArray], outputs: Mapping[str, DeviceArray], stream: Stream) -> None:
        """See `DeviceRunner.on_device`. Nothing waits on the host."""
        network = self._open_network()
        given: dict[str, Any] = dict(inputs)  # device arrays have types and shapes as NumPy's
        check_arrays(self._name, self._inputs, given, complete=True)

        def run(start: int, stop: int) -> None:
            part: dict[str, Any] = cut(self._inputs, given, start, stop)
            into = {
                name: array[start:stop] if _is_cut(self.outputs[name]) else array for name, array in outputs.items()
            }
            self._prepare(network, part).run_on_device(part, into)

        with network.lock:
            network.device.make_current()
            stream.record(network.begun)
            network.stream.wait_for(network.begun)
            self._in_parts(network, given, run)
            network.stream.record(network.ended)
            stream.wait_for(network.ended)

    def close(self) -> None:
        """See `Runner.close`. Other runners of the same network, bound from this one or before it, go on."""
        self._network = None
        self._bound = {}
        self._prepared.clear()

    def _open_network(self) -> Network:
        if self._network is None:
            raise BackendError(f"{self._name} was closed; open it again.")
        return self._network

    def _in_parts(
        self, network: Network, arrays: Mapping[str, Array], run: Callable[[int, int], Result]
    ) -> list[Result]:
        """Runs a batch in parts that the plan and the memory hold."""
        size = batch_size(self._inputs, arrays)
        planned = largest_batch(self._name, network.specs[0], profile_of(network, self._bound, arrays))
        while True:
            most = min(size, planned, network.most)
            try:
                return [run(*part) for part in parts(size, most)]
            except OutOfDeviceMemoryError:
                self._prepared.clear()
                if most <= 1:
                    raise BackendError(
                        f"The GPU hasn't enough memory for {self._name}; close other programs, or use a smaller photo."
                    ) from None
                network.most = most // 2
                log.warning("%s runs out of GPU memory with a batch of %d; %d now.", self._name, most, network.most)

    def _prepare(self, network: Network, arrays: Mapping[str, Array]) -> _Prepared:
        """The network at these shapes."""
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
        return self._prepared[key]


def shapes_of(bound: Bound, arrays: Mapping[str, Array]) -> dict[str, tuple[int, ...]]:
    return {name: shape for name, (_, shape) in bound.items()} | {name: a.shape for name, a in arrays.items()}


def profile_of(network: Network, bound: Bound, arrays: Mapping[str, Array]) -> int:
    """Which of the plan's profiles such inputs need."""
    return fitting_profile(network.name, network.specs[0], shapes_of(bound, arrays))


class _Prepared:
    """A network at fixed shapes: its memory, and after the first run its graph."""

    def __init__(self, network: Network, bound: Bound, arrays: Mapping[str, Array]) -> None:
        self._network, self._bound = network, bound
        self._context = network.engine.create_execution_context(
            network.trt.ExecutionContextAllocationStrategy.USER_MANAGED
        )
        if self._context is None:
            raise OutOfDeviceMemoryError(f"The GPU has no room for {network.name}; close other programs.")
        if profile_count(network.name) > 1:
            chosen = profile_of(network, bound, arrays)
            self._context.set_optimization_profile_async(chosen, int(network.stream.handle))
        for name, shape in shapes_of(bound, arrays).items():
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

    def __del__(self) -> None:
        self._graph = None  # before the context, whose kernels it launches
        self._context = None  # before the network's engine and stream

    def run(self, arrays: Mapping[str, Array]) -> dict[str, Array]:
        stream = self._network.stream
        for name, array in arrays.items():
            self._inputs[name].write(array, stream)
        self._launch()
        return {name: memory.read(shape, dtype, stream) for name, (memory, shape, dtype) in self._results.items()}

    def run_on_device(self, inputs: Mapping[str, DeviceArray], outputs: Mapping[str, DeviceArray]) -> None:
        """Copies both ways within the GPU's memory: a graph knows only its own addresses."""
        stream = self._network.stream
        for name, array in inputs.items():
            stream.copy_bytes(array.address, self._inputs[name].address, array.nbytes)
        self._launch()
        for name, array in outputs.items():
            memory, shape, _ = self._results[name]
            assert shape == array.shape
            stream.copy_bytes(memory.address, array.address, array.nbytes)

    def _launch(self) -> None:
        stream = self._network.stream
        # The first run sets things up that a graph must not hold; only shapes that come again are worth one.
        if self._runs == 1 and self._context.is_stream_capturable(int(stream.handle)):
            self._graph = stream.capture(self._enqueue)
        if self._graph is not None:
            self._graph.launch(stream)
        else:
            self._enqueue()
        self._runs += 1

    def _enqueue(self) -> None:
        if not self._context.execute_async_v3(int(self._network.stream.handle)):
            raise OutOfDeviceMemoryError(f"{self._network.name} failed on the GPU; close other programs.")


def _is_cut(output: TensorSpec) -> bool:
    """Whether an output has a part for each part of the batch."""
    return bool(output.shape) and isinstance(output.shape[0], str)


def _joined(spec: TensorSpec, results: Sequence[Array]) -> Array:
    return np.concatenate(results) if len(results) > 1 and _is_cut(spec) else results[0]
