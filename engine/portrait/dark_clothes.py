"""Dark clothes and dark hair, looked at a second time in a brighter picture.

The segmentation network takes large parts of black suits for background: shoulders stayed behind when bodies moved, and
what was beside them came through. Of dark clothes below the face in 65 portraits 79 % were taken for a person's, and
over 99 % are in the brighter picture; of what is dark beside heads 5 % are in either. So beside heads only what
bites into their outline is looked at again: dark hair at the temples, which stayed behind as well.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.segment import Segmenter
from engine.types import Box, Floats, HeadPose, Image

NAMES = ("background", "hair", "face_skin", "clothes", "other")
GAMMA = 0.3  # level 20 of 255 becomes 119
DARK_LEVELS = (70, 30)  # of the brightest channel: the second look counts from the first on, and alone from the second
LEAST_CM2 = 1.0  # of dark pixels, for which a second look is worth its time
HAIR, AROUND_HAIR_CM = 0.3, 0.5  # fine hair is known better from the head's own tile
MOUTH_CM, BELOW_MOUTH_CM = 5.0, 2.0  # below a face's middle there are clothes; what is dark beside it is background
NOISE_CM, SOFT_CM = 0.08, 0.1
BITE_CM, LEAST_HAIR_CM2, SURE = 4.0, 0.4, 0.5  # half of the width of what may be hair, how much of it, and how surely
OUTLINE_PX_PER_CM = 5.0  # at which that is looked for
SURELY_PERSON = 0.15  # under this probability of background nothing is missing


def person_classes(segmenter: Segmenter, photo: Image, region: Box, head: Box, pose: HeadPose) -> dict[str, Floats]:
    """Probabilities (h, w) of `NAMES` in a region of the photo, with the head seen finer and what is dark brighter."""
    px_per_cm = pose.scale_px
    found = segmenter.segment(photo, region, head=head, classes=NAMES)
    x0, y0 = round(region.x0), round(region.y0)
    picture = photo[y0 : y0 + found.shape[1], x0 : x0 + found.shape[2]]
    mouth_px = float(pose.origin_px[1]) + MOUTH_CM * px_per_cm - y0
    mouth_y = round(min(max(mouth_px, 0), len(picture)))
    levels = np.asarray(cv2.GaussianBlur(picture.max(2), (0, 0), max(0.8, NOISE_CM * px_per_cm)), np.float32)
    dark = np.clip((DARK_LEVELS[0] - levels) / (DARK_LEVELS[0] - DARK_LEVELS[1]), 0, 1)
    clothes, hair = dark.copy(), dark * bites(found[0], px_per_cm)
    clothes[:mouth_y], hair[mouth_y:] = 0, 0
    down_px = np.arange(mouth_y, len(picture), dtype=np.float32) - mouth_px
    clothes[mouth_y:] *= np.clip(down_px / (BELOW_MOUTH_CM * px_per_cm), 0, 1)[:, None]
    clothes *= found[0] + found[3] > 0.5
    if clothes.sum() < LEAST_CM2 * px_per_cm**2:
        clothes[:] = 0
    if clothes.any() or hair.sum() >= LEAST_HAIR_CM2 * px_per_cm**2:
        second = segmenter.segment(brighter(picture), Box(0, 0, picture.shape[1], picture.shape[0]), classes=NAMES)
        reach = (2 * round(AROUND_HAIR_CM * px_per_cm) + 1,) * 2
        fine = (np.maximum(found[1], second[1]) > HAIR).astype(np.uint8)
        clothes *= cv2.dilate(fine, np.ones(reach, np.uint8)) == 0
        hair *= second[1] > SURE
        for share in (clothes, hair):
            found += cv2.GaussianBlur(share, (0, 0), max(0.5, SOFT_CM * px_per_cm)) * (second - found)
    return dict(zip(NAMES, found, strict=True))


def brighter(picture: Image) -> Image:
    return np.asarray(cv2.LUT(picture, np.rint(255 * (np.arange(256) / 255) ** GAMMA).astype(np.uint8)), np.uint8)


def bites(background: Floats, px_per_cm: float) -> NDArray[np.bool_]:
    """What probability of background (h, w) takes out of a person's outline, narrower than twice `BITE_CM`."""
    shrunk = min(1.0, OUTLINE_PX_PER_CM / px_per_cm)  # large discs take long
    radius = max(1, round(BITE_CM * px_per_cm * shrunk))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    person = cv2.resize((background < 0.5).astype(np.float32), None, fx=shrunk, fy=shrunk, interpolation=cv2.INTER_AREA)
    closed = cv2.morphologyEx(person, cv2.MORPH_CLOSE, disc, borderType=cv2.BORDER_REPLICATE)
    return (cv2.resize(closed, background.shape[::-1]) > 0.5) & (background > SURELY_PERSON)
