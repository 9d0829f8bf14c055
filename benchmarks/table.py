"""Writes the measured figures into README.md and docs/performance.md, between markers, and draws docs/scaling.png.

python -m benchmarks.table
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from PIL import Image as Pillow

from benchmarks.figure import draw_scaling
from benchmarks.record import RESULTS, ROOT

README, DETAILS, PLOT = ROOT / "README.md", ROOT / "docs" / "performance.md", ROOT / "docs" / "scaling.png"
BEGIN, END = "<!-- figures: written by python -m benchmarks.table -->", "<!-- end of figures -->"
PICTURE = "![Wall time over faces, seconds of clip and megapixels]({})"
NAMES = ("end_to_end", "memory", "stages", "kernels", "networks", "alternatives")
UNITS = {"_ms_per_photo": "Once a photo", "_ms_per_frame": "Once a frame"}
CORES = {"_ms_per_photo": "", "_ms_per_frame": ", on one core"}
BUSY = 2.0  # load per core; a benchmark alone makes 1
Records = dict[str, dict[str, Any]]


def read(folder: Path = RESULTS) -> Records:
    """The records that are there, by the benchmark's name."""
    paths = {name: folder / f"{name}.json" for name in NAMES}
    return {name: json.loads(path.read_text()) for name, path in paths.items() if path.exists()}


def summary(records: Records) -> str:
    """What stands in the README: the machine, and what a user wants to know."""
    if not records:
        return "Nothing has been measured yet: `make bench`."
    lines = [machine(records), "", "| | |", "|---|---:|"]
    for name in ("end_to_end", "memory", "stages"):
        if name in records:
            lines += ROWS[name](records[name]["settings"], records[name]["results"])
    if "end_to_end" in records:
        lines += ["", PICTURE.format("docs/scaling.png")]
    return "\n".join(lines)


def details(records: Records) -> str:
    """What stands in docs/performance.md: every stage, network and kernel."""
    parts = [machine(records)] if records else ["Nothing has been measured yet: `make bench`."]
    for name, table in DETAIL_TABLES.items():
        if name in records:
            parts.append(table(records[name]["settings"], records[name]["results"]))
    if "end_to_end" in records:
        parts.append(PICTURE.format("scaling.png"))
    return "\n\n".join(parts)


def machine(records: Records) -> str:
    first = next(iter(records.values()))
    found, versions = first["machine"], first["versions"]
    cores = f"{found['cpu']}, {found['cores']} cores"
    features = f" ({', '.join(found['features'])})" if found.get("features") else ""
    text = f"Measured on {cores}{features}, ONNX Runtime {versions['onnxruntime']}, commit {first['commit']}. Medians."
    busy = max(record["machine"]["load_per_core"] for record in records.values())
    return (
        text if busy < BUSY else f"{text} Other work ran beside some of it (load {busy:g} per core): figures are high."
    )


def end_to_end_rows(settings: dict[str, Any], results: dict[str, Any]) -> list[str]:
    width, height = settings["photo"]
    seconds, middle = settings["seconds"], results["middle"]
    again, whole = middle["again_seconds"]["median"], middle["wall_seconds"]["median"]
    line, faces = results["by_faces"]["line"], results["by_faces"]["rows"]
    ratio = faces[-1]["wall_seconds"]["median"] / faces[0]["wall_seconds"]["median"]
    return [
        f"| One face, {width}x{height}, {seconds:g} s, from the photo to the closed MP4 | {again:.1f} s |",
        f"| That over the clip's length | {again / seconds:.2f} |",
        f"| The first clip of a new process, its start included | {whole:.1f} s |",
        f"| Its first frame is drawn after | {middle['first_frame_seconds']['median']:.1f} s |",
        f"| Peak memory of that process | {middle['peak_mb']['median']:.0f} MB |",
        f"| {faces[-1]['faces']} faces instead of {faces[0]['faces']}, each of a quarter of the photo | {ratio:.1f}x |",
        f"| Each further face of that size | {line['seconds_for_each']:+.1f} s |",
    ]


def memory_rows(settings: dict[str, Any], results: dict[str, Any]) -> list[str]:
    rows = [f"| Peak memory, 10 s instead of 2 s | {results['growth_mb']:+z.0f} MB |"]
    if group := results.get("group"):
        what = f"Group photo of {group['faces']} faces, {group['photo'][0]}x{group['photo'][1]}, {group['seconds']:g} s"
        rows.append(f"| {what} | {group['wall_seconds']:.0f} s, {group['peak_mb']:.0f} MB |")
    return rows


def stage_rows(settings: dict[str, Any], results: dict[str, Any]) -> list[str]:
    rows = []
    for unit, title in UNITS.items():
        stages = {name.removesuffix(unit): value["median"] for name, value in results.items() if name.endswith(unit)}
        rows.append(f"| {title}, all stages one after the other{CORES[unit]} | {sum(stages.values()):.0f} ms |")
    return rows


def stage_table(settings: dict[str, Any], results: dict[str, Any]) -> str:
    width, height = settings["photo"]
    lines = [
        f"### Stages, one face, {width}x{height}",
        "",
        "| | stage | ms | fastest | slowest |",
        "|---|---|---:|---:|---:|",
    ]
    for unit, title in UNITS.items():
        for name, value in results.items():
            if name.endswith(unit):
                numbers = " | ".join(f"{value[key]:.2f}" for key in ("median", "min", "max"))
                lines.append(f"| {title} | {name.removesuffix(unit)} | {numbers} |")
    return "\n".join(lines)


def network_table(settings: dict[str, Any], results: dict[str, Any]) -> str:
    backends = list(dict.fromkeys(key for row in results.values() for key in row if key.endswith("_ms")))
    head = " | ".join(name.removesuffix("_ms") for name in backends)
    lines = ["### Networks, ms a run", "", f"| | input | {head} |", "|---|---|" + "---:|" * len(backends)]
    for model, row in results.items():
        shape = "x".join(map(str, next(iter(row["inputs"].values()))))
        numbers = " | ".join(f"{row[name]['median']:.1f}" if name in row else "-" for name in backends)
        lines.append(f"| {model} | {shape} | {numbers} |")
    return "\n".join(lines)


def kernel_table(settings: dict[str, Any], results: dict[str, Any]) -> str:
    """Each way beside the native one, the fastest first."""
    titles = {
        "layered_warp_ms_per_frame": f"The layered warp, ms a frame ({settings['frames']} frames at once)",
        "grid_sample_ms": f"Sampling {'x'.join(map(str, settings['sampled']))} floats, ms",
    }
    parts = []
    for key, title in titles.items():
        ways = sorted(results[key].items(), key=lambda way: float(way[1]["median"]))
        native = results[key].get("native", ways[0][1])["median"]
        lines = [f"### {title}", "", "| | ms | of the native one |", "|---|---:|---:|"]
        lines += [f"| {way} | {value['median']:.2f} | {value['median'] / native:.1f}x |" for way, value in ways]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def alternative_table(settings: dict[str, Any], results: dict[str, Any]) -> str:
    titles = {
        "mien_ms_per_frame": "Mien",
        "opencv_remap_ms_per_frame": "cv2.remap of one layer and PyAV, one thread",
    }
    lines = ["### Drawing and encoding a prepared photo", "", "| | ms a frame |", "|---|---:|"]
    lines += [f"| {title} | {results[key]['median']:.1f} |" for key, title in titles.items()]
    return "\n".join(lines)


def scaling_table(settings: dict[str, Any], results: dict[str, Any]) -> str:
    lines = [
        "### Scaling, seconds of wall time",
        "",
        "| over | at nothing | for each | largest miss |",
        "|---|---:|---:|---:|",
    ]
    for what in ("faces", "seconds", "megapixels"):
        line = results[f"by_{what}"]["line"]
        lines.append(f"| {what} | {line['fixed_seconds']:.2f} | {line['seconds_for_each']:.2f} | {line['miss']:.2f} |")
    return "\n".join(lines)


ROWS = {"end_to_end": end_to_end_rows, "memory": memory_rows, "stages": stage_rows}
DETAIL_TABLES = {
    "end_to_end": scaling_table,
    "stages": stage_table,
    "kernels": kernel_table,
    "networks": network_table,
    "alternatives": alternative_table,
}


def with_figures(page: str, figures: str) -> str:
    """The page with new figures. Raises ValueError if a marker is missing."""
    before, found_begin, rest = page.partition(BEGIN)
    _, found_end, after = rest.partition(END)
    if not (found_begin and found_end):
        raise ValueError(f"the page needs the lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{figures}\n{END}{after}"


def main() -> None:
    records = read()
    for page, figures in ((README, summary(records)), (DETAILS, details(records))):
        page.write_text(with_figures(page.read_text(), figures))
        print(f"{page}: figures are up to date")
    if "end_to_end" in records:
        Pillow.fromarray(draw_scaling(records["end_to_end"]["results"])).save(PLOT, optimize=True)
        print(PLOT)


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()  # there is nothing to say but --help
    main()
