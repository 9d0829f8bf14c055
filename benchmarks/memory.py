"""Peak memory of a 2 s clip against a 10 s clip: a clip is drawn batch by batch, so length must not matter.

python -m benchmarks.memory [--side 1024] [--group PHOTO] [--results FOLDER]

With a photo of many people, a 2 s clip of all of them as well.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import PIL.Image

from benchmarks.child import EMOTION, run_clip
from benchmarks.record import RESULTS, WHOLE, existing, write
from benchmarks.subject import SIDE_PX, check_clip, portrait_photo
from engine.motion.track import FPS

LENGTHS = (2.0, 10.0)
RUNS = 3  # the smallest peak counts: how threads meet while a photo is taken apart moves it by a tenth


def measure(side_px: int, group: Path | None = None, results: Path = RESULTS) -> Path:
    """Writes the JSON. Raises CalledProcessError where a clip can't be made."""
    photo, peaks = portrait_photo(side_px), {}
    with tempfile.TemporaryDirectory() as folder:
        picture, clip = Path(folder) / "photo.jpg", Path(folder) / "clip.mp4"
        PIL.Image.fromarray(photo).save(picture, quality=95)
        for seconds in LENGTHS:
            peaks[seconds] = min(run_clip(picture, clip, seconds).peak_mb for _ in range(RUNS))
            check_clip(clip, photo, round(seconds * FPS))
        crowd = run_clip(group, clip, LENGTHS[0]) if group is not None else None
    found: dict[str, Any] = {f"peak_mb_{seconds:g}_seconds": round(peak, 1) for seconds, peak in peaks.items()}
    found["growth_mb"] = round(peaks[LENGTHS[1]] - peaks[LENGTHS[0]], 1)
    if group is not None and crowd is not None:
        with PIL.Image.open(group) as opened:
            size = list(opened.size)
        group_figures = {"photo": size, "faces": crowd.faces, "peak_mb": round(crowd.peak_mb, 1)}
        found["group"] = group_figures | {"wall_seconds": round(crowd.wall_seconds, 2), "seconds": LENGTHS[0]}
    settings = {"photo": [side_px, side_px], "faces": 1, "emotion": EMOTION}
    return write("memory", settings, found, results)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=WHOLE["side"], default=SIDE_PX)
    parser.add_argument("--group", type=existing, help="a photo of many people")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    measure(options.side, options.group, options.results)


if __name__ == "__main__":
    main()
