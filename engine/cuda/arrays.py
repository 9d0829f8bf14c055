"""Arrays in the GPU's memory, as the launchers and encoders take them."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.cuda.device import Boxes, Device, Memory, Stream

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class DeviceArray:
    """An array on the device; `memory` is freed with the last array that uses it."""

    memory: Memory
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int = 0  # bytes
    steps: tuple[int, ...] | None = None  # bytes along each axis; None where it is contiguous

    @classmethod
    def empty(cls, device: Device, shape: tuple[int, ...], dtype: np.dtype[Any] | type) -> DeviceArray:
        kind = np.dtype(dtype)
        return cls(device.allocate(int(np.prod(shape)) * kind.itemsize), shape, kind)

    @classmethod
    def of(cls, device: Device, array: Array, stream: Stream) -> DeviceArray:
        """A copy of an array of the host."""
        return cls(device.upload(np.ascontiguousarray(array), stream), array.shape, array.dtype)

    @property
    def address(self) -> int:
        return self.memory.address + self.offset

    @property
    def strides(self) -> tuple[int, ...]:
        """Bytes, as NumPy's."""
        if self.steps is not None:
            return self.steps
        sizes = [self.dtype.itemsize]
        for size in reversed(self.shape[1:]):
            sizes.insert(0, sizes[0] * size)
        return tuple(sizes)

    @property
    def ctypes(self) -> SimpleNamespace:
        """As NumPy's, so that the structs of engine/native are filled alike."""
        return SimpleNamespace(data=self.address)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """numba.readthedocs.io/en/stable/cuda/cuda_array_interface.html, version 3."""
        return {"shape": self.shape, "typestr": self.dtype.str, "data": (self.address, False), "version": 3}

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: int | slice) -> DeviceArray:
        """One entry of the first axis, or several after each other, in the same memory."""
        if isinstance(index, slice):
            start, stop, _ = index.indices(len(self))
            offset = self.offset + start * self.strides[0]
            return DeviceArray(self.memory, (stop - start, *self.shape[1:]), self.dtype, offset, self.steps)
        steps = None if self.steps is None else self.steps[1:]
        return DeviceArray(self.memory, self.shape[1:], self.dtype, self.offset + index * self.strides[0], steps)

    @property
    def nbytes(self) -> int:
        """Of its entries, wherever they lie."""
        return int(np.prod(self.shape)) * self.dtype.itemsize

    def part(self, rows: slice, columns: slice) -> DeviceArray:
        """A rectangle of pictures (T, H, W, C), in the same memory."""
        offset = self.offset + rows.start * self.strides[1] + columns.start * self.strides[2]
        shape = (self.shape[0], rows.stop - rows.start, columns.stop - columns.start, self.shape[3])
        return DeviceArray(self.memory, shape, self.dtype, offset, self.strides)

    def copy_from(self, other: DeviceArray, stream: Stream) -> None:
        """Takes over pictures (T, h, w, C) of the same size, or one picture for all T; rows may lie apart in both."""
        count, height, width, channels = self.shape
        size = (height, width * channels * self.dtype.itemsize)
        assert other.shape[1:] == self.shape[1:]
        if len(other) == count:
            stream.copy(other._boxes(), self._boxes(), (count, *size))
        else:
            for index in range(count):
                stream.copy(other._boxes(), self._boxes(index), (1, *size))

    def _boxes(self, index: int = 0) -> Boxes:
        apart, row = self.strides[:2]
        return self.address + index * apart, row, apart // row

    def write(self, array: Array, stream: Stream) -> None:
        assert (array.shape, array.dtype, self.offset, self.steps) == (self.shape, self.dtype, 0, None)
        self.memory.write(np.ascontiguousarray(array), stream)

    def read(self, stream: Stream) -> Array:
        """A copy on the host of an array that is contiguous; waits for what the stream does before it."""
        assert self.steps is None
        return self.memory.read(self.shape, self.dtype, stream, offset=self.offset)
