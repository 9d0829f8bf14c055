"""From a torch module to a small, tidy ONNX file."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

OPSET = 20  # the first in which torch exports a valid GridSample; one opset for all our files
SMALLEST_EXACT = 64  # elements; halving less than this saves nothing and costs a node
# Biases and depthwise kernels are few bytes and most of the error: with them the segmenter was off by 0.022, without
# by 0.005.
SMALLEST_ROUNDED = 2048


def export_module(
    module: nn.Module,
    inputs: Mapping[str, Tensor],
    outputs: Sequence[str],
    dynamic: Mapping[str, Mapping[int, str]],
) -> onnx.ModelProto:
    """The module as ONNX.

    Args:
        module: In evaluation mode.
        inputs: Name and example of each input, in the order of `forward`; a dynamic dimension must not be 1 in it.
        outputs: Names of the outputs, in order.
        dynamic: For each input its dynamic dimensions by axis, with their names.
    """
    shapes = [dict.fromkeys(dynamic.get(name, {}), torch.export.Dim.DYNAMIC) for name in inputs]
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns of its own internals
        program: Any = torch.onnx.export(
            module,
            tuple(inputs.values()),
            input_names=list(inputs),
            output_names=list(outputs),
            opset_version=OPSET,
            dynamic_shapes=tuple(shapes),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    model: onnx.ModelProto = program.model_proto
    for value in model.graph.input:
        for axis, name in dynamic.get(value.name, {}).items():
            value.type.tensor_type.shape.dim[axis].dim_param = name
    return tidy(model)


def tidy(model: onnx.ModelProto) -> onnx.ModelProto:
    """Drops source lines and intermediate shapes that exporters leave, so the file depends on the network alone."""
    model.doc_string = ""
    model.producer_name, model.producer_version = "mien", ""
    del model.metadata_props[:]
    graph = model.graph
    graph.name, graph.doc_string = "network", ""
    del graph.value_info[:]
    del graph.metadata_props[:]
    for item in [*graph.node, *graph.input, *graph.output, *graph.initializer]:
        item.doc_string = ""
        del item.metadata_props[:]
    return model


def store_as_half(model: onnx.ModelProto, *, lossless_only: bool) -> onnx.ModelProto:
    """Stores large fp32 weights as fp16 with a Cast behind each; the arithmetic stays fp32.

    With `lossless_only` just those that fp16 holds exactly; otherwise the others too, unless they are small.
    """
    graph = model.graph
    kept, casts = [], []
    for tensor in graph.initializer:
        value = numpy_helper.to_array(tensor)
        half = value.astype(np.float16) if tensor.data_type == TensorProto.FLOAT else None
        exact = half is not None and np.array_equal(half.astype(np.float32), value)
        rounded = not lossless_only and half is not None and bool(np.isfinite(half).all())
        smallest = SMALLEST_EXACT if exact else SMALLEST_ROUNDED
        if half is None or value.size < smallest or not (exact or rounded):
            kept.append(tensor)
            continue
        kept.append(numpy_helper.from_array(half, f"{tensor.name}.half"))
        casts.append(helper.make_node("Cast", [f"{tensor.name}.half"], [tensor.name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(kept)
    graph.node.extend(nodes)
    return model


def replace_prelu(model: onnx.ModelProto) -> onnx.ModelProto:
    """Writes each PRelu as relu(x) - slope * relu(-x), with depthwise 1x1 convolutions for both factors.

    ONNX Runtime's PRelu isn't vectorised and forces its blocked layout back to plain: without it the face mesh takes
    3.3 ms instead of 9.0 ms a crop on two cores.
    """
    graph = model.graph
    slopes = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    nodes = []
    for node in graph.node:
        if node.op_type != "PRelu":
            nodes.append(node)
            continue
        slope, out = slopes[node.input[1]].reshape(-1, 1, 1, 1), node.output[0]
        kernels = {f"{out}.minus_one": -np.ones_like(slope), f"{out}.minus_slope": -slope}
        graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in kernels.items())
        options = {"group": len(slope), "kernel_shape": [1, 1]}
        nodes += [
            helper.make_node("Relu", [node.input[0]], [f"{out}.positive"]),
            helper.make_node("Conv", [node.input[0], f"{out}.minus_one"], [f"{out}.turned"], **options),
            helper.make_node("Relu", [f"{out}.turned"], [f"{out}.negative"]),
            helper.make_node("Conv", [f"{out}.negative", f"{out}.minus_slope"], [f"{out}.scaled"], **options),
            helper.make_node("Add", [f"{out}.positive", f"{out}.scaled"], [out]),
        ]
    used = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(kept)
    return model


def save(model: onnx.ModelProto, path: Path) -> None:
    """Checks the model and writes it."""
    onnx.checker.check_model(model, full_check=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString(deterministic=True))
