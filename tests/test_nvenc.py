"""Encoding on a card, against an encoder that isn't one: it reads the buffers that it gets, and tells."""

from __future__ import annotations

import ctypes
import io
import logging
import sys
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest

from engine.cuda import device as device_module
from engine.cuda import kernels as kernels_module
from engine.cuda.arrays import DeviceArray
from engine.media import nvenc
from engine.media.encode import mp4_bytes
from engine.media.encoding import Encoding
from engine.render.on_gpu import LARGEST_BATCH
from kernels import reference
from tests.emulated_kernels import emulated_kernels
from tests.test_encode import BT709, FRAME_ERROR, decoded, moving

KEY_FRAME = 3


class FakeNvc:
    """`PyNvVideoCodec`: encodes with x264, and writes packets' times as its muxer does."""

    MEDIA_FORMAT = SimpleNamespace(MP4="MP4")

    def __init__(self) -> None:
        self.options: list[dict[str, Any]] = []
        self.pictures: list[tuple[np.ndarray, np.ndarray]] = []
        self.muxers: list[dict[str, Any]] = []

    def CreateEncoder(self, width: int, height: int, form: str, on_the_host: bool, **options: Any) -> Any:  # noqa: N802
        assert (form, on_the_host) == ("NV12", False)
        self.options.append(options)
        context = av.CodecContext.create("libx264", "w")
        context.width, context.height, context.pix_fmt = width, height, "nv12"
        context.time_base, context.framerate = Fraction(1, 60), Fraction(60)
        context.color_range, context.colorspace, context.color_primaries, context.color_trc = 1, 1, 1, 1
        context.options = {"crf": "16", "preset": "veryfast"}
        return FakeEncoder(self, context)

    def FFmpegMuxer(self, path: str, media_format: str, codec: str, width: int, height: int, **options: Any) -> Any:  # noqa: N802
        self.muxers.append({"codec": codec, "size": (width, height), "packets": 0, "finalized": False, **options})
        return FakeMuxer(path, self.muxers[-1])


class FakeEncoder:
    def __init__(self, nvc: FakeNvc, context: Any) -> None:
        self._nvc, self._context = nvc, context
        self._count = 0
        context.open()

    def GetSequenceParams(self) -> bytes:  # noqa: N802
        return b"its sequence parameters"

    def Encode(self, picture: Any) -> list[dict[str, Any]]:  # noqa: N802
        luma, colour = (read(plane.__cuda_array_interface__) for plane in picture.cuda())
        self._nvc.pictures.append((luma[..., 0], colour))
        both = np.concatenate([luma.reshape(-1), colour.reshape(-1)]).reshape(-1, luma.shape[1])
        frame = av.VideoFrame.from_ndarray(both, format="nv12")
        frame.pts, frame.time_base = self._count, Fraction(1, 60)
        self._count += 1
        return self._packets(frame)

    def EndEncode(self) -> list[dict[str, Any]]:  # noqa: N802
        return self._packets(None)

    def _packets(self, frame: av.VideoFrame | None) -> list[dict[str, Any]]:
        return [
            {"data": bytes(packet), "picture_type": KEY_FRAME if packet.is_keyframe else 0, "timestamp": packet.pts}
            for packet in self._context.encode(frame)
        ]


def read(interface: dict[str, Any]) -> np.ndarray:
    """A plane, by the protocol: contiguous bytes at an address."""
    shape = interface["shape"]
    assert interface["strides"] == (shape[1] * shape[2], shape[2], 1)
    assert (interface["typestr"], interface["version"]) == ("|u1", 3)
    return np.frombuffer(ctypes.string_at(interface["data"][0], int(np.prod(shape))), np.uint8).reshape(shape)


class FakeMuxer:
    def __init__(self, path: str, about: dict[str, Any]) -> None:
        self._path, self._about = path, about
        self._packets: list[tuple[bytes, int, int]] = []

    def SetUniformPtsIncrement(self, ticks: int) -> None:  # noqa: N802
        self._about["ticks"] = ticks

    def MuxVideoPacket(self, data: bytes, picture_type: int, input_timestamp: int) -> None:  # noqa: N802
        assert isinstance(data, bytes)
        self._packets.append((data, picture_type, input_timestamp))

    def Finalize(self) -> None:  # noqa: N802
        self._about["finalized"] = True

    def __del__(self) -> None:
        """The real one's file can't be read before."""
        about = self._about
        if not about["finalized"]:
            return
        about["packets"] = len(self._packets)
        raw = io.BytesIO(b"".join(data for data, _, _ in self._packets))
        delay = max(order - timestamp for order, (_, _, timestamp) in enumerate(self._packets))
        with av.open(raw, format="h264") as given, av.open(self._path, "w", format="mp4") as container:
            stream = container.add_stream_from_template(given.streams.video[0])
            packets = [packet for packet in given.demux() if packet.size]
            for order, (packet, (_, _, timestamp)) in enumerate(zip(packets, self._packets, strict=True)):
                packet.stream, packet.time_base = stream, Fraction(about["timebase_num"], about["timebase_den"])
                packet.pts, packet.dts = timestamp * about["ticks"], (order - delay) * about["ticks"]
                packet.duration = about["ticks"]
                container.mux(packet)


@pytest.fixture
def nvc(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeNvc]:
    """A card that encodes."""
    folder, fake = tmp_path_factory.mktemp("fatbins"), FakeNvc()
    device = emulated_kernels(folder).device
    monkeypatch.setattr(device_module, "_opened", {"first": device})
    monkeypatch.setattr(kernels_module, "FOLDER", folder)
    monkeypatch.setitem(sys.modules, "PyNvVideoCodec", fake)
    nvenc.usable.cache_clear()
    nvenc.clip_kernels.cache_clear()
    yield fake
    nvenc.usable.cache_clear()
    nvenc.clip_kernels.cache_clear()


def test_every_buffer_is_the_frame_s_nv12(nvc: FakeNvc) -> None:
    mp4_bytes(moving(3), Encoding(gpu=True))
    nothing = [(np.zeros((1, 2, 2, 4), np.float32), 0, 0)]
    assert len(nvc.pictures) == 1 + 3  # the probe's, and the clip's
    for frame, (luma, colour) in zip(moving(3), nvc.pictures[1:], strict=True):
        (wanted_luma,), (wanted_colour,) = reference.composite_nv12(frame, nothing)
        assert np.abs(luma.astype(int) - wanted_luma).max() <= 1
        assert np.abs(colour.astype(int) - wanted_colour).max() <= 1


@pytest.mark.parametrize(("width", "height"), [(96, 64), (90, 62), (95, 63)])
def test_the_file_is_what_the_cpu_s_is(nvc: FakeNvc, width: int, height: int) -> None:
    data = mp4_bytes(moving(12, width, height), Encoding(gpu=True))
    assert 0 < data.index(b"moov") < data.index(b"mdat")
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        assert (context.codec_tag, context.pix_fmt, stream.frames) == ("avc1", "yuv420p", 12)
        assert stream.average_rate == stream.guessed_rate == 60
        assert (context.colorspace, context.color_range) == (BT709, 1)
        times = [frame.pts * frame.time_base for frame in container.decode(video=0)]
    assert [60 * time for time in times] == list(range(12))
    for frame, original in zip(decoded(data), moving(12, width, height), strict=True):
        assert np.abs(frame[:height, :width].astype(int) - original).mean() < FRAME_ERROR
    clip = nvc.muxers[-1]
    assert (clip["fps_num"], clip["fps_den"], clip["timebase_den"], clip["ticks"]) == (60, 1, 90_000, 1500)
    assert (clip["packets"], clip["finalized"]) == (12, True)


def test_frames_may_be_on_the_gpu_already(nvc: FakeNvc, tmp_path: Path) -> None:
    kernels = kernels_module.Kernels(device_module.open_device())
    frames = DeviceArray.of(kernels.device, np.stack(list(moving(3))), kernels.stream)
    uploads = len(kernels.device.driver.uploads)
    writer = nvenc.NvencWriter(nvc, kernels, tmp_path / "clip.mp4", (96, 64), Encoding(gpu=True))
    for index in range(3):
        writer.add(frames[index])
    writer.close()
    on_device = nvc.pictures.copy()
    assert not any(kernels.device.driver.uploads[uploads:])  # of pixels; there are no crops either
    mp4_bytes(moving(3), Encoding(gpu=True))
    for found, expected in zip(on_device, nvc.pictures[-3:], strict=True):
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_array_equal(found[1], expected[1])


def test_the_next_batch_is_drawn_meanwhile(nvc: FakeNvc, monkeypatch: pytest.MonkeyPatch) -> None:
    frame, drawn = next(iter(moving(1))), threading.Event()

    def frames() -> Iterator[np.ndarray]:
        for _ in range(LARGEST_BATCH):
            yield frame
        drawn.set()

    mp4_bytes([frame], Encoding(gpu=True))  # opens and probes
    encode = FakeEncoder.Encode
    monkeypatch.setattr(FakeEncoder, "Encode", lambda self, picture: drawn.wait(20) and encode(self, picture))
    mp4_bytes(frames(), Encoding(gpu=True))


def test_no_clip_leaves_anything_on_the_gpu(nvc: FakeNvc) -> None:
    mp4_bytes(moving(1), Encoding(gpu=True))
    driver = device_module.open_device().driver
    handles, memory = len(driver.handles), driver.used()
    for _ in range(3):
        mp4_bytes(moving(1), Encoding(gpu=True))
    assert (len(driver.handles), driver.used()) == (handles, memory)


def test_options_reach_the_encoder(nvc: FakeNvc) -> None:
    for encoding in (Encoding(gpu=True), Encoding(bitrate=8_000_000, gpu=True)):
        mp4_bytes(moving(1), encoding)
    _, by_quality, by_rate = nvc.options
    assert (by_quality["codec"], by_quality["rc"], by_quality["constqp"]) == ("h264", "constqp", 18)
    assert (by_quality["colorspace"], by_quality["fps"]) == ("bt709", 60)
    kernels = nvenc.clip_kernels()
    given = (kernels.device.context, kernels.stream.handle)
    assert (by_quality["cudacontext"], by_quality["cudastream"]) == given
    assert (by_rate["rc"], by_rate["bitrate"]) == ("vbr", 8_000_000)
    assert "constqp" not in by_rate


def test_a_card_that_does_not_encode_is_named_and_left_alone(
    nvc: FakeNvc, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("no encode device")

    monkeypatch.setattr(nvc, "CreateEncoder", refuse)
    for _ in range(2):
        assert mp4_bytes(moving(), Encoding(gpu=True)) == mp4_bytes(moving())
    said = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert said == ["The GPU can't encode h264 (no encode device); the CPU does, and frames are copied to it."]


def test_without_the_package_the_cpu_encodes(
    nvc: FakeNvc, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "PyNvVideoCodec", None)
    assert mp4_bytes(moving(), Encoding(gpu=True)) == mp4_bytes(moving())
    assert "pip install 'mien-engine[gpu]'" in caplog.text


def test_frames_of_another_size_are_refused(nvc: FakeNvc, tmp_path: Path) -> None:
    frames = [*moving(1), *moving(1, 64, 64)]
    with pytest.raises(ValueError, match="frame 1 is 64x64, the first was 96x64"):
        mp4_bytes(frames, Encoding(gpu=True))
