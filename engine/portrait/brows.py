"""Rising brows: the skin between brow and lid is drawn out, but not the hairs that lie before it.

In the mesh a brow is a strip, and between it and the lid skin stretches while the strip rises. Thick and low brows
reach down into that skin; their lower half was stretched, and they became half as thick again. Lashes reach up into it,
and became up to twice as long. Where the photo shows either, the skin goes with the brow or stays behind with the lid.
"""

from __future__ import annotations

import numpy as np

from engine.mesh import BLENDSHAPES
from engine.portrait import topology as top
from engine.portrait.lips import around_contours, lab_of, read
from engine.types import Floats, Image

RISING = [BLENDSHAPES.index(name) for name in ("browInnerUp", "browOuterUpLeft", "browOuterUpRight")]
SIDES = (
    (top.ABOVE_LID_RIGHT, top.BROW_RIGHT, top.BROW_TOP_RIGHT, top.UPPER_RING_RIGHT),
    (top.ABOVE_LID_LEFT, top.BROW_LEFT, top.BROW_TOP_LEFT, top.UPPER_RING_LEFT[::-1]),
)
# Which of a brow's 5 points lie above each of the 7 between it and the lid, from its outer end inwards.
OVER = np.array(
    [[1, 0, 0, 0, 0], [0.5, 0.5, 0, 0, 0], [0, 0.6, 0.4, 0, 0], [0, 0, 0.7, 0.3, 0], [0, 0, 0, 1, 0],
     [0, 0, 0, 0.4, 0.6], [0, 0, 0, 0, 1]], np.float32,
)  # fmt: skip
ENDS = np.array([0.5, 1, 1, 1, 1, 0.7, 0], np.float32)  # beside the nose it is dark by shade
STEPS = 24
BLUR_CM = 0.05  # hairs stand apart
LEAST_CONTRAST = 6.0  # of skin and brow, in CIELAB's lightness: fair brows don't show how thick they are
HALFWAY = 0.5  # from brow to skin: darker is brow
LASHES = (3.0, 12.0)  # by which thin and thick ones darken skin in the mean, likewise
BEHIND = 0.5  # what skin under thick lashes rises less
EVENED = np.array([0.25, 0.5, 0.25])
SPARE_PX = 8


def rising(moves: Floats, image: Image, points_px: Floats, px_per_cm: float) -> Floats:
    """Displacements (52, 468, 3) of expressions on the face with points (468+, 2) in the picture (h, w, 3)."""
    result = moves.copy()
    for below, brow, above, ring in SIDES:
        upper, lower = (OVER @ points_px[list(line), :2] for line in (above, brow))
        hair, lashes = shown(image, upper, lower, points_px[list(below), :2], points_px[list(ring), :2], px_per_cm)
        whole = np.einsum("pb,ebc->epc", OVER, moves[np.ix_(RISING, brow)])
        here = np.ix_(RISING, below)
        result[here] += hair[:, None] * (whole - moves[here]) - BEHIND * lashes[:, None] * moves[here]
    return result


def shown(
    image: Image, upper: Floats, lower: Floats, below: Floats, ring: Floats, px_per_cm: float
) -> tuple[Floats, Floats]:
    """How much of the way from a brow's lower line down to the points below is hair, and how thick lashes are between
    these and the lid -> (n,) each, 0 to 1, together 1 at most.

    All (n, 2), in pixels: a brow's upper and lower line, the points below, and those just above the lid.
    """
    part, corner = around_contours(image, np.concatenate([upper, ring]), 3 * BLUR_CM * px_per_cm + SPARE_PX)
    lab = lab_of(part, max(0.5, BLUR_CM * px_per_cm))
    along = np.linspace(0, 1, STEPS, dtype=np.float32)[None, :, None]
    brow, between, lid = (
        read(lab, start[:, None] + along * (end - start)[:, None] - corner)[..., 0]
        for start, end in ((upper, lower), (lower, below), (below, ring))
    )
    dark, bright = brow.min(1), np.maximum(between.max(1), lid.max(1))
    is_hair = between < (dark + HALFWAY * (bright - dark))[:, None]
    hair = evened(np.cumprod(is_hair, 1).mean(1) * (bright - dark > LEAST_CONTRAST))
    lashes = evened(np.clip((bright - lid.mean(1) - LASHES[0]) / (LASHES[1] - LASHES[0]), 0, 1))
    return ENDS * hair, ENDS * (1 - hair) * lashes


def evened(shares: Floats) -> Floats:
    return np.asarray(np.convolve(np.pad(shares, 1, "edge"), EVENED, "valid"), np.float32)
