"""The clip that `animate` returns: lazy, it holds no pixels."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from engine.media.encode import FPS, mp4_bytes, write_mp4
from engine.types import Image

Progress = Callable[[int, int], None]  # (frames done, frames in all), after each frame, in the caller's thread


@dataclass(frozen=True, eq=False)
class Video:
    """A clip that is drawn when it is asked for, anew each time, and never kept.

    render: starts the clip from its first frame and yields `frame_count` arrays of (H, W, 3) uint8 RGB.
    size: (width, height) in pixels, the photo's own. A file has even sizes: one more line or column if need be.
    """

    render: Callable[[], Iterator[Image]]
    frame_count: int
    size: tuple[int, int]
    fps: ClassVar[int] = FPS

    def __len__(self) -> int:
        """The number of frames."""
        return self.frame_count

    @property
    def seconds(self) -> float:
        """The clip's length."""
        return self.frame_count / self.fps

    def frames(self) -> Iterator[Image]:
        """Draws the clip, (H, W, 3) uint8 RGB a frame; every call starts again and gives the same pixels."""
        return self.render()

    def save(self, path: str | os.PathLike[str], *, progress: Progress | None = None) -> Path:
        """Draws and encodes the clip to an MP4 file (H.264, 60 fps), and returns its path.

        progress: is called with (frames done, frames in all). An exception that it raises stops the work.

        Raises OutputError if the extension isn't .mp4, or the file can't be written. The file appears only when it
        is complete.
        """
        return write_mp4(self._reported(progress), path)

    def to_bytes(self, *, progress: Progress | None = None) -> bytes:
        """The bytes that `save` would write."""
        return mp4_bytes(self._reported(progress))

    def _reported(self, progress: Progress | None) -> Iterator[Image]:
        for done, frame in enumerate(self.frames(), start=1):
            yield frame
            if progress is not None:
                progress(done, self.frame_count)
