"""The clip's frames: every person over the backdrop, the farthest first, at the photo's own size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from engine.backends.base import Runner
from engine.motion.track import Motion
from engine.native import NativeWarp
from engine.portrait.portrait import Portrait
from engine.portrait.scene import Scene
from engine.render.renderer import FaceRenderer, overlap
from engine.types import Image

BATCH_PIXELS = 3_000_000  # of the frames drawn at once: enough to keep the cores busy, little enough for the memory
NATIVE_BATCH_PIXELS = 16_000_000  # the native warp takes little memory, and reads its functions once a batch


def render_frames(scene: Scene, motions: Mapping[int, Motion], warp: Runner, mouth: Runner) -> Iterator[Image]:
    """Yields frames (H, W, 3) uint8; people without a motion stand still. Keeps one batch in memory."""
    drawn_before: list[Portrait] = []
    renderers: dict[int, FaceRenderer | Portrait] = {}
    for number, portrait in scene.portraits.items():
        if number in motions:
            still = not any(overlap(portrait.crop, other.crop) for other in drawn_before)
            renderers[number] = FaceRenderer(warp, mouth, portrait, face=number, still_behind=still)
            drawn_before.append(portrait)
        else:
            renderers[number] = portrait
    frames = len(next(iter(motions.values())))
    height, width = scene.backdrop.shape[:2]
    pixels = NATIVE_BATCH_PIXELS if isinstance(warp, NativeWarp) else BATCH_PIXELS
    batch = int(np.clip(pixels // (height * width), 1, 8))
    try:
        for start in range(0, frames, batch):
            part = slice(start, min(start + batch, frames))
            canvas = np.empty((part.stop - part.start, *scene.backdrop.shape), np.uint8)
            canvas[:] = scene.backdrop  # `repeat` takes ten times as long
            for number, renderer in renderers.items():
                if isinstance(renderer, FaceRenderer):
                    renderer.draw(canvas, motions[number][part])
                else:
                    draw_still(canvas, renderer)
            yield from canvas
    finally:
        for renderer in renderers.values():
            if isinstance(renderer, FaceRenderer):
                renderer.close()


def draw_still(canvas: np.ndarray, portrait: Portrait) -> None:
    """Lays a person who doesn't move over canvas (T, H, W, 3)."""
    crop, person = canvas[(slice(None), *portrait.crop.slices)], portrait.unmoved()
    for frame in crop:
        frame[:] = np.clip(np.rint(person[..., :3] + (1 - person[..., 3:]) * frame), 0, 255)
