"""Motion files: .npz keeps every track, .csv is what face capture programs exchange."""

from __future__ import annotations

import csv
import os
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from engine.errors import MotionError
from engine.media.output import as_output_error, check_target, whole_file
from engine.motion import live_link
from engine.types import Floats

FPS: Final = 60
SUFFIXES: Final = (".npz", ".csv")
# What zipfile and NumPy raise on damaged data: other compression, encryption, a header that isn't Python.
DAMAGED: Final = (
    ValueError, TypeError, EOFError, KeyError, IndexError, AttributeError, zipfile.BadZipFile, zlib.error, struct.error,
    RuntimeError, OverflowError, SyntaxError, tokenize.TokenError, MemoryError,
)  # fmt: skip


def write(path: str | os.PathLike[str], tracks: Mapping[str, Floats]) -> None:
    """Writes the tracks of a `Motion` into a .npz or .csv file; raises OutputError."""
    target = check_target(path, SUFFIXES)
    with whole_file(target) as partial:
        try:
            if target.suffix.lower() == ".csv":
                partial.write_text(live_link.to_csv(tracks, FPS), encoding="ascii")
            else:
                with partial.open("wb") as file:
                    np.savez_compressed(file, allow_pickle=False, fps=FPS, **tracks)
        except OSError as error:
            raise as_output_error(error, target) from error


def read(path: str | os.PathLike[str], names: Sequence[str]) -> dict[str, Floats]:
    """The tracks of these names from a .npz or .csv file; raises MotionError."""
    try:
        source = Path(path)
    except TypeError:
        raise MotionError(f"A motion file is named by text or a path, not by {type(path).__name__}.") from None
    if source.suffix.lower() not in SUFFIXES:
        raise MotionError(f"'{source}' is not a motion file; give one that ends in {' or '.join(SUFFIXES)}.")
    try:
        if source.suffix.lower() == ".csv":
            return live_link.from_csv(source.read_text(encoding="utf-8-sig"), source.name, FPS)
        return _read_npz(source, names)
    except FileNotFoundError:
        raise MotionError(f"There is no motion file '{source}'; check the path.") from None
    except OSError as error:
        raise MotionError(f"The motion file '{source}' can't be read ({error.strerror}); check it.") from error
    except (UnicodeDecodeError, csv.Error):
        raise MotionError(f"The motion file '{source}' has no comma-separated text; save it again.") from None
    except ValueError as error:
        if isinstance(error, MotionError):
            raise
        raise MotionError(f"The motion file {str(source)!r} can't be opened ({error}); check its name.") from None


def _read_npz(source: Path, names: Sequence[str]) -> dict[str, Floats]:
    try:
        with source.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            fps = float(arrays["fps"]) if "fps" in arrays.files else FPS
            tracks = {name: arrays[name] for name in names if name in arrays.files}
    except DAMAGED:
        raise MotionError(f"The motion file '{source}' is damaged or not an .npz file; save it again.") from None
    for name in names:
        if name not in tracks:
            raise MotionError(f"The motion file '{source}' has no array '{name}'; add it.")
    if fps != FPS:
        raise MotionError(f"The motion file '{source}' has {fps:g} frames a second; resample it to {FPS}.")
    return tracks
