"""What every benchmark writes: its numbers, and the machine, versions and commit that they belong to, as JSON."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from engine.native import available

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
PACKAGES = ("mien-engine", "numpy", "onnxruntime", "opencv-python-headless", "av")
EXTRAS = ("openvino", "torch")
TELLING_FEATURES = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")  # of the processor: networks' speed hangs on them


def machine() -> dict[str, Any]:
    """Processor, cores that this process may use, system, and the load of the last minute per core."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    features = [name for name in TELLING_FEATURES if name in cpu_line("flags").split()]
    return {
        "cpu": cpu_line("model name") or platform.machine(),
        "cores": cores,
        "features": features,
        "system": platform.platform(),
        "load_per_core": round(load / cores, 2),
        "native_library": available(),
    }


def cpu_line(name: str) -> str:
    """What Linux says of the first processor; empty on other systems."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def versions() -> dict[str, str]:
    """Of Python, what the package needs, and the extras that are there."""
    found = {"python": platform.python_version()}
    for name in (*PACKAGES, *EXTRAS):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            if name in PACKAGES:
                raise
    return found


def commit() -> str:
    """The commit of the working tree, with "+" where files differ from it."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()

    try:
        written = (":!benchmarks/results", ":!README.md", ":!docs")
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", *written)
        return git("rev-parse", "--short=12", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def whole(low: int, high: int, step: int = 1) -> Callable[[str], int]:
    """What reads an option: a multiple of step from low to high."""

    def read_option(text: str) -> int:
        if not text.isdecimal() or not low <= int(text) <= high or int(text) % step:
            raise argparse.ArgumentTypeError(f"give a multiple of {step} from {low} to {high}, not {text}")
        return int(text)

    return read_option


def existing(text: str) -> Path:
    """A file or a folder that is there."""
    if not Path(text).exists():
        raise argparse.ArgumentTypeError(f"there is no {text}")
    return Path(text)


WHOLE = {"runs": whole(1, 1000), "side": whole(384, 4096, 2), "frames": whole(120, 600), "clips": whole(2, 10000)}


def arguments(description: str | None, **defaults: float | str) -> argparse.Namespace:
    """What the command line says: an option for each default, of its type or a flag, and --results FOLDER."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in defaults.items():
        kind = WHOLE.get(name, type(default))
        option: dict[str, Any] = {"action": "store_true"} if default is False else {"type": kind}
        parser.add_argument(f"--{name.replace('_', '-')}", default=default, **option)
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser.parse_args()


def timed(function: Callable[[], object], runs: int) -> list[float]:
    """The milliseconds of each run, after one that isn't counted."""
    function()
    milliseconds = []
    for _ in range(runs):
        start = time.perf_counter()
        function()
        milliseconds.append(1000 * (time.perf_counter() - start))
    return milliseconds


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Median, smallest and largest of repeated measurements."""
    rounded = [round(value, 3) for value in (statistics.median(values), min(values), max(values))]
    return {"median": rounded[0], "min": rounded[1], "max": rounded[2], "runs": len(values)}


def write(name: str, settings: dict[str, Any], results: dict[str, Any], folder: Path = RESULTS) -> Path:
    """Writes NAME.json and says so."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    record = {"benchmark": name, "machine": machine(), "versions": versions(), "commit": commit()}
    path.write_text(json.dumps(record | {"settings": settings, "results": results}, indent=2) + "\n")
    print(f"{path}:")
    for key, value in results.items():
        print(f"  {key}: {value}")
    return path
