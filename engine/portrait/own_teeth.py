"""What a photo shows of its person's teeth: these stay, and drawn ones only go on where they end."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.types import Floats

LEAST_CM = 0.35  # parted further than this lips show teeth, not a dark line
RIM_CM = 0.07  # of the photo's inside that lips shine into
LESS_RED, MOST_RED = 0.91, 1.35  # than skin are teeth, and red over green that none has, however bright
HIDDEN_CM, MOST_HIDDEN_CM = 0.12, 0.35  # of teeth by a lower lip that they reach, and where it runs up before them
ARC_CM = 0.5  # to each side: as far down as here go teeth that such a lip hides
BY_LIP_CM, REACHED = 0.06, (0.8, 0.9)  # above the lip, and of teeth's brightness there, from which on they reach it
GAIN = (0.6, 1.8)  # by which drawn teeth may become brighter or darker


@dataclass(frozen=True)
class OwnTeeth:
    """In the mouth's patch, (h, w) each, 0 to 1."""

    kept: Floats  # where the photo's teeth are, or its upper ones, if there is a gap below them
    above: Floats  # where upper teeth may be drawn: no lower than the photo's, or a little where a lip hides these
    lower: Floats  # where its lower teeth are, below a gap
    below: Floats  # where lower teeth may be drawn: no higher than those


def own_teeth(photo: Floats, aperture: Floats, skin: Floats, px_per_cm: float) -> OwnTeeth:
    """photo (h, w, 3), 0-255; aperture (h, w) is 1 where it shows the inside of the mouth; skin (3,): the skin's tone,
    by which teeth are told from tongue and lips."""
    shown = aperture > 0.5
    inwards_cm = cv2.distanceTransform(shown.astype(np.uint8), cv2.DIST_L2, 5) / px_per_cm
    height, width = aperture.shape
    nowhere, everywhere = np.zeros_like(aperture), np.ones_like(aperture)
    if inwards_cm.max() < LEAST_CM / 2 or not are_teeth(photo[inwards_cm > RIM_CM], skin):
        return OwnTeeth(nowhere, everywhere, nowhere, everywhere)
    columns = np.flatnonzero(shown.any(0))
    lowest = height - 1 - shown[::-1, columns].argmax(0)
    edge = np.interp(np.arange(width), columns, lowest) - RIM_CM * px_per_cm
    edge = edge + reaching_lip(photo, shown, px_per_cm) * (behind_lip(edge, px_per_cm) - edge)
    above = np.clip(edge[None] - np.arange(height)[:, None] + 0.5, 0, 1)
    kept = np.clip(inwards_cm / RIM_CM - 1, 0, 1).astype(np.float32)
    return OwnTeeth(kept, above.astype(np.float32), nowhere, everywhere)


def reaching_lip(photo: Floats, shown: NDArray[np.bool_], px_per_cm: float) -> float:
    """Whether teeth (h, w) of the photo (h, w, 3) go on behind the lower lip, 0 to 1: no dark is seen above it."""
    columns = np.flatnonzero(shown.sum(0) >= LEAST_CM * px_per_cm)
    if not len(columns):
        return 0.0
    light = cv2.GaussianBlur(photo.mean(2), (0, 0), max(0.6, BY_LIP_CM * px_per_cm / 2))[:, columns]
    by_lip = len(shown) - 1 - shown[::-1, columns].argmax(0) - round(BY_LIP_CM * px_per_cm)
    usual = np.nanquantile(np.where(shown[:, columns], light, np.nan), 0.8, axis=0)
    there = float(np.median(light[by_lip, np.arange(len(columns))] / np.maximum(usual, 1)))
    return float(np.clip((there - REACHED[0]) / np.ptp(REACHED), 0, 1))


def behind_lip(edge: Floats, px_per_cm: float) -> Floats:
    """The row (w,) down to which teeth go whose ends a lip hides from row edge (w,) on: in an arc, whatever the lip."""
    around = 2 * round(ARC_CM * px_per_cm) + 1
    lowest = cv2.dilate(edge[None].astype(np.float32), np.ones((1, around), np.uint8))
    arc = cv2.GaussianBlur(lowest, (0, 0), ARC_CM * px_per_cm / 2, borderType=cv2.BORDER_REPLICATE)[0]
    return np.asarray(np.minimum(arc + HIDDEN_CM * px_per_cm, edge + MOST_HIDDEN_CM * px_per_cm), np.float32)


def are_teeth(pixels: Floats, skin: Floats) -> bool:
    """Whether teeth are among the pixels (n, 3) between lips, and not only lip, tongue or the dark."""
    bright = brighter_half(pixels)
    redness, of_skin = (tone[0] / max(float(tone[1]), 1.0) for tone in (bright, skin))
    return bool(redness < LESS_RED * of_skin or (redness < MOST_RED and bright.sum() > skin.sum()))


def brighter_half(pixels: Floats) -> Floats:
    """The mean (3,) of the brighter pixels: some of what is between lips is a dark gap."""
    total = pixels.sum(1)
    return np.asarray(pixels[total >= np.median(total)].mean(0))


def continued(own: Floats, teeth: OwnTeeth, drawn: Floats) -> Floats:
    """The photo's teeth (h, w, 3), 0-255, over drawn ones (h, w, 4), premultiplied, which are cut off below them."""
    over = np.concatenate([own, np.ones_like(own[..., :1])], 2)
    kept = teeth.kept[..., None]
    return np.asarray(kept * over + (1 - kept) * teeth.above[..., None] * drawn, np.float32)


def continued_below(own: Floats, teeth: OwnTeeth, drawn: Floats, jaw_px: Floats) -> Floats:
    """Likewise the lower ones, moved to where they are when the jaw is closed; jaw_px (2,) is how far it isn't."""
    if not teeth.lower.any():
        return drawn
    lower = teeth.lower[..., None]
    layers = np.concatenate([lower * own, lower, teeth.below[..., None]], 2).astype(np.float32)
    up = np.array([[1, 0, -jaw_px[0]], [0, 1, -jaw_px[1]]])
    height, width = teeth.lower.shape
    moved = np.asarray(cv2.warpAffine(layers, up, (width, height), borderMode=cv2.BORDER_REPLICATE), np.float32)
    return np.asarray(moved[..., :4] + (1 - moved[..., 3:4]) * moved[..., 4:] * drawn, np.float32)


def tone(own: Floats, teeth: OwnTeeth, drawn: Floats) -> Floats:
    """What makes drawn teeth of the colour of those in the photo (3,); pictures as in `continued`."""
    seen = (teeth.kept > 0.5) & (drawn[..., 3] > 0.9)
    if not seen.any():
        return np.ones(3, np.float32)
    return np.asarray(np.clip(brighter_half(own[seen]) / brighter_half(drawn[seen, :3]), *GAIN), np.float32)
