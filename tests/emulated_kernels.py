"""The CUDA kernels on a GPU that isn't there: compiled for the host, and launched through the product's launchers."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
import tempfile
from functools import cache
from itertools import product
from pathlib import Path

import pytest

from engine.cuda.device import Device
from engine.cuda.kernels import FILES, Kernels
from tests.fake_gpu import FakeDriver

KERNELS = Path(__file__).parents[1] / "kernels"
HEADERS = Path(__file__).parent / "cuda_on_host"
KERNEL = re.compile(r'extern "C" __global__ void __launch_bounds__\([^)]*\)\s*(\w+)\(')
SAMPLERS = {  # by file: macros name them
    file: [
        f"grid_sample_{version}_{which}_{precision}"
        for version, which, precision in product(
            versions, ("2d_bilinear", "2d_nearest", "2d_bicubic", "3d_bilinear", "3d_nearest"), ("f32", "f16")
        )
    ]
    for file, versions in (("grid_sample", ("naive", "fast")), ("plugin", ("plugin",)))
}
WAIT_FOR_EACH_OTHER = re.compile("__syncthreads|__shfl")


def kernel_names(file: str) -> list[str]:
    return SAMPLERS.get(file) or KERNEL.findall((KERNELS / f"{file}.cu").read_text())


@cache
def compiled(file: str) -> ctypes.CDLL:
    """The kernels of one .cu, for the host."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("there is no g++")
    code = (KERNELS / f"{file}.cu").read_text()
    lines = ['#include "emulate.h"', f'#include "{KERNELS / file}.cu"']
    for name in kernel_names(file):
        body = code.partition(f" {name}(")[2].partition("\n}")[0]
        lines.append(f"MIEN_EMULATE({name}, {'true' if WAIT_FOR_EACH_OTHER.search(body) else 'false'})")
    with tempfile.TemporaryDirectory(prefix="mien-") as folder:
        source, library = Path(folder) / "kernels.cpp", Path(folder) / "kernels.so"
        source.write_text("\n".join(lines))
        command = [compiler, "-std=c++17", "-O2", "-shared", "-fPIC", "-w", "-ffp-contract=fast"]
        command += [f"-I{HEADERS}", f"-I{KERNELS}", "-o", str(library), str(source)]
        subprocess.run(command, check=True, timeout=300)
        return ctypes.CDLL(str(library))  # which needs its file no longer


def emulated_kernels(folder: Path) -> Kernels:
    """Launchers on a driver that runs the kernels on the host; stand-ins for the fatbins are written to `folder`."""
    driver = FakeDriver()
    for file in (*FILES, "plugin"):
        (folder / f"{file}.fatbin").write_bytes(file.encode())
        for name in kernel_names(file):
            driver.kernels[name] = lambda places, launch, file=file, name=name: _run(file, name, places, launch)
    return Kernels(Device(driver), folder)


def _run(file: str, name: str, places: int, launch: tuple[int, ...]) -> None:
    function = compiled(file)[f"run_{name}"]
    function(ctypes.c_void_p(places), (ctypes.c_int * 6)(*launch))
