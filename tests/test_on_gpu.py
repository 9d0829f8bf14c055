"""Frames that stay on the GPU are those that the host composes, on a GPU that isn't there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.api import Engine, PortraitSet
from engine.composite import render_frames
from engine.cuda.device import OUT_OF_MEMORY, OutOfDeviceMemoryError
from engine.cuda.kernels import Kernels
from engine.cuda.layered_warp import CudaWarp
from engine.motion.track import Motion
from engine.portrait.scene import Scene
from engine.render import on_gpu
from engine.render.on_gpu import render_on_gpu
from tests.clips import one, pair
from tests.emulated_kernels import emulated_kernels
from tests.perception import backend, bundle
from tests.test_glasses import portrait as glasses_portrait
from tests.test_native import OPEN, swing


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Kernels:
    return emulated_kernels(tmp_path_factory.mktemp("fatbins"))


def odd(people: PortraitSet) -> Scene:
    """The scene with a line and a column more, which nobody reaches."""
    backdrop = people.scene.backdrop
    return replace(people.scene, backdrop=np.pad(backdrop, ((0, 1), (0, 1), (0, 0)), mode="reflect"))


def moved(*faces: int) -> dict[int, Motion]:
    return {face: swing(*OPEN, frames=5)[1:3] for face in faces}


@pytest.mark.parametrize(("people", "faces"), [(one, (0,)), (pair, (1,))], ids=["one", "one of two"])
def test_frames_are_those_of_the_host(
    kernels: Kernels, people, faces: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_gpu, "LARGEST_BATCH", 1)
    scene, motions, warp = odd(people()), moved(*faces), CudaWarp(kernels, version="naive")
    mouth = backend().open(bundle().path("mouth.onnx"))
    expected = list(render_frames(scene, motions, warp, mouth))
    found = [frame.read(kernels.stream) for frame in render_on_gpu(scene, motions, warp, mouth)]
    assert len(found) == len(expected) == 2
    for ours, theirs in zip(found, expected, strict=True):
        height, width = theirs.shape[:2]
        assert ours.shape == (height + height % 2, width + width % 2, 3)
        even = np.pad(theirs, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        assert_as_drawn(ours, even)


def test_who_cannot_take_frames_there_gets_copies(kernels: Kernels, monkeypatch: pytest.MonkeyPatch) -> None:
    """Encoders of the CPU, and who asks for frames."""
    drawing = Engine("onnxruntime")
    monkeypatch.setattr(drawing, "_warp", CudaWarp(kernels, version="naive"))
    monkeypatch.setattr(drawing, "_mouth", backend().open(bundle().path("mouth.onnx")))
    people = replace(one(), scene=odd(one()), photo=odd(one()).backdrop)
    video = drawing._video(people, moved(0), seed=1)
    expected = list(render_frames(people.scene, moved(0), CudaWarp(kernels, version="naive"), drawing._mouth))
    found = list(video.frames())
    assert [frame.shape for frame in found] == [frame.shape for frame in expected]
    for ours, theirs in zip(found, expected, strict=True):
        assert_as_drawn(ours, theirs)


def test_fewer_frames_at_once_where_memory_is_short(
    kernels: Kernels, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    scene, warp = one().scene, CudaWarp(kernels, version="naive")
    driver, mouth = kernels.device.driver, backend().open(bundle().path("mouth.onnx"))
    expected = [frame.read(kernels.stream) for frame in render_on_gpu(scene, moved(0), warp, mouth)]
    assert len(expected) == 2
    allocate, most = driver.cuMemAlloc, scene.backdrop.size
    monkeypatch.setattr(
        driver, "cuMemAlloc", lambda size: (OUT_OF_MEMORY, 0) if size == 2 * scene.backdrop.size else allocate(size)
    )
    for ours, theirs in zip(render_on_gpu(scene, moved(0), warp, mouth), expected, strict=True):
        assert_as_drawn(ours.read(kernels.stream), theirs)
    assert "out of memory with 2 frames at once; 1 now" in caplog.text
    monkeypatch.setattr(driver, "cuMemAlloc", lambda size: (OUT_OF_MEMORY, 0) if size == most else allocate(size))
    monkeypatch.setattr(on_gpu, "LARGEST_BATCH", 1)
    with pytest.raises(OutOfDeviceMemoryError, match="use a smaller photo"):
        list(render_on_gpu(scene, moved(0), warp, mouth))


def test_glasses_are_put_on_there_too(kernels: Kernels) -> None:
    portrait = glasses_portrait()
    scene, motions = Scene({0: portrait}, portrait.behind), moved(0)
    warp, mouth = CudaWarp(kernels, version="naive"), backend().open(bundle().path("mouth.onnx"))
    expected = list(render_frames(scene, motions, warp, mouth))
    for ours, theirs in zip(render_on_gpu(scene, motions, warp, mouth), expected, strict=True):
        assert_as_drawn(ours.read(kernels.stream), theirs)


def assert_as_drawn(found: np.ndarray, expected: np.ndarray) -> None:
    """But for roundings: fields of other batches may differ by thousandths of a pixel, what the mouth network sees by a
    level."""
    apart = np.abs(found.astype(int) - expected)
    assert apart.max() <= 2
    assert (apart > 1).mean() < 2e-5
    assert (apart > 0).mean() < 1e-3


def test_people_who_overlap_see_each_other(kernels: Kernels) -> None:
    scene = pair().scene
    first, second = list(scene.portraits)
    crop = scene.portraits[first].crop
    moved_over = {second: replace(scene.portraits[second], crop=replace(scene.portraits[second].crop, x0=crop.x0))}
    scene = replace(scene, portraits={first: scene.portraits[first], **moved_over})
    warp, mouth = CudaWarp(kernels, version="naive"), backend().open(bundle().path("mouth.onnx"))
    (expected,) = render_frames(scene, {n: m[:1] for n, m in moved(first, second).items()}, warp, mouth)
    (found,) = render_on_gpu(scene, {n: m[:1] for n, m in moved(first, second).items()}, warp, mouth)
    assert_as_drawn(found.read(kernels.stream)[: len(expected), : expected.shape[1]], expected)
