"""What is behind a person: at the edge the photo's own background, as it is beside, further in what was filled in."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.types import Floats, Image

BESIDE_CM = 0.06  # from where the matte is 0 the photo may still mix person and background, or cameras have sharpened
SOLID = 0.95  # of the matte: from there on the edge is inside of the person
GOES_ON_CM = 0.5  # inside of the edge, and less and less far from what is beside
SMOOTH_CM = 0.08  # of what goes on
HAIR, AROUND_HAIR_CM = 0.3, 0.5  # where hair is, and so far around, what is beside may be hair as well
SOFT_CM = 0.05
IMPOSSIBLE = 0.25  # by which a matte may be too low for what the photo shows; by twice this it isn't believed


def fading_into(photo: Image, filled: Image, matte: Floats, reach_px: int) -> Image:
    """The filled picture, turning back into the photo (both (h, w, 3)) outside of the person's soft edge.

    What differs from the photo there would travel with the person; stray hairs should, the background should not.
    """
    near = cv2.blur(cv2.dilate(matte, np.ones((reach_px // 2 | 1,) * 2)), (reach_px // 2 | 1,) * 2)
    share = np.clip(1.5 * np.maximum(near, matte), 0, 1)[..., None]
    return np.asarray(np.rint(photo + share * (filled.astype(np.float32) - photo)), np.uint8)


def going_on(photo: Image, behind: Image, matte: Floats, hair: Floats, px_per_cm: float) -> Image:
    """The picture behind a person with the photo's background going on below the person's edge; all (h, w[, 3]).

    A person's colours at the edge are what of the photo the background doesn't explain. What was filled in there is of
    other colours soon, and the difference would travel with the person as a halo.
    """
    edge = np.ones((2 * max(1, round(BESIDE_CM * px_per_cm)) + 1,) * 2, np.uint8)
    hidden = cv2.dilate((matte > 0.01).astype(np.uint8), edge) > 0
    if hidden.all():
        return behind
    beside = next_to(hidden, photo.astype(np.float32))
    beside = np.asarray(cv2.GaussianBlur(beside, (0, 0), max(1.0, SMOOTH_CM * px_per_cm)), np.float32)
    inside_cm, away_cm = (
        cv2.distanceTransform(place.astype(np.uint8), cv2.DIST_L2, 5) / px_per_cm for place in (matte > SOLID, hidden)
    )
    reach = (2 * round(AROUND_HAIR_CM * px_per_cm) + 1,) * 2
    no_hair = cv2.dilate((hair > HAIR).astype(np.uint8), np.ones(reach, np.uint8)) == 0
    share = np.clip(1 - inside_cm / GOES_ON_CM, 0, 1) * np.clip(2 - away_cm / GOES_ON_CM, 0, 1)
    share = (share * hidden * no_hair).astype(np.float32)
    shown = share > 0
    share[shown] *= possible(photo[shown], beside[shown], matte[shown])
    share = np.asarray(cv2.GaussianBlur(share, (0, 0), max(0.5, SOFT_CM * px_per_cm)), np.float32)[..., None]
    return np.asarray(np.rint(behind + share * (beside - behind)), np.uint8)


def possible(photo: Image, behind: Floats, matte: Floats) -> Floats:
    """1 where a person of this matte (n,) before that background can give the photo's colours (n, 3), 0 where none can.

    A pixel that is much darker or brighter than the background shows little of it. Where the matte says otherwise the
    person's edge is elsewhere: in dark clothes the segmentation sometimes ends within a shoulder.
    """
    darker = 1 - photo / np.maximum(behind, 1)
    brighter = 1 - (255.0 - photo) / np.maximum(255 - behind, 1)
    least_matte = np.maximum(darker, brighter).max(1)
    return np.asarray(np.clip(2 - (least_matte - matte) / IMPOSSIBLE, 0, 1), np.float32)


def next_to(hidden: NDArray[np.bool_], picture: Floats) -> Floats:
    """The picture (h, w, 3) with what is hidden (h, w) replaced by the nearest pixel that isn't."""
    _, labels = cv2.distanceTransformWithLabels(hidden.astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    seen = np.zeros((int(labels.max()) + 1, 3), np.float32)
    seen[labels[~hidden]] = picture[~hidden]
    return np.asarray(seen[labels])
