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
    background, hair, _, clothes, _ = found
    x0, y0 = round(region.x0), round(region.y0)
    picture = photo[y0 : y0 + found.shape[1], x0 : x0 + found.shape[2]]
    levels = cv2.GaussianBlur(picture.max(2).astype(np.float32), (0, 0), max(0.8, NOISE_CM * px_per_cm))
    dark = np.clip((DARK_LEVELS[0] - levels) / (DARK_LEVELS[0] - DARK_LEVELS[1]), 0, 1)
    down_cm = (np.arange(y0, y0 + len(dark), dtype=np.float32) - pose.origin_px[1]) / px_per_cm
    dark *= (background + clothes > 0.5) * np.clip((down_cm - MOUTH_CM) / BELOW_MOUTH_CM, 0, 1)[:, None]
    if dark.sum() >= LEAST_CM2 * px_per_cm**2:
        brighter = np.rint(255 * (np.arange(256) / 255) ** GAMMA).astype(np.uint8)[picture]
        second = segmenter.segment(brighter, Box(0, 0, picture.shape[1], picture.shape[0]), classes=NAMES)
        reach = (2 * round(AROUND_HAIR_CM * px_per_cm) + 1,) * 2
        dark *= cv2.dilate((np.maximum(hair, second[1]) > HAIR).astype(np.uint8), np.ones(reach, np.uint8)) == 0
        found += cv2.GaussianBlur(dark, (0, 0), max(0.5, SOFT_CM * px_per_cm)) * (second - found)
    return dict(zip(NAMES, found, strict=True))
