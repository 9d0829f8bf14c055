"""TensorRT's plugin: its kernels on a GPU that isn't there, how it gets into networks, and that TensorRT's own Python
accepts it."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import gpu_plugin
from engine.backends import plugin
from engine.backends.plans import build_plan, network_flags
from engine.backends.plugin import THREADS, replace_samplers, sampler_launch
from engine.cuda.arrays import DeviceArray
from engine.cuda.kernels import ceil_div
from engine.errors import BackendError
from engine.types import TensorSpec
from kernels import reference
from tests.emulated_kernels import emulated_kernels
from tests.rtx import rtx_without_a_gpu
from tests.test_kernels import CASES, NAMES, TOLERANCE, planted

HALF_TOLERANCE = 4e-3
PADDINGS = ("zeros", "border", "reflection")
BINDINGS = "tensorrt_bindings"  # TensorRT's Python without its libraries, which are only had with a GPU


@pytest.mark.parametrize("half", [False, True], ids=["float32", "float16"])
@pytest.mark.parametrize(("axes", "mode", "padding", "align"), CASES, ids=NAMES)
def test_its_kernels_sample_as_defined(
    tmp_path: Path, axes: int, mode: str, padding: str, align: bool, half: bool
) -> None:
    kernels = emulated_kernels(tmp_path)
    image, grid = planted(axes, channels=11)
    image = image[:1].astype(np.float16 if half else np.float32)
    out = DeviceArray.empty(kernels.device, (len(grid), image.shape[1], *grid.shape[1:-1]), image.dtype)
    name, blocks, sizes = sampler_launch(image.shape, grid.shape, plugin.MODES.index(mode), half, ceil_div)
    integers = [ctypes.c_int32(size) for size in (*sizes, PADDINGS.index(padding), int(align))]
    placed = [DeviceArray.of(kernels.device, array, kernels.stream) for array in (image, grid)]
    kernels.launch("plugin", name, blocks, (THREADS,), [*placed, *integers, out])
    expected = reference.grid_sample(image, grid, mode, padding, align)
    np.testing.assert_allclose(out.read(kernels.stream), expected, atol=HALF_TOLERANCE if half else 3 * TOLERANCE)


def test_without_its_kernel_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(plugin, "PTX", tmp_path / "plugin.ptx")
    with pytest.raises(BackendError, match="isn't compiled"):
        plugin.kernel_code()


@pytest.fixture(scope="module")
def rtx() -> SimpleNamespace:
    return rtx_without_a_gpu()


def graph(half: bool) -> tuple[bytes, dict[str, TensorSpec]]:
    """Two samplers, the second one fed by the first, which is an output and read by another node as well."""
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT16 if half else onnx.TensorProto.FLOAT
    value = helper.make_tensor_value_info
    inputs = [value("image", kind, ["batch", 3, 8, 9]), value("grid", kind, ["batch", 8, 9, 2])]
    nodes = [
        helper.make_node("GridSample", ["image", "grid"], ["once"], mode="linear", padding_mode="border"),
        helper.make_node("GridSample", ["once", "grid"], ["twice"], mode="nearest", align_corners=1),
        helper.make_node("Add", ["once", "twice"], ["sum"]),
    ]
    outputs = [value(name, kind, ["batch", 3, 8, 9]) for name in ("once", "sum")]
    made = helper.make_model(
        helper.make_graph(nodes, "samplers", inputs, outputs), opset_imports=[helper.make_opsetid("", 20)]
    )
    dtype = np.dtype(np.float16 if half else np.float32)
    specs = {"image": ("batch", 3, 8, 9), "grid": ("batch", 8, 9, 2)}
    return made.SerializeToString(), {name: TensorSpec(name, dtype, shape) for name, shape in specs.items()}


def stand_in(trt: SimpleNamespace, network: SimpleNamespace, layer: SimpleNamespace) -> SimpleNamespace:
    """Another sampler, with the settings of the first: TensorRT-RTX takes no plugins."""
    new = network.add_grid_sample(layer.get_input(0), layer.get_input(1))
    new.interpolation_mode, new.sample_mode = layer.interpolation_mode, layer.sample_mode
    new.align_corners, new.name = layer.align_corners, f"{layer.name} stand-in"
    return new.get_output(0)


def test_it_takes_the_place_of_samplers(rtx: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin, "add_sampler", stand_in)
    code, specs = graph(half=False)
    network = rtx.trt.Builder(rtx.logger).create_network(network_flags(rtx.trt))
    assert rtx.trt.OnnxParser(network, rtx.logger).parse(code)
    before = [network.get_layer(index) for index in range(network.num_layers)]
    assert replace_samplers(rtx.trt, network) == 2
    replaced = {layer.get_output(0).name for layer in before if layer.type == rtx.trt.LayerType.GRID_SAMPLE}
    now = [network.get_layer(index) for index in range(network.num_layers)]
    read = {layer.get_input(index).name for layer in now for index in range(layer.num_inputs)}
    assert len(replaced) == 2
    assert not read & replaced
    assert {network.get_output(index).name for index in range(network.num_outputs)} == {"once", "sum"}
    plan, _ = build_plan(rtx.trt, rtx.logger, "tiny.onnx", code, specs, plugin=True)
    assert plan


def test_float16_grids_stay_with_tensorrt(rtx: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin, "add_sampler", stand_in)
    network = rtx.trt.Builder(rtx.logger).create_network(network_flags(rtx.trt))
    assert rtx.trt.OnnxParser(network, rtx.logger).parse(graph(half=True)[0])
    assert replace_samplers(rtx.trt, network) == 0


@pytest.mark.parametrize("half", [False, True], ids=["float32", "float16"])
@pytest.mark.parametrize("size", gpu_plugin.SIZES)
def test_what_it_is_compared_with_can_be_built(rtx: SimpleNamespace, size: str, half: bool) -> None:
    shapes = gpu_plugin.SIZES[size]
    assert gpu_plugin.sampler_plan(rtx.trt, rtx.logger, *shapes, half, plugin=False)


# What TensorRT's Python wants of its libraries before anything is built.
LIBRARY = """extern "C" {
void *createInferBuilder_INTERNAL() { return nullptr; }
void *createInferRefitter_INTERNAL() { return nullptr; }
void *createInferRuntime_INTERNAL() { return nullptr; }
void *createNvOnnxParserRefitter_INTERNAL() { return nullptr; }
void *createNvOnnxParser_INTERNAL() { return nullptr; }
void *getBuilderPluginRegistry() { return nullptr; }
void *getPluginRegistry() { return nullptr; }
int getNvOnnxParserVersion() { return 0; }
bool initLibNvInferPlugins() { return true; }
}"""

# Numbers stand in for the expressions of sizes that TensorRT makes, which only its libraries can.
REGISTERED = """
import sys
import tensorrt as trt
from tensorrt.plugin import _lib, _tensor
from engine.backends import plugin
from pathlib import Path

class Number:
    def __init__(self, value): self.value = value
    def is_constant(self): return True
    def get_constant_value(self): return self.value

class Builder:
    constant = staticmethod(Number)
    @staticmethod
    def operation(kind, a, b):
        a, b = a.value, b.value
        operations = {trt.DimensionOperation.PROD: a * b, trt.DimensionOperation.CEIL_DIV: -(-a // b)}
        return Number(operations[kind])

plugin.PTX = Path(sys.argv[1])
plugin.register(trt)
trt.IDimensionExpr = Number
_tensor.SymIntExpr._exprBuilder = Builder
registered = _lib.QDP_REGISTRY["mien::grid_sample"]
assert list(registered.input_attrs) == ["mode", "padding", "align"], registered.input_attrs
shapes = (1, 11, 5, 6, 7), (2, 3, 400, 5, 3)
types = trt.float16, trt.float32
image, grid = (_tensor.TensorDesc(_tensor.ShapeExprs.from_tuple(shape), kind) for shape, kind in zip(shapes, types))
out = registered.register_func(image, grid, 0, 1, 1)
print([size.constant_value() for size in out.shape_expr], out.dtype == trt.float16)
name, code, launch, integers = registered.aot_impl_func(image, grid, 0, 1, 1, (out,), 0)
print(name, code)
print([getattr(launch, f"{of}_{axis}")._expr.value for of in ("grid", "block") for axis in "xyz"])
print([integer._expr.value for integer in integers])
assert all(isinstance(integer, _tensor.SymInt32) for integer in integers)
"""


def test_tensorrt_s_python_accepts_it(tmp_path: Path) -> None:
    found = importlib.util.find_spec(BINDINGS)
    if found is None or found.origin is None:
        pytest.skip("TensorRT's Python isn't installed")
    if shutil.which("g++") is None:
        pytest.skip("there is no g++")
    (tmp_path / "tensorrt").symlink_to(Path(found.origin).parent)
    (tmp_path / "library.cpp").write_text(LIBRARY)
    for name in ("nvinfer", "nvinfer_plugin", "nvonnxparser"):
        library = f"lib{name}.so.11"
        command = ["g++", "-shared", "-fPIC", f"-Wl,-soname,{library}", "-o", library, "library.cpp"]
        subprocess.run(command, check=True, cwd=tmp_path, timeout=120)
    (tmp_path / "plugin.ptx").write_text("the-kernels")
    where = {"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[1]}", "LD_LIBRARY_PATH": str(tmp_path)}
    command = [sys.executable, "-c", REGISTERED, str(tmp_path / "plugin.ptx")]
    done = subprocess.run(command, env=os.environ | where, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    name, blocks, sizes = sampler_launch((1, 11, 5, 6, 7), (2, 3, 400, 5, 3), 0, True, ceil_div)
    assert done.stdout.splitlines()[-4:] == [
        "[2, 11, 3, 400, 5] True",
        f"{name} the-kernels",
        str([*blocks, THREADS, 1, 1]),
        str([*sizes, 1, 1]),
    ]
