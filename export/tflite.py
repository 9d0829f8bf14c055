"""Reads a .tflite flatbuffer into a plain graph of tensors and operations.

Only what our three networks need is understood: floating point graphs with one subgraph. Weights stored as fp16
behind a DEQUANTIZE are widened here, so that the rest never sees that operation. The schema is TensorFlow's
(tensorflow/lite/schema/schema.fbs), through the PyPI package `tflite`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tflite

OPERATIONS = {code: name for name, code in vars(tflite.BuiltinOperator).items() if isinstance(code, int)}
PADDINGS = {tflite.Padding.SAME: "same", tflite.Padding.VALID: "valid"}
ACTIVATIONS = {
    tflite.ActivationFunctionType.NONE: "none",
    tflite.ActivationFunctionType.RELU: "relu",
    tflite.ActivationFunctionType.RELU6: "relu6",
}
DTYPES = {
    tflite.TensorType.FLOAT32: np.float32,
    tflite.TensorType.FLOAT16: np.float16,
    tflite.TensorType.INT32: np.int32,
}


@dataclass(frozen=True)
class Tensor:
    """Shape in TFLite's own layout (batch, height, width, channels); `data` only where it is a constant."""

    name: str
    shape: tuple[int, ...]
    data: np.ndarray | None


@dataclass(frozen=True)
class Operation:
    """One node; an input of -1 is left out."""

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Graph:
    """Tensors by index, operations in order of execution."""

    tensors: list[Tensor]
    operations: list[Operation]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def read_graph(path: Path) -> Graph:
    """The graph in a .tflite file.

    Raises ValueError for an element type or an option that isn't understood.
    """
    model = tflite.Model.GetRootAsModel(path.read_bytes(), 0)
    subgraph = model.Subgraphs(0)
    tensors = [_tensor(model, subgraph.Tensors(i)) for i in range(subgraph.TensorsLength())]
    operations = []
    for i in range(subgraph.OperatorsLength()):
        operation = _operation(model, subgraph.Operators(i))
        if operation.kind == "DEQUANTIZE":
            stored, widened = tensors[operation.inputs[0]], operation.outputs[0]
            if stored.data is None:
                raise ValueError(f"{path}: '{stored.name}' is quantised while running, which isn't supported")
            tensors[widened] = Tensor(stored.name, stored.shape, stored.data.astype(np.float32))
        else:
            operations.append(operation)
    inputs = tuple(int(i) for i in subgraph.InputsAsNumpy())
    outputs = tuple(int(i) for i in subgraph.OutputsAsNumpy())
    return Graph(tensors, operations, inputs, outputs)


def _tensor(model: Any, tensor: Any) -> Tensor:
    shape = tuple(int(n) for n in np.atleast_1d(tensor.ShapeAsNumpy())) if tensor.ShapeLength() else ()
    name = tensor.Name().decode()
    raw = model.Buffers(tensor.Buffer()).DataAsNumpy()
    if isinstance(raw, int) or raw.size == 0:
        return Tensor(name, shape, None)
    if tensor.Type() not in DTYPES:
        raise ValueError(f"'{name}' has element type {tensor.Type()}, which isn't supported")
    return Tensor(name, shape, np.frombuffer(raw.tobytes(), DTYPES[tensor.Type()]).reshape(shape))


def _operation(model: Any, operator: Any) -> Operation:
    code = model.OperatorCodes(operator.OpcodeIndex())
    kind = OPERATIONS[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
    inputs = tuple(int(i) for i in operator.InputsAsNumpy())
    outputs = tuple(int(i) for i in operator.OutputsAsNumpy())
    table = operator.BuiltinOptions()
    reader = OPTION_READERS.get(kind)
    return Operation(kind, inputs, outputs, reader(table) if reader and table else {})


def _parse(options: Any, table: Any) -> Any:
    options.Init(table.Bytes, table.Pos)
    return options


def _conv(table: Any) -> dict[str, Any]:
    o = _parse(tflite.Conv2DOptions(), table)
    return {
        "padding": PADDINGS[o.Padding()],
        "stride": (o.StrideH(), o.StrideW()),
        "dilation": (o.DilationHFactor(), o.DilationWFactor()),
        "activation": ACTIVATIONS[o.FusedActivationFunction()],
    }


def _depthwise(table: Any) -> dict[str, Any]:
    o = _parse(tflite.DepthwiseConv2DOptions(), table)
    return {
        "padding": PADDINGS[o.Padding()],
        "stride": (o.StrideH(), o.StrideW()),
        "dilation": (o.DilationHFactor(), o.DilationWFactor()),
        "activation": ACTIVATIONS[o.FusedActivationFunction()],
    }


def _transpose_conv(table: Any) -> dict[str, Any]:
    o = _parse(tflite.TransposeConvOptions(), table)
    return {
        "padding": PADDINGS[o.Padding()],
        "stride": (o.StrideH(), o.StrideW()),
        "activation": ACTIVATIONS[o.FusedActivationFunction()],
    }


def _pool(table: Any) -> dict[str, Any]:
    o = _parse(tflite.Pool2DOptions(), table)
    return {
        "padding": PADDINGS[o.Padding()],
        "stride": (o.StrideH(), o.StrideW()),
        "window": (o.FilterHeight(), o.FilterWidth()),
        "activation": ACTIVATIONS[o.FusedActivationFunction()],
    }


def _resize(options: Any) -> Any:
    def read(table: Any) -> dict[str, Any]:
        o = _parse(options(), table)
        return {"align_corners": bool(o.AlignCorners()), "half_pixel_centers": bool(o.HalfPixelCenters())}

    return read


def _activated(options: Any) -> Any:
    def read(table: Any) -> dict[str, Any]:
        return {"activation": ACTIVATIONS[_parse(options(), table).FusedActivationFunction()]}

    return read


def _concatenation(table: Any) -> dict[str, Any]:
    o = _parse(tflite.ConcatenationOptions(), table)
    return {"axis": o.Axis(), "activation": ACTIVATIONS[o.FusedActivationFunction()]}


def _reducer(table: Any) -> dict[str, Any]:
    return {"keep_dims": bool(_parse(tflite.ReducerOptions(), table).KeepDims())}


def _softmax(table: Any) -> dict[str, Any]:
    return {"beta": _parse(tflite.SoftmaxOptions(), table).Beta()}


def _strided_slice(table: Any) -> dict[str, Any]:
    o = _parse(tflite.StridedSliceOptions(), table)
    if o.EllipsisMask() or o.NewAxisMask():
        raise ValueError("STRIDED_SLICE with an ellipsis or a new axis isn't supported")
    return {"begin_mask": o.BeginMask(), "end_mask": o.EndMask(), "shrink_mask": o.ShrinkAxisMask()}


OPTION_READERS = {
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _depthwise,
    "TRANSPOSE_CONV": _transpose_conv,
    "MAX_POOL_2D": _pool,
    "RESIZE_BILINEAR": _resize(tflite.ResizeBilinearOptions),
    "RESIZE_NEAREST_NEIGHBOR": _resize(tflite.ResizeNearestNeighborOptions),
    "ADD": _activated(tflite.AddOptions),
    "SUB": _activated(tflite.SubOptions),
    "MUL": _activated(tflite.MulOptions),
    "DIV": _activated(tflite.DivOptions),
    "CONCATENATION": _concatenation,
    "MEAN": _reducer,
    "SUM": _reducer,
    "SOFTMAX": _softmax,
    "STRIDED_SLICE": _strided_slice,
}
