"""One face, 1024x1024, 4 s: from the photo's path to a closed MP4. Wall time and peak memory of a whole process.

python -m benchmarks.end_to_end [--runs 3] [--side 1024] [--seconds 4] [--results FOLDER]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import PIL.Image

from benchmarks.child import EMOTION, run_clip
from benchmarks.record import RESULTS, spread, write
from benchmarks.subject import SIDE_PX, check_clip, portrait_photo
from engine.motion.track import FPS


def measure(runs: int, side_px: int, seconds: float, results: Path = RESULTS) -> Path:
    """The first clip is checked and warms the machine's caches; it isn't counted."""
    photo = portrait_photo(side_px)
    with tempfile.TemporaryDirectory() as folder:
        picture, clip = Path(folder) / "photo.png", Path(folder) / "clip.mp4"
        PIL.Image.fromarray(photo).save(picture)
        run_clip(picture, clip, seconds)
        check_clip(clip, photo, round(seconds * FPS))
        costs = [run_clip(picture, clip, seconds) for _ in range(runs)]
    settings = {"photo": [side_px, side_px], "faces": 1, "seconds": seconds, "emotion": EMOTION}
    found = {
        "wall_seconds": spread([cost.wall_seconds for cost in costs]),
        "import_and_open_seconds": spread([cost.import_seconds for cost in costs]),
        "peak_mb": spread([cost.peak_mb for cost in costs]),
    }
    return write("end_to_end", settings, found, results)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--side", type=int, default=SIDE_PX)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    measure(options.runs, options.side, options.seconds, options.results)


if __name__ == "__main__":
    main()
