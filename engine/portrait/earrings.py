"""Earrings that hang beside the neck: too thin for the segmentation, they would stay behind when the head moves."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.portrait.behind import next_to
from engine.portrait.patches import rectangle_around
from engine.types import Floats, Image

LOBES = (132, 361)  # of the mesh: beside the lobes
LEAST_PX_PER_CM = 10.0  # in smaller faces no wire can be told from a neighbour's collar
REACH_CM = (3.2, 1.8, 5.0)  # of an earring from there: sideways, up, down
FROM_LOBE_CM = 1.6  # where it begins at the latest
THIN_CM = 0.2  # wires and rings are no wider
LEAST_CM = 0.6  # long, or it is a hair or noise
ABOVE_NOISE, FAINTEST = 4.0, 16.0  # times the usual difference around, and levels of 255, from which one is seen
GAP_CM = 0.08  # over which a ring that is lost against the background goes on
BUSY, MOST = 0.02, 0.12  # of the background there: where more is as thin, or more would hang, nothing does


def with_earrings(image: Image, matte: Floats, background: Floats, mesh_px: Floats, px_per_cm: float) -> Floats:
    """A person's matte (h, w), with what hangs from the ears; image (h, w, 3), mesh (478, 3) in its pixels.

    background (h, w) is the probability of that: what is before other people is theirs.
    """
    if px_per_cm < LEAST_PX_PER_CM:
        return matte
    found = matte.copy()
    for lobe in mesh_px[list(LOBES), :2]:
        reach = (REACH_CM[0] * px_per_cm, REACH_CM[1] * px_per_cm, REACH_CM[2] * px_per_cm)
        box = rectangle_around(lobe, reach, matte.shape[1], matte.shape[0])
        part = found[box.slices]
        lines = hanging(image[box.slices], part > 0.5, lobe - [box.x0, box.y0], px_per_cm)
        lines &= background[box.slices] > 0.5
        wide = cv2.dilate(lines.astype(np.float32), np.ones((3, 3), np.uint8))
        part[:] = np.maximum(part, cv2.GaussianBlur(wide, (3, 3), 0))
    return found


def hanging(image: Image, person: NDArray[np.bool_], lobe: Floats, px_per_cm: float) -> NDArray[np.bool_]:
    """Thin things (h, w) in the background that hang together with a person near the lobe (2,).

    What reaches the picture's border doesn't end where an earring would: it is the background's own.
    """
    near = cv2.dilate(person.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    nothing = np.zeros_like(near)
    if near.all() or not near.any():
        return nothing
    picture = next_to(near, image.astype(np.float32)).astype(np.uint8)  # else medians would see the person
    window = 4 * max(1, round(THIN_CM * px_per_cm)) + 3
    apart = cv2.absdiff(image, cv2.medianBlur(picture, min(window, 255))).max(2).astype(np.float32)
    apart[near] = 0
    lines = apart > max(FAINTEST, ABOVE_NOISE * float(np.median(apart[~near])))
    gap = np.ones((2 * max(1, round(GAP_CM * px_per_cm)) + 1,) * 2, np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(cv2.dilate(lines.astype(np.uint8), gap), connectivity=8)
    touching = cv2.dilate(near.astype(np.uint8), gap) > 0
    kept = nothing
    border = np.concatenate([labels[[0, -1]].ravel(), labels[:, [0, -1]].ravel()])
    for label in np.setdiff1d(labels[touching & lines], border):
        ring = lines & (labels == label)
        y, x = np.nonzero(ring)
        from_lobe = np.hypot(x - lobe[0], y - lobe[1]).min()
        if stats[label, cv2.CC_STAT_HEIGHT] >= LEAST_CM * px_per_cm and from_lobe < FROM_LOBE_CM * px_per_cm:
            kept = kept | ring
    others, share = (float(part.sum()) / float((~near).sum()) for part in (lines & ~kept, kept))
    return nothing if others > BUSY or share > MOST else kept
