"""MI-GAN (Sargsyan et al. 2023, "MI-GAN: A Simple Baseline for Image Inpainting on Mobile Devices"; MIT).

The published ONNX file is a pipeline for one image of any size. What we take out of it is the generator: a plain
network of fixed size whose batch is free. Cropping and pasting are the engine's.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper, version_converter

from export.onnx_file import OPSET, tidy

GENERATOR_INPUT = "/Concat_23_output_0"  # (N, 4, 512, 512): known - 0.5, image * known
GENERATOR_OUTPUT = "/model/synthesis/b512/Add_1_output_0"  # (N, 3, 512, 512), -1 to 1
SIDE = 512
GAIN = 2.0**0.5  # after each LeakyRelu
SMOOTH = np.outer([1, 2, 1], [1, 2, 1]).astype(np.float32) / 16
SPREAD = np.outer([1, 3, 3, 1], [1, 3, 3, 1]).astype(np.float32) / 16
FAINT_NOISE = 3e-4  # of the constant noise: what is below changes the picture by a third of a grey level at most


def generator(pipeline: Path, scratch: Path) -> onnx.ModelProto:
    """The generator: image (N, 3, 512, 512) 0 to 1 and mask (N, 1, 512, 512), 1 = fill -> filled (N, 3, 512, 512).

    `scratch` is a folder for intermediate files.
    """
    folded = _fold_constants(cut_generator(pipeline), scratch)
    model = version_converter.convert_version(folded, OPSET)
    return tidy(_with_plain_interface(enlarging_by_smoothing(without_detours(model))))


def without_detours(model: onnx.ModelProto) -> onnx.ModelProto:
    """Leaves out what only costs time: ONNX Runtime then needs 0.55 s of processor time instead of 0.83 s.

    Each convolution is followed by LeakyRelu, a gain of the square root of 2 and a clip at 256. Gains go into the
    weights: that of a depthwise convolution into the pointwise one after it, which makes a factor of 2, exact in fp16.
    No picture comes near 256 (172 at most, of noise), and where the noise that is added is faint it goes as well.
    """
    graph = model.graph
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    made_by = {node.output[0]: node.op_type for node in graph.node}
    instead: dict[str, str] = {}  # of an output that is left out: the one before it
    nodes = []
    for node in graph.node:
        node.input[:] = [instead.get(name, name) for name in node.input]
        noise = values.get(node.input[1]) if node.op_type == "Add" else None
        after_relu = made_by.get(node.input[0]) == "LeakyRelu"
        faint = noise is not None and float(np.abs(noise).max()) < FAINT_NOISE
        if (node.op_type in ("Mul", "Clip") and after_relu) or faint:
            instead[node.output[0]] = node.input[0]
            continue
        if noise is not None:
            _scale(graph, node, 1, values, GAIN)
        elif node.op_type == "Conv":
            for i in range(1, len(node.input)):
                _scale(graph, node, i, values, _gain_of(node.output[0]))
        nodes.append(node)
    return _with_nodes(model, nodes)


def enlarging_by_smoothing(model: onnx.ModelProto) -> onnx.ModelProto:
    """Doubles a picture's size by repeating each pixel and smoothing, instead of by zeros between them and a filter.

    Both weigh two pixels by 3/4 and 1/4, with nothing beyond the border. As published it is a Resize that repeats, a
    Mul by 1 and 0 in turn, a Pad and a Conv of 4x4; two passes over the largest arrays less, and 280 MB instead of 520.
    """
    graph = model.graph
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    made_by = {node.output[0]: node for node in graph.node}
    replaced: dict[str, onnx.NodeProto] = {}
    left_out = set()
    for node in graph.node:
        pad = made_by.get(node.input[0])
        if node.op_type != "Conv" or pad is None or pad.op_type != "Pad":
            continue
        kernel, zeros = values[node.input[1]], made_by[pad.input[0]]
        grid = values[zeros.input[1]]
        if not (kernel == SPREAD).all() or grid.sum() != grid[..., ::2, ::2].sum():
            raise ValueError(f"{node.name} isn't MI-GAN's enlarging")
        channels = len(kernel)
        if f"smooth_{channels}" not in values:
            values[f"smooth_{channels}"] = np.tile(SMOOTH, (channels, 1, 1, 1))
            graph.initializer.append(numpy_helper.from_array(values[f"smooth_{channels}"], f"smooth_{channels}"))
        replaced[node.output[0]] = helper.make_node(
            "Conv", [zeros.input[0], f"smooth_{channels}"], [node.output[0]], group=channels, pads=[1] * 4
        )
        left_out |= {pad.output[0], zeros.output[0]}
    kept = [replaced.get(node.output[0], node) for node in graph.node if node.output[0] not in left_out]
    return _with_nodes(model, kept)


def _with_nodes(model: onnx.ModelProto, nodes: list[onnx.NodeProto]) -> onnx.ModelProto:
    """The model with these nodes, and no constant that none of them takes."""
    graph = model.graph
    used = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(kept)
    return model


def _gain_of(output: str) -> float:
    """What a convolution's weights have to be multiplied by, from the name of what it makes."""
    if "/fromrgb/" in output:
        return GAIN
    return GAIN**2 if output.endswith("/conv2/Conv_output_0") else 1.0


def _scale(graph: onnx.GraphProto, node: onnx.NodeProto, i: int, values: dict[str, np.ndarray], gain: float) -> None:
    """Gives a node a scaled copy of one constant: several may share it."""
    if gain == 1:
        return
    name = f"{node.output[0]}.scaled{i}"
    scaled = (values[node.input[i]] * np.float64(gain)).astype(np.float32)
    graph.initializer.append(numpy_helper.from_array(scaled, name))
    node.input[i] = name


def cut_generator(pipeline: Path) -> onnx.ModelProto:
    """The generator as the pipeline holds it: `GENERATOR_INPUT` -> `GENERATOR_OUTPUT`, batch 1, fp32."""
    shaped = onnx.load(pipeline)
    shaped.graph.value_info.extend(
        [
            helper.make_tensor_value_info(GENERATOR_INPUT, TensorProto.FLOAT, ["batch", 4, SIDE, SIDE]),
            helper.make_tensor_value_info(GENERATOR_OUTPUT, TensorProto.FLOAT, ["batch", 3, SIDE, SIDE]),
        ]
    )
    return onnx.utils.Extractor(shaped).extract_model([GENERATOR_INPUT], [GENERATOR_OUTPUT])


def _fold_constants(model: onnx.ModelProto, scratch: Path) -> onnx.ModelProto:
    """Works out the shape arithmetic that the exporter left around every padding."""
    before, after = scratch / "cut.onnx", scratch / "folded.onnx"
    onnx.save(model, before)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(after)
    onnxruntime.InferenceSession(before, options, providers=["CPUExecutionProvider"])
    folded = onnx.load(after)
    standard = [entry for entry in folded.opset_import if entry.domain == ""]
    del folded.opset_import[:]
    folded.opset_import.extend(standard)
    return folded


def _with_plain_interface(model: onnx.ModelProto) -> onnx.ModelProto:
    """Puts the generator's own conventions (known - 0.5, colours from -1 to 1) behind image and mask in 0 to 1."""
    graph = model.graph
    for name, value in (("one", 1.0), ("two", 2.0), ("half", 0.5), ("zero", 0.0)):
        graph.initializer.append(numpy_helper.from_array(np.float32(value), name))
    before = [
        helper.make_node("Sub", ["one", "mask"], ["known"]),
        helper.make_node("Sub", ["known", "half"], ["known_centred"]),
        helper.make_node("Mul", ["image", "two"], ["doubled"]),
        helper.make_node("Sub", ["doubled", "one"], ["centred"]),
        helper.make_node("Mul", ["centred", "known"], ["visible"]),
        helper.make_node("Concat", ["known_centred", "visible"], [GENERATOR_INPUT], axis=1),
    ]
    after = [
        helper.make_node("Mul", [GENERATOR_OUTPUT, "half"], ["halved"]),
        helper.make_node("Add", ["halved", "half"], ["unclipped"]),
        helper.make_node("Clip", ["unclipped", "zero", "one"], ["filled"]),
    ]
    nodes = [*before, *graph.node, *after]
    del graph.node[:], graph.input[:], graph.output[:]
    graph.node.extend(nodes)
    graph.input.extend(
        [
            helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE]),
            helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["batch", 1, SIDE, SIDE]),
        ]
    )
    graph.output.append(helper.make_tensor_value_info("filled", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE]))
    return model
