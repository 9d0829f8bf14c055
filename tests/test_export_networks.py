"""The weight files are the original networks. Needs torch and onnx; the comparison with the originals also needs the
packages that hold them, in the folder that MIEN_SOURCES names."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytest.importorskip("tflite")

import onnxruntime  # noqa: E402  (only worth importing where the rest is there)

from export import inpainter, mtcnn, parity  # noqa: E402
from export.canonical_face import read_obj, write_npz  # noqa: E402
from export.manifest import write_manifest_row  # noqa: E402
from export.onnx_file import OPSET, export_module, replace_prelu, save, store_as_half  # noqa: E402
from export.sources import SOURCES, extract  # noqa: E402
from export.tflite import Graph, Operation, Tensor  # noqa: E402
from export.tflite_module import TFLiteModule  # noqa: E402

WEIGHTS = Path(__file__).parent.parent / "engine" / "weights"
SIDES = {"pnet": 40, "rnet": 24, "onet": 48}
# Largest allowed difference to the original: fp32 rounding alone, except where the file stores fp16 for fp32.
TOLERANCES = {
    ("mesh", "points"): 1e-3,  # px of a 256 px crop
    ("segment", "classes"): 1e-2,
    ("inpaint", "filled"): 1e-2,
}


@pytest.mark.parametrize("name", list(SIDES))
def test_mtcnn_as_onnx_is_mtcnn_in_torch(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network, side = mtcnn.NETWORKS[name]().eval(), SIDES[name]
    dynamic = {0: "batch", 2: "height", 3: "width"} if name == "pnet" else {0: "batch"}
    outputs = ["score", "offsets", "points"][: 3 if name == "onet" else 2]
    model = export_module(network, {"image": torch.zeros(2, 3, side, side)}, outputs, {"image": dynamic})
    save(model, tmp_path / "net.onnx")
    image = torch.rand(3, 3, side + 13 if name == "pnet" else side, side) * 2 - 1
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    with torch.no_grad():
        expected = network(image)
    for found, wanted in zip(session.run(outputs, {"image": image.numpy()}), expected, strict=True):
        np.testing.assert_allclose(found, wanted.numpy(), atol=1e-5)


def conv(padding: str, stride: int, size: int, kernel: np.ndarray) -> TFLiteModule:
    out = -(-size // stride)
    tensors = [
        Tensor("image", (1, size, size, 2), None),
        Tensor("kernel", kernel.shape, kernel),
        Tensor("bias", (kernel.shape[0],), np.zeros(kernel.shape[0], np.float32)),
        Tensor("out", (1, out, out, kernel.shape[0]), None),
    ]
    options = {"padding": padding, "stride": (stride, stride), "dilation": (1, 1), "activation": "relu"}
    return TFLiteModule(Graph(tensors, [Operation("CONV_2D", (0, 1, 2), (3,), options)], (0,), (3,)))


def test_same_padding_puts_the_odd_pixel_at_the_end() -> None:
    kernel = np.zeros((1, 3, 3, 2), np.float32)
    kernel[0, 0, 0, 0] = 1  # picks the top left of its window: no shift in an even image at stride 2
    image = torch.arange(1.0, 73.0).reshape(1, 2, 6, 6)
    (found,) = conv("same", 2, 6, kernel)(image)
    assert torch.equal(found[0, 0], image[0, 0, ::2, ::2])


def test_tflite_weights_can_be_trained_and_the_batch_is_free() -> None:
    kernel = np.random.default_rng(0).standard_normal((4, 3, 3, 2)).astype(np.float32)
    module = conv("same", 1, 6, kernel)
    (found,) = module(torch.rand(5, 2, 6, 6))
    found.sum().backward()
    assert found.shape == (5, 4, 6, 6)
    assert all(parameter.grad is not None for parameter in module.parameters())


def test_reshape_counts_in_tflite_s_order_of_pixels() -> None:
    tensors = [
        Tensor("image", (1, 2, 3, 4), None),
        Tensor("shape", (2,), np.int32([1, 24])),
        Tensor("flat", (1, 24), None),
    ]
    module = TFLiteModule(Graph(tensors, [Operation("RESHAPE", (0, 1), (2,))], (0,), (2,)))
    image = torch.rand(2, 4, 2, 3)
    (flat,) = module(image)
    assert torch.equal(flat, image.permute(0, 2, 3, 1).reshape(2, 24))


def test_an_unknown_operation_is_named() -> None:
    tensors = [Tensor("image", (1, 2), None), Tensor("out", (1, 2), None)]
    module = TFLiteModule(Graph(tensors, [Operation("CUMSUM", (0,), (1,))], (0,), (1,)))
    with pytest.raises(NotImplementedError, match="CUMSUM"):
        module(torch.zeros(1, 2))


@pytest.mark.parametrize("lossless", [True, False])
def test_half_weights_stay_exact_where_that_is_asked(lossless: bool, tmp_path: Path) -> None:
    layer = torch.nn.Linear(64, 64).eval()
    exact, wide = torch.nn.Linear(64, 64).eval(), layer
    exact.weight.data = exact.weight.data.half().float()
    network = torch.nn.Sequential(exact, wide)
    model = export_module(network, {"x": torch.zeros(2, 64)}, ["y"], {"x": {0: "batch"}})
    store_as_half(model, lossless_only=lossless)
    save(model, tmp_path / "net.onnx")
    kinds = [tensor.data_type for tensor in model.graph.initializer if len(tensor.dims) == 2]
    assert kinds.count(onnx.TensorProto.FLOAT16) == (1 if lossless else 2)
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    x = torch.rand(3, 64)
    (found,) = session.run(None, {"x": x.numpy()})
    np.testing.assert_allclose(found, network(x).detach().numpy(), atol=1e-6 if lossless else 1e-3)


def test_prelu_is_replaced_by_its_equal(tmp_path: Path) -> None:
    network = torch.nn.Sequential(torch.nn.PReLU(3), torch.nn.Conv2d(3, 2, 3), torch.nn.PReLU(2)).eval()
    network[0].weight.data = torch.tensor([-5.0, 0.25, 19.0])
    model = replace_prelu(export_module(network, {"x": torch.zeros(2, 3, 5, 5)}, ["y"], {"x": {0: "batch"}}))
    save(model, tmp_path / "net.onnx")
    assert not any(node.op_type == "PRelu" for node in model.graph.node)
    x = torch.randn(4, 3, 5, 5)
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(None, {"x": x.numpy()})[0], network(x).detach().numpy(), atol=1e-5)


def inpainter_block(noise_level: float) -> onnx.ModelProto:
    """A point, a depthwise and a pointwise convolution as MI-GAN has them, noise before the last activation."""
    rng = np.random.default_rng(2)
    shapes = {"fromrgb": (4, 3, 1, 1), "conv1": (4, 1, 3, 3), "conv2": (6, 4, 1, 1)}
    values = {f"{name}.weight": rng.normal(size=shape) for name, shape in shapes.items()}
    values |= {"conv1.bias": rng.normal(size=4), "noise": noise_level * rng.uniform(0.5, 1, (5, 5))}
    values |= {"gain": np.array(2**0.5), "low": np.array(-256), "high": np.array(256)}
    nodes, before = [], "x"
    for name, bias, groups, pad in (("fromrgb", [], 1, 0), ("conv1", ["conv1.bias"], 4, 1), ("conv2", [], 1, 0)):
        made, options = f"/b/{name}/Conv_output_0", {"group": groups, "pads": [pad] * 4}
        nodes.append(onnx.helper.make_node("Conv", [before, f"{name}.weight", *bias], [made], **options))
        if name == "conv2":
            nodes.append(onnx.helper.make_node("Add", [made, "noise"], ["noisy"]))
            made = "noisy"
        nodes += [
            onnx.helper.make_node("LeakyRelu", [made], [f"{name}.relu"], alpha=0.2),
            onnx.helper.make_node("Mul", [f"{name}.relu", "gain"], [f"{name}.gained"]),
            onnx.helper.make_node("Clip", [f"{name}.gained", "low", "high"], [f"{name}.out"]),
        ]
        before = f"{name}.out"
    nodes.append(onnx.helper.make_node("Add", [before, before], ["y"]))
    tensor = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes,
        "block",
        [tensor("x", onnx.TensorProto.FLOAT, ["batch", 3, 5, 5])],
        [tensor("y", onnx.TensorProto.FLOAT, ["batch", 6, 5, 5])],
        [onnx.numpy_helper.from_array(value.astype(np.float32), name) for name, value in values.items()],
    )
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=8)


@pytest.mark.parametrize("noise_level", [1.0, 1e-5])
def test_the_inpainter_without_detours_computes_the_same(noise_level: float) -> None:
    x = np.random.default_rng(3).normal(size=(2, 3, 5, 5)).astype(np.float32)

    def run(model: onnx.ModelProto) -> np.ndarray:
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        return session.run(None, {"x": x})[0]

    expected = run(inpainter_block(noise_level))
    short = inpainter.without_detours(inpainter_block(noise_level))
    kinds = [node.op_type for node in short.graph.node]
    assert not {"Mul", "Clip"} & set(kinds)
    assert kinds.count("Add") == (2 if noise_level == 1 else 1)
    np.testing.assert_allclose(run(short), expected, atol=1e-4)


def enlarging(height: int, width: int) -> onnx.ModelProto:
    """As MI-GAN does it, of three channels: zeros between the pixels, and a filter."""
    grid = np.zeros((1, 1, 2 * height, 2 * width), np.float32)
    grid[..., ::2, ::2] = 1
    values = {"scales": np.array([1, 1, 2, 2], np.float32), "grid": grid, "pads": np.array([0, 0, 2, 2, 0, 0, 1, 1])}
    values["filter"] = np.tile(inpainter.SPREAD, (3, 1, 1, 1))
    nearest = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    nodes = [
        onnx.helper.make_node("Resize", ["x", "", "scales"], ["repeated"], **nearest),
        onnx.helper.make_node("Mul", ["repeated", "grid"], ["apart"]),
        onnx.helper.make_node("Pad", ["apart", "pads"], ["padded"]),
        onnx.helper.make_node("Conv", ["padded", "filter"], ["y"], group=3),
    ]
    shape = ["batch", 3, height, width]
    graph = onnx.helper.make_graph(
        nodes,
        "enlarging",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shape)],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["batch", 3, 2 * height, 2 * width])],
        [onnx.numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=8)


def test_the_inpainter_enlarges_by_smoothing_as_by_zeros_and_a_filter() -> None:
    x = np.random.default_rng(4).normal(size=(2, 3, 5, 7)).astype(np.float32)

    def run(model: onnx.ModelProto) -> np.ndarray:
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        return session.run(None, {"x": x})[0]

    expected = run(enlarging(5, 7))
    short = inpainter.enlarging_by_smoothing(enlarging(5, 7))
    assert [node.op_type for node in short.graph.node] == ["Resize", "Conv"]
    np.testing.assert_allclose(run(short), expected, atol=1e-6)


@pytest.mark.parametrize("path", sorted(WEIGHTS.glob("*.onnx")), ids=lambda path: path.stem)
def test_shipped_files_are_tidy(path: Path) -> None:
    model = onnx.load(path)
    versions = {entry.domain: entry.version for entry in model.opset_import}
    assert versions == {"": OPSET} or versions[""] > OPSET
    assert not model.metadata_props
    assert not any(node.metadata_props or node.doc_string for node in model.graph.node)
    assert all(value.type.tensor_type.shape.dim[0].dim_param for value in model.graph.input if value.name == "image")


def test_a_manifest_row_replaces_its_own_and_keeps_the_others(tmp_path: Path) -> None:
    for file, content in (("b.bin", b"1"), ("a.bin", b"2"), ("b.bin", b"345")):
        (tmp_path / file).write_bytes(content)
        write_manifest_row(tmp_path, file, network="n", source="s", licence="l", training_data="t")
    rows = json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))
    assert [(row["file"], row["bytes"]) for row in rows] == [("a.bin", 1), ("b.bin", 3)]


def test_the_canonical_face_is_turned_to_the_photo_s_axes(tmp_path: Path) -> None:
    (tmp_path / "face.obj").write_text("v 1 2 3\nv 0 0 1\nv 1 0 0\nvt 0 0\nf 1/1 2/1 3/1\n", encoding="utf-8")
    points, triangles = read_obj(tmp_path / "face.obj")
    assert points[0].tolist() == [1, -2, -3]
    assert triangles.tolist() == [[0, 1, 2]]


def test_the_same_arrays_give_the_same_file(tmp_path: Path) -> None:
    for name in ("a.npz", "b.npz"):
        write_npz(tmp_path / name, points=np.arange(6.0))
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert np.load(tmp_path / "a.npz")["points"].tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.skipif("MIEN_SOURCES" not in os.environ, reason="MIEN_SOURCES doesn't name the original packages")
@pytest.mark.parametrize("name", list(SOURCES))
def test_shipped_files_are_the_original_networks(name: str) -> None:
    if name in ("mesh", "blendshapes", "segment"):
        pytest.importorskip("ai_edge_litert")
    with tempfile.TemporaryDirectory() as folder:
        original = extract(name, Path(os.environ["MIEN_SOURCES"]), Path(folder))
        for row in parity.compare(name, original, WEIGHTS / f"{name}.onnx"):
            assert row.difference < TOLERANCES.get((name, row.output), 1e-5), row
