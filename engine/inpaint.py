"""Fills what a mask hides with plausible background.

Network: MI-GAN (Sargsyan et al. 2023, "MI-GAN: A Simple Baseline for Image Inpainting on Mobile Devices",
github.com/Picsart-AI-Research/MI-GAN, MIT; trained on Places2). Good on scenery, bad on faces.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.backends.base import Backend
from engine.bundle import Bundle
from engine.types import Floats, Image

SIDE_PX = 512
FEATHER_PX = 2.0  # in the network's picture: how deep inside the mask the old pixels fade out
OCTAVES = 5  # of detail that are held down to what is seen around
AROUND_PX, WITHIN_PX = 64, 12  # in the network's picture: reach of "around", and of the filling's own liveliness
LIVELINESS = 1.0  # of the filling at most, as a multiple of what is seen around
WHOLE, ENOUGH = 0.99, 0.2  # of a place that is seen: nothing there is filled; enough to tell its colour
PATCH_PX, NEXT = 16, 2  # in the network's picture; so many to each side say what colours patches keep to


class Inpainter:
    """The inpainting network on a backend."""

    def __init__(self, backend: Backend, bundle: Bundle) -> None:
        self._net = backend.open(bundle.path("inpaint.onnx"))

    def fill(self, image: Image, mask: NDArray[np.bool_]) -> Image:
        """A copy of the image in which masked pixels are filled; all others stay exactly as they are.

        Args:
            image: RGB (h, w, 3) uint8, of any size and shape; the network sees it at 512x512. The mask should leave
                some of it visible on every side that matters.
            mask: (h, w), True where to fill. Make it a few pixels larger than what should vanish.

        Raises ValueError where their sizes differ.
        """
        if mask.shape != image.shape[:2]:
            raise ValueError(f"the mask is {mask.shape}, but the image is {image.shape[:2]}")
        if not mask.any():
            return image.copy()
        height, width = mask.shape
        small = cv2.resize(image, (SIDE_PX, SIDE_PX), interpolation=_method(mask.shape, (SIDE_PX, SIDE_PX)))
        # Any network pixel that a masked pixel touches must be filled, or what should vanish shines through.
        touched = cv2.resize(mask.astype(np.float32), (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA) > 0
        covered = cv2.dilate(touched.astype(np.uint8), np.ones((3, 3), np.uint8))
        picture = small.astype(np.float32) / 255
        filled = calmed(toned(self._run(small, covered), picture, covered), picture, covered)
        large = cv2.resize(filled, (width, height), interpolation=_method((SIDE_PX, SIDE_PX), mask.shape))
        weight = _feather(mask)[..., None]
        mixed = image.astype(np.float32) + weight * (large * 255 - image)
        return np.where(mask[..., None], np.clip(np.rint(mixed), 0, 255), image).astype(np.uint8)

    def _run(self, picture: NDArray[Any], covered: NDArray[Any]) -> Floats:
        """(512, 512, 3), 0 to 1."""
        visible = np.ascontiguousarray(picture.transpose(2, 0, 1)[None], dtype=np.float32) / 255
        filled = self._net(image=visible, mask=covered[None, None].astype(np.float32))["filled"][0]
        return np.ascontiguousarray(filled.transpose(1, 2, 0))


def calmed(filled: Floats, picture: Floats, covered: NDArray[Any]) -> Floats:
    """The filled picture with no more contrast, octave by octave, than what is seen around the filled places.

    The network knows places, not people: between suits and faces it likes to put patterns of leopards and letters, and
    what of them a head uncovers, or drags along with its soft edge, flickers. All (n, n[, 3]), 0 to 1.
    """
    seen: Floats = (covered == 0).astype(np.float32)
    left: Floats = np.where(covered[..., None] > 0, filled, picture)
    octaves: list[Floats] = []
    for octave in range(OCTAVES):
        low = cv2.pyrDown(left)
        detail = np.asarray(left - cv2.pyrUp(low, dstsize=left.shape[1::-1]), np.float32)
        octaves.append(detail * _restraint(detail, seen, octave)[..., None])
        seen, left = np.asarray(cv2.pyrDown(seen), np.float32), np.asarray(low, np.float32)
    for kept in reversed(octaves):
        left = np.asarray(cv2.pyrUp(left, dstsize=kept.shape[1::-1]) + kept, np.float32)
    return np.clip(left, 0, 1)


def _restraint(detail: Floats, seen: Floats, octave: int) -> Floats:
    """What one octave of detail (h, w, 3) is multiplied by (h, w), 0 to 1; 1 where the picture is seen."""
    contrast, known = np.abs(detail).mean(2), np.where(seen > WHOLE, np.float32(1), np.float32(0))
    around, within = (2 * (reach >> octave) + 1 for reach in (AROUND_PX, WITHIN_PX))
    everywhere = float((known * contrast).sum() / max(float(known.sum()), 1.0))
    few = 1e-3  # where no known pixel is near, the whole picture says what is usual
    usual = (_mean(known * contrast, around) + few * everywhere) / (_mean(known, around) + few)
    allowed = LIVELINESS * usual / (_mean(contrast, within) + 1e-6)
    return np.asarray(np.where(seen > WHOLE, 1, np.minimum(allowed, 1)), np.float32)


def toned(filled: Floats, picture: Floats, covered: NDArray[Any]) -> Floats:
    """The filled picture with the large patches of what was filled in kept to the colours seen next to them.

    Beside a blue wall the network may go on with a beige one: what is hidden looks like people to it. Colours are
    compared as means over squares of PATCH_PX, those farther in with what is seen nearest. All (n, n[, 3]).
    """
    here = (covered > 0).astype(np.float32)
    patches, share = _coarse(filled, here)
    own, seen = _coarse(picture, 1 - here)
    unknown = seen[..., None] <= ENOUGH
    if unknown.all():
        return filled
    low, high = np.where(unknown, np.inf, own), np.where(unknown, -np.inf, own)
    while np.isinf(low).any():
        least, most = _spread(low, high, 1)
        low, high = np.where(np.isinf(low), least, low), np.where(np.isinf(high), most, high)
    change = (np.clip(patches, *_spread(low, high, NEXT)) - patches) * share[..., None]
    large, weight = (cv2.resize(part, filled.shape[1::-1], interpolation=cv2.INTER_LINEAR) for part in (change, share))
    return np.where(covered[..., None] > 0, np.clip(filled + large / np.maximum(weight, 1e-6)[..., None], 0, 1), filled)


def _coarse(picture: Floats, share: Floats) -> tuple[Floats, Floats]:
    """The mean of a picture (n, n, 3) as far as it counts (n, n), and how far it does, in squares of PATCH_PX."""
    side = (picture.shape[1] // PATCH_PX, picture.shape[0] // PATCH_PX)
    colours, weight = (
        np.asarray(cv2.resize(part, side, interpolation=cv2.INTER_AREA), np.float32)
        for part in (picture * share[..., None], share)
    )
    return colours / np.maximum(weight, 1e-6)[..., None], weight


def _spread(low: Floats, high: Floats, reach: int) -> tuple[Floats, Floats]:
    """The least of one and the most of the other (h, w, 3) within so many places to each side."""
    window, repeated = np.ones((2 * reach + 1,) * 2, np.uint8), cv2.BORDER_REPLICATE
    return (
        np.asarray(cv2.erode(low, window, borderType=repeated), np.float32),
        np.asarray(cv2.dilate(high, window, borderType=repeated), np.float32),
    )


def _mean(values: Floats, side: int) -> Floats:
    return np.asarray(cv2.blur(values, (side, side), borderType=cv2.BORDER_REFLECT), np.float32)


def _method(before: tuple[int, ...], after: tuple[int, ...]) -> int:
    return cv2.INTER_AREA if after[0] < before[0] and after[1] < before[1] else cv2.INTER_CUBIC


def _feather(mask: NDArray[np.bool_]) -> Floats:
    """(h, w) weight of the filled pixels: 0 outside the mask, rising to 1 a few pixels inside it."""
    depth_px = max(FEATHER_PX * max(mask.shape) / SIDE_PX, 1.0)
    # Depth counts from known pixels only: where the mask runs off the image there is no seam to hide.
    distances = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    weights: Floats = np.clip(distances / (depth_px + 1), 0, 1)
    return weights
