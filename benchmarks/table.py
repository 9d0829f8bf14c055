"""Writes the measured figures into README.md, between two markers, from the JSON in benchmarks/results.

python -m benchmarks.table
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.record import RESULTS, ROOT

README = ROOT / "README.md"
BEGIN, END = "<!-- figures: written by python -m benchmarks.table -->", "<!-- end of figures -->"
NAMES = ("end_to_end", "memory", "stages")


def read(folder: Path = RESULTS) -> dict[str, dict[str, Any]]:
    """The records that are there, by the benchmark's name."""
    paths = {name: folder / f"{name}.json" for name in NAMES}
    return {name: json.loads(path.read_text()) for name, path in paths.items() if path.exists()}


def text(records: dict[str, dict[str, Any]]) -> str:
    """What stands between the markers: a sentence on the machine, and a table of what was measured."""
    if not records:
        return "Nothing has been measured yet: `make bench`."
    first = next(iter(records.values()))
    machine, versions = first["machine"], first["versions"]
    lines = [
        f"Measured on {machine['cpu']}, {machine['cores']} cores, with ONNX Runtime {versions['onnxruntime']} "
        f"(commit {first['commit']}). Medians.",
        "",
        "| | |",
        "|---|---:|",
    ]
    for name, record in records.items():
        lines += ROWS[name](record["settings"], record["results"])
    return "\n".join(lines)


def end_to_end_rows(settings: dict[str, Any], results: dict[str, Any]) -> list[str]:
    width, height = settings["photo"]
    what = f"One face, {width}x{height}, {settings['seconds']:g} s, from the photo to the closed MP4"
    return [
        f"| {what} | {results['wall_seconds']['median']:.1f} s |",
        f"| Importing and opening the networks before it | {results['import_and_open_seconds']['median']:.1f} s |",
        f"| Peak memory of that process | {results['peak_mb']['median']:.0f} MB |",
    ]


def memory_rows(settings: dict[str, Any], results: dict[str, Any]) -> list[str]:
    return [f"| Peak memory, 10 s instead of 2 s | {results['growth_mb']:+.0f} MB |"]


def stage_rows(settings: dict[str, Any], results: dict[str, Any]) -> list[str]:
    rows = []
    for unit, title in (("_ms_per_photo", "Once a photo"), ("_ms_per_frame", "Once a frame")):
        stages = {name.removesuffix(unit): value["median"] for name, value in results.items() if name.endswith(unit)}
        parts = ", ".join(f"{name} {milliseconds:.0f}" for name, milliseconds in stages.items())
        rows.append(f"| {title}: {parts} | {sum(stages.values()):.0f} ms |")
    return rows


ROWS = {"end_to_end": end_to_end_rows, "memory": memory_rows, "stages": stage_rows}


def with_figures(readme: str, figures: str) -> str:
    """The README with new figures. Raises ValueError if a marker is missing."""
    before, found_begin, rest = readme.partition(BEGIN)
    _, found_end, after = rest.partition(END)
    if not (found_begin and found_end):
        raise ValueError(f"the README needs the lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{figures}\n{END}{after}"


def main() -> None:
    README.write_text(with_figures(README.read_text(), text(read())))
    print(f"{README}: figures are up to date")


if __name__ == "__main__":
    main()
