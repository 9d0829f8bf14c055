"""Animates the bundled sample photo, or one that is named, with every emotion.

Run: python examples/demo.py [PHOTO]
"""

from __future__ import annotations

import sys
from pathlib import Path

from engine import EMOTIONS, Engine, MienError
from engine.cli import ProgressBar
from engine.samples import sample_photo

FOLDER = Path("demo")
SECONDS = 3.0


def main() -> None:
    photo = sys.argv[1] if len(sys.argv) > 1 else sample_photo()
    print(f"Looking at {photo} ...")
    engine = Engine()
    try:
        portrait_set = engine.prepare(photo)  # once a photo
    except MienError as error:
        sys.exit(str(error))
    FOLDER.mkdir(exist_ok=True)
    clips = []
    for emotion in EMOTIONS:
        print(emotion)
        video = engine.animate(portrait_set, emotion, seconds=SECONDS, seed=7)
        with ProgressBar("frames") as bar:
            clips.append(video.save(FOLDER / f"{emotion}.mp4", progress=bar))
    print("The clips:", *(clip.resolve() for clip in clips), sep="\n  ")


main()
