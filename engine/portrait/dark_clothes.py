"""Dark clothes, looked at a second time in a brighter picture.

The segmentation network takes large parts of black suits for background: shoulders stayed behind when bodies moved, and
what was beside them came through. Of dark clothes below the face in 65 portraits 79 % were taken for a person's, and
over 99 % are in the brighter picture; of what is dark beside heads 5 % are in either.
"""

from __future__ import annotations

import cv2
import numpy as np

from engine.segment import Segmenter
from engine.types import Box, Floats, HeadPose, Image

NAMES = ("background", "hair", "face_skin", "clothes", "other")
GAMMA = 0.3  # level 20 of 255 becomes 119
DARK_LEVELS = (70, 30)  # of the brightest channel: the second look counts from the first on, and alone from the second
LEAST_CM2 = 1.0  # of dark pixels, for which a second look is worth its time
HAIR, AROUND_HAIR_CM = 0.3, 0.5  # fine hair is known better from the head's own tile
MOUTH_CM, BELOW_MOUTH_CM = 5.0, 2.0  # below a face's middle there are clothes; what is dark beside it is background
NOISE_CM, SOFT_CM = 0.08, 0.1


def person_classes(segmenter: Segmenter, photo: Image, region: Box, head: Box, pose: HeadPose) -> dict[str, Floats]:
    """Probabilities (h, w) of `NAMES` in a region of the photo, with the head seen finer and dark clothes brighter."""
    px_per_cm = pose.scale_px
    found = segmenter.segment(photo, region, head=head, classes=NAMES)
    x0, y0 = round(region.x0), round(region.y0)
    picture = photo[y0 : y0 + found.shape[1], x0 : x0 + found.shape[2]]
    mouth_px = float(pose.origin_px[1]) + MOUTH_CM * px_per_cm - y0
    mouth_y = round(min(max(mouth_px, 0), len(picture)))
    if mouth_y == len(picture):
        return dict(zip(NAMES, found, strict=True))
    below = found[:, mouth_y:]
    background, hair, _, clothes, _ = below
    levels = np.ascontiguousarray(picture[mouth_y:].max(2), np.float32)
    levels = np.asarray(cv2.GaussianBlur(levels, (0, 0), max(0.8, NOISE_CM * px_per_cm)))
    dark = np.clip((DARK_LEVELS[0] - levels) / (DARK_LEVELS[0] - DARK_LEVELS[1]), 0, 1)
    down_px = np.arange(mouth_y, len(picture), dtype=np.float32) - mouth_px
    dark *= (background + clothes > 0.5) * np.clip(down_px / (BELOW_MOUTH_CM * px_per_cm), 0, 1)[:, None]
    if dark.sum() >= LEAST_CM2 * px_per_cm**2:
        brighter = cv2.LUT(picture, np.rint(255 * (np.arange(256) / 255) ** GAMMA).astype(np.uint8))
        whole = Box(0, 0, picture.shape[1], picture.shape[0])
        second = segmenter.segment(np.asarray(brighter, np.uint8), whole, classes=NAMES)[:, mouth_y:]
        reach = (2 * round(AROUND_HAIR_CM * px_per_cm) + 1,) * 2
        dark *= cv2.dilate((np.maximum(hair, second[1]) > HAIR).astype(np.uint8), np.ones(reach, np.uint8)) == 0
        below += cv2.GaussianBlur(dark, (0, 0), max(0.5, SOFT_CM * px_per_cm)) * (second - below)
    return dict(zip(NAMES, found, strict=True))
