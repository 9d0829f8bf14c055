"""Pairs of the mesh's points pushed apart by the host library of kernels/: a tenth of the time that NumPy takes."""

from __future__ import annotations

import ctypes

import numpy as np
from numpy.typing import NDArray

from engine.native.library import Skin, library
from engine.types import Floats


def relax_skin(
    found: Floats, pairs: NDArray[np.int32], shares: Floats, along: Floats, room: Floats, *, rounds: int
) -> bool:
    """Changes found (points, 2, frames) in place; False where there is no native library, and nothing has changed.

    pairs and shares (m, 2), along (m, 2), room (m,); all contiguous, all but pairs float32.
    """
    native = library()
    if native is None:
        return False
    skin = Skin(
        pairs.ctypes.data, shares.ctypes.data, along.ctypes.data, room.ctypes.data, found.ctypes.data,
        len(pairs), found.shape[2], rounds,
    )  # fmt: skip
    native.mien_relax_skin(ctypes.byref(skin))
    return True
