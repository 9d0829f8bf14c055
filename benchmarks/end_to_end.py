"""From the photo's path to a closed MP4, each clip in a process of its own: what faces, seconds and pixels cost.

One setting is varied at a time: 1 face, 4 s and 1024x1024 are in the middle. The clip of the middle is made twice in
its process, the second time with everything open and warm.

python -m benchmarks.end_to_end [--runs 3] [--side 1024] [--seconds 4] [--backend auto] [--results FOLDER]
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from benchmarks.child import EMOTION, ClipCost, run_clip
from benchmarks.record import RESULTS, arguments, spread, write
from benchmarks.subject import FACES, SIDE_PX, check_clip, group_photo, portrait_photo
from engine.motion.track import FPS
from engine.types import Image

LENGTHS_S, SIDE_FACTORS = (2.0, 4.0, 8.0), (0.5, 0.75, 1.5)


def clips_of(photo: Image, seconds: float, runs: int, backend: str, *, again: bool = False) -> list[ClipCost]:
    """As many clips, after one that is checked and warms the machine's caches, but isn't counted."""
    with tempfile.TemporaryDirectory() as folder:
        picture, clip = Path(folder) / "photo.jpg", Path(folder) / "clip.mp4"
        PIL.Image.fromarray(photo).save(picture, quality=95)
        run_clip(picture, clip, seconds, backend=backend)
        check_clip(clip, photo, round(seconds * FPS))
        return [run_clip(picture, clip, seconds, backend=backend, again=again) for _ in range(runs)]


def figures(costs: list[ClipCost]) -> dict[str, Any]:
    """Spread of each cost that was measured."""
    names = [name for name in vars(costs[0]) if name != "faces" and getattr(costs[0], name) is not None]
    return {"faces": costs[0].faces} | {name: spread([getattr(cost, name) for cost in costs]) for name in names}


def line_through(rows: list[dict[str, Any]], what: str) -> dict[str, Any]:
    """Least squares of wall time over `what`: seconds at nothing, seconds for each, and the largest miss."""
    x = np.array([row[what] for row in rows], np.float64)
    y = np.array([row["wall_seconds"]["median"] for row in rows], np.float64)
    each, fixed = np.polyfit(x, y, 1)
    miss = float(np.abs(fixed + each * x - y).max())
    return {"fixed_seconds": round(float(fixed), 3), "seconds_for_each": round(float(each), 4), "miss": round(miss, 3)}


def measure(runs: int, side_px: int, seconds: float, results: Path = RESULTS, backend: str = "auto") -> Path:
    """Writes the JSON: the middle, and a list of rows and a fitted line for each thing that is varied."""
    middle = figures(clips_of(portrait_photo(side_px), seconds, runs, backend, again=True))
    fewer = max(1, runs - 1)
    here = {"seconds": seconds, "megapixels": side_px**2 / 1e6}
    by_seconds, by_pixels = [here | middle], [here | middle]
    for length in LENGTHS_S:
        if length != seconds:
            costs = clips_of(portrait_photo(side_px), length, fewer, backend)
            by_seconds.append(here | {"seconds": length} | figures(costs))
    for factor in SIDE_FACTORS:
        side = round(factor * side_px / 2) * 2
        costs = clips_of(portrait_photo(side), seconds, fewer, backend)
        by_pixels.append(here | {"megapixels": side**2 / 1e6} | figures(costs))
    by_faces = [here | figures(clips_of(group_photo(n, side_px), seconds, fewer, backend)) for n in FACES]
    assert [row["faces"] for row in by_faces] == list(FACES), "not all faces of the group were found"
    rows = {"seconds": by_seconds, "megapixels": by_pixels, "faces": by_faces}
    found: dict[str, Any] = {"middle": middle}
    for what, unsorted in rows.items():
        ordered = sorted(unsorted, key=lambda row: row[what])
        found[f"by_{what}"] = {"rows": ordered, "line": line_through(ordered, what)}
    settings = {"photo": [side_px, side_px], "seconds": seconds, "emotion": EMOTION, "backend": backend}
    return write("end_to_end", settings, found, results)


def main() -> None:
    options = arguments(__doc__, runs=3, side=SIDE_PX, seconds=4.0, backend="auto")
    measure(options.runs, options.side, options.seconds, options.results, options.backend)


if __name__ == "__main__":
    main()
