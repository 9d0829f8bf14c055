"""Writes frames as H.264 or HEVC (AV1 by graphics cards) in an MP4: 60 a second, yuv420p, BT.709, moov box first."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, cast

import av
import cv2
import numpy as np
from av.container import OutputContainer
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, Interpolation, VideoReformatter
from av.video.stream import VideoStream

from engine.cuda.arrays import DeviceArray
from engine.errors import OptionError
from engine.media import nvenc
from engine.media.encoding import FPS, Encoding
from engine.media.output import as_output_error, check_target, temporary_folder, whole_file
from engine.native import to_yuv420
from engine.types import Image

SUFFIXES: Final = (".mp4",)
DEFAULT: Final = Encoding()
THREADS: Final = 1  # with more, the same frames were once seen to give other bytes
QUEUE_FRAMES: Final = 8  # drawn, not yet encoded: a whole batch, so that the next one is drawn meanwhile
AVCOL_SPC_BT709: Final = 1  # libav's number for the stream; swscale's `Colorspace.ITU709` is the same matrix
# SVT-AV1 was left out when x264's bytes wavered beside it (below), and wasn't tried again.
ENCODERS: Final = {"h264": "libx264", "hevc": "libx265"}
CPU_AVX_512F: Final = 13  # OpenCV's number for these instructions
# x264's macroblock tree for them now and then gives other bytes for the same frames; older instructions don't.
WITHOUT_AVX_512: Final = {"x264-params": "asm=avx2"} if cv2.checkHardwareSupport(CPU_AVX_512F) else {}
OPTIONS: Final = {
    "h264": {"preset": "veryfast"} | WITHOUT_AVX_512,
    "hevc": {"preset": "veryfast", "x265-params": "log-level=none:pools=1:frame-threads=1"},
}
# Without these, swscale drops half of the colour samples before it averages them, and rounds down.
SCALER: Final = Interpolation.BICUBIC | Interpolation.FULL_CHR_H_INP | Interpolation.ACCURATE_RND

Frame = Image | DeviceArray
Write = Callable[[Iterator[Any], Path, Encoding], None]


def write_mp4(frames: Iterable[Frame], path: str | os.PathLike[str], encoding: Encoding = DEFAULT) -> Path:
    """Encodes the frames into a file, which appears only when it is complete.

    frames: (H, W, 3) uint8 RGB, all of one size. They are read while earlier ones are being encoded in another
        thread, so a frame must not be changed after it was handed over. Odd sizes get one more line or column, a
        copy of the last one. Those in a GPU's memory have even sizes, and are for its own encoder.
    path: ends in .mp4; a file that is there is replaced.

    Returns the path. The same frames give the same bytes, on a CPU. Raises OptionError where this machine has no
    encoder for the codec, OutputError if the file can't be written, and whatever the frames raise; nothing is left
    behind in either case.
    """
    target = check_target(path, SUFFIXES)
    check_encoder(encoding)
    write = nvenc.write if encoding.gpu and nvenc.usable(encoding.codec) else _write_by_av
    with whole_file(target) as partial:
        ahead = QUEUE_FRAMES if write is _write_by_av else nvenc.QUEUE_FRAMES
        encoder = _EncoderThread(partial, target, encoding, write, ahead)
        encoder.feed(frames)
    return target


def mp4_bytes(frames: Iterable[Frame], encoding: Encoding = DEFAULT) -> bytes:
    """The same as `write_mp4`, as bytes.

    Goes through the system's temporary folder, since libav moves the index to the front by opening the file again.
    """
    with temporary_folder() as folder:
        return write_mp4(frames, folder / "clip.mp4", encoding).read_bytes()


def check_encoder(encoding: Encoding) -> None:
    """Raises OptionError where this machine has no encoder for the codec."""
    if encoding.gpu and nvenc.usable(encoding.codec):
        return
    if encoding.codec not in ENCODERS:
        raise OptionError(
            f"Codec '{encoding.codec}' needs an NVIDIA card that encodes it; use one of {', '.join(ENCODERS)} here."
        )
    try:
        av.codec.Codec(ENCODERS[encoding.codec], "w")
    except av.codec.codec.UnknownCodecError:
        raise OptionError(
            f"The installed PyAV has no {ENCODERS[encoding.codec]}, which codec '{encoding.codec}' needs; "
            "use 'h264', or pip install 'av>=18'."
        ) from None


class _EncoderThread(threading.Thread):
    """Encodes what it is fed. It reads its queue to the end even after an error, so `feed` never blocks for good."""

    def __init__(self, partial: Path, target: Path, encoding: Encoding, write: Write, ahead: int) -> None:
        super().__init__(name="mien-encoder", daemon=True)
        self._partial = partial
        self._target = target
        self._encoding = encoding
        self._write = write
        self._queue: queue.Queue[Frame | None] = queue.Queue(ahead)
        self._abandoned = threading.Event()
        self._error: Exception | None = None

    def feed(self, frames: Iterable[Frame]) -> None:
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
            self._write(map(_padded_to_even, queued), self._partial, self._encoding)
        except (OSError, av.FFmpegError) as error:
            self._error = as_output_error(error, self._target)
        except Exception as error:
            self._error = error
        for _ in queued:
            pass

    def _queued(self) -> Iterator[Frame]:
        while (frame := self._queue.get()) is not None:
            if not self._abandoned.is_set():
                yield frame


def _write_by_av(frames: Iterator[Image], partial: Path, encoding: Encoding) -> None:
    with av.open(str(partial), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        _encode(frames, container, encoding)


def _encode(frames: Iterator[Image], container: OutputContainer, encoding: Encoding) -> None:
    stream: VideoStream | None = None
    scaler = VideoReformatter()
    for index, picture in enumerate(frames):
        height, width = picture.shape[:2]
        if stream is None:
            stream = _add_stream(container, width, height, encoding)
        elif (stream.width, stream.height) != (width, height):
            raise ValueError(f"frame {index} is {width}x{height}, the first was {stream.width}x{stream.height}")
        container.mux(stream.encode(_to_yuv(picture, index, scaler)))
    if stream is not None:
        container.mux(stream.encode(None))


def _add_stream(container: OutputContainer, width: int, height: int, encoding: Encoding) -> VideoStream:
    options = OPTIONS[encoding.codec] | ({} if encoding.bitrate is not None else {"crf": str(encoding.wanted_quality)})
    stream = cast(VideoStream, container.add_stream(ENCODERS[encoding.codec], rate=FPS, options=options))
    context = stream.codec_context
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    if encoding.bitrate is not None:
        context.bit_rate = encoding.bitrate
    if encoding.codec == "hevc":
        context.codec_tag = "hvc1"  # Apple's players know no other
    context.time_base = Fraction(1, FPS)
    context.thread_count = THREADS
    context.color_range = ColorRange.MPEG
    context.colorspace = AVCOL_SPC_BT709
    context.color_primaries = ColorPrimaries.BT709
    context.color_trc = ColorTrc.BT709
    return stream


def _to_yuv(picture: Image, index: int, scaler: VideoReformatter) -> av.VideoFrame:
    yuv = to_yuv420(picture) or _scaled_to_yuv(picture, scaler)
    yuv.pts, yuv.time_base = index, Fraction(1, FPS)
    return yuv


def _scaled_to_yuv(picture: Image, scaler: VideoReformatter) -> av.VideoFrame:
    """Where there is no native library. The matrix must be named: swscale's is BT.601, whatever the stream says."""
    return scaler.reformat(
        av.VideoFrame.from_ndarray(picture, format="rgb24"),
        format="yuv420p",
        interpolation=SCALER,
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.MPEG,
        dst_colorspace=Colorspace.ITU709,
    )


def _padded_to_even(frame: Frame) -> Frame:
    if isinstance(frame, DeviceArray):
        return frame
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
        raise ValueError(f"a frame must be (H, W, 3) uint8, not {frame.shape} {frame.dtype}")
    height, width = frame.shape[:2]
    if height % 2 or width % 2:
        frame = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return np.ascontiguousarray(frame)
