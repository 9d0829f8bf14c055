"""Where the time goes: milliseconds a photo for reading it and taking it apart, and a frame for drawing and encoding.

python -m benchmarks.stages [--runs 5] [--side 1024] [--frames 120] [--results FOLDER]
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import PIL.Image

from benchmarks.child import EMOTION, SEED
from benchmarks.record import RESULTS, arguments, spread, timed, write
from benchmarks.subject import SIDE_PX, check_clip, portrait_photo
from engine import Engine, composite
from engine.detect import Detector
from engine.media import encode
from engine.media.encode import mp4_bytes
from engine.media.read import read_photo
from engine.mesh import MeshFitter
from engine.motion.generator import MotionGenerator
from engine.motion.track import FPS
from engine.portrait import scene
from engine.portrait.interpolation import Interpolation
from engine.portrait.scene import SceneBuilder
from engine.render import renderer
from engine.render.mouth import MouthPainter
from engine.render.renderer import FaceRenderer
from engine.segment import Segmenter
from engine.types import Image

Rows = dict[str, list[float]]


class Stopwatch:
    """Adds up the time that calls of a function take."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **options: Any) -> Any:
            start = time.perf_counter()
            try:
                return function(*arguments, **options)
            finally:
                self.seconds += time.perf_counter() - start

        return timed


@contextmanager
def watched(owner: object, name: str) -> Iterator[Stopwatch]:
    """Times every call of a method or of a module's function while the block runs."""
    watch, original = Stopwatch(), getattr(owner, name)
    setattr(owner, name, watch.wrap(original))
    try:
        yield watch
    finally:
        setattr(owner, name, original)


def shares(work: Callable[[], object], places: dict[str, tuple[object, str]], runs: int) -> Rows:
    """Milliseconds that each of these functions takes in a run of the work, and the whole, as "all"."""
    rows: Rows = {name: [] for name in (*places, "all")}
    for _ in range(runs):
        with ExitStack() as stack:
            watches = {name: stack.enter_context(watched(*place)) for name, place in places.items()}
            start = time.perf_counter()
            work()
            rows["all"].append(1000 * (time.perf_counter() - start))
        for name, watch in watches.items():
            rows[name].append(1000 * watch.seconds)
    return rows


def less(whole: list[float], *parts: list[float]) -> list[float]:
    """What is left of the whole in each run."""
    return [value - sum(taken) for value, taken in zip(whole, zip(*parts, strict=True), strict=True)]


def once_a_photo(engine: Engine, photo: Image, runs: int) -> Rows:
    """Reading is timed on its own: from here on the photo is an array. Of inpainting, which runs beside fields and
    textures, counts what it takes longer than they do."""
    encoded = io.BytesIO()
    PIL.Image.fromarray(photo).save(encoded, "JPEG", quality=95)
    assert read_photo(encoded.getvalue()).shape == photo.shape
    people = engine.prepare(photo)
    assert len(people.faces) == 1, f"{len(people.faces)} faces were found in the photo with one"
    parts = shares(
        lambda: engine.prepare(photo),
        {
            "detect": (Detector, "detect"),
            "mesh": (MeshFitter, "fit_all"),
            "scene": (SceneBuilder, "build"),
            "cut": (SceneBuilder, "cut_out"),
            "segment": (Segmenter, "segment"),
            "portrait": (scene, "build_portrait"),
            "fields": (Interpolation, "functions"),
            "solve": (Interpolation, "__init__"),
            "wait": (Future, "result"),
        },
        runs,
    )
    fields = [a + b for a, b in zip(parts["fields"], parts["solve"], strict=True)]
    inpaint = [max(0.0, longer) for longer in less(parts["wait"], parts["cut"])]  # a cut may begin before the wait
    return {
        "read": timed(lambda: read_photo(encoded.getvalue()), runs),
        "detect": parts["detect"],
        "mesh": parts["mesh"],
        "segment": parts["segment"],
        "matte": less(parts["scene"], parts["segment"], parts["portrait"]),
        "fields": fields,
        "textures": less(parts["portrait"], fields, inpaint),
        "inpaint": inpaint,
    }


def once_a_frame(engine: Engine, photo: Image, runs: int, frame_count: int) -> Rows:
    """Drawing and encoding one after the other, one batch at a time; in `save` all of that runs side by side."""
    people = engine.prepare(photo)
    seconds = frame_count / FPS
    video = engine.animate(people, EMOTION, seconds=seconds, seed=SEED)
    first = next(video.frames())
    np.testing.assert_array_equal(first, photo)
    motion = shares(
        lambda: engine.animate(people, EMOTION, seconds=seconds, seed=SEED),
        {"motion": (MotionGenerator, "generate")},
        runs,
    )
    with patch.object(composite, "batches_at_once", lambda: 1):
        drawing = shares(
            lambda: [None for _ in video.frames()],
            {
                "inputs": (renderer, "frame_inputs"),
                "mouth": (MouthPainter, "paint"),
                "face": (FaceRenderer, "draw"),
            },
            runs,
        )
    frames = list(video.frames())
    check_clip(mp4_bytes(frames), photo, frame_count)
    encoding = shares(lambda: mp4_bytes(frames), {"convert": (encode, "_to_yuv")}, runs)
    totals = {
        "motion": motion["motion"],
        "inputs": drawing["inputs"],
        "warp": less(drawing["face"], drawing["inputs"], drawing["mouth"]),
        "mouth": drawing["mouth"],
        "composite": less(drawing["all"], drawing["face"]),
        "convert": encoding["convert"],
        "encode": less(encoding["all"], encoding["convert"]),
    }
    return {name: [value / frame_count for value in values] for name, values in totals.items()}


def measure(runs: int, side_px: int, frame_count: int, results: Path = RESULTS) -> Path:
    """Writes the JSON."""
    photo, engine = portrait_photo(side_px), Engine()
    found = {f"{name}_ms_per_photo": spread(values) for name, values in once_a_photo(engine, photo, runs).items()}
    per_frame = once_a_frame(engine, photo, runs, frame_count)
    found |= {f"{name}_ms_per_frame": spread(values) for name, values in per_frame.items()}
    settings = {"photo": [side_px, side_px], "faces": 1, "frames": frame_count, "emotion": EMOTION}
    return write("stages", settings, found, results)


def main() -> None:
    options = arguments(__doc__, runs=5, side=SIDE_PX, frames=120)
    measure(options.runs, options.side, options.frames, options.results)


if __name__ == "__main__":
    main()
