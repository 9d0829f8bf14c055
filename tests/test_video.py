"""A Video is lazy, holds no pixels, and gives the same frames as often as it is asked."""

from __future__ import annotations

import io
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from engine.cuda.arrays import DeviceArray
from engine.errors import OutputError
from engine.media import nvenc
from engine.media.encoding import Encoding
from engine.media.video import Video

SIZE = (64, 48)


class Renderer:
    def __init__(self) -> None:
        self.starts = 0

    def __call__(self) -> Iterator[np.ndarray]:
        self.starts += 1
        for step in range(9):
            yield np.full((SIZE[1], SIZE[0], 3), 20 * step, np.uint8)


@pytest.fixture
def renderer() -> Renderer:
    return Renderer()


@pytest.fixture
def video(renderer: Renderer) -> Video:
    return Video(renderer, 9, SIZE)


def test_nothing_is_drawn_before_it_is_asked_for(renderer: Renderer, video: Video) -> None:
    assert (len(video), video.fps, video.size, video.seconds) == (9, 60, SIZE, 0.15)
    assert renderer.starts == 0


def test_every_call_of_frames_starts_anew(renderer: Renderer, video: Video) -> None:
    first, second = list(video.frames()), list(video.frames())
    np.testing.assert_array_equal(first, second)
    assert len(first) == len(video)
    assert renderer.starts == 2


def test_two_iterators_do_not_disturb_each_other(video: Video) -> None:
    first, second = video.frames(), video.frames()
    next(first)
    assert next(second).max() == 0


def test_save_and_to_bytes_agree(tmp_path: Path, video: Video) -> None:
    path = video.save(str(tmp_path / "clip.mp4"))
    assert path == tmp_path / "clip.mp4"
    assert path.read_bytes() == video.to_bytes()
    with av.open(io.BytesIO(video.to_bytes())) as container:
        assert container.streams.video[0].frames == 9


def test_progress_counts_every_frame_in_the_callers_thread(tmp_path: Path, video: Video) -> None:
    calls = []
    video.save(
        tmp_path / "clip.mp4", progress=lambda done, total: calls.append((done, total, threading.current_thread()))
    )
    assert calls == [(done, 9, threading.current_thread()) for done in range(1, 10)]


def test_progress_may_stop_the_work(tmp_path: Path, video: Video) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        video.save(tmp_path / "clip.mp4", progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_frames_on_a_gpu_are_taken_where_it_encodes(
    tmp_path: Path, renderer: Renderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = []

    def write(frames: Iterator[object], partial: Path, encoding: Encoding) -> None:
        taken.extend(frames)
        partial.write_bytes(b"a clip")

    on_gpu = [DeviceArray(None, (48, 64, 3), np.dtype(np.uint8), offset) for offset in range(9)]
    video = Video(renderer, 9, SIZE, gpu=True, render_on_gpu=lambda: iter(on_gpu))
    monkeypatch.setattr(nvenc, "write", write)
    monkeypatch.setattr(nvenc, "usable", lambda codec: codec == "hevc")
    calls = []
    video.save(tmp_path / "clip.mp4", codec="hevc", progress=lambda *done: calls.append(done))
    assert (taken, renderer.starts, calls[-1]) == (on_gpu, 0, (9, 9))
    assert (tmp_path / "clip.mp4").read_bytes() == b"a clip"
    video.save(tmp_path / "clip.mp4")
    assert renderer.starts == 1


def test_options_reach_the_file(video: Video) -> None:
    assert len(video.to_bytes(quality=45)) < len(video.to_bytes(quality=10))
    with av.open(io.BytesIO(video.to_bytes(codec="hevc", bitrate=500_000))) as container:
        assert container.streams.video[0].codec_context.name == "hevc"


def test_without_a_temporary_folder_bytes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    video = Video(lambda: iter([np.zeros((32, 32, 3), np.uint8)]), 1, (32, 32))
    with pytest.raises(OutputError, match=r"^'/nowhere/.*can't be written"):
        video.to_bytes()
