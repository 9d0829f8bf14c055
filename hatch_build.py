"""Builds the native library into the package while it is being installed, where there is a C++ compiler.

The package works without it, only slower; so whatever goes wrong here is reported in one line and nothing else.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import sys_tags

COMPILERS = ("c++", "g++", "clang++")
SUFFIX = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
LIBRARY = Path("engine", "native", f"libmien{SUFFIX}")  # engine/native/library.py looks for it there
LIMIT_S = 300


class NativeBuildHook(BuildHookInterface):
    """Adds the library to the wheel, which is then one for this platform; else the wheel stays for all of them."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        try:
            build_library(Path(self.root))
        except (OSError, RuntimeError, subprocess.SubprocessError) as error:
            self.app.display_warning(f"Mien is installed without its native library, and draws slower: {error}")
            return
        build_data["artifacts"].append(LIBRARY.as_posix())
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform()}"


def build_library(root: Path) -> None:
    """Raises OSError, RuntimeError or SubprocessError where it can't be built; an older one then stays as it was."""
    compiler = find_compiler()
    kernels = root / "kernels"
    sources = sorted(map(str, kernels.glob("*.cpp")))
    with tempfile.TemporaryDirectory(prefix="mien-") as folder:
        built = Path(folder, LIBRARY.name)
        flags = f"@{kernels / 'compile_flags.txt'}"
        command = [*compiler, flags, "-shared", "-o", str(built), *sources]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
        if done.returncode:
            raise RuntimeError(f"{compiler[0]} failed: {(done.stderr.strip().splitlines() or ['it says nothing'])[0]}")
        # Moved within one folder, so that a process that has the old one open goes on with it.
        ready = root / LIBRARY.with_suffix(".new")
        shutil.copyfile(built, ready)
        os.replace(ready, root / LIBRARY)


def find_compiler() -> list[str]:
    """The command of CXX, or of the first compiler on the path."""
    if chosen := os.environ.get("CXX"):
        return shlex.split(chosen)
    found = next((path for name in COMPILERS if (path := shutil.which(name))), None)
    if found is None:
        raise RuntimeError(f"there is no C++ compiler ({', '.join(COMPILERS)})")
    return [found]


def platform() -> str:
    """This platform's name in a wheel's; nothing is promised about the C library of other systems."""
    return next(tag.platform for tag in sys_tags() if "manylinux" not in tag.platform and "musl" not in tag.platform)
