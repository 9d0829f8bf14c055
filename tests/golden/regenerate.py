"""Draws the golden crops: the sample's head at a few moments, from the photo to the composite, before encoding.

They change with every change of the picture. Look at them, then commit them along with what changed them:

    python -m tests.golden.regenerate
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import PIL.Image

from engine.composite import render_frames
from engine.types import Image
from tests.clips import one
from tests.motions import perform
from tests.perception import backend, bundle

FOLDER = Path(__file__).parent
SECONDS, SEED = 2.0, 7
HEAD = (slice(4, 164), slice(60, 210))  # rows and columns of `tests.clips.small_photo`
MOMENTS = {"joy": 66, "fear": 66, "anger": 66, "sadness": 66, "disgust": 66, "surprise": 66, "neutral": 110}


def draw() -> Iterator[tuple[str, Image]]:
    """Names and crops (160, 150, 3)."""
    warp, mouth = (backend().open(bundle().path(f"{name}.onnx")) for name in ("warp", "mouth"))
    for emotion, moment in MOMENTS.items():
        motion = perform(emotion, SECONDS, 1.0, SEED, 0)[moment : moment + 1]
        (frame,) = render_frames(one().scene, {0: motion}, warp, mouth)
        yield f"{emotion}_{moment:03d}", frame[HEAD]


def main() -> None:
    for old in FOLDER.glob("*.png"):
        old.unlink()
    for name, crop in draw():
        PIL.Image.fromarray(crop).save(FOLDER / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
