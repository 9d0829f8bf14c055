"""Reads a photo: whatever the caller has, to RGB uint8 (H, W, 3), upright and in sRGB."""

from __future__ import annotations

import io
import logging
import os
import struct
import warnings
from collections.abc import Callable
from threading import Lock
from typing import IO, Any, Final, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageCms, ImageOps

from engine.checks import whole_number
from engine.errors import ImageError
from engine.sentences import shown
from engine.types import Image

PhotoSource = str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | NDArray[Any] | Pillow.Image

MAX_PIXELS: Final = 80_000_000
BLACK_OF_16_BITS: Final = 255  # no picture of 16 bits is as dark, but 8 bits in them are
PHOTOMETRIC, WHITE_IS_ZERO = 262, 0  # of TIFF
MIN_SIDE: Final = 32  # pixels; the detector's smallest face is 24 px
MAX_SIDE_RANGE: Final = (64, 8192)  # pixels; every player takes H.264 up to 8192

# An allow-list, because Pillow also opens formats that start other programs (EPS runs Ghostscript).
# JPEG covers MPO, the two-picture files of phones.
FORMATS: Final = ("JPEG", "PNG", "WEBP", "AVIF", "BMP", "TIFF", "GIF")
# Further pages of a TIFF or of a phone's MPO are thumbnails and second views; here they are an animation.
ANIMATED_FORMATS: Final = ("PNG", "WEBP", "AVIF", "GIF")
# What Pillow's decoders raise on damaged data.
DECODE_ERRORS: Final = (
    OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, RuntimeError, struct.error,
)  # fmt: skip

T = TypeVar("T")
# Two threads that quieten Python's warnings at once would leave them quiet for the whole process.
_quietly = Lock()
_log = logging.getLogger("engine")


def read_photo(source: PhotoSource, *, max_side: int = 1920) -> Image:
    """Reads a photo.

    source: a path (str or PathLike), the bytes of an image file, a binary file object, a NumPy array (RGB, RGBA or
        grey; uint8, uint16, or float from 0 to 1) or a Pillow image. The file is JPEG, PNG, WebP, AVIF, BMP, TIFF or
        GIF.
    max_side: a photo with a longer side than this many pixels is shrunk, and a warning is logged.

    Returns (H, W, 3) uint8 sRGB: EXIF orientation applied, embedded colour profile converted, transparent parts
    over white. The array is the caller's own: it shares no memory with the source.

    Raises ImageError if there is no such file, or it isn't a still image of 32 px a side to 80 megapixels, and
    OptionError if max_side isn't a whole number from 64 to 8192.
    """
    return _shrink(_read_any(source), checked_max_side(max_side))


def checked_max_side(max_side: int) -> int:
    """Raises OptionError."""
    return whole_number("max_side", max_side, *MAX_SIDE_RANGE, " of pixels")


def _read_any(source: PhotoSource) -> Image:
    """Decides what the source is; the only place that does."""
    if isinstance(source, np.ndarray):
        return _from_array(source, "the array")
    if isinstance(source, Pillow.Image):
        return _from_pillow(source, "the Pillow image")
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _from_file(io.BytesIO(source), "the bytes")
    if isinstance(source, (str, os.PathLike)):
        return _from_path(source)
    if hasattr(source, "read"):
        return _from_file(_in_memory(source), "the file object")
    raise ImageError(
        f"A photo is a path, bytes, a binary file object, a NumPy array or a Pillow image, not {type(source).__name__}."
    )


def _from_path(path: str | os.PathLike[str]) -> Image:
    name = shown(os.fspath(path))
    try:
        file = open(path, "rb")  # noqa: SIM115, since only opening it may raise these errors
    except FileNotFoundError:
        raise ImageError(f"There is no file {name}; check the path.") from None
    except IsADirectoryError:
        raise ImageError(f"{name} is a folder; name one image in it.") from None
    except (OSError, ValueError) as error:  # no permission, a name too long, a zero byte in the name
        raise ImageError(f"{name} can't be opened ({_reason(error)}); check the path and its permissions.") from None
    with file:
        return _from_file(file if file.seekable() else _in_memory(file), name)


def _in_memory(file: IO[bytes]) -> IO[bytes]:
    """The rest of a file, seekable."""
    data: bytes | str
    try:
        data = file.read()
    except UnicodeDecodeError:
        data = ""
    except (OSError, ValueError) as error:  # closed, opened for writing, or a broken disk or connection
        raise ImageError(f"The file object can't be read ({_reason(error)}); open it in binary mode ('rb').") from None
    if not isinstance(data, bytes):
        raise ImageError("The file object gives text instead of bytes; open it in binary mode ('rb').")
    return io.BytesIO(data)


def _from_file(file: IO[bytes], name: str) -> Image:
    if not file.read(1):
        raise ImageError(f"{_capital(name)}: the image is empty (0 bytes); pass a whole image file, from its start.")
    file.seek(0)
    with _quietly, warnings.catch_warnings():
        # Pillow warns of large pictures, which get an error here, and of damaged EXIF data, which does no harm.
        warnings.simplefilter("ignore")
        try:
            image = Pillow.open(file, formats=FORMATS)
        except Pillow.DecompressionBombError:
            raise _too_many_pixels(name) from None
        except DECODE_ERRORS:
            raise ImageError(
                f"{_capital(name)}: this isn't an image that can be read; use JPEG, PNG, WebP, AVIF, BMP, TIFF or GIF."
            ) from None
        with image:
            return _from_pillow(image, name)


def _from_pillow(image: Pillow.Image, name: str) -> Image:
    _check_pixels(image.width, image.height, name)
    frames: int = _decoded(lambda: getattr(image, "n_frames", 1), name)
    if image.format in ANIMATED_FORMATS and frames > 1:
        raise ImageError(f"{_capital(name)}: this is an animation of {frames} frames; pass one still picture.")
    inverted = getattr(image, "tag_v2", {}).get(PHOTOMETRIC) == WHITE_IS_ZERO
    if inverted and image.mode.startswith(("I", "F")):  # Pillow inverts 8 bits alone
        raise ImageError(f"{_capital(name)}: its greys are inverted (0 is white); save it with 0 as black.")
    _decoded(image.load, name)
    return _decoded(lambda: _to_rgb(_upright(image), name), name)


def _decoded(step: Callable[[], T], name: str) -> T:
    """Runs a step that may meet damaged data."""
    try:
        return step()
    except ImageError:
        raise
    except DECODE_ERRORS as error:
        raise ImageError(
            f"{_capital(name)}: the image is truncated or damaged ({_reason(error)}); get a whole copy of it."
        ) from None


def _upright(image: Pillow.Image) -> Pillow.Image:
    try:
        return ImageOps.exif_transpose(image)
    except DECODE_ERRORS as error:
        _log.warning("The photo's EXIF data is damaged (%s); its orientation is ignored.", _reason(error))
        return image


def _to_rgb(image: Pillow.Image, name: str) -> Image:
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I") or image.mode == "F":
        grey = np.asarray(image)
        if grey.dtype == np.int32:  # Pillow's mode I holds 16-bit greys of some formats
            if grey.min() < 0 or grey.max() > 65535:
                raise ImageError(f"{_capital(name)}: its greys have more than 16 bits; save it with 8 or 16.")
            grey = grey.astype(np.uint16)
        image = Pillow.fromarray(_from_array(grey, name)).convert("L")
    elif image.has_transparency_data:
        colour = image.convert("RGBA")
        image = Pillow.alpha_composite(Pillow.new("RGBA", image.size, "white"), colour).convert("RGB")
    elif image.mode not in ("L", "RGB", "CMYK", "LAB"):
        image = image.convert("RGB")
    if profile:
        image = _to_srgb(image, profile)
    return np.array(image.convert("RGB"), dtype=np.uint8)


def _to_srgb(image: Pillow.Image, profile: bytes) -> Pillow.Image:
    """Converts from the embedded ICC profile; the image as it is if that profile can't be used."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "srgb" in (source.profile.profile_description or "").lower():
            return image
        converted = ImageCms.profileToProfile(
            image,
            source,
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        _log.info("The photo's colour profile can't be used (%s); its colours are taken as sRGB.", _reason(error))
        return image
    return converted or image


def _from_array(array: NDArray[Any], name: str) -> Image:
    """RGB uint8 from RGB, RGBA or grey of 8 or 16 bits or floats from 0 to 1."""
    shape = array.shape
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        raise ImageError(f"An array must have the shape (H, W, 3), (H, W, 4) or (H, W), not {shape}; reorder its axes.")
    if array.size == 0:
        raise ImageError(f"The array is empty: its shape is {shape}; pass a picture.")
    _check_pixels(array.shape[1], array.shape[0], name)
    levels = _to_uint8(array, name)
    if levels.shape[2] == 4:
        alpha = levels[:, :, 3:].astype(np.uint16)
        over_white = levels[:, :, :3] * alpha + 255 * (255 - alpha)
        return ((over_white + 127) // 255).astype(np.uint8)
    return np.array(np.broadcast_to(levels, (*levels.shape[:2], 3)), order="C")


def _to_uint8(array: NDArray[Any], name: str) -> NDArray[np.uint8]:
    if array.dtype == np.uint8:
        return np.asarray(array, np.uint8)
    if array.dtype.kind == "u" and array.dtype.itemsize == 2:  # in either order of bytes
        if array[..., :3].max() <= BLACK_OF_16_BITS:
            raise ImageError(
                f"{_capital(name)}: its 16-bit values end at {array[..., :3].max()} of 65535, which is black; "
                "if they are 8-bit values, convert it to uint8."
            )
        return ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if np.issubdtype(array.dtype, np.floating):
        low, high = float(array.min()), float(array.max())
        if not (low >= 0 and high <= 1):  # also true for NaN
            raise ImageError(
                f"{_capital(name)}: floats must be from 0 to 1, but these are {low:g} to {high:g}; scale it."
            )
        return np.asarray(np.rint(array * 255), np.uint8)
    raise ImageError(f"{_capital(name)}: it must be uint8, uint16 or float, not {array.dtype}; convert it to uint8.")


def _shrink(photo: Image, max_side: int) -> Image:
    height, width = photo.shape[:2]
    scale = min(1.0, max_side / max(width, height))
    new_width, new_height = round(width * scale), round(height * scale)
    if min(new_width, new_height) < MIN_SIDE:
        raise ImageError(
            f"The photo has {width}x{height} pixels, which leaves {new_width}x{new_height} to work on; "
            f"use one with at least {MIN_SIDE} on each side."
        )
    if scale == 1.0:
        return photo
    _log.warning(
        "The photo is shrunk from %dx%d to %dx%d pixels (max_side=%d).", width, height, new_width, new_height, max_side
    )
    small = cv2.resize(photo, (new_width, new_height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.uint8)


def _check_pixels(width: int, height: int, name: str) -> None:
    if width * height > MAX_PIXELS:
        raise _too_many_pixels(name, f" ({width}x{height})")


def _too_many_pixels(name: str, size: str = "") -> ImageError:
    return ImageError(f"{_capital(name)}: the image has over {MAX_PIXELS // 10**6} megapixels{size}; shrink it first.")


def _reason(error: BaseException) -> str:
    return str(error).rstrip(".") or type(error).__name__


def _capital(name: str) -> str:
    return name[:1].upper() + name[1:]
