"""Batches of frames are drawn at once, and come in the clip's order."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from engine.composite import FIRST, FIRST_BATCHES, batches, in_order

BATCHES = [slice(i, i + 1) for i in range(12)]


def drawn(part: slice) -> np.ndarray:
    time.sleep(0.02 if part.start % 2 == 0 else 0)  # the next one is ready first
    return np.full((1, 2, 2, 3), part.start, np.uint8)


@pytest.mark.parametrize("frames", [1, 3, 8, 121])
@pytest.mark.parametrize("size", [1, 2, 8])
def test_every_frame_is_in_one_batch_and_the_first_are_short(frames: int, size: int) -> None:
    parts = list(batches(frames, size))
    assert [t for part in parts for t in range(frames)[part]] == list(range(frames))
    assert all(part.stop - part.start <= min(size, FIRST) for part in parts[:FIRST_BATCHES])
    assert all(part.stop - part.start == size for part in parts[FIRST_BATCHES:-1])


@pytest.mark.parametrize("at_once", [1, 2, 4, 40])
def test_batches_come_in_order(at_once: int) -> None:
    assert [int(canvas[0, 0, 0, 0]) for canvas in in_order(drawn, BATCHES, at_once)] == list(range(12))


def test_two_are_drawn_at_once() -> None:
    both = threading.Barrier(2, timeout=10)

    def meeting(part: slice) -> np.ndarray:
        both.wait()
        return drawn(part)

    assert len(list(in_order(meeting, BATCHES, 2))) == 12


def test_no_more_is_drawn_than_will_be_wanted_soon() -> None:
    begun = []

    def noted(part: slice) -> np.ndarray:
        begun.append(part.start)
        return drawn(part)

    clip = in_order(noted, BATCHES, 2)
    next(clip)
    time.sleep(0.1)
    assert len(begun) == 3
    clip.close()
    assert len(begun) == 3


def test_the_error_of_a_batch_is_raised_in_its_place() -> None:
    def failing(part: slice) -> np.ndarray:
        if part.start == 3:
            raise MemoryError("no more")
        return drawn(part)

    clip, seen = in_order(failing, BATCHES, 2), []
    with pytest.raises(MemoryError, match="no more"):
        seen.extend(int(canvas[0, 0, 0, 0]) for canvas in clip)
    assert seen == [0, 1, 2]
