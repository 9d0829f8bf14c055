"""Where GPU backends keep what took them long to build: a folder of the user, or the one that MIEN_CACHE names."""

from __future__ import annotations

import logging
import os
import secrets
import sys
from contextlib import suppress
from pathlib import Path

log = logging.getLogger("engine")


def cache_folder() -> Path:
    """MIEN_CACHE, or the system's own place for such files."""
    if chosen := os.environ.get("MIEN_CACHE"):
        return Path(chosen)
    home = Path.home()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local")) / "mien" / "cache"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "mien"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "mien"


class Cache:
    """A folder of files that can be built again: nothing that goes wrong in it is an error."""

    def __init__(self) -> None:
        self.folder = cache_folder()

    def read(self, name: str) -> bytes | None:
        """The file's contents, None where it isn't there or can't be read."""
        try:
            return (self.folder / name).read_bytes()
        except OSError:
            return None

    def write(self, name: str, content: bytes) -> None:
        """Keeps it, whole or not at all: other processes may be reading and writing the same file."""
        partial = self.folder / f".{name}.{secrets.token_hex(4)}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(content)
            partial.replace(self.folder / name)
        except OSError as error:
            log.warning("%s can't be kept in %s (%s); it will be built again.", name, self.folder, error)
            with suppress(OSError):
                partial.unlink()
