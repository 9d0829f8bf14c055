"""Any photo that people have becomes upright sRGB uint8; anything else gets one sentence."""

from __future__ import annotations

import io
import logging
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageCms, features

from engine.errors import ImageError, OptionError
from engine.media.read import read_photo
from engine.samples import SAMPLES, sample_photo

WITH_AVIF = pytest.mark.skipif(not features.check("avif"), reason="Pillow was built without AVIF")
AVIF = pytest.param("AVIF", marks=WITH_AVIF)
KINDS = ["PNG", "BMP", "TIFF", "WEBP", AVIF, "GIF", "JPEG"]
JPEG_ERROR = 3.0  # mean levels that a high-quality JPEG may differ


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """A smooth picture whose corners all differ, so that no turn or mirror goes unseen."""
    y, x = np.mgrid[0:48, 0:64]
    return np.stack([x * 4, y * 5, 255 - x * 2 - y], axis=-1).astype(np.uint8)


def encoded(image: Pillow.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", KINDS)
def test_reads_every_format(picture: np.ndarray, kind: str) -> None:
    options = {"JPEG": {"quality": 98, "subsampling": 0}, "WEBP": {"lossless": True}, "AVIF": {"quality": 95}}.get(
        kind, {}
    )
    photo = read_photo(encoded(Pillow.fromarray(picture), kind, **options))
    assert photo.dtype == np.uint8
    assert photo.shape == picture.shape
    assert np.abs(photo.astype(int) - picture).mean() < {"JPEG": JPEG_ERROR, "AVIF": JPEG_ERROR, "GIF": 25.0}.get(
        kind, 1e-9
    )


def test_every_kind_of_source_gives_the_same_pixels(picture: np.ndarray, tmp_path: Path) -> None:
    data = encoded(Pillow.fromarray(picture), "PNG")
    path = tmp_path / "photo.png"
    path.write_bytes(data)
    with path.open("rb") as file:
        sources = [path, str(path), data, bytearray(data), file, io.BytesIO(data), picture, Pillow.fromarray(picture)]
        for source in sources:
            np.testing.assert_array_equal(read_photo(source), picture)


def test_the_photo_shares_no_memory_with_the_callers_array(picture: np.ndarray) -> None:
    source = picture.copy()
    read_photo(source)[:] = 0
    np.testing.assert_array_equal(source, picture)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(picture: np.ndarray, orientation: int) -> None:
    turned = {
        1: picture,
        2: picture[:, ::-1],
        3: picture[::-1, ::-1],
        4: picture[::-1],
        5: picture.transpose(1, 0, 2),
        6: np.rot90(picture, 1),
        7: picture[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(picture, -1),
    }[orientation]
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    data = encoded(Pillow.fromarray(np.ascontiguousarray(turned)), "PNG", exif=exif)
    np.testing.assert_array_equal(read_photo(data), picture)


def test_grey_palette_and_one_bit(picture: np.ndarray) -> None:
    grey = picture[:, :, 0]
    three = np.repeat(grey[:, :, None], 3, axis=2)
    np.testing.assert_array_equal(read_photo(encoded(Pillow.fromarray(grey), "PNG")), three)
    np.testing.assert_array_equal(read_photo(encoded(Pillow.fromarray(grey).convert("P"), "PNG")), three)
    assert set(np.unique(read_photo(encoded(Pillow.fromarray(grey).convert("1"), "PNG")))) == {0, 255}


@pytest.mark.parametrize("kind", [".png", ".tif"])
def test_sixteen_bits_are_scaled(picture: np.ndarray, kind: str) -> None:
    deep = picture.astype(np.uint16) * 257
    _, colour = cv2.imencode(kind, deep[:, :, ::-1])
    _, grey = cv2.imencode(kind, deep[:, :, 1])
    np.testing.assert_array_equal(read_photo(colour.tobytes()), picture)
    np.testing.assert_array_equal(read_photo(grey.tobytes())[:, :, 2], picture[:, :, 1])


def test_sixteen_bits_in_the_other_order_of_bytes(picture: np.ndarray, tmp_path: Path) -> None:
    grey = picture[..., 0].astype(np.uint16) * 257
    expected = read_photo(grey)
    np.testing.assert_array_equal(read_photo(grey.astype(">u2")), expected)
    Pillow.frombytes("I;16B", grey.shape[::-1], grey.astype(">u2").tobytes()).save(tmp_path / "big_endian.tif")
    np.testing.assert_array_equal(read_photo(tmp_path / "big_endian.tif"), expected)


def test_cmyk(picture: np.ndarray) -> None:
    photo = read_photo(encoded(Pillow.fromarray(picture).convert("CMYK"), "JPEG", quality=98))
    assert np.abs(photo.astype(int) - picture).mean() < JPEG_ERROR


def test_transparent_parts_lie_over_white() -> None:
    rgba = np.zeros((40, 40, 4), np.uint8)
    rgba[:, 10:20, 3], rgba[:, 20:, 3] = 128, 255
    grey_alpha = Pillow.fromarray(rgba).convert("LA")
    palette = Pillow.new("P", (40, 40), 0)
    for source in (rgba, encoded(Pillow.fromarray(rgba), "PNG"), encoded(grey_alpha, "PNG")):
        photo = read_photo(source)
        assert photo[0, 0].tolist() == [255] * 3
        assert photo[0, 15].tolist() == [127] * 3
        assert photo[0, 30].tolist() == [0] * 3
    assert read_photo(encoded(palette, "PNG", transparency=0)).min() == 255


def test_arrays_of_floats_and_sixteen_bits(picture: np.ndarray) -> None:
    np.testing.assert_array_equal(read_photo(picture.astype(np.float32) / 255), picture)
    np.testing.assert_array_equal(read_photo(picture.astype(np.uint16) * 257), picture)
    np.testing.assert_array_equal(read_photo(picture[:, :, 0])[:, :, 1], picture[:, :, 0])


def test_colour_profiles_are_converted_to_srgb(picture: np.ndarray) -> None:
    """Swaps of the primaries' names would be seen at once: a profile with red and green exchanged must turn them."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = swap_tags(srgb, b"rXYZ", b"gXYZ").replace("sRGB".encode("utf-16-be"), "test".encode("utf-16-be"))
    plain = encoded(Pillow.fromarray(picture), "PNG", icc_profile=srgb)
    np.testing.assert_array_equal(read_photo(plain), picture)
    converted = read_photo(encoded(Pillow.fromarray(picture), "PNG", icc_profile=swapped))
    assert np.abs(converted.astype(int) - picture[:, :, [1, 0, 2]]).mean() < 3


def swap_tags(profile: bytes, first: bytes, second: bytes) -> bytes:
    """Exchanges two names in an ICC profile's table of tags."""
    count = struct.unpack(">I", profile[128:132])[0]
    table = bytearray(profile[132 : 132 + 12 * count])
    for at in range(0, len(table), 12):
        name = bytes(table[at : at + 4])
        table[at : at + 4] = {first: second, second: first}.get(name, name)
    return profile[:132] + bytes(table) + profile[132 + 12 * count :]


def test_a_broken_colour_profile_is_ignored(picture: np.ndarray) -> None:
    data = encoded(Pillow.fromarray(picture), "PNG", icc_profile=b"not a profile")
    np.testing.assert_array_equal(read_photo(data), picture)


def test_a_large_photo_is_shrunk_and_this_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "engine"):
        assert read_photo(np.zeros((300, 401, 3), np.uint8), max_side=200).shape == (150, 200, 3)
    assert "401x300" in caplog.text
    assert "200x150" in caplog.text
    caplog.clear()
    assert read_photo(np.zeros((300, 401, 3), np.uint8), max_side=401).shape == (300, 401, 3)
    assert not caplog.text


@pytest.mark.parametrize("max_side", [0, 63, 8193, 512.0, True, None])
def test_max_side_out_of_range(picture: np.ndarray, max_side) -> None:
    with pytest.raises(OptionError, match="max_side"):
        read_photo(picture, max_side=max_side)


def animation(kind: str) -> bytes:
    frames = [Pillow.new("RGB", (40, 40), colour) for colour in ("red", "green", "blue")]
    return encoded(frames[0], kind, save_all=True, append_images=frames[1:])


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", AVIF])
def test_animations_are_refused(kind: str) -> None:
    with pytest.raises(ImageError, match="animation of 3 frames"):
        read_photo(animation(kind))


def test_a_tiff_of_several_pages_gives_the_first() -> None:
    assert read_photo(animation("TIFF"))[0, 0].tolist() == [255, 0, 0]


def png_header(width: int, height: int) -> bytes:
    """A PNG that says how large it is and holds nothing else."""
    whole = encoded(Pillow.new("L", (1, 1)), "PNG")
    header = b"IHDR" + struct.pack(">II", width, height) + whole[24:29]
    crc = struct.pack(">I", zlib.crc32(header))
    return whole[:12] + header + crc + whole[33:]


@pytest.mark.parametrize(("width", "height"), [(9000, 9000), (12000, 12000), (60000, 60000)])
def test_over_80_megapixels_is_refused_before_decoding(width: int, height: int) -> None:
    with pytest.raises(ImageError, match="over 80 megapixels"):
        read_photo(png_header(width, height))


@pytest.mark.parametrize("kind", KINDS)
def test_a_truncated_file_is_refused(kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, size=(48, 64, 3), dtype=np.uint8)
    data = encoded(Pillow.fromarray(noise), kind)
    for part in (0.05, 0.3, 0.6, 0.9):
        with pytest.raises(ImageError):
            read_photo(data[: int(len(data) * part)])


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_bytes_give_a_photo_or_an_image_error(picture: np.ndarray, kind: str) -> None:
    random = np.random.default_rng(0)
    whole = np.frombuffer(encoded(Pillow.fromarray(picture), kind), np.uint8)
    for _ in range(60):
        data = whole.copy()
        places = random.integers(0, min(len(data), 400), size=4)
        data[places] = random.integers(0, 256, size=4)
        try:
            assert read_photo(data.tobytes()).ndim == 3
        except ImageError as error:
            assert str(error).endswith(".")


def inverted_tiff() -> bytes:
    file = io.BytesIO()
    Pillow.new("I;16", (64, 64), 40000).save(file, "TIFF")
    black_is_zero = b"\x06\x01\x03\x00\x01\x00\x00\x00\x01\x00"  # the tag 262, one short number, 1
    assert black_is_zero in file.getvalue()
    return file.getvalue().replace(black_is_zero, black_is_zero[:-2] + b"\x00\x00")


def closed_file() -> io.BytesIO:
    file = io.BytesIO(b"whatever")
    file.close()
    return file


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("no/such/photo.jpg", "no file"),
        (".", "folder"),
        ("a\0b.jpg", "can't be opened"),
        ("x" * 5000, "can't be opened"),
        (b"", "empty"),
        (b"plain text, no picture", "isn't an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 90 90\n", "isn't an image"),
        (io.StringIO("text"), "binary mode"),
        (io.TextIOWrapper(io.BytesIO(b"\xff\xd8\xff"), encoding="utf-8"), "binary mode"),
        (closed_file(), "can't be read"),
        (Pillow.new("I", (64, 64), 200), "The Pillow image: its 16-bit values end at 200"),
        (np.full((64, 64, 3), 255, np.uint16), "convert it to uint8"),
        (np.full((64, 64, 4), [200, 200, 200, 65535], np.uint16), "convert it to uint8"),
        (inverted_tiff(), "its greys are inverted"),
        (Pillow.new("F", (64, 64), 200.0), "The Pillow image: floats must be from 0 to 1"),
        (None, "not NoneType"),
        (7, "not int"),
        (np.zeros((3, 64, 64), np.uint8), "reorder"),
        (np.zeros((64, 64, 2), np.uint8), "shape"),
        (np.zeros((0, 64, 3), np.uint8), "empty"),
        (np.zeros((64, 64, 3), np.int32), "int32"),
        (np.full((64, 64, 3), 255.0), "The array: floats must be from 0 to 1"),
        (np.full((64, 64, 3), np.nan), "0 to 1"),
        (np.zeros((31, 64, 3), np.uint8), "at least 32"),
        (np.zeros((33, 8000, 3), np.uint8), "at least 32"),
    ],
)
def test_what_cannot_be_read_gets_one_sentence(source, sentence: str) -> None:
    with pytest.raises(ImageError, match=sentence) as caught:
        read_photo(source)
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message


def test_samples_can_be_read() -> None:
    for name in SAMPLES:
        assert min(read_photo(sample_photo(name)).shape[:2]) >= 512
    with pytest.raises(ImageError, match="astronaut"):
        sample_photo("nobody")


def test_threads_leave_warnings_as_they_were(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    Pillow.new("RGB", (640, 640)).save(file)
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(read_photo, [file] * 64))
    assert warnings.filters == before
