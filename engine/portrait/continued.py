"""A filled place next to what is seen goes on with pieces of the photo, which are as sharp and as busy as the rest.

A network that fills in a person's whole place knows little of the strip that a moving head uncovers: before streets and
shelves it left smears. Of patches moved by a few centimetres the one is taken that goes on best with what is seen
beside, and with what was filled in (after He and Sun 2012, "Statistics of Patch Offsets for Image Completion"); what
then differs along the border is spread over the strip (a membrane, Perez et al. 2003, "Poisson Image Editing").
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.portrait.eyes import diffuse
from engine.types import Floats, Image

Places = NDArray[np.intp]

SEARCHED_PX_PER_CM = 6.0
REACH_CM, FADE_CM = 2.4, 0.8  # of the strip inwards, and at its inner end
FARTHEST_CM = (6.5, 2.5)  # that patches are moved, sideways and up or down
STEP = (2, 3)  # of such moves, pixels of the search
NEAREST_CM = 1.0
PATCH_CM = 2.0
TRUST_FILLED = 0.1  # as far as what is seen
STRAY_CM = 0.35  # beside a person there may still be hair
MISSING, TOO_MUCH = 1000.0, 0.2  # grey levels that a patch costs of whose middle so much isn't seen: it isn't taken
PER_CM = 0.3  # grey levels that a move costs
APART_PX = ((0, 0), (1, 1), (-1, 1), (0, -1))  # of the search: patches overlap that far
RING_CM, EVENED_CM = 0.5, 1.5  # along the border: in which the difference is taken, and to how deep it is spread


def continued(photo: Image, filled: Image, hidden: NDArray[np.bool_], px_per_cm: float) -> Image:
    """The filled picture (h, w, 3) with pieces of the photo in what is hidden (h, w), next to what isn't."""
    depth_cm = cv2.distanceTransform(hidden.astype(np.uint8), cv2.DIST_L2, 5) / px_per_cm
    strip = np.nonzero(hidden & (depth_cm < REACH_CM))
    if not len(strip[0]) or hidden.all():
        return filled
    scale = min(1.0, SEARCHED_PX_PER_CM / px_per_cm)
    size = max(2, round(hidden.shape[1] * scale)), max(2, round(hidden.shape[0] * scale))
    seen, guide = (np.asarray(smaller(picture, size), np.uint8) for picture in (photo, filled))
    gone = np.asarray(smaller(hidden.astype(np.float32), size) > 0)
    pieces, share = pieces_at(photo, hidden, strip, best_moves(seen, guide, gone, px_per_cm * scale), scale)
    depth_cm = depth_cm[strip]
    share *= np.clip((REACH_CM - depth_cm) / FADE_CM, 0, 1)[:, None]
    colours = np.asarray(filled[strip] + share * (pieces - filled[strip]), np.float32)
    made = filled.copy()
    made[strip] = np.rint(colours)
    change = membrane(seen, np.asarray(smaller(made, size), np.uint8), gone, px_per_cm * scale)
    near = np.clip(1 - depth_cm / EVENED_CM, 0, 1)[:, None]  # what is seen may be tinged with hair
    colours += share * near * cv2.resize(change, hidden.shape[::-1])[strip]
    made[strip] = np.clip(np.rint(colours), 0, 255)
    return made


def smaller(picture: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def pieces_at(
    photo: Image, hidden: NDArray[np.bool_], places: tuple[Places, ...], moves: Floats, scale: float
) -> tuple[Floats, Floats]:
    """What the photo shows where the moves (h, w, 2) of a search at that scale lead from places, rows and columns (n,)
    -> colours (n, 3) and whether there are any (n, 1). Patches fade into each other."""
    rows, columns = (part.astype(np.int32) for part in places)
    height, width = hidden.shape
    steps = np.where(np.isnan(moves), width + height, np.rint(moves / scale)).astype(np.float32)  # or out of the photo
    padded = np.pad(steps, ((1, 1), (1, 1), (0, 0)), mode="edge")
    pieces, counts = np.zeros((len(rows), 3), np.float32), np.zeros((len(rows), 1), np.float32)
    for apart_x, apart_y in APART_PX:
        shifted = padded[1 + apart_y : 1 + apart_y + len(steps), 1 + apart_x : 1 + apart_x + steps.shape[1]]
        step = cv2.resize(shifted.copy(), (width, height), interpolation=cv2.INTER_NEAREST)[places].astype(np.int32)
        from_x, from_y = columns + step[:, 0], rows + step[:, 1]
        inside = (from_y >= 0) & (from_y < height) & (from_x >= 0) & (from_x < width)
        source = np.where(inside, from_y, rows), np.where(inside, from_x, columns)  # a place itself is hidden
        shows = ~hidden[source][:, None]
        pieces += shows * photo[source]
        counts += shows
    return pieces / np.maximum(counts, 1), np.minimum(counts, 1)


def best_moves(seen: Image, guide: Image, gone: NDArray[np.bool_], px_per_cm: float) -> Floats:
    """How far away the patch is that goes on best at each pixel (h, w, 2), x and y in pixels, NaN where none does."""
    patch = (2 * round(PATCH_CM / 2 * px_per_cm) + 1,) * 2
    trust = np.where(gone, np.uint8(255 * TRUST_FILLED), np.uint8(255))
    counts = 255 / cv2.boxFilter(trust, cv2.CV_32F, patch)
    reach = [round(far * px_per_cm) for far in FARTHEST_CM]
    border = ((reach[1], reach[1]), (reach[0], reach[0]))
    source, unseen = np.pad(seen, (*border, (0, 0))), np.pad(gone, border, constant_values=True)
    beside = np.ones((2 * round(STRAY_CM * px_per_cm) + 1,) * 2, np.uint8)
    missing = cv2.blur(cv2.dilate(unseen.astype(np.float32), beside), (5, 5)) * (MISSING / TOO_MUCH)
    least = np.full(gone.shape, MISSING, np.float32)
    moves = offsets(reach, NEAREST_CM * px_per_cm)
    best = np.full(gone.shape, len(moves), np.int16)
    height, width = gone.shape
    for number, (x, y) in enumerate(moves):
        there = slice(reach[1] + y, reach[1] + y + height), slice(reach[0] + x, reach[0] + x + width)
        unlike = cv2.cvtColor(cv2.absdiff(source[there], guide), cv2.COLOR_RGB2GRAY)
        cost = cv2.boxFilter(cv2.multiply(unlike, trust, scale=1 / 255), cv2.CV_32F, patch)
        away = PER_CM * float(np.hypot(x, y)) / px_per_cm
        cost = np.asarray(cv2.add(cv2.multiply(cost, counts), missing[there]) + away, np.float32)
        np.copyto(best, number, where=cost < least)
        least = np.minimum(cost, least)
    return np.array([*moves, (np.nan, np.nan)], np.float32)[best]


def offsets(reach: list[int], nearest: float) -> list[tuple[int, int]]:
    """The moves that are tried, in pixels."""
    sideways, upright = (range(-(far // step) * step, far + 1, step) for far, step in zip(reach, STEP, strict=True))
    return [(x, y) for x in sideways for y in upright if np.hypot(x, y) >= nearest]


def membrane(seen: Image, made: Image, gone: NDArray[np.bool_], px_per_cm: float) -> Floats:
    """What has to be added to what was made (h, w, 3), so that it has the colours of what is seen along the border."""
    sigma = RING_CM / 2 * px_per_cm
    outside, inside = (
        blurred(picture.astype(np.float32), part.astype(np.float32), sigma)
        for picture, part in ((seen, ~gone), (made, gone))
    )
    depth_px = cv2.distanceTransform(gone.astype(np.uint8), cv2.DIST_L2, 5)
    return diffuse(outside - inside, np.asarray((depth_px > 0) & (depth_px <= RING_CM * px_per_cm)))


def blurred(picture: Floats, part: Floats, sigma: float) -> Floats:
    """The mean of part of a picture (h, w, 3) around each pixel."""
    weight = np.maximum(cv2.GaussianBlur(part, (0, 0), sigma), 1e-3)
    return np.asarray(cv2.GaussianBlur(picture * part[..., None], (0, 0), sigma) / weight[..., None], np.float32)
