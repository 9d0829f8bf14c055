"""Writes frames as H.264 in an MP4: 60 frames a second, yuv420p, BT.709, moov box first."""

from __future__ import annotations

import os
import queue
import tempfile
import threading
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.container import OutputContainer
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, Interpolation, VideoReformatter
from av.video.stream import VideoStream

from engine.errors import OptionError
from engine.media.output import as_output_error, check_target, whole_file
from engine.types import Image

FPS: Final = 60
SUFFIXES: Final = (".mp4",)
THREADS: Final = 1  # with more, the same frames were once seen to give other bytes
QUEUE_FRAMES: Final = 4  # rendered, not yet encoded
AVCOL_SPC_BT709: Final = 1  # libav's number for the stream; swscale's `Colorspace.ITU709` is the same matrix
# Without these, swscale drops half of the colour samples before it averages them, and rounds down.
SCALER: Final = Interpolation.BICUBIC | Interpolation.FULL_CHR_H_INP | Interpolation.ACCURATE_RND


def write_mp4(frames: Iterable[Image], path: str | os.PathLike[str], *, quality: int = 18) -> Path:
    """Encodes the frames into a file, which appears only when it is complete.

    frames: (H, W, 3) uint8 RGB, all of one size. They are read while earlier ones are being encoded in another
        thread, so a frame must not be changed after it was handed over. Odd sizes get one more line or column, a
        copy of the last one.
    path: ends in .mp4; a file that is there is replaced.
    quality: x264's constant rate factor, 0 (no loss) to 51; 18 can hardly be told from the original.

    Returns the path. The same frames give the same bytes. Raises OutputError if the file can't be written, and
    whatever the frames raise; nothing is left behind in either case.
    """
    target = check_target(path, SUFFIXES)
    _check_quality(quality)
    with whole_file(target) as partial:
        encoder = _EncoderThread(partial, target, quality)
        encoder.feed(frames)
    return target


def mp4_bytes(frames: Iterable[Image], *, quality: int = 18) -> bytes:
    """The same as `write_mp4`, as bytes.

    Goes through the system's temporary folder, since libav moves the index to the front by opening the file again.
    """
    with tempfile.TemporaryDirectory(prefix="mien-") as folder:
        return write_mp4(frames, Path(folder) / "clip.mp4", quality=quality).read_bytes()


def _check_quality(quality: int) -> None:
    if isinstance(quality, bool) or not isinstance(quality, int) or not 0 <= quality <= 51:
        raise OptionError(f"quality must be a whole number from 0 (best) to 51, not {quality!r}.")


class _EncoderThread(threading.Thread):
    """Encodes what it is fed. It reads its queue to the end even after an error, so `feed` never blocks for good."""

    def __init__(self, partial: Path, target: Path, quality: int) -> None:
        super().__init__(name="mien-encoder", daemon=True)
        self._partial = partial
        self._target = target
        self._quality = quality
        self._queue: queue.Queue[Image | None] = queue.Queue(QUEUE_FRAMES)
        self._abandoned = threading.Event()
        self._error: Exception | None = None

    def feed(self, frames: Iterable[Image]) -> None:
        """Starts the thread, hands it all frames and waits for it; raises what went wrong on either side."""
        fed = 0
        self.start()
        try:
            for frame in frames:
                fed += 1
                if self._error is not None:
                    break
                self._queue.put(frame)
        except BaseException:
            self._abandoned.set()
            raise
        finally:
            self._queue.put(None)
            self.join()
        if self._error is not None:
            raise self._error
        if fed == 0:
            raise ValueError("there are no frames to encode")

    def run(self) -> None:
        queued = self._queued()
        try:
            with av.open(str(self._partial), "w", format="mp4", options={"movflags": "+faststart"}) as container:
                _encode(queued, container, self._quality)
        except (OSError, av.FFmpegError) as error:
            self._error = as_output_error(error, self._target)
        except Exception as error:
            self._error = error
        for _ in queued:
            pass

    def _queued(self) -> Iterator[Image]:
        while (frame := self._queue.get()) is not None:
            if not self._abandoned.is_set():
                yield frame


def _encode(frames: Iterator[Image], container: OutputContainer, quality: int) -> None:
    stream: VideoStream | None = None
    scaler = VideoReformatter()
    for index, frame in enumerate(frames):
        picture = _padded_to_even(frame)
        height, width = picture.shape[:2]
        if stream is None:
            stream = _add_stream(container, width, height, quality)
        elif (stream.width, stream.height) != (width, height):
            raise ValueError(f"frame {index} is {width}x{height}, the first was {stream.width}x{stream.height}")
        container.mux(stream.encode(_to_yuv(picture, index, scaler)))
    if stream is not None:
        container.mux(stream.encode(None))


def _add_stream(container: OutputContainer, width: int, height: int, quality: int) -> VideoStream:
    stream = container.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "crf": str(quality)})
    context = stream.codec_context
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.time_base = Fraction(1, FPS)
    context.thread_count = THREADS
    context.color_range = ColorRange.MPEG
    context.colorspace = AVCOL_SPC_BT709
    context.color_primaries = ColorPrimaries.BT709
    context.color_trc = ColorTrc.BT709
    return stream


def _to_yuv(picture: Image, index: int, scaler: VideoReformatter) -> av.VideoFrame:
    """BT.709 limited range. The matrix must be named: swscale's default is BT.601, whatever the stream's tags say."""
    yuv = scaler.reformat(
        av.VideoFrame.from_ndarray(picture, format="rgb24"),
        format="yuv420p",
        interpolation=SCALER,
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.MPEG,
        dst_colorspace=Colorspace.ITU709,
    )
    yuv.pts = index
    yuv.time_base = Fraction(1, FPS)
    return yuv


def _padded_to_even(frame: Image) -> Image:
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
        raise ValueError(f"a frame must be (H, W, 3) uint8, not {frame.shape} {frame.dtype}")
    height, width = frame.shape[:2]
    if height % 2 or width % 2:
        frame = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return np.ascontiguousarray(frame)
