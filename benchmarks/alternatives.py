"""The way that many take today, against ours in the same run: milliseconds a frame of drawing and encoding a clip.

python -m benchmarks.alternatives [--runs 3] [--side 1024] [--frames 120] [--results FOLDER]

What many do: enlarge a field, read the photo through it with cv2.remap, and hand each frame to PyAV, all in one
thread. It draws less than we do, a single layer without eyes, mouth, shadows or what is behind the person, and its
colours are converted with libav's defaults.
"""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from benchmarks.child import EMOTION, SEED
from benchmarks.record import RESULTS, arguments, spread, timed, write
from benchmarks.subject import SIDE_PX, check_clip, portrait_photo
from engine import Engine
from engine.motion.track import FPS
from engine.portrait.portrait import Portrait
from engine.render.drive import frame_inputs
from engine.types import Image


def remapped_clip(photo: Image, portrait: Portrait, coefficients: np.ndarray) -> bytes:
    """An MP4 of the photo, moved by its smooth field alone; coefficients (T, n + 3, 2)."""
    crop, functions = portrait.crop, portrait.constants["base_functions"]
    y, x = np.mgrid[: crop.height, : crop.width].astype(np.float32)
    still = np.ascontiguousarray(photo[crop.slices])
    data = io.BytesIO()
    with av.open(data, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "crf": "18"})
        stream.width, stream.height, stream.pix_fmt = photo.shape[1], photo.shape[0], "yuv420p"
        stream.codec_context.thread_count = 1
        for index, moved in enumerate(coefficients):
            field = cv2.resize(functions @ moved, (crop.width, crop.height), interpolation=cv2.INTER_LINEAR)
            picture = photo.copy()
            picture[crop.slices] = cv2.remap(
                still, x - field[..., 0], y - field[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            )
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return data.getvalue()


def measure(runs: int, side_px: int, frame_count: int, results: Path = RESULTS) -> Path:
    """Writes the JSON."""
    photo, engine = portrait_photo(side_px), Engine()
    people = engine.prepare(photo)
    seconds = max(2.0, frame_count / FPS)
    frame_count = round(seconds * FPS)
    video = engine.animate(people, EMOTION, seconds=seconds, seed=SEED)
    portrait = people.scene.portraits[0]
    coefficients = frame_inputs(portrait, engine.motion(EMOTION, seconds=seconds, seed=SEED))["base_coefficients"]
    ways = {"mien": video.to_bytes, "opencv_remap": lambda: remapped_clip(photo, portrait, coefficients)}
    found = {}
    for way, make in ways.items():
        check_clip(make(), photo, frame_count)
        found[f"{way}_ms_per_frame"] = spread([milliseconds / frame_count for milliseconds in timed(make, runs)])
    settings = {"photo": [side_px, side_px], "faces": 1, "frames": frame_count, "emotion": EMOTION}
    return write("alternatives", settings, found, results)


def main() -> None:
    options = arguments(__doc__, runs=3, side=SIDE_PX, frames=120)
    measure(options.runs, options.side, options.frames, options.results)


if __name__ == "__main__":
    main()
