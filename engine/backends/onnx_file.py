"""Inputs and outputs as an ONNX file declares them, read without the package `onnx`.

Some runtimes forget the names of dynamic dimensions, or the order of inputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from engine.errors import BackendError
from engine.types import TensorSpec

# By ONNX's numbers. No float64: GPUs and OpenVINO would compute it as float32 and not say so.
ELEMENT_TYPES = {1: np.float32, 2: np.uint8, 3: np.int8, 6: np.int32, 7: np.int64, 9: np.bool_, 10: np.float16}


def tensor_specs(model: Path) -> tuple[dict[str, TensorSpec], dict[str, TensorSpec]]:
    """Inputs and outputs by name, without outputs where it isn't an ONNX file.

    The numbers of the fields are those of ONNX's own onnx.proto. Raises BackendError for a type that isn't passed.
    """
    graph = _message(memoryview(model.read_bytes()), 7)
    fixed = {_text(tensor, 8) for tensor in _messages(graph, 5)}  # old files list their weights as inputs as well
    inputs, outputs = ([_spec(info) for info in _messages(graph, field)] for field in (11, 12))
    return {spec.name: spec for spec in inputs if spec.name not in fixed}, {spec.name: spec for spec in outputs}


def _spec(info: memoryview) -> TensorSpec:
    name = _text(info, 1)
    tensor = _message(_message(info, 2), 1)
    element = next((value for number, value in _fields(tensor) if number == 1), 0)
    if not isinstance(element, int) or element not in ELEMENT_TYPES:
        raise BackendError(f"'{name}' is of ONNX's element type {element}, which this backend doesn't pass.")
    dimensions = [dict(_fields(dimension)) for shape in _messages(tensor, 2) for dimension in _messages(shape, 1)]
    return TensorSpec(name, np.dtype(ELEMENT_TYPES[element]), tuple(_size(dimension) for dimension in dimensions))


def _size(dimension: Mapping[int, int | memoryview]) -> int | str:
    """Field 1 is a size, field 2 the name of a dynamic one; with neither it has no name."""
    size = dimension.get(1, dimension.get(2, 0))
    if isinstance(size, int):
        return size if 1 in dimension else "?"
    return str(size, "utf-8")


def _text(message: memoryview, field: int) -> str:
    return str(_message(message, field), "utf-8")


def _message(message: memoryview, field: int) -> memoryview:
    return next(_messages(message, field), memoryview(b""))


def _messages(message: memoryview, field: int) -> Iterator[memoryview]:
    """The values of one field of a protobuf message, where they are messages or text."""
    return (value for number, value in _fields(message) if number == field and isinstance(value, memoryview))


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field of a protobuf message, without those of a fixed width, which ONNX seldom has."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(message, at)
            yield key >> 3, value
        elif kind == 2:
            size, at = _varint(message, at)
            yield key >> 3, message[at : at + size]
            at += size
        else:
            at += 8 if kind == 1 else 4


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at += 1
        if byte < 128:
            return value, at
        shift += 7
