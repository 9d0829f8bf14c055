"""What tests of native code share: the library, or the reason why there is nothing to test."""

from __future__ import annotations

import ctypes
import os

import pytest

from engine.native.library import PATH, library

REQUIRED = os.environ.get("MIEN_REQUIRE_NATIVE") == "1"


def native_library() -> ctypes.CDLL:
    """Skips the test where the library isn't built; fails it if MIEN_REQUIRE_NATIVE=1 says that it should be."""
    found = library()
    if found is None:
        reason = f"{PATH.name} isn't built; `make native` does it"
        if REQUIRED:
            pytest.fail(reason)
        pytest.skip(reason)
    return found
