"""A torch module that executes a TFLite graph, with the graph's weights as trainable parameters.

TFLite keeps images as (N, H, W, C), torch and ONNX as (N, C, H, W): every tensor of rank 4 is held channels first,
and operations that name axes translate them. Graphs are stored for a batch of one; here the first dimension is free.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from export.tflite import Graph, Operation

TO_CHANNELS_FIRST = (0, 3, 1, 2)
TO_CHANNELS_LAST = (0, 2, 3, 1)
CONSTANT_LAYOUTS = {
    ("CONV_2D", 1): (0, 3, 1, 2),  # (out, h, w, in) -> (out, in, h, w)
    ("DEPTHWISE_CONV_2D", 1): (3, 0, 1, 2),  # (1, h, w, channels) -> (channels, 1, h, w)
    ("TRANSPOSE_CONV", 1): (3, 0, 1, 2),  # (out, h, w, in) -> (in, out, h, w)
}
BINARY: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "ADD": torch.add,
    "SUB": torch.sub,
    "MUL": torch.mul,
    "DIV": torch.div,
    "SQUARED_DIFFERENCE": lambda a, b: (a - b) ** 2,
}
UNARY: dict[str, Callable[[Tensor], Tensor]] = {
    "NEG": torch.neg,
    "SQRT": torch.sqrt,
    "RSQRT": torch.rsqrt,
    "LOGISTIC": torch.sigmoid,
}


class TFLiteModule(nn.Module):
    """Executes `graph`; weights are parameters named after their operation and input number.

    forward takes the graph's inputs in order, images as (N, C, H, W), and returns its outputs in order.
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph = graph
        self._names: dict[tuple[int, int], str] = {}
        shared: dict[tuple[int, tuple[int, ...]], str] = {}
        for number, operation in enumerate(graph.operations):
            for slot, index in enumerate(operation.inputs):
                data = graph.tensors[index].data if index >= 0 else None
                if data is None or not np.issubdtype(data.dtype, np.floating):
                    continue
                value = _constant(operation, slot, data, len(graph.tensors[operation.outputs[0]].shape))
                key = (index, value.shape)
                if key not in shared:
                    shared[key] = f"op{number}_{operation.kind.lower()}_{slot}"
                    self.register_parameter(shared[key], nn.Parameter(torch.from_numpy(value)))
                self._names[number, slot] = shared[key]

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        values = dict(zip(self.graph.inputs, inputs, strict=True))
        for number, operation in enumerate(self.graph.operations):
            arguments = [self._argument(values, number, slot) for slot in range(len(operation.inputs))]
            result = self._run(operation, arguments)
            values[operation.outputs[0]] = _activate(result, operation.options.get("activation", "none"))
        return tuple(values[i] for i in self.graph.outputs)

    def _argument(self, values: dict[int, Tensor], number: int, slot: int) -> Tensor | None:
        name = self._names.get((number, slot))
        if name is not None:
            return self.get_parameter(name)
        return values.get(self.graph.operations[number].inputs[slot])

    def _integers(self, operation: Operation, slot: int) -> list[int]:
        data = self.graph.tensors[operation.inputs[slot]].data
        return [] if data is None else [int(n) for n in np.atleast_1d(data).ravel()]

    def _shape(self, index: int) -> tuple[int, ...]:
        return self.graph.tensors[index].shape

    def _run(self, operation: Operation, arguments: list[Tensor | None]) -> Tensor:
        kind = operation.kind
        if kind in BINARY:
            return BINARY[kind](arguments[0], arguments[1])
        if kind in UNARY:
            return UNARY[kind](arguments[0])
        method = getattr(self, f"_{kind.lower()}", None)
        if method is None:
            raise NotImplementedError(f"TFLite operation {kind}")
        result: Tensor = method(operation, arguments)
        return result

    def _conv_2d(self, operation: Operation, arguments: list[Tensor], groups: int = 1) -> Tensor:
        image, weight, bias = arguments
        stride, dilation = operation.options["stride"], operation.options["dilation"]
        if operation.options["padding"] == "same":
            image = _pad_same(image, self._shape(operation.inputs[0])[1:3], weight.shape[2:], stride, dilation)
        return F.conv2d(image, weight, bias, stride, 0, dilation, groups)

    def _depthwise_conv_2d(self, operation: Operation, arguments: list[Tensor]) -> Tensor:
        return self._conv_2d(operation, arguments, groups=self._shape(operation.inputs[0])[3])

    def _transpose_conv(self, operation: Operation, arguments: list[Tensor]) -> Tensor:
        _, weight, image, bias = arguments
        if tuple(weight.shape[2:]) != operation.options["stride"]:
            raise NotImplementedError("TRANSPOSE_CONV whose window isn't its stride")
        return F.conv_transpose2d(image, weight, bias, operation.options["stride"])

    def _max_pool_2d(self, operation: Operation, arguments: list[Tensor]) -> Tensor:
        window, stride = operation.options["window"], operation.options["stride"]
        height, width = self._shape(operation.inputs[0])[1:3]
        if height % stride[0] or width % stride[1] or window != stride:
            raise NotImplementedError("MAX_POOL_2D whose windows don't tile the image")
        return F.max_pool2d(arguments[0], window, stride)

    def _prelu(self, operation: Operation, arguments: list[Tensor]) -> Tensor:
        return F.prelu(arguments[0], arguments[1])

    def _pad(self, operation: Operation, arguments: list[Tensor]) -> Tensor:
        pairs = np.array(self._integers(operation, 1)).reshape(-1, 2)
        if len(pairs) == 4:
            pairs = pairs[list(TO_CHANNELS_FIRST)]
        return F.pad(arguments[0], [int(n) for n in pairs[::-1].ravel()])

    def _reshape(self, operation: Operation, arguments: list[Tensor]) -> Tensor:
        shape = self._shape(operation.outputs[0])
        flat = _channels_last(arguments[0]).reshape(-1, *shape[1:])
        return _channels_first(flat)

    def _transpose(self, operation: Operation, arguments: list[Tensor]) -> Tensor:
        return _channels_first(_channels_last(arguments[0]).permute(self._integers(operation, 1)))

    def _softmax(self, operation: Operation, arguments: list[Tensor]) -> Tensor:
        return torch.softmax(arguments[0] * operation.options["beta"], dim=_axis(-1, arguments[0].ndim))

    def _mean(self, operation: Operation, arguments: list[Tensor]) -> Tensor:
        return arguments[0].mean(self._reduced_axes(operation), keepdim=True)

    def _sum(self, operation: Operation, arguments: list[Tensor]) -> Tensor:
        return arguments[0].sum(self._reduced_axes(operation), keepdim=True)

    def _reduced_axes(self, operation: Operation) -> list[int]:
        if not operation.options["keep_dims"]:
            raise NotImplementedError(f"{operation.kind} that drops dimensions")
        rank = len(self._shape(operation.inputs[0]))
        return [_axis(axis, rank) for axis in self._integers(operation, 1)]

    def _concatenation(self, operation: Operation, arguments: list[Tensor]) -> Tensor:
        batch = next(a for i, a in zip(operation.inputs, arguments, strict=True) if self.graph.tensors[i].data is None)
        parts = [a if a is batch else a.expand(batch.shape[0], *a.shape[1:]) for a in arguments]
        return torch.cat(parts, dim=_axis(operation.options["axis"], batch.ndim))

    def _strided_slice(self, operation: Operation, arguments: list[Tensor]) -> Tensor:
        begin, end, step = (self._integers(operation, slot) for slot in (1, 2, 3))
        masks = operation.options
        result = _channels_last(arguments[0])
        # The first axis is the batch: a graph for one photo takes all (or the only one) of it, so it stays whole.
        for axis in range(1, len(begin)):
            first = 0 if masks["begin_mask"] >> axis & 1 else begin[axis]
            last = self._shape(operation.inputs[0])[axis] if masks["end_mask"] >> axis & 1 else end[axis]
            result = result.narrow(axis, first, last - first)
            if step[axis] != 1 or masks["shrink_mask"] >> axis & 1:
                raise NotImplementedError("STRIDED_SLICE with a step or a dropped axis")
        return _channels_first(result)

    def _resize_bilinear(self, operation: Operation, arguments: list[Tensor]) -> Tensor:
        if not operation.options["half_pixel_centers"]:
            raise NotImplementedError("RESIZE_BILINEAR without half-pixel centres")
        return F.interpolate(arguments[0], self._integers(operation, 1), mode="bilinear", align_corners=False)

    def _resize_nearest_neighbor(self, operation: Operation, arguments: list[Tensor]) -> Tensor:
        if operation.options["align_corners"]:
            raise NotImplementedError("RESIZE_NEAREST_NEIGHBOR with aligned corners")
        return F.interpolate(arguments[0], self._integers(operation, 1), mode="nearest")


def _constant(operation: Operation, slot: int, data: np.ndarray, rank: int) -> np.ndarray:
    """A constant in the layout that torch wants for this use."""
    data = data.astype(np.float32)
    if (operation.kind, slot) in CONSTANT_LAYOUTS:
        data = data.transpose(CONSTANT_LAYOUTS[operation.kind, slot])
    elif operation.kind == "PRELU":
        data = data.ravel()
    elif operation.kind in BINARY and rank == 4 and data.ndim == 1 and data.size > 1:
        data = data.reshape(-1, 1, 1)
    elif data.ndim == 4:
        data = data.transpose(TO_CHANNELS_FIRST)
    return np.ascontiguousarray(data)


def _axis(axis: int, rank: int) -> int:
    axis %= rank
    return TO_CHANNELS_FIRST.index(axis) if rank == 4 else axis


def _channels_first(value: Tensor) -> Tensor:
    return value.permute(TO_CHANNELS_FIRST) if value.ndim == 4 else value


def _channels_last(value: Tensor) -> Tensor:
    return value.permute(TO_CHANNELS_LAST) if value.ndim == 4 else value


def _pad_same(image: Tensor, size: tuple[int, ...], window: torch.Size, stride: tuple[int, int],
              dilation: tuple[int, int]) -> Tensor:  # fmt: skip
    """TensorFlow's SAME: as little as needed, the odd pixel at the end."""
    amounts: list[int] = []
    for axis in (1, 0):
        reach = (window[axis] - 1) * dilation[axis] + 1
        total = max((-(-size[axis] // stride[axis]) - 1) * stride[axis] + reach - size[axis], 0)
        amounts += [total // 2, total - total // 2]
    return F.pad(image, amounts) if any(amounts) else image


def _activate(value: Tensor, activation: str) -> Tensor:
    if activation == "relu":
        return F.relu(value)
    return F.relu6(value) if activation == "relu6" else value
