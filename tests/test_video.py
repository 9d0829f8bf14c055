"""A Video is lazy, holds no pixels, and gives the same frames as often as it is asked."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

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
