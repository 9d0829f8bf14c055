"""Encodes on an NVIDIA card: frames go there once, or are there already, become NV12 by a kernel, and never come back.

PyNvVideoCodec encodes and writes the MP4; PyAV then moves the index to the front, without touching a picture.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np

from engine.cuda import kernels
from engine.cuda.arrays import DeviceArray
from engine.cuda.composite import composite_nv12
from engine.cuda.device import open_device
from engine.cuda.kernels import Kernels
from engine.errors import BackendError, MissingExtraError
from engine.media.encoding import FPS, Codec, Encoding
from engine.sentences import one_line
from engine.types import Image

log = logging.getLogger("engine")

QUEUE_FRAMES = 60  # drawn, not yet encoded: a whole batch, so that the card draws the next one meanwhile
TICKS = 90_000  # of the file's clock, a second
PROBE_SIDE = 256  # pixels; every card's smallest picture is smaller
WIDE = 8  # pixels that the fast kernel writes at once
SIGNS = {"h264": "avc1", "hevc": "hvc1", "av1": "av01"}


@dataclass(frozen=True)
class Plane:
    """Part of an NV12 picture, as PyNvVideoCodec reads it."""

    __cuda_array_interface__: dict[str, Any]

    @classmethod
    def at(cls, address: int, shape: tuple[int, int, int]) -> Plane:
        """shape: rows, columns, bytes beside each other."""
        strides = (shape[1] * shape[2], shape[2], 1)
        return cls({"shape": shape, "strides": strides, "typestr": "|u1", "data": (address, False), "version": 3})


@dataclass(frozen=True)
class Picture:
    """An NV12 picture in the GPU's memory: luma (H, W), and right behind it colour (H / 2, W / 2, 2)."""

    memory: DeviceArray  # (3 H / 2, W) uint8

    def cuda(self) -> list[Plane]:
        rows, width = self.memory.shape
        height = rows * 2 // 3
        luma = Plane.at(self.memory.address, (height, width, 1))
        return [luma, Plane.at(self.memory.address + height * width, (height // 2, width // 2, 2))]


class NvencWriter:
    """One MP4 on its way. Use it in one thread.

    nvc: `PyNvVideoCodec`. width and height are even.
    """

    def __init__(
        self, nvc: Any, device_kernels: Kernels, path: Path, size: tuple[int, int], encoding: Encoding
    ) -> None:
        width, height = self.size = size
        self._kernels = device_kernels
        device, stream = device_kernels.device, device_kernels.stream
        device.make_current()
        # One stream for kernel and encoder, so that a picture isn't written anew before it was read.
        self._encoder = nvc.CreateEncoder(
            width, height, "NV12", False, codec=encoding.codec, fps=FPS, preset="P5", tuning_info="high_quality",
            gop=2 * FPS, colorspace="bt709", cudacontext=int(device.context), cudastream=int(stream.handle),
            **_rate(encoding),
        )  # fmt: skip
        self._muxer = nvc.FFmpegMuxer(
            str(path), nvc.MEDIA_FORMAT.MP4, encoding.codec, width, height, fps_num=FPS, fps_den=1, timebase_num=1,
            timebase_den=TICKS, extradata=bytes(self._encoder.GetSequenceParams()),
        )  # fmt: skip
        self._muxer.SetUniformPtsIncrement(TICKS // FPS)
        self._plate = DeviceArray.empty(device, (height, width, 3), np.uint8)
        self._nv12 = DeviceArray.empty(device, (1, height * 3 // 2, width), np.uint8)

    def add(self, frame: Image | DeviceArray) -> None:
        """frame: (H, W, 3) uint8 RGB, on the host or in the GPU's memory."""
        if isinstance(frame, DeviceArray):
            plate = frame
        else:
            plate = self._plate
            plate.write(frame, self._kernels.stream)
        version = "fast" if self.size[0] % WIDE == 0 else "naive"
        composite_nv12(self._kernels, plate, [], self._nv12, version=version)  # type: ignore[arg-type]
        self._mux(self._encoder.Encode(Picture(self._nv12[0])))

    def close(self) -> None:
        """Ends the file, and the use of this object."""
        self._mux(self._encoder.EndEncode())
        del self._encoder  # before the stream that it works in
        self._muxer.Finalize()
        del self._muxer  # writes the file's end when it goes

    def _mux(self, packets: list[dict[str, Any]]) -> None:
        for packet in packets:
            self._muxer.MuxVideoPacket(packet["data"], packet["picture_type"], packet["timestamp"])


def write(frames: Iterator[Image | DeviceArray], partial: Path, encoding: Encoding) -> None:
    """Encodes frames of one even size to the file `partial`, which stays empty without any. Ask `usable` first."""
    nvc, device_kernels = _import_nvc(), clip_kernels()
    with tempfile.TemporaryDirectory(prefix="mien-") as folder:
        path = Path(folder) / "clip.mp4"
        writer: NvencWriter | None = None
        for index, frame in enumerate(frames):
            height, width = frame.shape[:2]
            if writer is None:
                writer = NvencWriter(nvc, device_kernels, path, (width, height), encoding)
            elif writer.size != (width, height):
                raise ValueError(f"frame {index} is {width}x{height}, the first was {writer.size[0]}x{writer.size[1]}")
            writer.add(frame)
        if writer is not None:
            writer.close()
            index_first(path, partial, encoding.codec)


def index_first(source: Path, target: Path, codec: Codec) -> None:
    """Copies an MP4's packets to a file whose index comes first, with the colours' tags and the sign players know."""
    with av.open(str(source)) as given, av.open(str(target), "w", "mp4", options={"movflags": "+faststart"}) as out:
        video = given.streams.video[0]
        stream = out.add_stream_from_template(video)
        stream.codec_context.codec_tag = SIGNS[codec]
        for packet in given.demux(video):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)


@cache
def clip_kernels() -> Kernels:
    """Those of all clips. Their stream isn't the one that draws, which works on the next batch meanwhile."""
    return Kernels(open_device())


@cache
def usable(codec: Codec) -> bool:
    """Whether this machine's GPU encodes: tried with one picture. Where it doesn't, a line in the log says why."""
    try:
        if not kernels.available():
            raise BackendError("the kernels aren't compiled")
        with tempfile.TemporaryDirectory(prefix="mien-") as folder:
            encoding = Encoding(codec, gpu=True)
            path, size = Path(folder) / "probe.mp4", (PROBE_SIDE, PROBE_SIDE)
            writer = NvencWriter(_import_nvc(), clip_kernels(), path, size, encoding)
            writer.add(np.zeros((PROBE_SIDE, PROBE_SIDE, 3), np.uint8))
            writer.close()
    except Exception as error:  # PyNvVideoCodec's errors share no base class of their own
        log.warning("The GPU can't encode %s (%s); the CPU does, and frames are copied to it.", codec, one_line(error))
        return False
    log.info("the GPU encodes %s", codec)
    return True


def _rate(encoding: Encoding) -> dict[str, Any]:
    if encoding.bitrate is not None:
        return {"rc": "vbr", "bitrate": encoding.bitrate, "maxbitrate": 2 * encoding.bitrate}
    quality = encoding.wanted_quality
    return {"rc": "constqp", "constqp": quality if encoding.codec != "av1" else quality * 5}  # AV1 counts to 255


def _import_nvc() -> Any:
    try:
        import PyNvVideoCodec  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except Exception as error:  # RuntimeError without NVIDIA's libraries, ImportError without the package
        raise MissingExtraError(
            "Encoding on the GPU needs PyNvVideoCodec and NVIDIA's driver; pip install 'mien-engine[gpu]'."
        ) from error
    return PyNvVideoCodec
