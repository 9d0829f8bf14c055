"""Finds the host library of kernels/ beside this file. Its structs are described in kernels/native.h."""

from __future__ import annotations

import ctypes
import logging
import os
import sys
from functools import cache
from pathlib import Path

log = logging.getLogger("engine")

INTERFACE = 6  # kMienInterface
SUFFIX = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
PATH = Path(__file__).parent / f"libmien{SUFFIX}"


class Images(ctypes.Structure):
    """MienImages."""

    _fields_ = (
        ("pixels", ctypes.c_void_p),
        ("count", ctypes.c_int32),
        ("height", ctypes.c_int32),
        ("width", ctypes.c_int32),
        ("colour", ctypes.c_float),
        ("alpha", ctypes.c_float),
    )


class Grid(ctypes.Structure):
    """MienGrid."""

    _fields_ = (("functions", ctypes.c_void_p), ("rows", ctypes.c_int32), ("columns", ctypes.c_int32))


class Patch(ctypes.Structure):
    """MienPatch."""

    _fields_ = (
        ("box", ctypes.c_void_p),
        ("grid", Grid),
        ("upper", ctypes.c_void_p),
        ("lower", ctypes.c_void_p),
        ("height", ctypes.c_int32),
        ("width", ctypes.c_int32),
        ("skin_alpha", ctypes.c_void_p),
        ("feather", ctypes.c_void_p),
        ("textures", Images),
        ("shade", ctypes.c_void_p),
        ("shade_step", ctypes.c_void_p),
        ("affine", ctypes.c_void_p),
        ("opacity", ctypes.c_void_p),
        ("lid_changes", ctypes.c_void_p),
        ("lid_shares", ctypes.c_void_p),
        ("behind", ctypes.c_void_p),
        ("backs", ctypes.c_int32),
        ("frames", ctypes.c_void_p),
        ("inside", ctypes.c_void_p),
    )


class Warp(ctypes.Structure):
    """MienWarp."""

    _fields_ = (
        ("frames", ctypes.c_int32),
        ("functions", ctypes.c_int32),
        ("regions", ctypes.c_int32),
        ("terms", ctypes.c_int32),
        ("coefficients", ctypes.c_void_p),
        ("folds", ctypes.c_void_p),
        ("fold_regions", ctypes.c_void_p),
        ("fold_tint", ctypes.c_void_p),
        ("light", ctypes.c_void_p),
        ("light_maps", ctypes.c_void_p),
        ("base", Grid),
        ("source", Images),
        ("source_folds", ctypes.c_void_p),
        ("occupied", ctypes.c_void_p),
        ("behind", ctypes.c_void_p),
        ("backs", ctypes.c_int32),
        ("drawn", ctypes.c_void_p),
        ("drawn_row", ctypes.c_int64),
        ("drawn_frame", ctypes.c_int64),
        ("patches", Patch * 3),
    )


class Planes(ctypes.Structure):
    """MienPlanes."""

    _fields_ = (
        ("rgb", ctypes.c_void_p),
        ("height", ctypes.c_int32),
        ("width", ctypes.c_int32),
        ("luma", ctypes.c_void_p),
        ("blue", ctypes.c_void_p),
        ("red", ctypes.c_void_p),
        ("luma_row", ctypes.c_int32),
        ("colour_row", ctypes.c_int32),
    )


class Skin(ctypes.Structure):
    """MienSkin."""

    _fields_ = (
        ("pairs", ctypes.c_void_p),
        ("shares", ctypes.c_void_p),
        ("along", ctypes.c_void_p),
        ("room", ctypes.c_void_p),
        ("found", ctypes.c_void_p),
        ("count", ctypes.c_int32),
        ("frames", ctypes.c_int32),
        ("rounds", ctypes.c_int32),
    )


@cache
def library() -> ctypes.CDLL | None:
    """The library, None where it wasn't built or can't be used; that is reported once."""
    if not PATH.exists():
        log.warning(
            "The native library wasn't built; frames are drawn by the slower way. Install a C++ compiler, then the "
            "package again."
        )
        return None
    try:
        found = load(PATH)
    except (OSError, AttributeError, ValueError) as error:
        log.warning(
            "The native library %s can't be used (%s); frames are drawn by the slower way. Install the package again.",
            PATH,
            error,
        )
        return None
    log.debug("loaded %s", PATH)
    return found


def load(path: Path) -> ctypes.CDLL:
    """Raises OSError where it can't be loaded, AttributeError or ValueError where it is of another version."""
    found = ctypes.CDLL(os.fspath(path))
    found.mien_warp_size.restype = ctypes.c_int64
    if found.mien_interface() != INTERFACE or found.mien_warp_size() != ctypes.sizeof(Warp):
        raise ValueError("it is of another version")
    found.mien_layered_warp.argtypes = (ctypes.POINTER(Warp), ctypes.c_int)
    found.mien_to_yuv420.argtypes = (ctypes.POINTER(Planes),)
    found.mien_relax_skin.argtypes = (ctypes.POINTER(Skin),)
    found.mien_relax_skin.restype = None
    return found


def available() -> bool:
    """Whether the native library is there and can be used."""
    return library() is not None


def usable_cpus() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
