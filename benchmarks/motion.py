"""Performances in numbers: 100 clips per emotion, and how long ten seconds of thirty faces take.

python -m benchmarks.motion [--clips 100] [--seconds 4] [--captured FOLDER] [--results FOLDER]

With a folder of Live Link Face curves (and the extra `train`), the same figures of the simulator that the
network was trained on, and those of the captured faces, stand beside.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.motion_figures import EXPRESSION, figures, table, together
from benchmarks.record import RESULTS, WHOLE, existing, spread, write
from engine.backends import open_backend
from engine.bundle import Bundle
from engine.motion.emotions import EMOTIONS
from engine.motion.generator import NOTHING_SHOWN, MotionGenerator
from engine.motion.script import Script
from engine.motion.track import FPS, Motion

MANY_FACES, LONG_SECONDS = 30, 10.0
Rows = dict[str, Mapping[str, float | list[float]]]


def generated(generator: MotionGenerator, emotion: str, faces: int, seconds: float, seed: int) -> list[Motion]:
    """What the faces of one photo do."""
    scripts = dict.fromkeys(range(faces), Script.parse(emotion, seconds))
    shown = dict.fromkeys(scripts, NOTHING_SHOWN)
    return list(generator.generate(scripts, shown, seconds=seconds, intensity=1.0, seed=seed).values())


def simulated(emotion: str, clips: int, seconds: float, captured: Path) -> list[Motion]:
    """What the network was trained on, drawn as its scores are."""
    from export.motion.evaluate import simulated_motions

    return simulated_motions(emotion, clips, seconds, captured)


def captured_windows(folder: Path, seconds: float) -> list[Motion]:
    """The captured faces in pieces as long as the clips."""
    frames = round(seconds * FPS)
    takes = [Motion.load(path) for path in sorted(folder.glob("*.csv"))]
    return [take[start : start + frames] for take in takes for start in range(0, len(take) - frames, frames)]


def milliseconds(generator: MotionGenerator, runs: int) -> list[float]:
    """Of ten seconds of thirty faces; checked first."""
    motions = generated(generator, "joy", MANY_FACES, LONG_SECONDS, 1)
    assert len(motions) == MANY_FACES and all(len(motion) == LONG_SECONDS * FPS for motion in motions)
    assert all(motion.blendshapes[:, EXPRESSION].max() > 0.3 for motion in motions), "a face shows nothing"
    found = []
    for _ in range(runs):
        start = time.perf_counter()
        generated(generator, "joy", MANY_FACES, LONG_SECONDS, 1)
        found.append(1000 * (time.perf_counter() - start))
    return found


def measure(
    clips: int, seconds: float, captured: Path | None, results: Path, emotions: Sequence[str] = EMOTIONS
) -> Path:
    """Prints the table and writes the JSON."""
    generator = MotionGenerator(open_backend().open(Bundle.default().path("motion.onnx")))
    settings = {"clips": clips, "seconds": seconds, "faces": MANY_FACES, "long_seconds": LONG_SECONDS}
    cost = milliseconds(generator, 5)
    found: dict[str, object] = {"thirty_faces_ten_seconds_ms": spread(cost)}
    for emotion in emotions:
        rows: Rows = {"generated": figures([generated(generator, emotion, 1, seconds, i)[0] for i in range(clips)])}
        if captured is not None:
            rows["simulated"] = figures(simulated(emotion, clips, seconds, captured))
        print(f"{emotion}\n{table(rows)}\n")
        found[emotion] = rows
        if emotion != "neutral":
            pairs = together([generated(generator, emotion, 2, seconds, i) for i in range(clips)])
            print(f"two faces of a photo: {pairs}\n")
            found[emotion] = {**rows, "two_faces": pairs}
    if captured is not None:
        rows = {"captured": figures(captured_windows(captured, seconds))}
        print(f"captured\n{table(rows)}\n")
        found["captured"] = rows
    print(f"{MANY_FACES} faces, {LONG_SECONDS:g} s: {np.median(cost):.0f} ms")
    return write("motion", settings, found, results)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=WHOLE["clips"], default=100)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--captured", type=existing, help="folder of Live Link Face curves (CSV)")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    measure(options.clips, options.seconds, options.captured, options.results)


if __name__ == "__main__":
    main()
