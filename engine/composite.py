"""The clip's frames: every person over the backdrop, the farthest first, at the photo's own size."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from functools import partial
from itertools import count

import numpy as np

from engine.backends.base import Runner
from engine.motion.track import Motion
from engine.native import NativeWarp
from engine.portrait.portrait import Portrait
from engine.portrait.scene import Scene
from engine.render.renderer import Canvas, FaceRenderer, overlap
from engine.render.sharing import batches_at_once
from engine.types import Image

BATCH_PIXELS = 3_000_000  # of a batch of frames: enough to keep the cores busy, little enough for the memory
NATIVE_BATCH_PIXELS = 9_000_000
LEAST_NATIVE, MOST = 4, 8  # frames of a batch: the native warp reads its functions once a batch
FIRST, FIRST_BATCHES = 2, 2  # frames of those that are drawn first, and how many are


def render_frames(scene: Scene, motions: Mapping[int, Motion], warp: Runner, mouth: Runner) -> Iterator[Image]:
    """Yields frames (H, W, 3) uint8; people without a motion stand still. Keeps a few batches in memory."""
    people = renderers_of(scene, motions, warp, mouth)
    frames = len(next(iter(motions.values())))
    height, width = scene.backdrop.shape[:2]
    if isinstance(warp, NativeWarp):
        size, at_once = int(np.clip(NATIVE_BATCH_PIXELS // (height * width), LEAST_NATIVE, MOST)), batches_at_once()
    else:  # it shares each batch out itself, and takes much memory
        size, at_once = int(np.clip(BATCH_PIXELS // (height * width), 1, MOST)), 1
    draw = partial(draw_batch, scene, motions, people)
    try:
        with closing(in_order(draw, batches(frames, size), at_once)) as drawn:
            for canvas in drawn:
                yield from canvas
    finally:  # when nothing is being drawn any more
        for renderer in people.values():
            if isinstance(renderer, FaceRenderer):
                renderer.close()


def batches(frames: int, size: int) -> Iterator[slice]:
    """All frames, so many at a time; those that are drawn first are few, so that the encoder can begin soon.

    The last digits of a product depend on how many rows it has, so frames are cut into the same batches wherever they
    are drawn: processors say only how many batches are drawn at once.
    """
    start = 0
    for number in count():
        if start >= frames:
            return
        stop = min(start + (min(size, FIRST) if number < FIRST_BATCHES else size), frames)
        yield slice(start, stop)
        start = stop


def renderers_of(
    scene: Scene, motions: Mapping[int, Motion], warp: Runner, mouth: Runner
) -> dict[int, FaceRenderer | Portrait]:
    """What draws each person, in the scene's order; the portrait alone of those who stand still."""
    drawn_before: list[Portrait] = []
    renderers: dict[int, FaceRenderer | Portrait] = {}
    for number, portrait in scene.portraits.items():
        if number in motions:
            still = not any(overlap(portrait.crop, other.crop) for other in drawn_before)
            renderers[number] = FaceRenderer(warp, mouth, portrait, face=number, still_behind=still)
            drawn_before.append(portrait)
        else:
            renderers[number] = portrait
    return renderers


def draw_batch(
    scene: Scene, motions: Mapping[int, Motion], people: Mapping[int, FaceRenderer | Portrait], part: slice
) -> Canvas:
    """These frames of the clip (T, H, W, 3)."""
    canvas = np.empty((part.stop - part.start, *scene.backdrop.shape), np.uint8)
    canvas[:] = scene.backdrop  # `repeat` takes ten times as long
    for number, renderer in people.items():
        if isinstance(renderer, FaceRenderer):
            renderer.draw(canvas, motions[number][part])
        else:
            draw_still(canvas, renderer)
    return canvas


def in_order(draw: Callable[[slice], Canvas], parts: Iterable[slice], at_once: int) -> Generator[Canvas]:
    """What `draw` makes of the parts, one after the other, while it is making the next ones."""
    with ThreadPoolExecutor(at_once, "mien-drawing") as pool:
        ahead: deque[Future[Canvas]] = deque()
        try:
            for part in parts:
                ahead.append(pool.submit(draw, part))
                if len(ahead) > at_once:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for waiting in ahead:
                waiting.cancel()


def draw_still(canvas: np.ndarray, portrait: Portrait) -> None:
    """Lays a person who doesn't move over canvas (T, H, W, 3)."""
    crop, person = canvas[(slice(None), *portrait.crop.slices)], portrait.unmoved()
    for frame in crop:
        frame[:] = np.clip(np.rint(person[..., :3] + (1 - person[..., 3:]) * frame), 0, 255)
