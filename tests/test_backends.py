"""Every backend keeps one contract: this suite runs over all of them."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from engine.backends import BACKENDS, Backend, Runner, open_backend
from engine.backends.base import DeviceRunner
from engine.backends.mock import MockBackend, MockModel
from engine.backends.onnx_runtime import OnnxRuntimeBackend
from engine.backends.openvino import OpenVinoBackend
from engine.backends.tensorrt import TensorRtBackend
from engine.cuda import device as device_module
from engine.cuda.arrays import DeviceArray
from engine.cuda.device import Device, OutOfDeviceMemoryError
from engine.errors import BackendError, MissingExtraError
from engine.types import TensorSpec
from tests.fake_gpu import FakeDriver, FakeTensorRt

onnx = pytest.importorskip("onnx")

FLOAT, INTEGER = np.dtype(np.float32), np.dtype(np.int64)
INPUTS = [
    TensorSpec("points", FLOAT, ("batch", 2)),
    TensorSpec("matrix", FLOAT, (2, 3)),
    TensorSpec("add", INTEGER, (1,)),
]
OUTPUTS = [TensorSpec("product", FLOAT, ("batch", 3)), TensorSpec("sum", INTEGER, (1,))]


def write_model(path: Path) -> Path:
    """product = points @ matrix, sum = add + add."""
    types = {FLOAT: onnx.TensorProto.FLOAT, INTEGER: onnx.TensorProto.INT64}
    values = {spec.name: onnx.helper.make_tensor_value_info(spec.name, types[spec.dtype], spec.shape)
              for spec in [*INPUTS, *OUTPUTS]}  # fmt: skip
    nodes = [
        onnx.helper.make_node("MatMul", ["points", "matrix"], ["product"]),
        onnx.helper.make_node("Add", ["add", "add"], ["sum"]),
    ]
    graph = onnx.helper.make_graph(nodes, "tiny", [values[s.name] for s in INPUTS], [values[s.name] for s in OUTPUTS])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, path)
    return path


def mock() -> Backend:
    model = MockModel(INPUTS, OUTPUTS, lambda points, matrix, add: {"product": points @ matrix, "sum": add + add})
    return MockBackend({"tiny.onnx": model})


def tensorrt() -> Backend:
    """Its own logic, on a GPU and a TensorRT that aren't there; tests/test_tensorrt.py has more of it."""
    driver = FakeDriver()
    with (
        patch.object(device_module, "_import_driver", lambda: driver),
        patch.object(device_module, "_opened", {}),
        patch.dict(sys.modules, tensorrt=FakeTensorRt(driver)),
    ):
        return TensorRtBackend(half=False)


ADAPTERS: dict[str, Callable[[], Backend]] = {
    "onnxruntime": OnnxRuntimeBackend,
    "openvino": OpenVinoBackend,
    "tensorrt": tensorrt,
    "mock": mock,
}
NEEDS_OPENVINO = pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="openvino isn't installed")
NAMES = [pytest.param(name, marks=NEEDS_OPENVINO) if name == "openvino" else name for name in ADAPTERS]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIEN_CACHE", str(tmp_path / "cache"))


@pytest.fixture(params=NAMES)
def runner(request: pytest.FixtureRequest, tmp_path: Path) -> Runner:
    return ADAPTERS[request.param]().open(write_model(tmp_path / "tiny.onnx"))


def arrays(batch: int = 4) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(batch)
    return {
        "points": rng.random((batch, 2), dtype=np.float32),
        "matrix": rng.random((2, 3), dtype=np.float32),
        "add": np.array([21], np.int64),
    }


def test_tensors_are_described(runner: Runner) -> None:
    assert list(runner.inputs.values()) == INPUTS
    assert list(runner.outputs.values()) == OUTPUTS


@pytest.mark.parametrize("batch", [1, 5])
def test_outputs_go_by_name(runner: Runner, batch: int) -> None:
    given = arrays(batch)
    results = runner(**given)
    assert list(results) == ["product", "sum"]
    np.testing.assert_allclose(results["product"], given["points"] @ given["matrix"], rtol=1e-6)
    assert results["sum"].tolist() == [42]


def test_running_twice_gives_the_same_bytes(runner: Runner) -> None:
    assert runner(**arrays())["product"].tobytes() == runner(**arrays())["product"].tobytes()


@pytest.mark.parametrize("name", NAMES)
def test_a_rest_changes_nothing(name: str, tmp_path: Path) -> None:
    backend = ADAPTERS[name]()
    runner = backend.open(write_model(tmp_path / "tiny.onnx"))
    before = runner(**arrays())["product"]
    expected = before.copy()
    backend.rest()
    np.testing.assert_array_equal(before, expected)
    np.testing.assert_array_equal(runner(**arrays())["product"], expected)


def test_arrays_need_not_be_contiguous(runner: Runner) -> None:
    given = arrays()
    turned = {**given, "matrix": np.asfortranarray(given["matrix"]), "points": given["points"][::-1]}
    np.testing.assert_allclose(runner(**turned)["product"], given["points"][::-1] @ given["matrix"], rtol=1e-6)


def test_arrays_need_not_be_writeable(runner: Runner) -> None:
    given = arrays()
    expected = runner(**given)["product"]
    for array in given.values():
        array.flags.writeable = False
    np.testing.assert_array_equal(runner(**given)["product"], expected)


def test_results_stay_when_it_runs_again(runner: Runner) -> None:
    first = runner(**arrays())["product"]
    before = first.copy()
    runner(**{**arrays(), "points": np.zeros((4, 2), np.float32)})
    np.testing.assert_array_equal(first, before)


def test_bound_inputs_are_fixed_at_binding(runner: Runner) -> None:
    given = arrays()
    expected = runner(**given)["product"]
    matrix = given.pop("matrix")
    bound = runner.bind(matrix=matrix)
    matrix += 1
    assert list(bound.inputs) == ["points", "add"]
    np.testing.assert_array_equal(bound(**given)["product"], expected)


def test_binding_leaves_the_first_runner_alone(runner: Runner) -> None:
    given = arrays()
    runner.bind(matrix=given["matrix"])
    assert list(runner.inputs) == ["points", "matrix", "add"]
    runner(**given)


def test_binding_adds_up(runner: Runner) -> None:
    given = arrays()
    bound = runner.bind(matrix=given["matrix"]).bind(add=given["add"])
    assert bound(points=given["points"])["sum"].tolist() == [42]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"matrix": None}, "needs the input 'matrix'"),
        ({"colour": np.zeros(1, np.float32)}, "no free input 'colour'"),
        ({"matrix": np.zeros((2, 3))}, "'matrix' as float32.*float64"),
        ({"matrix": np.zeros((3, 2), np.float32)}, r"'matrix' of shape \(2, 3\)"),
        ({"points": np.zeros((1, 2, 1), np.float32)}, r"'points' of shape \(batch, 2\)"),
    ],
)
def test_wrong_inputs_are_refused(runner: Runner, change: dict[str, np.ndarray | None], message: str) -> None:
    given = {name: array for name, array in {**arrays(), **change}.items() if array is not None}
    with pytest.raises(BackendError, match=message):
        runner(**given)


def test_wrong_constants_are_refused(runner: Runner) -> None:
    with pytest.raises(BackendError, match="'matrix'"):
        runner.bind(matrix=np.zeros((3, 3), np.float32))
    with pytest.raises(BackendError, match="no free input 'colour'"):
        runner.bind(colour=np.zeros(1, np.float32))
    bound = runner.bind(matrix=arrays()["matrix"])
    with pytest.raises(BackendError, match="no free input 'matrix'"):
        bound(**arrays())


def test_a_closed_runner_says_so(runner: Runner) -> None:
    bound = runner.bind(matrix=arrays()["matrix"])
    runner.close()
    runner.close()
    with pytest.raises(BackendError, match="closed"):
        runner(**arrays())
    with pytest.raises(BackendError, match="closed"):
        runner.bind(add=arrays()["add"])
    given = arrays()
    bound(points=given["points"], add=given["add"])


@pytest.mark.parametrize("content", [b"not a network", b"", None])
@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_cannot_be_opened(name: str, content: bytes | None, tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    if content is not None:
        broken.write_bytes(content)
    with pytest.raises(BackendError, match=r"broken\.onnx"):
        ADAPTERS[name]().open(broken)


def test_onnx_runtime_reads_and_writes_a_device_s_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = Device(FakeDriver())  # whose memory is the host's
    stream, given = device.stream(), arrays()
    runner = OnnxRuntimeBackend().open(write_model(tmp_path / "tiny.onnx")).bind(matrix=given["matrix"])
    assert isinstance(runner, DeviceRunner)
    expected = runner(points=given["points"], add=given["add"])
    placed = {name: DeviceArray.of(device, given[name], stream) for name in ("points", "add")}
    found = {name: DeviceArray.empty(device, array.shape, array.dtype) for name, array in expected.items()}
    runner.on_device(placed, found, stream)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name].read(stream), array)
    with pytest.raises(BackendError, match="needs the input 'add'"):
        runner.on_device({"points": placed["points"]}, found, stream)

    def fail(binding: object) -> None:
        raise RuntimeError("bfc_arena.cc: Failed to allocate memory for requested buffer of size 4096")

    monkeypatch.setattr(
        runner, "_session", SimpleNamespace(io_binding=runner._session.io_binding, run_with_iobinding=fail)
    )
    with pytest.raises(OutOfDeviceMemoryError, match="failed in"):
        runner.on_device(placed, found, stream)


def test_onnx_runtime_halves_what_a_gpu_does_not_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    runner, given = OnnxRuntimeBackend().open(write_model(tmp_path / "tiny.onnx")), arrays(7)
    expected, whole, held = runner(**given), runner._session.run_with_ort_values, 3

    def small(names: list[str], values: dict[str, Any]) -> Any:
        if values["points"].shape()[0] > held:
            raise RuntimeError("bfc_arena.cc: Failed to allocate memory for requested buffer of size 4096")
        return whole(names, values)

    monkeypatch.setattr(runner, "_session", SimpleNamespace(run_with_ort_values=small))
    with pytest.raises(BackendError, match="failed in") as refused:
        runner(**given)
    assert not isinstance(refused.value, OutOfDeviceMemoryError)  # on the CPU it stays a failure
    monkeypatch.setattr(runner, "_place", "cuda")
    found = runner(**given)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)
    assert "with a batch of 7; 3 now" in caplog.text
    held = 0
    with pytest.raises(OutOfDeviceMemoryError, match=r"enough memory for tiny\.onnx"):
        runner(**given)


@pytest.mark.parametrize("name", NAMES)
def test_runners_of_one_network_do_not_mix(name: str, tmp_path: Path) -> None:
    runner = ADAPTERS[name]().open(write_model(tmp_path / "tiny.onnx"))
    given = [arrays(batch) for batch in (2, 7)]
    bound = [runner.bind(matrix=one.pop("matrix")) for one in given]
    alone = [one(**rest)["product"] for one, rest in zip(bound, given, strict=True)]
    for _ in range(2):
        for one, rest, expected in zip(bound, given, alone, strict=True):
            np.testing.assert_array_equal(one(**rest)["product"], expected)


@pytest.mark.parametrize(("name", "opened"), [("auto", "onnxruntime"), ("onnxruntime", "onnxruntime")])
def test_named_backends_open(name: str, opened: str) -> None:
    assert open_backend(name).name == opened


@NEEDS_OPENVINO
def test_openvino_opens_by_name() -> None:
    assert open_backend("openvino").name == "openvino"


def test_a_backend_whose_package_is_missing_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)  # as if it weren't installed
    with pytest.raises(MissingExtraError, match=r"pip install 'mien-engine\[openvino\]'"):
        open_backend("openvino")
    assert open_backend().name == "onnxruntime"


WITHOUT_TELEMETRY = """
import sys
from engine.backends import open_backend
open_backend("openvino")
assert not [name for name in sys.modules if name.startswith("openvino_telemetry")]
"""


@NEEDS_OPENVINO
def test_openvino_neither_calls_its_makers_nor_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    subprocess.run([sys.executable, "-W", "error", "-c", WITHOUT_TELEMETRY], check=True, timeout=60)
    assert not (tmp_path / "intel").exists()


def test_an_unknown_backend_lists_the_known_ones() -> None:
    with pytest.raises(BackendError, match="'abacus'.*" + ", ".join(BACKENDS)):
        open_backend("abacus")


def test_the_mock_records_what_it_was_given() -> None:
    backend = mock()
    assert isinstance(backend, MockBackend)
    given = arrays()
    backend.open(Path("tiny.onnx")).bind(matrix=given["matrix"])(points=given["points"], add=given["add"])
    assert [call.model for call in backend.calls] == ["tiny.onnx"]
    assert set(backend.calls[0].arrays) == {"points", "matrix", "add"}


def test_the_mock_checks_what_its_function_returns() -> None:
    model = MockModel(INPUTS, OUTPUTS, lambda points, matrix, add: {"product": points, "sum": add})
    with pytest.raises(BackendError, match="'product'"):
        MockBackend({"tiny.onnx": model}).open(Path("tiny.onnx"))(**arrays())
