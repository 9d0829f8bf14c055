"""The one place that talks to the CUDA driver: memory, streams, launches, graphs. Why so: docs/adr/0006.

It works in the device's primary context, as torch, TensorRT and encoders do, so addresses and streams can be shared.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from engine.errors import BackendError, MissingExtraError
from engine.sentences import one_line

Array = NDArray[Any]

OLDEST_CUDA = 13000
OUT_OF_MEMORY = 2  # CUDA_ERROR_OUT_OF_MEMORY
NON_BLOCKING = 1  # CU_STREAM_NON_BLOCKING: doesn't wait for the legacy stream
CAPABILITY = (75, 76)  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR
ON_DEVICE = 2  # CU_MEMORYTYPE_DEVICE
CAPTURE_OF_THREAD = 1  # CU_STREAM_CAPTURE_MODE_THREAD_LOCAL

_opened: dict[str, Device] = {}
_opening = threading.Lock()


class OutOfDeviceMemoryError(BackendError):
    """The GPU has no memory of that size; a smaller batch may fit."""


def open_device() -> Device:
    """The first GPU, opened once, and ready for the calling thread.

    Raises MissingExtraError without the package `cuda-bindings`, BackendError without a driver or a GPU, or where the
    driver is too old.
    """
    with _opening:
        if "first" not in _opened:
            _opened["first"] = Device(_import_driver())
    _opened["first"].make_current()
    return _opened["first"]


def _import_driver() -> Any:
    try:
        from cuda.bindings import driver  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError as error:
        raise MissingExtraError(
            "NVIDIA GPUs need a package that can't be imported; pip install 'mien-engine[gpu]'."
        ) from error
    return driver


Boxes = tuple[int, int, int]  # where the first one begins, bytes from a row to the next, rows from one to the next


class Device:
    """One GPU.

    driver: `cuda.bindings.driver`.
    """

    def __init__(self, driver: Any) -> None:
        self.driver = driver
        try:
            self.call("cuInit", 0)
            version = self.call("cuDriverGetVersion")
            device = self.call("cuDeviceGet", 0)
        except Exception as error:  # without a driver, cuda-bindings raises an error of its own
            raise BackendError(f"No NVIDIA GPU can be used: {one_line(error)}; choose another backend.") from error
        if version < OLDEST_CUDA:
            raise BackendError(
                f"The NVIDIA driver knows CUDA up to {version // 1000}.{version % 1000 // 10} and 13.0 is needed; "
                "update it to 580 or newer."
            )
        self.name: str = self.call("cuDeviceGetName", 128, device).split(b"\0")[0].decode()
        major, minor = (self.call("cuDeviceGetAttribute", self._attribute(which), device) for which in CAPABILITY)
        self.capability: tuple[int, int] = (major, minor)
        self.driver_version: int = version
        self.context = self.call("cuDevicePrimaryCtxRetain", device)
        self.make_current()

    def call(self, name: str, *arguments: Any) -> Any:
        """One function of the driver: its result, if it has one; raises BackendError for its errors."""
        status, *results = getattr(self.driver, name)(*arguments)
        if int(status) == OUT_OF_MEMORY:
            raise OutOfDeviceMemoryError("The GPU is out of memory; close other programs, or use a smaller photo.")
        if int(status):
            raise BackendError(f"{name} failed on the GPU: {getattr(status, 'name', status)}; start the program again.")
        return results[0] if results else None

    def make_current(self) -> None:
        """Makes the calling thread one that uses this device."""
        self.call("cuCtxSetCurrent", self.context)

    def allocate(self, size: int) -> Memory:
        """Raises OutOfDeviceMemoryError where there isn't that much."""
        return Memory(self, int(self.call("cuMemAlloc", max(size, 1))), size)

    def upload(self, array: Array, stream: Stream) -> Memory:
        """New memory with a contiguous array's contents."""
        memory = self.allocate(array.nbytes)
        memory.write(array, stream)
        return memory

    def stream(self) -> Stream:
        return Stream(self, self.call("cuStreamCreate", NON_BLOCKING))

    def event(self) -> Event:
        return Event(self, self.call("cuEventCreate", 0))

    def load(self, code: bytes, stream: Stream) -> Module:
        """Compiled kernels, a fatbin, cubin or PTX, to be launched in a stream."""
        return Module(self, self.call("cuModuleLoadData", code), stream)

    def free_bytes(self) -> int:
        """How much memory isn't used by anybody."""
        status, free, _ = self.driver.cuMemGetInfo()
        return 0 if int(status) else int(free)

    def _attribute(self, number: int) -> Any:
        return self.driver.CUdevice_attribute(number)


class Owned:
    """Something that the driver made, given back with the object."""

    destroy: ClassVar[str]  # the driver's function that takes it back

    def __init__(self, device: Device, handle: Any) -> None:
        self.device, self.handle = device, handle

    def close(self) -> None:
        """Gives it back; again does nothing. Nothing may be put into it, or use it, any more."""
        if self.handle is not None:
            handle, self.handle = self.handle, None
            self.device.make_current()  # objects are collected in any thread
            self.device.call(self.destroy, handle)

    def __del__(self) -> None:
        try:
            if not sys.is_finalizing():  # else it goes with the process, and not before what uses it
                self.close()
        except Exception:  # after a fault the driver takes back nothing
            self.handle = None


class Memory(Owned):
    """A piece of the device's memory. Work that uses it must have ended before it goes."""

    destroy = "cuMemFree"

    def __init__(self, device: Device, address: int, size: int) -> None:
        super().__init__(device, address)
        self.size = size

    @property
    def address(self) -> int:
        """0 after `close`."""
        return self.handle or 0

    def write(self, array: Array, stream: Stream) -> None:
        """Copies a contiguous array in; it may be changed afterwards."""
        assert array.flags.c_contiguous and array.nbytes <= self.size
        self.device.call("cuMemcpyHtoDAsync", self.address, array.ctypes.data, array.nbytes, stream.handle)

    def read(self, shape: Sequence[int], dtype: np.dtype[Any], stream: Stream, *, offset: int = 0) -> Array:
        """Copies an array out that begins `offset` bytes from the start, and waits for it."""
        array = np.empty(tuple(shape), dtype)
        assert offset + array.nbytes <= self.size
        self.device.call("cuMemcpyDtoHAsync", array.ctypes.data, self.address + offset, array.nbytes, stream.handle)
        stream.wait()
        return array

    def fill(self, byte: int, stream: Stream) -> None:
        self.device.call("cuMemsetD8Async", self.address, byte, self.size, stream.handle)


class Stream(Owned):
    """Work that the device does in order; what is left of it is done even if the stream goes."""

    destroy = "cuStreamDestroy"

    def wait(self) -> None:
        self.device.call("cuStreamSynchronize", self.handle)

    def wait_for(self, event: Event) -> None:
        """What is put into this stream from now on starts after the event."""
        self.device.call("cuStreamWaitEvent", self.handle, event.handle, 0)

    def record(self, event: Event) -> None:
        self.device.call("cuEventRecord", event.handle, self.handle)

    def copy_bytes(self, source: int, target: int, size: int) -> None:
        """Copies from one address of the device's memory to another."""
        self.device.call("cuMemcpyDtoDAsync", target, source, size, self.handle)

    def copy(self, source: Boxes, target: Boxes, size: tuple[int, int, int]) -> None:
        """Copies rectangles within the device's memory; size: how many, rows, bytes of a row."""
        job = self.device.driver.CUDA_MEMCPY3D()
        job.srcMemoryType = job.dstMemoryType = self.device.driver.CUmemorytype(ON_DEVICE)
        job.srcDevice, job.srcPitch, job.srcHeight = source
        job.dstDevice, job.dstPitch, job.dstHeight = target
        job.Depth, job.Height, job.WidthInBytes = size
        self.device.call("cuMemcpy3DAsync", job, self.handle)

    def capture(self, work: Callable[[], None]) -> Graph:
        """What `work` puts into this stream, without doing it, as a graph."""
        self.device.call("cuStreamBeginCapture", self.handle, self._mode())
        try:
            work()
        finally:
            recording = Recording(self.device, self.device.call("cuStreamEndCapture", self.handle))
        return Graph(self.device, self.device.call("cuGraphInstantiate", recording.handle, 0))

    def _mode(self) -> Any:
        return self.device.driver.CUstreamCaptureMode(CAPTURE_OF_THREAD)


class Event(Owned):
    """A moment in a stream."""

    destroy = "cuEventDestroy"

    def wait(self) -> None:
        self.device.call("cuEventSynchronize", self.handle)

    def milliseconds_since(self, earlier: Event) -> float:
        return float(self.device.call("cuEventElapsedTime", earlier.handle, self.handle))


class Recording(Owned):
    """Captured work, which a graph is made of and needs no longer then."""

    destroy = "cuGraphDestroy"


class Graph(Owned):
    """Recorded work, launched as a whole; what was launched is done even if the graph goes."""

    destroy = "cuGraphExecDestroy"

    def launch(self, stream: Stream) -> None:
        self.device.call("cuGraphLaunch", self.handle, stream.handle)


class Module(Owned):
    """Compiled kernels, by name, launched in one stream."""

    destroy = "cuModuleUnload"

    def __init__(self, device: Device, handle: Any, stream: Stream) -> None:
        super().__init__(device, handle)
        self._stream = stream
        self._functions: dict[str, Any] = {}

    def close(self) -> None:
        """See `Owned.close`; waits for the stream, since kernels that run need their code."""
        if self.handle is not None:
            self.device.make_current()
            self._stream.wait()
        super().close()

    def launch(self, kernel: str, blocks: Sequence[int], threads: Sequence[int], arguments: Sequence[Any]) -> None:
        """arguments: ctypes values, structs as they are, in the kernel's order."""
        if kernel not in self._functions:
            self._functions[kernel] = self.device.call("cuModuleGetFunction", self.handle, kernel.encode())
        places = (ctypes.c_void_p * len(arguments))(*(ctypes.addressof(argument) for argument in arguments))
        grid = [*blocks, *[1] * (3 - len(blocks)), *threads, *[1] * (3 - len(threads))]
        function = self._functions[kernel]
        self.device.call("cuLaunchKernel", function, *grid, 0, self._stream.handle, ctypes.addressof(places), 0)
