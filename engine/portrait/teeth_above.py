"""What the lip hides of teeth that the photo shows: they go on upwards as they are below, tooth by tooth."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.portrait.own_teeth import OwnTeeth, brighter_half
from engine.types import Floats

FROM_LIP_CM, SHADED_CM = 0.08, 0.2  # below the lip, where it may still shine in, and where teeth may lie in its shade
LIT = 0.85  # of a tooth's brightness, from which on it doesn't
MIRRORED = 0.12  # of a tooth's height that is seen: what is next to the lip goes on, what is below does not return
ALIKE_CM = 0.2  # along the lip
SOFT_CM = 0.03
EVEN_CM, EVEN_FROM_CM = 0.1, 0.25  # across: so far above the lip what goes on is as even as teeth, not a row of stripes
GUMS_RED, GUMS_BRIGHT = (1.18, 1.33), (0.4, 0.5)  # red over green and brightness of gums, by teeth's
GUMS_BY_LIP, LIP_CM = (0.9, 1.05), (-0.3, -0.2)  # their brightness by the lip's, and where that is
GUMS_CM, GUMS_AROUND = 1.0, (0.33, 0.53)  # their share so far around; what is between teeth has less
BETWEEN_CM = 0.5  # so far apart are drawn crowns at most; their gaps aren't where those of the photo's teeth are
MOST = (0.3, 0.5)  # of the columns in which teeth go on, from which on any does: single ones would be pegs
AS_BRIGHT = (0.45, 0.6)  # of teeth's brightness, from which on what is next to the lip is tooth or gum, not dark


def grown(
    photo: Floats, teeth: OwnTeeth, crowns: Floats, to_patch: Floats, px_per_cm: float
) -> tuple[Floats, OwnTeeth]:
    """The mouth's patch (h, w, 3) with its teeth going on under the upper lip, and these teeth as kept ones.

    crowns (h, w) is where upper teeth would be drawn: beside those seen they would be a second row, of other widths.
    Where the photo shows gums below the lip, these go on, and no teeth above them. to_patch (2, 3) as in `MouthFrame`,
    says which way is up.
    """
    height, width = crowns.shape
    upright = turned(to_patch, height, width)
    side = round(np.hypot(height, width))
    layers = np.concatenate([photo, teeth.kept[..., None]], 2).astype(np.float32)
    layers = np.asarray(cv2.warpAffine(layers, upright, (side, side), borderMode=cv2.BORDER_REPLICATE), np.float32)
    seen = layers[..., 3] > 0.5
    if not seen.any():
        return photo, teeth
    colours, share, gums = upwards(layers[..., :3], seen, px_per_cm)
    layers = np.concatenate([colours, np.stack([share, gums], 2)], 2)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    layers = np.asarray(cv2.warpAffine(layers, upright, (width, height), flags=flags), np.float32)
    above, gums, colours = layers[..., 3:4], layers[..., 4], layers[..., :3]
    kept = teeth.kept + above[..., 0] * np.maximum(without_gaps(crowns, px_per_cm), gums) * (1 - teeth.kept)
    return np.asarray(photo + above * (colours - photo), np.float32), replace(teeth, kept=kept)


def without_gaps(crowns: Floats, px_per_cm: float) -> Floats:
    """Crowns (h, w) and what lies between them."""
    across = 2 * round(BETWEEN_CM * px_per_cm / 2) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (across, across))
    framed = cv2.copyMakeBorder(crowns, across, across, across, across, cv2.BORDER_CONSTANT, value=0.0)
    closed = cv2.morphologyEx(framed, cv2.MORPH_CLOSE, disc)[across:-across, across:-across]
    return np.asarray(closed, np.float32)


def turned(to_patch: Floats, height: int, width: int) -> Floats:
    """(2, 3) that turns a patch about its middle, to where that of a square picture around it is, and upright."""
    right = to_patch[:, 0] / np.linalg.norm(to_patch[:, 0])
    turn = np.array([[right[0], right[1]], [-right[1], right[0]]])
    middle = np.array([width - 1, height - 1]) / 2
    return np.column_stack([turn, (np.hypot(height, width) - 1) / 2 - turn @ middle]).astype(np.float32)


def upwards(picture: Floats, seen: NDArray[np.bool_], px_per_cm: float) -> tuple[Floats, Floats, Floats]:
    """What is seen (h, w) in an upright picture (h, w, 3), going on above -> colours (h, w, 3), where they are to
    take the place of the picture's (h, w), and where these are gums (h, w)."""
    columns = np.flatnonzero(seen.any(0))
    soft_px = max(0.5, SOFT_CM * px_per_cm)
    light = np.asarray(cv2.GaussianBlur(picture.mean(2), (0, 0), soft_px), np.float32)
    top, last = ends(light[:, columns], seen[:, columns], px_per_cm)
    at, x = np.arange(len(seen), dtype=np.float32)[:, None], np.arange(seen.shape[1], dtype=np.float32)
    below_lip = seen.argmax(0)[columns] + round(FROM_LIP_CM * px_per_cm)
    gums = gums_at(picture, columns, below_lip, seen, px_per_cm)
    top = top + gums * np.minimum(below_lip - top, 0)
    reach = MIRRORED * np.maximum(last - top, 0) * (1 - gums)
    top_y, reach, gums = (np.interp(x, columns, part)[None] for part in (top, reach, gums))
    source_y = np.where(at < top_y, top_y + np.minimum(top_y - at, reach), at).astype(np.float32)
    source_x = np.broadcast_to(x, source_y.shape).copy()
    colours = np.asarray(cv2.remap(picture, source_x, source_y, cv2.INTER_LINEAR), np.float32)
    even = cv2.GaussianBlur(colours, (0, 0), sigmaX=max(0.5, EVEN_CM * px_per_cm), sigmaY=0.3)
    colours += np.clip((top_y - at) / (EVEN_FROM_CM * px_per_cm), 0, 1)[..., None] * (even - colours)
    usual = max(float(np.quantile(picture[seen].mean(1), 0.75)), 1.0)
    bright = cv2.GaussianBlur(colours.mean(2), (0, 0), soft_px) / usual
    above = np.isin(x, columns)[None] * (at < top_y)
    gums = above * gums
    teeth = above * np.clip((bright - AS_BRIGHT[0]) / np.ptp(AS_BRIGHT), 0, 1)
    teeth *= np.clip((teeth[above > 0].mean() - MOST[0]) / np.ptp(MOST), 0, 1) if above.any() else 0
    share = np.maximum(teeth, gums)
    share = np.asarray(cv2.GaussianBlur(share, (0, 0), soft_px), np.float32)
    return colours, share, np.asarray(cv2.GaussianBlur(gums, (0, 0), soft_px), np.float32)


def gums_at(
    picture: Floats, columns: NDArray[np.intp], rows: NDArray[np.intp], seen: NDArray[np.bool_], px_per_cm: float
) -> Floats:
    """1 where a picture (h, w, 3) shows gums, in rows (n,) of columns (n,), 0 where it shows teeth or lip.

    They are redder than teeth, even shaded ones, and brighter than the lip above; a row in which the mesh takes the lip
    for the inside of the mouth isn't. seen (h, w): where teeth are.
    """
    usual, alike = np.maximum(brighter_half(picture[seen]), 1), (2 * round(ALIKE_CM * px_per_cm / 2) + 1, 1)

    def colours(from_cm: float, to_cm: float) -> Floats:
        at = rows[:, None] + np.arange(round(from_cm * px_per_cm), round(to_cm * px_per_cm) + 1)
        found = picture[np.clip(at, 0, len(picture) - 1), columns[:, None]].mean(1)
        smooth = np.asarray(cv2.blur(found[None], alike, borderType=cv2.BORDER_REPLICATE), np.float32)
        return smooth.reshape(-1, 3)

    row, lip = colours(0, SOFT_CM), colours(*LIP_CM)
    red = row[:, 0] / np.maximum(row[:, 1], 1) / (usual[0] / usual[1])
    bright, of_lip = row.mean(1) / usual.mean(), row.mean(1) / np.maximum(lip.mean(1), 1)
    found = [
        np.clip((value - low) / (high - low), 0, 1)
        for value, (low, high) in ((red, GUMS_RED), (bright, GUMS_BRIGHT), (of_lip, GUMS_BY_LIP))
    ]
    around = (2 * round(GUMS_CM * px_per_cm / 2) + 1, 1)
    mostly = cv2.blur(np.prod(found, 0)[None].astype(np.float32), around, borderType=cv2.BORDER_REPLICATE)[0]
    return np.asarray(np.clip((mostly - GUMS_AROUND[0]) / np.ptp(GUMS_AROUND), 0, 1), np.float32)


def ends(light: Floats, seen: NDArray[np.bool_], px_per_cm: float) -> tuple[Floats, NDArray[np.intp]]:
    """The rows from which on teeth are out of the lip's shade, and the last ones seen, in each column of (h, n).

    Where none is lit soon there are gums or the dark, and these are as they look.
    """
    first, last = seen.argmax(0), len(seen) - 1 - seen[::-1].argmax(0)
    least, most = round(FROM_LIP_CM * px_per_cm), round(SHADED_CM * px_per_cm)
    at = np.arange(len(light))[:, None]
    brightest = np.where((at >= first) & (at <= last), light, 0).max(0)
    lit = (light >= LIT * brightest) & (at >= first + least) & (at <= first + most)
    top = np.where(lit.any(0), lit.argmax(0), first + least).astype(np.float32)
    alike = (2 * round(ALIKE_CM * px_per_cm / 2) + 1, 1)
    return np.asarray(cv2.blur(top[None], alike, borderType=cv2.BORDER_REPLICATE)[0], np.float32), last
