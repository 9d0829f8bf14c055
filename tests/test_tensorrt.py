"""The TensorRT backends: their own logic on a GPU that isn't there, and the real TensorRT-RTX's plans for GPUs
that needn't be there."""

from __future__ import annotations

import importlib.util
import logging
import sys
import weakref
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise, product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from engine.api import Engine
from engine.backends import best_backend, open_backend, plans, profiles, tensorrt_runner
from engine.backends import tensorrt as tensorrt_module
from engine.backends.base import DeviceRunner
from engine.backends.cache import Cache, cache_folder
from engine.backends.half import in_half
from engine.backends.onnx_file import tensor_specs
from engine.backends.onnx_runtime import OnnxRuntimeBackend
from engine.backends.plans import build_plan, plan_key
from engine.backends.tensorrt import TensorRtBackend, TensorRtRtxBackend
from engine.backends.tensorrt_runner import PREPARED
from engine.bundle import Bundle
from engine.cuda import device as device_module
from engine.cuda import kernels
from engine.cuda.arrays import DeviceArray
from engine.errors import BackendError, MissingExtraError
from engine.types import TensorSpec
from tests.fake_gpu import FakeDriver, FakeTensorRt
from tests.rtx import rtx_without_a_gpu
from tests.test_backends import arrays, write_model

WEIGHTS = Bundle.default().folder
ON_A_CPU = ("motion.onnx",)  # also where the other networks run on a GPU
NETWORKS = sorted(path.name for path in WEIGHTS.glob("*.onnx") if path.stem != "mouth_int8")  # that one is for CPUs


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SimpleNamespace:
    """A driver and a TensorRT that stand in for real ones, and an empty cache."""
    driver = FakeDriver()
    trt = FakeTensorRt(driver)
    plant(monkeypatch, driver)
    monkeypatch.setitem(sys.modules, "tensorrt", trt)
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", trt)
    monkeypatch.setenv("MIEN_CACHE", str(tmp_path / "cache"))
    return SimpleNamespace(driver=driver, trt=trt, cache=tmp_path / "cache", model=write_model(tmp_path / "tiny.onnx"))


def plant(monkeypatch: pytest.MonkeyPatch, driver: FakeDriver) -> None:
    monkeypatch.setattr(device_module, "_import_driver", lambda: driver)
    monkeypatch.setattr(device_module, "_opened", {})


def test_a_plan_is_built_once_and_kept(gpu: SimpleNamespace, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        runner = TensorRtBackend(half=False).open(gpu.model)
        assert runner(**arrays())["sum"].tolist() == [42]
    assert len(gpu.trt.built) == 1
    assert [record.levelno for record in caplog.records if "first time" in record.message] == [logging.WARNING]
    plans = list(gpu.cache.glob("*.plan"))
    assert len(plans) == 1
    plans[0].write_bytes(b"half a plan")
    TensorRtBackend(half=False).open(gpu.model)
    assert len(gpu.trt.built) == 2
    assert gpu.trt.timings_given == [b"", b"learned"]


def test_the_key_has_all_that_a_plan_depends_on(tmp_path: Path) -> None:
    specs, _ = tensor_specs(write_model(tmp_path / "tiny.onnx"))
    keys = {
        plan_key("tiny.onnx", b"graph", specs, "tensorrt", "11.4", "GPU"),
        plan_key("tiny.onnx", b"other", specs, "tensorrt", "11.4", "GPU"),
        plan_key("tiny.onnx", b"graph", {}, "tensorrt", "11.4", "GPU"),
        plan_key("tiny.onnx", b"graph", specs, "tensorrt", "11.5", "GPU"),
        plan_key("tiny.onnx", b"graph", specs, "tensorrt", "11.4", "other"),
    }
    assert len(keys) == 5
    assert plan_key("tiny.onnx", b"graph", specs, "a") == plan_key("tiny.onnx", b"graph", specs, "a")


def test_plans_with_the_plugin_are_others(gpu: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    replaced: list[object] = []
    monkeypatch.setattr(plans, "replace_samplers", lambda trt, network: replaced.append(network) or 1)
    monkeypatch.setattr(tensorrt_module, "kernel_code", lambda: "kernels")
    for plugin in (False, True, True):
        TensorRtBackend(half=False, plugin=plugin).open(gpu.model)
    assert (len(gpu.trt.built), len(replaced)) == (2, 1)


def test_a_cache_that_cannot_be_written_is_only_a_pity(gpu: SimpleNamespace, caplog: pytest.LogCaptureFixture) -> None:
    gpu.cache.write_bytes(b"a file, not a folder")
    TensorRtBackend(half=False).open(gpu.model)(**arrays())
    assert "can't be kept" in caplog.text


def test_the_cache_is_the_user_s(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MIEN_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("MIEN_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if sys.platform == "linux":
        assert cache_folder() == tmp_path / "mien"
    assert Cache().read("nothing.plan") is None


def test_profiles_have_every_network_s_sizes() -> None:
    for name in NETWORKS:
        for spec, which in product(tensor_specs(WEIGHTS / name)[0].values(), range(profiles.profile_count(name))):
            least, usual, most = profiles.shape_ranges(name, spec, which)
            assert all(a <= b <= c for a, b, c in zip(least, usual, most, strict=True)), (name, spec)
    frames = [profiles.size_range(name, "frames") for name in ("warp.onnx", "mouth.onnx")]
    assert [*frames, profiles.size_range("mesh.onnx", "batch")] == 3 * [(1, 60, 240)]
    with pytest.raises(BackendError, match=r"tiny\.onnx has a dimension 'smell' without a range"):
        profiles.size_range("tiny.onnx", "smell")


def test_large_pictures_go_in_smaller_batches(gpu: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(profiles.OWN_RANGES, "tiny.onnx", ((("batch", (1, 60, 240)),), (("batch", (1, 2, 3)),)))
    specs, _ = tensor_specs(gpu.model)
    assert profiles.fitting_profile("tiny.onnx", specs, {"points": (500, 2)}) == 0
    warp = {"source": TensorSpec("source", np.dtype(np.float32), (1, 5, "crop_h", "crop_w"))}
    for side, which in ((700, 0), (900, 1), (5000, 1)):
        assert profiles.fitting_profile("warp.onnx", warp, {"source": (1, 5, side, 700)}) == which
    monkeypatch.setattr(tensorrt_runner, "fitting_profile", lambda *_: 1)
    given = arrays(7)
    found = TensorRtBackend(half=False).open(gpu.model)(**given)
    np.testing.assert_allclose(found["product"], given["points"] @ given["matrix"], rtol=1e-6)
    assert set(gpu.trt.profiles) == {1}
    assert gpu.trt.contexts == 2  # of 3 and of 1


@pytest.mark.parametrize(("size", "most"), [(1, 240), (240, 240), (241, 240), (7, 2), (0, 5)])
def test_parts_cover_a_batch(size: int, most: int) -> None:
    found = list(profiles.parts(size, most))
    assert [found[0][0], found[-1][1]] == [0, size]
    assert all(a[1] == b[0] for a, b in pairwise(found))
    assert all(stop - start <= most for start, stop in found)


def test_constants_go_to_the_gpu_once(gpu: SimpleNamespace) -> None:
    given = arrays()
    bound = TensorRtBackend(half=False).open(gpu.model).bind(matrix=given.pop("matrix"))
    gpu.driver.uploads.clear()
    for _ in range(3):
        bound(**given)
    assert gpu.driver.uploads == 3 * [given["points"].nbytes, given["add"].nbytes]


def test_shapes_that_come_again_are_graphs(gpu: SimpleNamespace) -> None:
    runner = TensorRtBackend(half=False).open(gpu.model)
    for batch in (4, 4, 4, 2, 4):
        given = arrays(batch)
        np.testing.assert_allclose(runner(**given)["product"], given["points"] @ given["matrix"], rtol=1e-6)
    assert gpu.driver.graphs_launched == 3
    assert gpu.trt.contexts == 2
    assert [what for what, _ in gpu.driver.handles.values() if "graph" in what] == ["executable graph"]
    runner.close()
    assert not gpu.driver.handles


def test_a_graph_goes_before_what_it_launches(gpu: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = TensorRtBackend(half=False).open(gpu.model)
    for _ in range(2):
        runner(**arrays())
    (prepared,) = runner._prepared.values()
    context, destroy, there = weakref.ref(prepared._context), gpu.driver.cuGraphExecDestroy, []

    def look(graph: int) -> tuple[int]:
        gpu.driver.handles[graph] = "executable graph", None  # whose work holds the context here, but not on a GPU
        there.append(context() is not None)
        return destroy(graph)

    monkeypatch.setattr(gpu.driver, "cuGraphExecDestroy", look)
    del prepared
    runner.close()
    assert (there, context()) == ([True], None)


def test_memory_of_shapes_is_given_back(gpu: SimpleNamespace) -> None:
    runner = TensorRtBackend(half=False).open(gpu.model)
    for batch in range(1, 2 * PREPARED):
        runner(**arrays(batch))
    assert gpu.trt.contexts == 2 * PREPARED - 1
    assert len(gpu.driver.blocks) == PREPARED * 6  # three inputs, two outputs, and what it works with
    assert len(gpu.driver.handles) == 3  # the network's stream and two events
    runner.close()
    assert not gpu.driver.blocks
    assert not gpu.driver.handles


def test_a_batch_that_does_not_fit_is_halved(gpu: SimpleNamespace, caplog: pytest.LogCaptureFixture) -> None:
    gpu.trt.work_bytes = 1000
    gpu.driver.memory = 3000
    given = arrays(9)
    runner = TensorRtBackend(half=False).open(gpu.model)
    np.testing.assert_allclose(runner(**given)["product"], given["points"] @ given["matrix"], rtol=1e-6)
    assert [record.message[-6:] for record in caplog.records if "runs out" in record.message] == ["4 now.", "2 now."]
    gpu.driver.memory = 900
    with pytest.raises(BackendError, match=r"enough memory for tiny\.onnx"):
        runner(**arrays(3))


def test_any_thread_may_open_and_run(gpu: SimpleNamespace) -> None:
    backend, given = TensorRtBackend(half=False), arrays()
    with ThreadPoolExecutor(1) as beside:
        runner = beside.submit(backend.open, gpu.model).result()
        bound = beside.submit(runner.bind, matrix=given["matrix"]).result()
        found = beside.submit(lambda: bound(points=given["points"], add=given["add"])).result()
    np.testing.assert_array_equal(found["product"], runner(**given)["product"])


@pytest.mark.parametrize("batch", [3, 250], ids=["a plan's", "in parts"])
def test_arrays_may_be_on_the_gpu_already(gpu: SimpleNamespace, batch: int) -> None:
    given = arrays(batch)
    expected = TensorRtBackend(half=False).open(gpu.model)(**given)
    runner = TensorRtBackend(half=False).open(gpu.model).bind(matrix=given.pop("matrix"))
    device = device_module.open_device()
    stream = device.stream()
    placed = {name: DeviceArray.of(device, array, stream) for name, array in given.items()}
    found = {name: DeviceArray.empty(device, array.shape, array.dtype) for name, array in expected.items()}
    assert isinstance(runner, DeviceRunner)
    for _ in range(3):
        gpu.driver.uploads.clear()
        runner.on_device(placed, found, stream)
        assert gpu.driver.uploads == []
        for name, array in expected.items():
            np.testing.assert_allclose(found[name].read(stream), array, rtol=1e-6)
    assert gpu.driver.graphs_launched > 0
    with pytest.raises(BackendError, match="needs the input 'add'"):
        runner.on_device({"points": placed["points"]}, found, stream)


def test_batches_beyond_the_plan_go_in_parts(gpu: SimpleNamespace) -> None:
    given = arrays(250)
    results = TensorRtBackend(half=False).open(gpu.model)(**given)
    np.testing.assert_allclose(results["product"], given["points"] @ given["matrix"], rtol=1e-6)
    assert results["sum"].tolist() == [42]


@pytest.mark.parametrize("name", ["tensorrt", "tensorrt-rtx"])
def test_they_open_by_name(gpu: SimpleNamespace, name: str) -> None:
    backend = open_backend(name)
    assert (backend.name, backend.device) == (name, "Fake GPU, float16")
    assert open_backend(name, half=False).device == "Fake GPU, float32"


def test_what_does_not_fit_says_so(gpu: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, FakeDriver(version=12040))
    with pytest.raises(BackendError, match=r"knows CUDA up to 12\.4 .* update it to 580"):
        TensorRtBackend()
    plant(monkeypatch, FakeDriver(capability=(9, 0)))
    with pytest.raises(BackendError, match="TensorRT-RTX doesn't run on Fake GPU"):
        TensorRtRtxBackend()
    TensorRtBackend()
    monkeypatch.setitem(sys.modules, "tensorrt", FakeTensorRt(gpu.driver, version="10.9.0.1"))
    with pytest.raises(BackendError, match=r"10\.9\.0\.1 is too old"):
        TensorRtBackend()
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(MissingExtraError, match=r"mien-engine\[gpu\]"):
        TensorRtBackend()


def test_without_a_driver_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoDriver:
        def cuInit(self, flags: int) -> None:  # noqa: N802
            raise RuntimeError("libcuda.so.1 isn't\nthere.")

    monkeypatch.setattr(device_module, "_import_driver", NoDriver)
    monkeypatch.setattr(device_module, "_opened", {})
    with pytest.raises(BackendError, match=r"No NVIDIA GPU can be used: libcuda\.so\.1 isn't there; choose"):
        open_backend("tensorrt")


def installed(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: True if name in packages else None)


def test_auto_takes_what_is_installed_and_present(gpu: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch)
    assert best_backend() == "onnxruntime"
    installed(monkeypatch, "tensorrt_rtx")
    assert best_backend() == "tensorrt-rtx"
    installed(monkeypatch, "tensorrt_rtx", "tensorrt_bindings")
    assert best_backend() == "tensorrt"
    plant(monkeypatch, FakeDriver(capability=(9, 0)))
    installed(monkeypatch, "tensorrt_rtx")
    assert best_backend() == "onnxruntime"


def test_auto_says_so_where_a_gpu_was_expected(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plant(monkeypatch, FakeDriver(version=12000))
    installed(monkeypatch, "tensorrt_bindings")
    assert best_backend() == "onnxruntime"
    assert "networks run on the CPU" in caplog.text


@pytest.fixture(scope="module")
def rtx() -> SimpleNamespace:
    return rtx_without_a_gpu()


PLANS = [(name, half) for name in NETWORKS for half in (False, True) if name not in ON_A_CPU or not half]


@pytest.mark.parametrize(
    ("name", "half"), PLANS, ids=lambda value: ("float32", "float16")[value] if value in (0, 1) else value
)
def test_rtx_builds_plans_without_a_gpu(rtx: SimpleNamespace, name: str, half: bool) -> None:
    model = WEIGHTS / name
    graph = in_half(model) if half else model.read_bytes()
    plan, _ = build_plan(rtx.trt, rtx.logger, name, graph, tensor_specs(model)[0])
    assert len(plan) > 10_000


def test_rtx_says_what_it_cannot_read(rtx: SimpleNamespace) -> None:
    with pytest.raises(BackendError, match=r"can't read bad\.onnx"):
        build_plan(rtx.trt, rtx.logger, "bad.onnx", b"not a network", {})


def test_the_engine_says_what_runs_where(gpu: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Engine("onnxruntime").report()
    assert set(found) == set(NETWORKS) - {"mouth.onnx"} | {"mouth_int8.onnx"}
    assert found["mesh.onnx"] == "onnxruntime on the CPU"
    monkeypatch.setattr(TensorRtBackend, "open", lambda self, model: OnnxRuntimeBackend().open(model))
    for compiled, warp in ((True, "CUDA kernels on Fake GPU"), (False, "tensorrt on Fake GPU, float16")):
        monkeypatch.setattr(kernels, "available", lambda compiled=compiled: compiled)
        found = Engine("tensorrt").report()
        assert set(found) == set(NETWORKS)
        assert found["mesh.onnx"] == "tensorrt on Fake GPU, float16"
        assert (found["warp.onnx"], found["motion.onnx"]) == (warp, "onnxruntime on the CPU")
