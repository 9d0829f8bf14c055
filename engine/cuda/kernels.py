"""Finds the compiled kernels of kernels/*.cu beside this file, and launches them."""

from __future__ import annotations

import ctypes
import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.cuda.arrays import DeviceArray
from engine.cuda.device import Device, Module
from engine.errors import BackendError

log = logging.getLogger("engine")

FOLDER = Path(__file__).parent
FILES = ("composite", "grid_sample", "layer", "layered_warp", "mouth", "patch")


def available() -> bool:
    """Whether the kernels were compiled: CMake does, where there is nvcc."""
    return all((FOLDER / f"{file}.fatbin").exists() for file in FILES)


class Kernels:
    """The kernels on one device, loaded when they are first launched.

    folder: Where they were compiled to, if not beside this file.
    """

    def __init__(self, device: Device, folder: Path | None = None) -> None:
        self.device, self.stream = device, device.stream()
        self._folder = folder or FOLDER
        self._modules: dict[str, Module] = {}
        self._loading = threading.Lock()  # of two that load a module the first one's would go while its kernels run

    def launch(
        self, file: str, kernel: str, blocks: Sequence[int], threads: Sequence[int], arguments: Sequence[Any]
    ) -> None:
        """Starts a kernel of kernels/FILE.cu in `stream`; arguments are ctypes values, structs or device arrays.

        Raises BackendError where it wasn't compiled, or not for this GPU.
        """
        values = [ctypes.c_void_p(a.address) if isinstance(a, DeviceArray) else a for a in arguments]
        self._module(file).launch(kernel, blocks, threads, values)

    def _module(self, file: str) -> Module:
        with self._loading:
            if file not in self._modules:
                path = self._folder / f"{file}.fatbin"
                if not path.exists():
                    raise BackendError(f"The kernels of {path.name} aren't compiled; build them with CMake and nvcc.")
                self._modules[file] = self.device.load(path.read_bytes(), self.stream)
                log.debug("loaded %s", path)
            return self._modules[file]


def ceil_div(size: int, per: int) -> int:
    return -(-size // per)
