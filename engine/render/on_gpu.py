"""The clip's frames in the GPU's memory, where the encoder takes them: `engine.composite`, without the host."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping

import numpy as np

from engine.backends.base import DeviceRunner
from engine.cuda.arrays import DeviceArray
from engine.cuda.composite import composite_rgb
from engine.cuda.device import OutOfDeviceMemoryError
from engine.cuda.kernels import Kernels
from engine.cuda.layered_warp import CudaWarp
from engine.motion.track import Motion
from engine.portrait.portrait import Portrait
from engine.portrait.scene import Scene
from engine.render.drive import as_far_as_free, frame_inputs
from engine.render.glasses import glasses_affines, reach_of
from engine.render.mouth_on_gpu import GpuMouthPainter, put_on_gpu
from engine.render.renderer import behind_inputs, overlap
from engine.types import Image

log = logging.getLogger("engine")

BATCH_PIXELS = 128_000_000  # of the frames drawn at once: 60 of 1080p
LARGEST_BATCH = 60


class GpuFaceRenderer:
    """`FaceRenderer`, with frames that stay on the GPU."""

    def __init__(
        self, warp: CudaWarp, mouth: DeviceRunner, portrait: Portrait, *, face: int, still_behind: bool
    ) -> None:
        constants = dict(portrait.constants)
        if still_behind:
            constants |= behind_inputs(portrait, portrait.behind[None])
        self._portrait, self._still_behind = portrait, still_behind
        self._warp = warp.bind(**constants)
        kernels = warp.kernels
        self._mouth = GpuMouthPainter(kernels, mouth, portrait.mouth, face)
        glasses = portrait.glasses
        self._glasses = None if glasses is None else DeviceArray.of(kernels.device, glasses.layer, kernels.stream)

    def draw(self, canvas: DeviceArray, motion: Motion) -> None:
        """Draws len(motion) frames into canvas (T, H, W, 3), over what it holds."""
        portrait, stream = self._portrait, self._warp.kernels.stream
        crop = canvas.part(*portrait.crop.slices)
        motion = as_far_as_free(portrait, motion)
        moved = frame_inputs(portrait, motion)
        drawn = self._warp.draw(crop, **moved, **({} if self._still_behind else self._behind(crop)))
        mouth, inside = drawn["mouth_frames"], drawn["mouth_inside"]
        self._mouth.paint(mouth, inside, moved["mouth_affine"], portrait.patches["mouth"])
        for name, box in portrait.patches.items():
            crop.part(*box.slices).copy_from(drawn[f"{name}_frames"], stream)
        if portrait.glasses is not None and self._glasses is not None:
            affines = glasses_affines(portrait, portrait.glasses, motion)
            box = reach_of(portrait.glasses, affines, crop.shape[2], crop.shape[1])
            put_on_gpu(self._warp.kernels, crop, self._glasses, portrait.glasses, affines, box)

    def close(self) -> None:
        self._warp.close()

    def _behind(self, crop: DeviceArray) -> dict[str, DeviceArray]:
        """Copies of what the canvas holds behind the crop and each patch, since it is drawn over."""
        kernels = self._warp.kernels
        parts = {f"{name}_behind": crop.part(*box.slices) for name, box in self._portrait.patches.items()}
        copies = {}
        for name, part in ({"behind": crop} | parts).items():
            copies[name] = DeviceArray.empty(kernels.device, part.shape, np.uint8)
            copies[name].copy_from(part, kernels.stream)
        return copies


class StillPerson:
    """Somebody who doesn't move, to be laid over frames."""

    def __init__(self, kernels: Kernels, portrait: Portrait) -> None:
        person = np.ascontiguousarray(portrait.unmoved()[None])
        self._kernels, self._corner = kernels, (portrait.crop.x0, portrait.crop.y0)
        self._person = DeviceArray.of(kernels.device, person, kernels.stream)

    def draw(self, canvas: DeviceArray) -> None:
        """Over canvas (T, H, W, 3); every pixel is read before it is written, by the same thread."""
        for index in range(len(canvas)):
            frame = canvas[index]
            out = DeviceArray(frame.memory, (1, *frame.shape), frame.dtype, frame.offset)
            composite_rgb(self._kernels, frame, [(self._person, *self._corner)], out)


def render_on_gpu(
    scene: Scene, motions: Mapping[int, Motion], warp: CudaWarp, mouth: DeviceRunner
) -> Iterator[DeviceArray]:
    """Yields the frames of `render_frames`, (H, W, 3) uint8 of even sizes: the last line or column comes twice then.

    Fewer are drawn at once where the memory doesn't hold them; raises OutOfDeviceMemoryError where it doesn't hold one.
    """
    kernels = warp.kernels
    renderers: dict[int, GpuFaceRenderer | StillPerson] = {}
    moving: list[Portrait] = []
    for number, portrait in scene.portraits.items():
        if number in motions:
            still = not any(overlap(portrait.crop, other.crop) for other in moving)
            renderers[number] = GpuFaceRenderer(warp, mouth, portrait, face=number, still_behind=still)
            moving.append(portrait)
        else:
            renderers[number] = StillPerson(kernels, portrait)
    height, width = scene.backdrop.shape[:2]
    even = np.pad(scene.backdrop, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    backdrop = DeviceArray.of(kernels.device, even[None], kernels.stream)

    def draw(part: slice) -> DeviceArray:
        canvas = DeviceArray.empty(kernels.device, (part.stop - part.start, *even.shape), np.uint8)
        canvas.copy_from(backdrop, kernels.stream)
        for number, renderer in renderers.items():
            if isinstance(renderer, GpuFaceRenderer):
                renderer.draw(canvas, motions[number][part])
            else:
                renderer.draw(canvas)
        repeat_edges(canvas, (height, width), kernels)
        kernels.stream.wait()  # the encoder reads in a stream of its own, while the next batch is drawn
        return canvas

    frames = len(next(iter(motions.values())))
    start, batch = 0, int(np.clip(BATCH_PIXELS // even[..., 0].size, 1, LARGEST_BATCH))
    try:
        while start < frames:
            part = slice(start, min(start + batch, frames))
            kernels.device.make_current()
            try:
                canvas = draw(part)
            except OutOfDeviceMemoryError:
                tried = part.stop - part.start
                if tried == 1:
                    raise
                batch = tried // 2
                log.warning("The GPU runs out of memory with %d frames at once; %d now.", tried, batch)
                continue
            yield from (canvas[index] for index in range(len(canvas)))
            start = part.stop
    finally:
        for renderer in renderers.values():
            if isinstance(renderer, GpuFaceRenderer):
                renderer.close()


def copied_to_host(frames: Iterator[DeviceArray], size: tuple[int, int], kernels: Kernels) -> Iterator[Image]:
    """Frames of an even size as pictures (height, width, 3) of the host, for who can't take them on the GPU."""
    height, width = size
    for frame in frames:
        yield frame.read(kernels.stream)[:height, :width]


def repeat_edges(canvas: DeviceArray, size: tuple[int, int], kernels: Kernels) -> None:
    """Copies the last line and column of pictures (height, width) that lie in an even canvas into what is added."""
    height, width = size
    if canvas.shape[2] > width:
        columns = (canvas.part(slice(0, height), slice(at, at + 1)) for at in (width, width - 1))
        next(columns).copy_from(next(columns), kernels.stream)
    if canvas.shape[1] > height:
        rows = (canvas.part(slice(at, at + 1), slice(0, canvas.shape[2])) for at in (height, height - 1))
        next(rows).copy_from(next(rows), kernels.stream)
