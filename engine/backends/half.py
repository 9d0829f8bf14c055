"""Networks in 16 bits for GPUs: written from the one file that ships, when a plan is built.

TensorRT computes in the types that the ONNX file says, so precision is a matter of the graph. What runs in float16 is
learned layers and what follows them element by element. Islands stay float32: norms and softmax, grids and positions,
and what a network returns: the layers that make its outputs, since 16 bits tell places in a crop apart only to 1/8
pixel, and neighbouring frames would jitter.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from engine.backends.base import Array
from engine.errors import MissingExtraError

# Layers with learned weights: float16 multiplied, float32 summed up.
LEARNED = {"Conv", "ConvTranspose", "Gemm", "MatMul"}
# What may follow in float16, and which of its inputs are values rather than sizes or axes.
FOLLOWING = {
    **dict.fromkeys(("Relu", "LeakyRelu", "MaxPool", "Reshape", "Transpose", "Slice", "Resize", "Flatten"), (0,)),
    **dict.fromkeys(("Add", "Sub", "Mul", "PRelu"), (0, 1)),
    "Pad": (0, 2),
    "Clip": (0, 1, 2),
    "Concat": tuple(range(64)),
}
# All positions over time, or finished pixels: nothing in them may be rounded; or integers as they are.
WHOLLY_SINGLE = ("motion.onnx", "mouth_int8.onnx", "warp.onnx")
LARGEST = float(np.finfo(np.float16).max)
CONSTANT_ERROR = 1e-3  # relative, of a constant that isn't a weight


def in_half(model: Path) -> bytes:
    """The file's network with float16 layers; its inputs and outputs stay what they are.

    Raises MissingExtraError without the package `onnx`.
    """
    if model.name in WHOLLY_SINGLE:
        return model.read_bytes()
    try:
        import onnx  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError as error:
        raise MissingExtraError(
            "Networks in 16 bits need a package that can't be imported; pip install 'mien-engine[gpu]'."
        ) from error
    converted: bytes = _Conversion(onnx, onnx.load(model)).run().SerializeToString(deterministic=True)
    return converted


class _Conversion:
    """One graph on its way: which nodes become float16, and the casts between them and the islands."""

    def __init__(self, onnx: Any, network: Any) -> None:
        self._onnx, self._network, self._graph = onnx, network, network.graph
        self._constants = _constants(onnx, self._graph)
        self._made_by = {name: node for node in self._graph.node for name in node.output}
        self._added: list[Any] = []
        self._casts: dict[tuple[str, int], str] = {}

    def run(self) -> Any:
        single = self._onnx.TensorProto.FLOAT
        islands, halves = self._outer_layers(), set[str]()
        renamed: dict[str, str] = {}  # float16 tensors by the name that they had as float32
        nodes = []
        for node in self._graph.node:
            values = self._values_of(node, halves) if node.output[0] not in islands else ()
            for place, name in enumerate(node.input):
                if place in values:
                    node.input[place] = self._as_half_input(name, renamed)
                elif name in renamed:
                    node.input[place] = self._cast(renamed[name], single)
            if values:
                renamed[node.output[0]] = node.output[0] + ".half"
                halves.add(node.output[0])
                node.output[0] += ".half"
            nodes += [*self._taken(), node]
        self._replace(nodes)
        del self._graph.value_info[:]
        return self._network

    def _values_of(self, node: Any, halves: set[str]) -> tuple[int, ...]:
        """The inputs that become float16 if this node does; none where it stays."""
        given = [place for place, name in enumerate(node.input) if name]
        if node.op_type in LEARNED:
            weights = self._constants.get(node.input[1])
            learned = weights is not None and weights.dtype.kind == "f" and float(np.abs(weights).max()) < LARGEST
            return tuple(given) if learned else ()
        values = tuple(place for place in FOLLOWING.get(node.op_type, ()) if place in given)
        names = [node.input[place] for place in values]
        constants = [self._constants[name] for name in names if name in self._constants]
        follows = any(name in halves for name in names)
        known = all(name in halves or name in self._constants for name in names)
        return values if follows and known and all(map(_holds, constants)) else ()

    def _outer_layers(self) -> set[str]:
        """First outputs of the nodes between the network's outputs and the learned layers before them, with those."""
        found: set[str] = set()
        open_names = [output.name for output in self._graph.output]
        while open_names:
            node = self._made_by.get(open_names.pop())
            if node is None or node.output[0] in found:
                continue
            found.add(node.output[0])
            if node.op_type not in LEARNED or node.input[1] not in self._constants:
                open_names += list(node.input)
        return found

    def _as_half_input(self, name: str, renamed: Mapping[str, str]) -> str:
        if name in renamed:
            return renamed[name]
        if name not in self._constants:
            return self._cast(name, self._onnx.TensorProto.FLOAT16)
        stored = f"{name}.as_half"
        if (stored, 0) not in self._casts:
            self._casts[stored, 0] = stored
            value = self._constants[name].astype(np.float16)
            self._graph.initializer.append(self._onnx.numpy_helper.from_array(value, stored))
        return stored

    def _cast(self, name: str, to: int) -> str:
        """The tensor in another type, cast once for all who read it."""
        if (name, to) not in self._casts:
            cast = f"{name}.to{to}"
            self._casts[name, to] = cast
            self._added.append(self._onnx.helper.make_node("Cast", [name], [cast], to=to))
        return self._casts[name, to]

    def _taken(self) -> list[Any]:
        taken, self._added = self._added, []
        return taken

    def _replace(self, nodes: list[Any]) -> None:
        """The new nodes, without those and the weights that nothing reads any more."""
        needed = {output.name for output in self._graph.output}
        kept = []
        for node in reversed(nodes):
            if needed.intersection(node.output):
                needed.update(node.input)
                kept.append(node)
        stored = [tensor for tensor in self._graph.initializer if tensor.name in needed]
        del self._graph.node[:], self._graph.initializer[:]
        self._graph.node.extend(reversed(kept))
        self._graph.initializer.extend(stored)


def _constants(onnx: Any, graph: Any) -> dict[str, Array]:
    """Weights by name, also those that are stored as float16 with a Cast behind."""
    found = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Cast" and node.input[0] in found:
            found[node.output[0]] = found[node.input[0]]
        elif node.op_type == "Constant" and node.attribute[0].name == "value":
            found[node.output[0]] = onnx.numpy_helper.to_array(node.attribute[0].t)
    return found


def _holds(constant: Array) -> bool:
    """Whether float16 holds a constant well."""
    if constant.dtype.kind != "f" or (constant.size and float(np.abs(constant).max()) > LARGEST):
        return False
    return bool(np.allclose(constant.astype(np.float16).astype(np.float64), constant, rtol=CONSTANT_ERROR, atol=0))
