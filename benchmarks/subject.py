"""The photos that benchmarks animate, and the check that a clip is what it should be."""

from __future__ import annotations

import io
from pathlib import Path

import av
import cv2
import numpy as np

from engine.media.read import read_photo
from engine.samples import sample_photo
from engine.types import Image

SIDE_PX = 1024
PORTRAIT = (slice(0, 360), slice(50, 410))  # rows and columns of the sample: head and shoulders
FACES = (1, 2, 4)  # that `group_photo` can have


def portrait_photo(side_px: int = SIDE_PX) -> Image:
    """Head and shoulders of the sample, enlarged to (side_px, side_px, 3)."""
    portrait = read_photo(sample_photo("astronaut"))[PORTRAIT]
    return cv2.resize(portrait, (side_px, side_px), interpolation=cv2.INTER_CUBIC)


def group_photo(faces: int, side_px: int = SIDE_PX) -> Image:
    """That portrait at half the size in as many of four quarters, blurred beyond recognition in the others."""
    half = side_px // 2
    person = portrait_photo(half)
    nobody = cv2.GaussianBlur(person, (0, 0), half / 8)
    quarters = [person if i < faces else nobody for i in range(4)]
    return np.concatenate([np.concatenate(quarters[:2], 1), np.concatenate(quarters[2:], 1)])


def check_clip(clip: Path | bytes, photo: Image, frame_count: int) -> None:
    """Raises AssertionError unless the MP4 has all frames, begins with the photo, and moves."""
    with av.open(io.BytesIO(clip) if isinstance(clip, bytes) else str(clip)) as container:
        count, first, middle = 0, None, None
        for frame in container.decode(video=0):
            if count == 0:
                first = frame.to_ndarray(format="rgb24")
            elif count == frame_count // 2:
                middle = frame.to_ndarray(format="rgb24")
            count += 1
    assert count == frame_count, f"the clip has {count} frames, not {frame_count}"
    assert first is not None
    assert middle is not None
    assert first.shape == photo.shape, f"the clip is {first.shape}, the photo {photo.shape}"
    error = float(np.abs(first.astype(int) - photo).mean())
    assert error < 3, f"the first frame differs from the photo by {error:.1f} on average"
    moved = float(np.abs(middle.astype(int) - first).mean())
    assert moved > 0.1, f"the middle of the clip differs from its start by only {moved:.2f}"
