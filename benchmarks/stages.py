"""Where the time goes: milliseconds a photo for reading it and taking it apart, and a frame for drawing and encoding.

python -m benchmarks.stages [--runs 5] [--side 1024] [--frames 48] [--results FOLDER]
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from benchmarks.child import EMOTION, SEED
from benchmarks.record import RESULTS, spread, write
from benchmarks.subject import SIDE_PX, check_clip, portrait_photo
from engine.backends import open_backend
from engine.backends.base import Array, Runner
from engine.bundle import Bundle
from engine.composite import render_frames
from engine.detect import Detector
from engine.inpaint import Inpainter
from engine.media.encode import mp4_bytes
from engine.media.read import read_photo
from engine.mesh import MeshFitter
from engine.motion.generator import NOTHING_SHOWN, MotionGenerator
from engine.motion.script import Script
from engine.motion.track import FPS
from engine.portrait.portrait import FaceAssets
from engine.portrait.scene import Scene, SceneBuilder
from engine.segment import Segmenter
from engine.types import Image


class Stopwatch:
    """Adds up the time that calls of wrapped functions take."""

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


class Timed:
    """An object of which one method is timed; the rest is the object's own."""

    def __init__(self, wrapped: Any, method: str, watch: Stopwatch) -> None:
        self._wrapped = wrapped
        setattr(self, method, watch.wrap(getattr(wrapped, method)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wrapped, name)


class TimedRunner:
    """A runner whose runs are timed, those of what is bound from it as well."""

    def __init__(self, runner: Runner, watch: Stopwatch) -> None:
        self._runner, self._watch = runner, watch
        self.inputs, self.outputs, self.close = runner.inputs, runner.outputs, runner.close

    def bind(self, **constants: Array) -> TimedRunner:
        return TimedRunner(self._runner.bind(**constants), self._watch)

    def __call__(self, **arrays: Array) -> dict[str, Array]:
        result: dict[str, Array] = self._watch.wrap(self._runner)(**arrays)
        return result


def timed(function: Callable[[], Any], runs: int, *, warm_up: bool = True) -> tuple[Any, list[float]]:
    """The last result and the milliseconds of each run, after one that isn't counted."""
    result, milliseconds = function() if warm_up else None, []
    for _ in range(runs):
        start = time.perf_counter()
        result = function()
        milliseconds.append(1000 * (time.perf_counter() - start))
    return result, milliseconds


def measure(runs: int, side_px: int, frame_count: int, results: Path = RESULTS) -> Path:
    photo = portrait_photo(side_px)
    scene, per_photo = once_a_photo(photo, runs)
    per_frame = once_a_frame(scene, photo, runs, frame_count)
    found = {name: spread(values) for name, values in (per_photo | per_frame).items()}
    settings = {"photo": [side_px, side_px], "faces": 1, "frames": frame_count, "emotion": EMOTION}
    return write("stages", settings, found, results)


def once_a_photo(photo: Image, runs: int) -> tuple[Scene, dict[str, list[float]]]:
    """The scene, and the milliseconds of each stage; those of segmenting and inpainting aren't counted as building."""
    backend, bundle = open_backend(), Bundle.default()
    encoded = io.BytesIO()
    PIL.Image.fromarray(photo).save(encoded, "JPEG", quality=95)
    image, read = timed(lambda: read_photo(encoded.getvalue()), runs)
    assert image.shape == photo.shape
    detector, fitter = Detector(backend, bundle), MeshFitter(backend, bundle)
    found, detect = timed(lambda: detector.detect(photo), runs)
    assert len(found.faces) == 1, f"{len(found.faces)} faces were found in the photo with one"
    meshes, mesh = timed(lambda: fitter.fit_all(photo, found.faces), runs)
    builder = SceneBuilder(Segmenter(backend, bundle), Inpainter(backend, bundle), FaceAssets.load(bundle))
    scene = builder.build(photo, {0: meshes[0]})
    segment, inpaint, build = [], [], []
    for _ in range(runs):
        segmenting, inpainting, whole = Stopwatch(), Stopwatch(), Stopwatch()
        watched = replace(
            builder,
            segmenter=Timed(builder.segmenter, "segment", segmenting),
            inpainter=Timed(builder.inpainter, "fill", inpainting),
        )
        whole.wrap(watched.build)(photo, {0: meshes[0]})
        segment.append(1000 * segmenting.seconds)
        inpaint.append(1000 * inpainting.seconds)
        build.append(1000 * (whole.seconds - segmenting.seconds - inpainting.seconds))
    stages = {"read": read, "detect": detect, "mesh": mesh, "segment": segment, "inpaint": inpaint, "build": build}
    return scene, {f"{name}_ms_per_photo": values for name, values in stages.items()}


def once_a_frame(scene: Scene, photo: Image, runs: int, frame_count: int) -> dict[str, list[float]]:
    """Milliseconds a frame: the warp graph; the composite, which is all else of drawing; the encoder."""
    watch = Stopwatch()
    warp = TimedRunner(open_backend().open(Bundle.default().path("warp.onnx")), watch)
    seconds = max(2.0, frame_count / FPS)
    generator = MotionGenerator(open_backend().open(Bundle.default().path("motion.onnx")))
    scripts = {0: Script.parse(EMOTION, seconds)}
    made = generator.generate(scripts, {0: NOTHING_SHOWN}, seconds=seconds, intensity=1.0, seed=SEED)
    motion = made[0][:frame_count]
    frames = list(render_frames(scene, {0: motion}, warp))
    np.testing.assert_array_equal(frames[0], photo)
    warp_ms, composite_ms = [], []
    for _ in range(runs):
        watch.seconds = 0.0
        _, (whole_ms,) = timed(lambda: list(render_frames(scene, {0: motion}, warp)), 1, warm_up=False)
        warp_ms.append(1000 * watch.seconds / frame_count)
        composite_ms.append(whole_ms / frame_count - warp_ms[-1])
    clip, encode = timed(lambda: mp4_bytes(frames), runs)
    check_clip(clip, photo, frame_count)
    return {
        "warp_ms_per_frame": warp_ms,
        "composite_ms_per_frame": composite_ms,
        "encode_ms_per_frame": [value / frame_count for value in encode],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--side", type=int, default=SIDE_PX)
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    measure(options.runs, options.side, options.frames, options.results)


if __name__ == "__main__":
    main()
