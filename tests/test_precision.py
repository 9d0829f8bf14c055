"""Networks in 16 bits: what stays in 32, and what the rest costs, with float16's roundings computed on the CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from engine.backends.half import FOLLOWING, LEARNED, WHOLLY_SINGLE, in_half  # noqa: E402
from engine.backends.mock import MockBackend, MockModel  # noqa: E402
from engine.backends.onnx_file import tensor_specs  # noqa: E402
from engine.backends.onnx_runtime import OnnxRuntimeBackend  # noqa: E402
from engine.bundle import Bundle  # noqa: E402
from export import precision  # noqa: E402

WEIGHTS = Bundle.default().folder
CONVERTED = sorted(path for path in WEIGHTS.glob("*.onnx") if path.name not in WHOLLY_SINGLE)
FLOAT, HALF = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16


def types(network: onnx.ModelProto) -> dict[str, int]:
    """Every tensor's element type, by ONNX's own inference."""
    graph = onnx.shape_inference.infer_shapes(network, strict_mode=True).graph
    values = [*graph.value_info, *graph.input, *graph.output]
    return {value.name: value.type.tensor_type.elem_type for value in values} | {
        tensor.name: tensor.data_type for tensor in graph.initializer
    }


@pytest.mark.parametrize("model", CONVERTED, ids=lambda path: path.stem)
def test_learned_layers_are_half_and_islands_are_not(model: Path, tmp_path: Path) -> None:
    content = in_half(model)
    network = onnx.load_from_string(content)
    onnx.checker.check_model(network, full_check=True)
    kinds = types(network)
    halves = [node for node in network.graph.node if kinds.get(node.output[0]) == HALF and node.op_type != "Cast"]
    assert {node.op_type for node in halves} <= LEARNED | set(FOLLOWING)
    learned = [node.output[0] for node in network.graph.node if node.op_type in LEARNED]
    assert len({node.output[0] for node in halves} & set(learned)) >= 0.5 * len(learned)
    path = tmp_path / model.name
    path.write_bytes(content)
    assert tensor_specs(path)[0] == tensor_specs(model)[0]
    assert all(kinds[output.name] == FLOAT for output in network.graph.output)
    makers = {name: node for node in network.graph.node for name in node.output}
    for output in network.graph.output:  # back to the layer that makes it
        node = makers[output.name]
        while node.op_type not in LEARNED:
            assert kinds[node.output[0]] == FLOAT
            node = makers[next(name for name in node.input if name in makers)]
        assert kinds[node.output[0]] == FLOAT


@pytest.mark.parametrize("name", WHOLLY_SINGLE)
def test_positions_over_time_and_integers_stay_as_they_are(name: str) -> None:
    assert in_half(WEIGHTS / name) == (WEIGHTS / name).read_bytes()


def write_network(path: Path, *, scale: float = 0.1) -> Path:
    """y = conv(sqrt(relu(conv(x)) * scale)): an island between two layers, the second of which makes the output."""
    rng = np.random.default_rng(3)
    weights = {f"w{i}": rng.standard_normal((4, 4, 3, 3)).astype(np.float32) for i in (1, 2)}
    weights["scale"] = np.float32(scale)
    make = onnx.helper.make_node
    nodes = [
        make("Conv", ["x", "w1"], ["a"]),
        make("Relu", ["a"], ["b"]),
        make("Mul", ["b", "scale"], ["c"]),
        make("Sqrt", ["c"], ["d"]),
        make("Conv", ["d", "w2"], ["y"]),
    ]
    values = [onnx.helper.make_tensor_value_info(name, FLOAT, ["batch", 4, side, side])
              for name, side in (("x", 9), ("y", 5))]  # fmt: skip
    stored = [onnx.numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = onnx.helper.make_graph(nodes, "net", values[:1], values[1:], stored)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10), path)
    return path


def test_an_island_lies_between_casts(tmp_path: Path) -> None:
    network = onnx.load_from_string(in_half(write_network(tmp_path / "net.onnx")))
    kinds = types(network)
    assert [(node.op_type, kinds[node.output[0]]) for node in network.graph.node] == [
        ("Cast", HALF), ("Conv", HALF), ("Relu", HALF), ("Mul", HALF),
        ("Cast", FLOAT), ("Sqrt", FLOAT), ("Conv", FLOAT),
    ]  # fmt: skip


def test_a_constant_that_half_cannot_hold_ends_it(tmp_path: Path) -> None:
    network = onnx.load_from_string(in_half(write_network(tmp_path / "net.onnx", scale=1e-9)))
    kinds = types(network)
    assert [node.op_type for node in network.graph.node if kinds[node.output[0]] == HALF] == ["Cast", "Conv", "Relu"]


def test_roundings_are_float16_s(tmp_path: Path) -> None:
    model = write_network(tmp_path / "net.onnx")
    x = np.random.default_rng(4).standard_normal((2, 4, 9, 9)).astype(np.float32)
    rounded = precision.rounded(in_half(model))
    rounded.graph.output.append(onnx.helper.make_tensor_value_info("c.half", FLOAT, None))
    onnx.save(rounded, tmp_path / "rounded.onnx")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(tmp_path / "rounded.onnx", options, providers=["CPUExecutionProvider"])
    y, c = session.run(["y", "c.half"], {"x": x})
    large = c[np.abs(c) > 2.0**-14]  # below, float16 has fewer bits than are emulated
    np.testing.assert_array_equal(large.astype(np.float16).astype(np.float32), large)
    exact = OnnxRuntimeBackend().open(model)(x=x)["y"]
    error = np.abs(y - exact).max()
    assert 1e-5 < error < 2e-2


def test_an_error_over_the_bound_is_seen(tmp_path: Path) -> None:
    model = write_network(tmp_path / "net.onnx")
    inputs, outputs = tensor_specs(model)
    x = np.zeros((1, 4, 9, 9), np.float32)
    expected = OnnxRuntimeBackend().open(model)(x=x)
    for off, within in ((0.0, True), (5e-4, False)):
        wrong = {"y": expected["y"] + np.float32(off)}
        backend = MockBackend(
            {"net.onnx": MockModel(list(inputs.values()), list(outputs.values()), lambda x, wrong=wrong: wrong)}
        )
        (row,) = precision.compare(backend, model, {"x": x}, expected)
        assert row.within == within
        assert ("over the bound" in precision.table([row])) != within


def test_half_is_within_its_bounds_on_a_sample_photo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "runtimes", lambda sources: [precision.RoundedHalf()])
    rows = precision.measure(WEIGHTS, None)
    assert {row.network for row in rows} == {path.stem for path in WEIGHTS.glob("*.onnx")} - {"mouth_int8"}
    assert not [row for row in rows if not row.within], precision.table(rows)
