"""Draws one portrait's frames over a canvas, a batch of frames at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.backends.base import Runner
from engine.motion.track import Motion
from engine.native import NativeWarp
from engine.portrait.patches import Rectangle
from engine.portrait.portrait import Portrait
from engine.render.drive import as_far_as_free, frame_inputs
from engine.render.glasses import glasses_affines, put_on, reach_of
from engine.render.mouth import MouthPainter

Canvas = NDArray[np.uint8]  # (T, H, W, 3)


class FaceRenderer:
    """The warp graph with one portrait's constants bound, and the mouth network.

    `face` is its number in the photo. `still_behind` says that nothing moves behind this person, so that what is there
    can be bound once as well.
    """

    def __init__(self, warp: Runner, mouth: Runner, portrait: Portrait, *, face: int, still_behind: bool) -> None:
        constants = dict(portrait.constants)
        if still_behind:
            constants |= behind_inputs(portrait, portrait.behind[None])
        self._portrait, self._still_behind = portrait, still_behind
        self._warp = warp.bind(**constants)
        self._mouth = MouthPainter(mouth, portrait.mouth, face)

    def draw(self, canvas: Canvas, motion: Motion) -> None:
        """Draws len(motion) frames into canvas (T, H, W, 3), over what it holds."""
        portrait = self._portrait
        crop = canvas[(slice(None), *portrait.crop.slices)]
        motion = as_far_as_free(portrait, motion)
        moved = frame_inputs(portrait, motion)
        inputs: dict[str, NDArray[np.generic]] = dict(moved)
        if not self._still_behind:
            inputs |= behind_inputs(portrait, crop)
        if isinstance(self._warp, NativeWarp):
            drawn = self._warp.draw(crop, **inputs)
        else:
            drawn = self._warp(**inputs)
            crop[:] = drawn["frames"]
        for name, rectangle in portrait.patches.items():
            crop[(slice(None), *rectangle.slices)] = drawn[f"{name}_frames"]
        box = portrait.patches["mouth"]
        self._mouth.paint(crop[(slice(None), *box.slices)], drawn["mouth_inside"], moved["mouth_affine"], box)
        if portrait.glasses is not None:
            affines = glasses_affines(portrait, portrait.glasses, motion)
            box = reach_of(portrait.glasses, affines, crop.shape[2], crop.shape[1])
            put_on(crop[(slice(None), *box.slices)], portrait.glasses, affines, box)

    def close(self) -> None:
        self._warp.close()


def behind_inputs(portrait: Portrait, behind: Canvas) -> dict[str, NDArray[np.generic]]:
    """What stands behind the person, for the crop (1 or T, h, w, 3) and each patch; copies, as it is drawn over."""
    parts = {f"{name}_behind": behind[(slice(None), *box.slices)] for name, box in portrait.patches.items()}
    return {name: np.array(part, order="C") for name, part in ({"behind": behind} | parts).items()}


def overlap(a: Rectangle, b: Rectangle) -> bool:
    """Whether two rectangles of the photo share a pixel."""
    apart_x = a.x0 + a.width <= b.x0 or b.x0 + b.width <= a.x0
    apart_y = a.y0 + a.height <= b.y0 or b.y0 + b.height <= a.y0
    return not (apart_x or apart_y)
