"""A GPU that isn't there: the CUDA driver over ordinary memory, and a TensorRT whose plans ONNX Runtime runs."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from itertools import count
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime

OUT_OF_MEMORY, INVALID_CONTEXT = 2, 201
WITHOUT_A_CONTEXT = ("cuInit", "cuDriverGetVersion", "cuDevice", "cuCtx")  # what their names begin with


class FakeDriver:
    """`cuda.bindings.driver`, as far as engine/cuda/device.py uses it. Work is done at once, unless it is captured."""

    CUdevice_attribute = CUstreamCaptureMode = staticmethod(lambda number: number)

    def __init__(self, *, capability: tuple[int, int] = (8, 9), version: int = 13000, memory: int = 1 << 40) -> None:
        self.capability, self.version, self.memory = capability, version, memory
        self.blocks: dict[int, ctypes.Array[ctypes.c_char]] = {}
        self.handles: dict[int, tuple[str, Any]] = {}  # what was made and not destroyed: what it is, what it holds
        self.numbers = count(1)
        self.uploads: list[int] = []
        self.graphs_launched = 0
        self.launches: list[tuple[str, tuple[int, ...], tuple[int, ...]]] = []
        self.kernels: dict[str, Callable[[int, tuple[int, ...]], None]] = {}  # by name: where arguments are, sizes
        self.captured: list[Callable[[], None]] | None = None
        self.current = threading.local()

    def __getattribute__(self, name: str) -> Any:
        """As the real one, it serves only threads that have made the context theirs."""
        needs_it = name.startswith("cu") and name != "current" and not name.startswith(WITHOUT_A_CONTEXT)
        if needs_it and not hasattr(self.current, "context"):
            return lambda *_: (INVALID_CONTEXT, 0)
        return object.__getattribute__(self, name)

    def used(self) -> int:
        return sum(len(block) for block in list(self.blocks.values()))  # others allocate meanwhile

    def made(self, what: str, holds: Any = None) -> tuple[int, int]:
        handle = next(self.numbers)
        self.handles[handle] = what, holds
        return 0, handle

    def held(self, handle: int, what: str) -> Any:
        found, holds = self.handles[handle]
        assert found == what
        return holds

    def destroyed(self, handle: int, what: str) -> tuple[int]:
        self.held(handle, what)
        del self.handles[handle]
        return (0,)

    def do(self, work: Callable[[], None]) -> tuple[int]:
        if self.captured is None:
            work()
        else:
            self.captured.append(work)
        return (0,)

    def cuInit(self, flags: int) -> tuple[int]:  # noqa: N802  (as all of these)
        return (0,)

    def cuDriverGetVersion(self) -> tuple[int, int]:  # noqa: N802
        return 0, self.version

    def cuDeviceGet(self, ordinal: int) -> tuple[int, int]:  # noqa: N802
        return 0, ordinal

    def cuDeviceGetName(self, length: int, device: int) -> tuple[int, bytes]:  # noqa: N802
        return 0, b"Fake GPU\0\0"

    def cuDeviceGetAttribute(self, attribute: int, device: int) -> tuple[int, int]:  # noqa: N802
        return 0, self.capability[attribute - 75]

    def cuDevicePrimaryCtxRetain(self, device: int) -> tuple[int, int]:  # noqa: N802
        return 0, 1

    def cuCtxSetCurrent(self, context: int) -> tuple[int]:  # noqa: N802
        self.current.context = context
        return (0,)

    def cuMemGetInfo(self) -> tuple[int, int, int]:  # noqa: N802
        return 0, self.memory - self.used(), self.memory

    def cuMemAlloc(self, size: int) -> tuple[int, int]:  # noqa: N802
        if self.used() + size > self.memory:
            return OUT_OF_MEMORY, 0
        block = ctypes.create_string_buffer(size)
        self.blocks[ctypes.addressof(block)] = block
        return 0, ctypes.addressof(block)

    def cuMemFree(self, address: int) -> tuple[int]:  # noqa: N802
        del self.blocks[address]
        return (0,)

    def cuMemcpyHtoDAsync(self, to: int, source: int, size: int, stream: int) -> tuple[int]:  # noqa: N802
        self.uploads.append(size)
        ctypes.memmove(to, source, size)
        return (0,)

    def cuMemcpyDtoHAsync(self, to: int, source: int, size: int, stream: int) -> tuple[int]:  # noqa: N802
        ctypes.memmove(to, source, size)
        return (0,)

    def cuMemcpyDtoDAsync(self, to: int, source: int, size: int, stream: int) -> tuple[int]:  # noqa: N802
        return self.do(lambda: ctypes.memmove(to, source, size) and None)

    CUDA_MEMCPY3D = SimpleNamespace
    CUmemorytype = staticmethod(lambda number: number)

    def cuMemcpy3DAsync(self, job: Any, stream: int) -> tuple[int]:  # noqa: N802
        assert job.srcMemoryType == job.dstMemoryType == 2
        for which in range(job.Depth):
            for row in range(job.Height):
                source = job.srcDevice + (which * job.srcHeight + row) * job.srcPitch
                target = job.dstDevice + (which * job.dstHeight + row) * job.dstPitch
                ctypes.memmove(target, source, job.WidthInBytes)
        return (0,)

    def cuMemsetD8Async(self, address: int, byte: int, size: int, stream: int) -> tuple[int]:  # noqa: N802
        ctypes.memset(address, byte, size)
        return (0,)

    def cuStreamCreate(self, flags: int) -> tuple[int, int]:  # noqa: N802
        return self.made("stream")

    def cuStreamDestroy(self, stream: int) -> tuple[int]:  # noqa: N802
        return self.destroyed(stream, "stream")

    def cuStreamSynchronize(self, stream: int) -> tuple[int]:  # noqa: N802
        self.held(stream, "stream")
        return (0,)

    def cuStreamWaitEvent(self, stream: int, event: int, flags: int) -> tuple[int]:  # noqa: N802
        self.held(stream, "stream")
        self.held(event, "event")
        return (0,)

    def cuEventCreate(self, flags: int) -> tuple[int, int]:  # noqa: N802
        return self.made("event")

    def cuEventDestroy(self, event: int) -> tuple[int]:  # noqa: N802
        return self.destroyed(event, "event")

    def cuEventSynchronize(self, event: int) -> tuple[int]:  # noqa: N802
        self.held(event, "event")
        return (0,)

    def cuEventRecord(self, event: int, stream: int) -> tuple[int]:  # noqa: N802
        self.held(stream, "stream")
        self.held(event, "event")
        return (0,)

    def cuEventElapsedTime(self, start: int, end: int) -> tuple[int, float]:  # noqa: N802
        return 0, 1.0

    def cuStreamBeginCapture(self, stream: int, mode: int) -> tuple[int]:  # noqa: N802
        self.captured = []
        return (0,)

    def cuStreamEndCapture(self, stream: int) -> tuple[int, int]:  # noqa: N802
        assert self.captured is not None
        work, self.captured = self.captured, None
        return self.made("graph", work)

    def cuGraphDestroy(self, graph: int) -> tuple[int]:  # noqa: N802
        return self.destroyed(graph, "graph")

    def cuGraphInstantiate(self, graph: int, flags: int) -> tuple[int, int]:  # noqa: N802
        return self.made("executable graph", self.held(graph, "graph"))

    def cuGraphExecDestroy(self, graph: int) -> tuple[int]:  # noqa: N802
        return self.destroyed(graph, "executable graph")

    def cuGraphLaunch(self, graph: int, stream: int) -> tuple[int]:  # noqa: N802
        self.graphs_launched += 1
        for work in self.held(graph, "executable graph"):
            work()
        return (0,)

    def cuModuleLoadData(self, code: bytes) -> tuple[int, int]:  # noqa: N802
        return self.made("module", code)

    def cuModuleUnload(self, module: int) -> tuple[int]:  # noqa: N802
        return self.destroyed(module, "module")

    def cuModuleGetFunction(self, module: int, name: bytes) -> tuple[int, str]:  # noqa: N802
        self.held(module, "module")
        return 0, name.decode()

    def cuLaunchKernel(self, function: str, *rest: Any) -> tuple[int]:  # noqa: N802
        launch, (_, _, places, _) = rest[:6], rest[6:]
        self.launches.append((function, launch[:3], launch[3:]))
        self.kernels[function](places, launch)
        return (0,)


class FakeTensorRt:
    """The modules `tensorrt` and `tensorrt_rtx`, as far as engine/backends uses them. A plan is the graph itself.

    work_bytes: scratch memory for each item of a batch.
    """

    __name__ = "tensorrt"
    NetworkDefinitionCreationFlag = SimpleNamespace()
    ExecutionContextAllocationStrategy = SimpleNamespace(USER_MANAGED=2)
    BuilderFlag = SimpleNamespace(TF32="TF32")

    class ILogger:
        ERROR, INTERNAL_ERROR = 1, 0

    class IProgressMonitor:
        pass

    def __init__(self, driver: FakeDriver, *, version: str = "11.4.0.106", work_bytes: int = 0) -> None:
        self.driver, self.__version__, self.work_bytes = driver, version, work_bytes
        self.built: list[dict[str, tuple[tuple[int, ...], ...]]] = []
        self.timings_given: list[bytes] = []
        self.profiles: list[int] = []
        self.contexts = 0

    def Builder(self, logger: Any) -> Any:  # noqa: N802
        profile: dict[str, tuple[tuple[int, ...], ...]] = {}
        cleared: list[str] = []

        def build(network: SimpleNamespace, config: Any) -> bytes:
            assert cleared == ["TF32"]
            config.progress_monitor.phase_start("tactics", None, 2)
            assert config.progress_monitor.step_complete("tactics", 0)
            config.progress_monitor.phase_finish("tactics")
            self.built.append(profile)
            return bytes(network.graph)

        config = SimpleNamespace(
            clear_flag=cleared.append,
            add_optimization_profile=lambda given: 0,
            create_timing_cache=self.timings_given.append,
            set_timing_cache=lambda cache, ignore_mismatch: True,
            get_timing_cache=lambda: SimpleNamespace(serialize=lambda: b"learned"),
        )
        return SimpleNamespace(
            create_network=lambda flags: SimpleNamespace(graph=b"", flags=flags),
            create_builder_config=lambda: config,
            create_optimization_profile=lambda: SimpleNamespace(
                set_shape=lambda name, *shapes: profile.__setitem__(name, shapes)
            ),
            build_serialized_network=build,
        )

    def OnnxParser(self, network: Any, logger: Any) -> Any:  # noqa: N802
        def parse(graph: bytes) -> bool:
            try:
                session(graph)
            except Exception:
                return False
            network.graph = graph
            return True

        return SimpleNamespace(parse=parse, num_errors=1, get_error=lambda i: SimpleNamespace(desc=lambda: "no graph"))

    def Runtime(self, logger: Any) -> Any:  # noqa: N802
        def deserialize(plan: bytes) -> Any:
            try:
                network = session(plan)
            except Exception:
                return None
            return SimpleNamespace(create_execution_context=lambda strategy: FakeContext(self, network))

        return SimpleNamespace(deserialize_cuda_engine=deserialize)


def session(graph: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


DTYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(uint8)": np.uint8}


class FakeContext:
    def __init__(self, trt: FakeTensorRt, network: onnxruntime.InferenceSession) -> None:
        self._trt, self._network = trt, network
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._places: dict[str, int] = {}
        self._scratch = 0
        trt.contexts += 1

    def set_optimization_profile_async(self, profile: int, stream: int) -> bool:
        self._trt.profiles.append(profile)
        return True

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self._shapes[name] = shape
        return True

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        """By running it on ones: a real context infers it."""
        inputs = {i.name: np.ones(self._shapes[i.name], DTYPES[i.type]) for i in self._network.get_inputs()}
        return tuple(self._network.run([name], inputs)[0].shape)

    def update_device_memory_size_for_shapes(self) -> int:
        return self._trt.work_bytes * max((shape[0] for shape in self._shapes.values() if shape), default=1)

    def set_device_memory(self, address: int, size: int) -> None:
        self._scratch = address

    def set_tensor_address(self, name: str, address: int) -> bool:
        self._places[name] = address
        return True

    def is_stream_capturable(self, stream: int) -> bool:
        return True

    def execute_async_v3(self, stream: int) -> bool:
        assert self._scratch
        self._trt.driver.do(self._execute)
        return True

    def _execute(self) -> None:
        inputs = {}
        for i in self._network.get_inputs():
            dtype, shape = np.dtype(DTYPES[i.type]), self._shapes[i.name]
            inputs[i.name] = np.frombuffer(self._bytes(i.name, shape, dtype), dtype).reshape(shape)
        names = [output.name for output in self._network.get_outputs()]
        for name, found in zip(names, self._network.run(names, inputs), strict=True):
            ctypes.memmove(self._places[name], np.ascontiguousarray(found).ctypes.data, found.nbytes)

    def _bytes(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> bytes:
        return ctypes.string_at(self._places[name], int(np.prod(shape)) * dtype.itemsize)
