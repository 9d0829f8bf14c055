"""What each pixel around a person shows: background, hair, skin, clothes or something else.

Network: MediaPipe's selfie multiclass segmenter (github.com/google-ai-edge/mediapipe, Apache-2.0), 256x256.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from engine.backends.base import Backend
from engine.bundle import Bundle
from engine.types import Box, Floats, Image

CLASSES = ("background", "hair", "body_skin", "face_skin", "clothes", "other")
SIDE_PX = 256
TILE_FADE = 0.15  # of the tile's side: how wide the finer result fades into the coarse one


class Segmenter:
    """The segmentation network on a backend."""

    def __init__(self, backend: Backend, bundle: Bundle) -> None:
        self._net = backend.open(bundle.path("segment.onnx"))

    def segment(
        self, photo: Image, region: Box, *, head: Box | None = None, classes: Sequence[str] = CLASSES
    ) -> Floats:
        """Probabilities (n, h, w) of these classes, at the region's own pixel size; all six sum to 1.

        Args:
            photo: RGB (H, W, 3) uint8.
            region: Head and shoulders, inside the photo. Its edges are rounded to whole pixels.
            head: A tighter box inside the region. The network sees everything at 256x256, so in a region much larger
                than that a second look at the head alone gives finer hair; it replaces the first inside this box.

        Raises ValueError where the rounded region is empty or leaves the photo.
        """
        x0, y0, x1, y1 = pixel_edges(region)
        if not (0 <= x0 < x1 <= photo.shape[1] and 0 <= y0 < y1 <= photo.shape[0]):
            raise ValueError(f"region {region} doesn't lie inside the photo of {photo.shape[1]}x{photo.shape[0]}")
        tiles = [(x0, y0, x1, y1)]
        if head is not None:
            left, top, right, bottom = pixel_edges(head)
            tile = (max(left, x0), max(top, y0), min(right, x1), min(bottom, y1))
            if tile[0] < tile[2] and tile[1] < tile[3]:
                tiles.append(tile)
        results = self._classify([photo[top:bottom, left:right] for left, top, right, bottom in tiles])
        chosen = [CLASSES.index(name) for name in classes]
        probabilities = _enlarge(results[0][chosen], (x1 - x0, y1 - y0))
        if len(tiles) == 2:
            left, top, right, bottom = tiles[1]
            fine = _enlarge(results[1][chosen], (right - left, bottom - top))
            weight = _fade(tiles[1], tiles[0])
            inside = probabilities[:, top - y0 : bottom - y0, left - x0 : right - x0]
            inside += weight * (fine - inside)
        return probabilities

    def _classify(self, pictures: list[Image]) -> Floats:
        """(n, 6, 256, 256), the mean over each picture and its mirror image.

        A mirrored photo moves the edge of the hair by several pixels (measured: 0.93 overlap), which the mean undoes.
        """
        small = []
        for picture in pictures:
            shrinks = min(picture.shape[:2]) > SIDE_PX
            method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
            small.append(cv2.resize(picture, (SIDE_PX, SIDE_PX), interpolation=method))
        straight = np.stack(small).transpose(0, 3, 1, 2).astype(np.float32) / 255
        images = np.concatenate([straight, straight[..., ::-1]])
        # One by one: together they would be no faster on a CPU, and take four times the memory.
        found = np.concatenate([self._net(image=image[None])["classes"] for image in images])
        looks = np.split(found, 2)
        classes: Floats = (looks[0] + looks[1][..., ::-1]) / 2
        return classes


def pixel_edges(box: Box) -> tuple[int, int, int, int]:
    """x0, y0, x1, y1 rounded to whole pixels; as slices they are photo[y0:y1, x0:x1]."""
    return round(box.x0), round(box.y0), round(box.x1), round(box.y1)


def _enlarge(classes: Floats, size: tuple[int, int]) -> Floats:
    """(n, 256, 256) -> (n, h, w); interpolating linearly keeps the sum of 1."""
    method = cv2.INTER_AREA if max(size) < SIDE_PX else cv2.INTER_LINEAR
    found = np.empty((len(classes), size[1], size[0]), np.float32)
    for plane, large in zip(classes, found, strict=True):  # since OpenCV averages areas of at most four channels
        cv2.resize(plane, size, large, interpolation=method)
    return found


def _fade(tile: tuple[int, int, int, int], region: tuple[int, int, int, int]) -> Floats:
    """(h, w) weight of the tile: 1 inside, falling to 0 at those of its edges that aren't the region's own."""
    profiles = []
    for low, high, outer_low, outer_high in (
        (tile[1], tile[3], region[1], region[3]),
        (tile[0], tile[2], region[0], region[2]),
    ):
        size = high - low
        steps = (np.arange(size, dtype=np.float32) + 0.5) / (TILE_FADE * size)
        rising = np.ones(size, np.float32) if low == outer_low else np.minimum(steps, 1)
        falling = np.ones(size, np.float32) if high == outer_high else np.minimum(steps[::-1], 1)
        profiles.append(rising * falling)
    return np.outer(*profiles).astype(np.float32)
