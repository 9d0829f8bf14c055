"""The MP4 plays anywhere, has the frames' colours, and is there whole or not at all."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from engine.backends.onnx_runtime import OnnxRuntimeBackend
from engine.bundle import Bundle
from engine.errors import OptionError, OutputError
from engine.media import encode
from engine.media.encode import ENCODERS, mp4_bytes, write_mp4
from engine.media.encoding import Codec, Encoding

BT709 = 1  # libav's number for primaries, transfer and matrix alike
LIMITED = 1
FRAME_ERROR = 4.0  # mean levels; crf 18 of smooth pictures stays below 2


def moving(count: int = 12, width: int = 96, height: int = 64) -> Iterator[np.ndarray]:
    y, x = np.mgrid[0:height, 0:width]
    for step in range(count):
        yield np.stack([x * 2 + step, y * 3, 200 - x], axis=-1).clip(0, 255).astype(np.uint8)


def decoded(data: bytes) -> list[np.ndarray]:
    """RGB frames, by the matrix and range that the file's tags name."""
    with av.open(io.BytesIO(data)) as container:
        return [
            frame.reformat(format="rgb24", src_colorspace="ITU709", dst_color_range="JPEG").to_ndarray()
            for frame in container.decode(video=0)
        ]


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_stream_is_what_every_player_takes(tmp_path: Path) -> None:
    path = write_mp4(moving(), tmp_path / "clip.mp4")
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
        assert (context.width, context.height) == (96, 64)
        assert (context.color_primaries, context.color_trc, context.colorspace) == (BT709, BT709, BT709)
        assert context.color_range == LIMITED
        assert stream.average_rate == 60
        assert stream.frames == 12
        times = [frame.pts * frame.time_base for frame in container.decode(video=0)]
    assert [time * 60 for time in times] == list(range(12))


def test_the_index_comes_before_the_pictures() -> None:
    data = mp4_bytes(moving())
    assert 0 < data.index(b"moov") < data.index(b"mdat")


def test_the_frames_come_back() -> None:
    frames = decoded(mp4_bytes(moving()))
    for frame, original in zip(frames, moving(), strict=True):
        assert np.abs(frame.astype(int) - original).mean() < FRAME_ERROR


@pytest.mark.parametrize(
    ("rgb", "yuv"),
    [
        # BT.709 limited range by its definition: Y = 16 + 219 (0.2126 R + 0.7152 G + 0.0722 B), Cb and Cr likewise.
        ((255, 0, 0), (63, 102, 240)),
        ((0, 255, 0), (173, 42, 26)),
        ((0, 0, 255), (32, 240, 118)),
        ((255, 255, 255), (235, 128, 128)),
        ((0, 0, 0), (16, 128, 128)),
        ((128, 128, 128), (126, 128, 128)),
    ],
)
@pytest.mark.parametrize("native", [True, False])
def test_pure_colours_are_converted_by_bt709(
    rgb: tuple[int, ...], yuv: tuple[int, ...], native: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not native:
        monkeypatch.setattr(encode, "to_yuv420", lambda picture: None)
    data = mp4_bytes(np.full((64, 64, 3), rgb, np.uint8) for _ in range(3))
    with av.open(io.BytesIO(data)) as container:
        planes = next(container.decode(video=0)).to_ndarray()  # (96, 64): Y, then Cb and Cr
    measured = planes[:64].mean(), planes[64:80].mean(), planes[80:].mean()
    np.testing.assert_allclose(measured, yuv, atol=1.5)


@pytest.mark.parametrize(("width", "height"), [(95, 63), (96, 63), (95, 64)])
def test_odd_sizes_repeat_the_last_line(width: int, height: int) -> None:
    frames = decoded(mp4_bytes(moving(3, width, height), Encoding(quality=4)))
    assert frames[0].shape == (64, 96, 3)
    original = np.pad(next(moving(1, width, height)), ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    assert np.abs(frames[0].astype(int) - original)[-2:].mean() < FRAME_ERROR
    assert np.abs(frames[0].astype(int) - original)[:, -2:].mean() < FRAME_ERROR


def test_same_frames_same_bytes(tmp_path: Path) -> None:
    assert write_mp4(moving(), tmp_path / "a.mp4").read_bytes() == mp4_bytes(moving())


def test_same_frames_same_bytes_again_and_again() -> None:
    """Once networks had run in a process, x264 gave other bytes in up to one of twenty encodings of such frames."""
    session = OnnxRuntimeBackend().open(Bundle.default().path("segment.onnx"))
    session(image=np.zeros((1, 3, 256, 256), np.float32))
    random = np.random.default_rng(0)
    frames = [random.integers(0, 256, size=(64, 64, 3), dtype=np.uint8) for _ in range(4)]
    assert len({mp4_bytes(frames) for _ in range(400)}) == 1


def test_quality_sets_the_size() -> None:
    random = np.random.default_rng(0)
    frames = [random.integers(0, 256, size=(64, 64, 3), dtype=np.uint8) for _ in range(4)]
    assert len(mp4_bytes(frames, Encoding(quality=40))) < len(mp4_bytes(frames))
    assert mp4_bytes(frames, Encoding(quality=18)) == mp4_bytes(frames)
    for quality in (-1, 52, 18.5, True):
        with pytest.raises(OptionError, match="quality"):
            Encoding(quality=quality)


def test_a_bitrate_sets_the_size_as_well() -> None:
    random = np.random.default_rng(0)
    frames = [random.integers(0, 256, size=(128, 128, 3), dtype=np.uint8) for _ in range(60)]
    small, large = (len(mp4_bytes(frames, Encoding(bitrate=rate))) for rate in (400_000, 4_000_000))
    assert small < 0.3 * large
    for bitrate in (100, 1e6, True):
        with pytest.raises(OptionError, match="bitrate"):
            Encoding(bitrate=bitrate)
    with pytest.raises(OptionError, match="one of them"):
        Encoding(quality=18, bitrate=1_000_000)


@pytest.mark.parametrize(("codec", "sign"), [("h264", "avc1"), ("hevc", "hvc1")])
def test_other_codecs_are_the_same_clip(codec: Codec, sign: str, capfd: pytest.CaptureFixture[str]) -> None:
    data = mp4_bytes(moving(), Encoding(codec))
    assert 0 < data.index(b"moov") < data.index(b"mdat")
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == codec
        assert (stream.codec_context.codec_tag, stream.average_rate, stream.frames) == (sign, 60, 12)
        assert (stream.codec_context.colorspace, stream.codec_context.color_range) == (BT709, LIMITED)
        times = [frame.pts * frame.time_base for frame in container.decode(video=0)]
    assert [time * 60 for time in times] == list(range(12))
    for frame, original in zip(decoded(data), moving(), strict=True):
        assert np.abs(frame.astype(int) - original).mean() < FRAME_ERROR
    assert data == mp4_bytes(moving(), Encoding(codec))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("codec", [np.array(["h264", "x"]), None, 7])
def test_what_names_no_codec(codec) -> None:
    with pytest.raises(OptionError, match="There is no codec"):
        Encoding(codec)


def test_a_codec_that_is_not_there() -> None:
    with pytest.raises(OptionError, match="no codec 'mpeg2'; choose one of h264, hevc, av1"):
        Encoding("mpeg2")


def test_av1_is_left_to_graphics_cards(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"'av1' needs an NVIDIA card .* one of h264, hevc here"):
        write_mp4(moving(), tmp_path / "clip.mp4", Encoding("av1"))
    assert left_in(tmp_path) == []


def test_an_encoder_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENCODERS, "hevc", "libnothing")
    with pytest.raises(OptionError, match=r"has no libnothing, .* use 'h264'"):
        write_mp4(moving(), tmp_path / "clip.mp4", Encoding("hevc"))
    assert left_in(tmp_path) == []


class RenderError(Exception):
    pass


@pytest.mark.parametrize("error", [RenderError, KeyboardInterrupt, OSError])
@pytest.mark.parametrize("after", [0, 1, 11])
def test_an_error_of_the_renderer_passes_and_leaves_nothing(tmp_path: Path, error, after: int) -> None:
    def failing() -> Iterator[np.ndarray]:
        yield from moving(after)
        raise error("from the renderer")

    (tmp_path / "clip.mp4").write_bytes(b"the clip of yesterday")
    with pytest.raises(error, match="from the renderer"):
        write_mp4(failing(), tmp_path / "clip.mp4")
    assert left_in(tmp_path) == ["clip.mp4"]
    assert (tmp_path / "clip.mp4").read_bytes() == b"the clip of yesterday"
    assert not any(thread.name == "mien-encoder" for thread in threading.enumerate())


@pytest.mark.parametrize(
    "bad", [np.zeros((64, 64), np.uint8), np.zeros((64, 64, 3), np.float32), np.zeros((32, 32, 3), np.uint8)]
)
def test_an_error_of_the_encoder_passes_and_stops_the_renderer(tmp_path: Path, bad: np.ndarray) -> None:
    drawn = 0

    def frames() -> Iterator[np.ndarray]:
        nonlocal drawn
        yield from moving(2)
        while drawn < 1000:
            drawn += 1
            yield bad

    with pytest.raises(ValueError, match="frame"):
        write_mp4(frames(), tmp_path / "clip.mp4")
    assert drawn < 900
    assert left_in(tmp_path) == []


def test_no_frames(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no frames"):
        write_mp4(iter(()), tmp_path / "clip.mp4")
    assert left_in(tmp_path) == []


def test_a_clip_in_place_is_replaced_and_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.mp4").write_bytes(b"old")
    (tmp_path / "link.mp4").symlink_to("real.mp4")
    write_mp4(moving(), tmp_path / "link.mp4")
    assert (tmp_path / "link.mp4").is_symlink()
    assert (tmp_path / "real.mp4").read_bytes() == mp4_bytes(moving())
    assert left_in(tmp_path) == ["link.mp4", "real.mp4"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("no/such/clip.mp4", "no folder"),
        ("", "is a folder"),
        ("clip.avi", "end in .mp4"),
        ("clip", "end in .mp4"),
        ("x" * 300 + ".mp4", "can't be written"),
        ("a\0b.mp4", "can't be written"),
    ],
)
def test_targets_that_cannot_be_written(tmp_path: Path, name: str, sentence: str) -> None:
    def never() -> Iterator[np.ndarray]:
        raise AssertionError("drawn for nothing")
        yield

    with pytest.raises(OutputError, match=sentence) as caught:
        write_mp4(never(), tmp_path / name)
    assert str(caught.value).endswith(".")
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("path", [None, 5, b"clip.mp4", io.BytesIO()])
def test_what_names_no_file(path) -> None:
    with pytest.raises(OutputError, match="named by text or a path"):
        write_mp4(moving(), path)


@pytest.mark.skipif(sys.platform == "win32", reason="links and pipes are POSIX")
def test_links_to_themselves_and_pipes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "loop.mp4").symlink_to("loop.mp4")
    os.mkfifo(tmp_path / "pipe.mp4")
    for name, sentence in (("loop.mp4", "can't be written"), ("pipe.mp4", "a device or a pipe")):
        with pytest.raises(OutputError, match=sentence):
            write_mp4(moving(), tmp_path / name)
    assert left_in(tmp_path) == ["loop.mp4", "pipe.mp4"]


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are POSIX")
def test_a_clip_in_place_keeps_its_permissions(tmp_path: Path) -> None:
    (tmp_path / "mine.mp4").touch(mode=0o600)
    write_mp4(moving(), tmp_path / "mine.mp4")
    assert (tmp_path / "mine.mp4").stat().st_mode & 0o777 == 0o600


def test_a_disk_that_becomes_read_only_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the temporary file can't be removed either, which must not hide why."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "touch", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(OutputError, match="no permission"):
        write_mp4(moving(), tmp_path / "clip.mp4")


def test_a_folder_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may write anywhere, so the refusal is planted."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "touch", refuse)
    with pytest.raises(OutputError, match="no permission"):
        write_mp4(moving(), tmp_path / "clip.mp4")


FULL_DISK = """
import resource, sys
import numpy as np
from engine.errors import OutputError
from engine.media.encode import write_mp4
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
random = np.random.default_rng(0)
try:
    noise = (random.integers(0, 256, size=(256, 256, 3), dtype=np.uint8) for _ in range(int(sys.argv[2])))
    write_mp4(noise, sys.argv[1])
except OutputError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits on file sizes are POSIX")
@pytest.mark.parametrize("frame_count", [1, 30])
def test_a_full_disk(tmp_path: Path, frame_count: int) -> None:
    """A limit on the file's size fails as a full disk does, at the same places of libav."""
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path / "clip.mp4"), str(frame_count)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert "disk is full" in done.stdout, done.stdout + done.stderr
    assert left_in(tmp_path) == []
