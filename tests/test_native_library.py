"""Where the native library can't be had everything works without it; one that is broken is reported."""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import native
from engine.errors import BackendError
from engine.native import NativeWarp
from engine.native import library as loading
from engine.render.warp import open_warp
from tests.perception import backend, bundle


@pytest.fixture(autouse=True)
def path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Where the library is looked for now; nothing is there yet."""
    place = tmp_path / loading.PATH.name
    monkeypatch.setattr(loading, "PATH", place)
    loading.library.cache_clear()
    yield place
    loading.library.cache_clear()


def test_without_the_library_the_graph_draws(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "engine"):
        assert not native.available()
        assert not isinstance(open_warp(backend(), bundle()), NativeWarp)
    [said] = caplog.messages
    assert "slower way" in said
    assert "Install a C++ compiler" in said
    with pytest.raises(BackendError, match="isn't there"):
        NativeWarp()


def test_a_library_that_cannot_be_loaded_is_reported_once(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.write_bytes(b"of another processor")
    with caplog.at_level(logging.WARNING, "engine"):
        assert not native.available()
        assert not isinstance(open_warp(backend(), bundle()), NativeWarp)
    (record,) = caplog.records
    assert str(path) in record.getMessage()


class Answer:
    """A function of a library, as ctypes has it."""

    def __init__(self, value: int) -> None:
        self._value = value

    def __call__(self) -> int:
        return self._value


@pytest.mark.parametrize(("interface", "size"), [(0, 8), (loading.INTERFACE, 8), (0, ctypes.sizeof(loading.Warp))])
def test_a_library_of_another_version_is_not_used(monkeypatch: pytest.MonkeyPatch, interface: int, size: int) -> None:
    class Older:
        """What ctypes.CDLL makes of a library whose structs were others, be they of the same size."""

        def __init__(self, _: str) -> None:
            self.mien_interface, self.mien_warp_size = Answer(interface), Answer(size)

    monkeypatch.setattr(loading.ctypes, "CDLL", Older)
    with pytest.raises(ValueError, match="another version"):
        loading.load(Path("libmien.so"))
