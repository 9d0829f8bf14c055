"""The benchmark for GPUs says no in one sentence where there is none, and its parts work on one that isn't there."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from benchmarks import gpu, gpu_frames, gpu_kernels
from engine.api import Engine
from engine.backends.onnx_runtime import OnnxRuntimeBackend
from engine.bundle import Bundle
from engine.cuda import kernels as kernels_module
from engine.cuda.kernels import Kernels
from engine.cuda.layered_warp import CudaWarp
from engine.errors import BackendError
from tests.emulated_kernels import emulated_kernels
from tests.test_native import noisy


@pytest.fixture
def emulated(tmp_path_factory: pytest.TempPathFactory) -> Kernels:
    return emulated_kernels(tmp_path_factory.mktemp("fatbins"))


def test_without_a_gpu_there_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_gpu() -> None:
        raise BackendError("No NVIDIA GPU can be used: there is no driver; choose another backend.")

    monkeypatch.setattr(gpu, "open_device", no_gpu)
    monkeypatch.setattr(sys, "argv", ["gpu"])
    assert gpu.main() == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("This benchmark needs an NVIDIA GPU and the compiled kernels. No NVIDIA GPU can be used")


def test_where_there_is_only_torch_that_is_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def no_bindings() -> None:
        raise BackendError("there are no bindings.")

    monkeypatch.setattr(gpu, "open_device", no_bindings)
    monkeypatch.setattr(gpu, "torch_finds_a_gpu", lambda: True)
    monkeypatch.setattr(gpu, "torch_speed", lambda: {"float16 batch 1": {"ms": 1.0}})
    monkeypatch.setattr(gpu_kernels, "torch_milliseconds", lambda *_: 2.0)
    monkeypatch.setattr(sys, "argv", ["gpu", "--results", str(tmp_path)])
    assert gpu.main() == 0
    found = json.loads((tmp_path / "gpu.json").read_text())["results"]
    assert found["all but torch"] == "skipped: there are no bindings."
    assert found["torch renderer"] and set(found["torch grid_sample"]) == set(gpu_kernels.SIZES)


def test_conformance_finds_that_the_kernels_are_right(emulated: Kernels) -> None:
    found = gpu_kernels.conformance(emulated, noisy(frames=2, strength=1.0), small=True)
    assert found["grid_sample_fast"] < gpu_kernels.HALF_ERROR
    assert found["warp_fast_psnr_db"] > gpu_kernels.WARP_PSNR_DB


def test_conformance_finds_what_is_wrong(emulated: Kernels, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_kernels.reference, "grid_sample", lambda image, grid, *_: np.zeros(()))
    with pytest.raises(AssertionError, match=r"grid_sample_naive_2d_bilinear_zeros_float32 is off by"):
        gpu_kernels.conformance(emulated, {}, small=True)


def test_timings_have_all_kernels(emulated: Kernels, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (
        ("RUNS", 1),
        ("WARM_UP", 0),
        ("NV12_SIZE", (4, 16)),
        ("SIZES", {"5d": ((1, 9, 3, 4, 5), (2, 3, 4, 5, 3)), "4d": ((1, 9, 4, 5), (2, 4, 5, 2))}),
        ("copy_gb_per_s", lambda kernels: 100.0),
    ):
        monkeypatch.setattr(gpu_kernels, name, value)
    found = gpu_kernels.timings(emulated, noisy(frames=1), batches=(2,))
    assert {f"{name}_{version}" for version in gpu_kernels.VERSIONS for name in (
        "grid_sample_5d_float32", "grid_sample_4d_float16", "nv12_1080p")} <= set(found)  # fmt: skip
    assert found["warp_fast_batch_2"]["face_frames_per_s"] > 0
    assert "skipped" in str(found["grid_sample_5d_float32_torch"]) or found["grid_sample_5d_float32_torch"] > 0
    json.dumps(found)


def test_a_copy_is_measured(emulated: Kernels) -> None:
    assert gpu_kernels.copy_gb_per_s(emulated, size=1 << 20) == 41.9  # twice 2**20 bytes in 1 ms / 20 runs


def test_a_section_that_fails_or_comes_late_is_named() -> None:
    def fail() -> None:
        raise AssertionError("a kernel is off by 3")

    def refuse() -> None:
        raise BackendError("not on this GPU.")

    sections = gpu.Sections(minutes=1)
    sections.run("right", lambda: 7)
    sections.run("refused", refuse)
    assert not sections.failed
    sections.run("wrong", fail)
    sections.run("late", lambda: 7, needs_s=61)
    assert sections.failed
    assert sections.results == {
        "right": 7,
        "refused": "skipped: not on this GPU.",
        "wrong": "failed: AssertionError: a kernel is off by 3",
        "late": "skipped: no time was left",
    }


def test_frames_are_compared_and_timed(emulated: Kernels, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_frames, "open_backend", lambda name, half: OnnxRuntimeBackend())
    monkeypatch.setattr(gpu_frames, "CudaWarp", partial(CudaWarp, version="naive"))
    for name, value in (("SIDE_PX", 160), ("COMPARED", slice(60, 61)), ("WARM_UP", 0), ("RUNS", 1)):
        monkeypatch.setattr(gpu_frames, name, value)
    found = gpu_frames.renderer(emulated, "tensorrt", True, (1,))
    assert found["psnr_db"] > gpu_frames.FRAMES_PSNR_DB
    assert found["batch 1"]["face_frames_per_s"] > 0
    monkeypatch.setattr(gpu_frames, "FRAMES_PSNR_DB", 1000)
    with pytest.raises(AssertionError, match="dB of 1000"):
        gpu_frames.renderer(emulated, "tensorrt", True, ())


def test_networks_are_timed_in_batches() -> None:
    runner = OnnxRuntimeBackend().open(Bundle.default().path("blendshapes.onnx"))
    given = {"points": np.random.default_rng(0).random((1, 146, 2), dtype=np.float32)}
    assert gpu.run_timing(runner, given, 4)["per_s"] > 0


@pytest.mark.parametrize("faces", [1, 16])
def test_group_photos_have_their_faces(faces: int) -> None:
    photo = gpu.group_photo(faces)
    assert photo.shape == (1080, 1920, 3)
    assert len(Engine("onnxruntime").find_faces(photo).faces) == faces


def test_the_record_is_written(emulated: Kernels, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(gpu, "recorded", lambda: {"warp.onnx": {}})
    monkeypatch.setattr(kernels_module, "Kernels", lambda device: emulated)
    assert gpu.measure(emulated.device, 0.0, tmp_path)
    record = json.loads((tmp_path / "gpu.json").read_text())
    assert {"cpu", "cores"} <= set(record["machine"])
    assert set(record["results"].values()) == {"skipped: no time was left"}
