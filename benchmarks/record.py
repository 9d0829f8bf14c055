"""What every benchmark writes: its numbers, and the machine, versions and commit that they belong to, as JSON."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
PACKAGES = ("mien-engine", "numpy", "onnxruntime", "opencv-python-headless", "av")


def machine() -> dict[str, Any]:
    """Processor, cores that this process may use, memory, system, and the load of the last minute per core."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    return {"cpu": cpu_model(), "cores": cores, "system": platform.platform(), "load_per_core": round(load / cores, 2)}


def cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def versions() -> dict[str, str]:
    found = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"python": platform.python_version(), **found}


def commit() -> str:
    """The commit of the working tree, with "+" where files differ from it."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!benchmarks/results", ":!README.md")
        return git("rev-parse", "--short=12", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


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
