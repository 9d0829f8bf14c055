"""The clip that `animate` returns: lazy, it holds no pixels."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from engine.cuda.arrays import DeviceArray
from engine.media import nvenc
from engine.media.encode import mp4_bytes, write_mp4
from engine.media.encoding import FPS, Codec, Encoding
from engine.types import Image

Progress = Callable[[int, int], None]  # (frames done, frames in all), after each frame, in the caller's thread


@dataclass(frozen=True, eq=False)
class Video:
    """A clip that is drawn when it is asked for, anew each time, and never kept.

    render: starts the clip from its first frame and yields `frame_count` arrays of (H, W, 3) uint8 RGB.
    size: (width, height) in pixels, the photo's own. A file has even sizes: one more line or column if need be.
    gpu: whether files are encoded by the graphics card, where it can.
    render_on_gpu: the same frames in the card's memory, of even sizes; None where they are drawn elsewhere.
    seed: what `animate` makes the same clip by.
    """

    render: Callable[[], Iterator[Image]]
    frame_count: int
    size: tuple[int, int]
    gpu: bool = False
    render_on_gpu: Callable[[], Iterator[DeviceArray]] | None = None
    seed: int = 0
    fps: ClassVar[int] = FPS

    def __repr__(self) -> str:
        width, height = self.size
        return f"<Video of {width}x{height} pixels, {self.seconds:g} s>"

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

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        progress: Progress | None = None,
        codec: Codec = "h264",
        quality: int | None = None,
        bitrate: int | None = None,
    ) -> Path:
        """Draws and encodes the clip to an MP4 file (60 fps), and returns its path.

        Args:
            path: Ends in .mp4.
            progress: Is called with (frames done, frames in all). An exception that it raises stops the work.
            codec: "h264" plays everywhere; "hevc" makes smaller files and takes longer; "av1" needs an NVIDIA card.
            quality: 0 (best) to 51 (default: 18, which can hardly be told from the original).
            bitrate: Bits a second, instead of a quality.

        Raises OptionError for a codec, quality or bitrate that can't be had, OutputError if the extension isn't .mp4,
        or the file can't be written. The file appears only when it is complete.
        """
        encoding = Encoding(codec, quality, bitrate, self.gpu)
        return write_mp4(self._reported(progress, encoding), path, encoding)

    def to_bytes(
        self,
        *,
        progress: Progress | None = None,
        codec: Codec = "h264",
        quality: int | None = None,
        bitrate: int | None = None,
    ) -> bytes:
        """The bytes that `save` would write."""
        encoding = Encoding(codec, quality, bitrate, self.gpu)
        return mp4_bytes(self._reported(progress, encoding), encoding)

    def _reported(self, progress: Progress | None, encoding: Encoding) -> Iterator[Image | DeviceArray]:
        frames: Iterator[Image | DeviceArray] = self.render()
        if self.render_on_gpu is not None and encoding.gpu and nvenc.usable(encoding.codec):
            frames = self.render_on_gpu()
        for done, frame in enumerate(frames, start=1):
            yield frame
            if progress is not None:
                progress(done, self.frame_count)
