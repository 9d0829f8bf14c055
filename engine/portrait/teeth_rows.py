"""Where the photo's upper teeth end, for drawn ones to end there too, and its lower ones begin, which go with the jaw.

The edge is the way from one corner of the mouth to the other along which the picture darkens most downwards: dynamic
programming over columns, as for the seams of Avidan and Shamir (2007).
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.portrait.mouth import FRONT_TEETH_CM, MouthInterior
from engine.portrait.mouth_frame import HEIGHT, LIP_LINE_Y, PX_PER_CM, WIDTH, in_patch, in_picture
from engine.portrait.own_teeth import OwnTeeth
from engine.portrait.patches import Rectangle
from engine.types import Floats, HeadPose

USUAL_EDGE_Y = LIP_LINE_Y + 10  # row of upper teeth's edge
FAR_PX = 18  # of it, at which an edge would have to be clearer by `FAR_COSTS` of the teeth's brightness
FAR_COSTS, OUTSIDE_COSTS, STEP_COSTS, DARK_COUNTS = 0.15, 0.3, 0.12, 0.3
LEAST_COLUMNS, LEAST_ROWS = 12, 4  # in which the inside of the mouth is seen
GAP = 0.72  # of the teeth's brightness: an edge that is brighter is none, or is the lip's
LEAST_BELOW_PX = 2  # from the edge to the lower lip
TOUCHING, ROW_PX, AS_WHITE = 0.9, 4, 0.75  # likewise of an edge that a lower row touches, its height and brightness
RISE = 0.5  # of rows of teeth towards the sides, at least
LEAST_PIECE = 0.2  # of the largest piece of a lower row is another one
LEAST_LOWER_PX = 3  # less is the upper ones' own edge, or a gleam on the lip
EVEN_PX = 3  # to each side, over which the upper end of lower teeth is even
AS_BRIGHT = (0.45, 0.65)  # of upper teeth's brightness, from which on what lies below is teeth as well


def in_rows(teeth: OwnTeeth, photo: Floats, aperture: Floats, to_patch: Floats) -> OwnTeeth:
    """The teeth with upper and lower ones told apart; as they are where neither a gap is seen between them
    nor a line along which they touch.

    photo (h, w, 3), 0-255, and aperture (h, w) are the mouth's patch; to_patch (2, 3) as in `MouthFrame`.
    """
    if not teeth.kept.any():
        return teeth
    shown = in_picture(aperture, to_patch) > 0.5
    bright = cv2.GaussianBlur(in_picture(photo, to_patch).mean(2), (0, 0), 1.0)
    columns = np.flatnonzero(shown.sum(0) >= LEAST_ROWS)
    if len(columns) < LEAST_COLUMNS:
        return teeth
    rows = edge_of_upper(bright[:, columns], shown[:, columns])
    level = upper_brightness(bright[:, columns], shown[:, columns], rows)
    if level is None:
        return teeth
    edge = np.interp(np.arange(WIDTH), columns, rows)
    upper = np.clip(edge[None] - np.arange(HEIGHT)[:, None], 0, 1).astype(np.float32)
    low, high = AS_BRIGHT
    as_bright = np.clip((bright / level - low) / (high - low), 0, 1).astype(np.float32)
    kept = in_picture(teeth.kept, to_patch)
    as_bright *= attached_below(as_bright * (1 - upper) * kept)
    if usual_height(as_bright * (1 - upper) * kept) < LEAST_LOWER_PX:
        near = np.clip(edge[None] + LEAST_LOWER_PX - np.arange(HEIGHT)[:, None], 0, 1).astype(np.float32)
        upper, as_bright = np.maximum(upper, near * as_bright), np.zeros_like(as_bright)
    below = below_top(as_bright * (1 - upper) * kept)
    upper, as_bright, below = (in_patch(share, to_patch, aperture.shape) for share in (upper, as_bright, below))
    lower = teeth.kept * (1 - upper) * as_bright
    return replace(teeth, kept=teeth.kept * upper, above=teeth.above * upper, lower=lower, below=below)


def lowered(
    mesh: MouthInterior, vertices_px: Floats, teeth: OwnTeeth, pose: HeadPose, to_patch: Floats, rectangle: Rectangle
) -> Floats:
    """The drawn mouth (V, 3) with its upper jaw as low as the photo's front teeth show it to be.

    Teeth drawn higher than those seen would be a second row above them as soon as the lip rises. Lower ones are cut off
    (`OwnTeeth.above`): a lower lip may hide where teeth end.
    """
    if not teeth.kept.any():
        return vertices_px
    front = mesh.is_tooth & ~mesh.is_lower & (np.abs(mesh.vertices_cm[:, 0]) < FRONT_TEETH_CM)
    local = vertices_px[front, :2] - [rectangle.x0, rectangle.y0] - to_patch[:, 2]
    x, y = np.linalg.inv(to_patch[:, :2]) @ local.T
    columns = slice(*np.clip(np.rint([x.min(), x.max() + 1]), 0, WIDTH).astype(int))
    kept, above = (in_picture(share, to_patch)[:, columns] > 0.5 for share in (teeth.kept, teeth.above))
    if not kept.any():
        return vertices_px
    edge_y = float(np.median(above[:, kept.any(0)].sum(0)))
    down_cm = max(0.0, edge_y - float(y.max())) / PX_PER_CM
    shift = down_cm * pose.scale_px * pose.rotation[:, 1]
    return np.asarray(vertices_px + np.where(mesh.is_lower, 0, 1)[:, None] * shift, np.float32)


def edge_of_upper(bright: Floats, shown: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Row of the upper teeth's edge in each column of (h, n) -> (n,)."""
    y = np.arange(len(bright))[:, None]
    teeth = float(np.quantile(bright[shown], 0.85))
    falls = (np.roll(bright, -1, 0) - np.roll(bright, 2, 0)) / teeth
    cost = falls + DARK_COUNTS * bright / teeth + FAR_COSTS * ((y - USUAL_EDGE_Y) / FAR_PX) ** 2
    cost = np.where(shown, cost, cost + OUTSIDE_COSTS)
    total, came_from = cost[:, 0], []
    for column in cost.T[1:]:
        above, below = np.roll(total, 1) + STEP_COSTS, np.roll(total, -1) + STEP_COSTS
        above[0] = below[-1] = np.inf
        ways = np.stack([above, total, below])
        came_from.append(ways.argmin(0) - 1)
        total = ways.min(0) + column
    rows = [int(total.argmin())]
    for step in reversed(came_from):
        rows.append(rows[-1] + int(step[rows[-1]]))
    return np.array(rows[::-1])


def upper_brightness(bright: Floats, shown: NDArray[np.bool_], rows: NDArray[np.intp]) -> float | None:
    """Of the teeth above the edge, in the middle half of columns; None if it isn't the edge of a gap, or of two rows
    that touch."""
    quarter = len(rows) // 4
    middle = np.arange(quarter, len(rows) - quarter)
    y = np.arange(len(bright))[:, None]
    above = np.where(shown & (y < rows), bright, 0)[:, middle].max(0)
    below = np.where(shown & (y > rows + 1), bright, 0)[:, middle].max(0) / np.maximum(above, 1)
    below_px = np.median((shown & (y > rows))[:, middle].sum(0))
    at_edge = np.median(bright[rows[middle], middle] / np.maximum(above, 1))
    is_gap = at_edge < GAP and below_px >= LEAST_BELOW_PX
    is_row = at_edge < TOUCHING and below_px >= ROW_PX and np.median(below) > AS_WHITE
    return float(np.median(above)) if is_gap or is_row else None


def usual_height(share: Floats) -> float:
    """Of what a share (96, 160) is of, in the columns that have any."""
    heights = (share > 0.5).sum(0)
    return float(np.median(heights[heights > 0])) if heights.any() else 0.0


def attached_below(lower: Floats) -> Floats:
    """1 where what is as bright as teeth (96, 160) is of the lower row, not what is left of the upper one's edge."""
    _, labels, sizes, middles = cv2.connectedComponentsWithStats((lower > 0.5).astype(np.uint8), connectivity=8)
    if len(sizes) < 2:
        return np.ones_like(lower)
    area, y = sizes[1:, cv2.CC_STAT_AREA], middles[1:, 1]
    top = sizes[1 + area.argmax(), cv2.CC_STAT_TOP]
    kept = np.flatnonzero((y >= top) & (area >= LEAST_PIECE * area.max())) + 1
    return cv2.dilate(np.isin(labels, kept).astype(np.float32), np.ones((3, 3), np.uint8)).astype(np.float32)


def below_top(lower: Floats) -> Floats:
    """1 from the upper end of lower teeth (96, 160) down, 0 above; 1 everywhere if there are none.

    Beside them that end goes up, as rows of teeth do.
    """
    columns = np.flatnonzero((lower > 0.5).any(0))
    if not len(columns):
        return np.ones_like(lower)
    top = (lower[:, columns] > 0.5).argmax(0)
    top = np.median(np.lib.stride_tricks.sliding_window_view(np.pad(top, EVEN_PX, "edge"), 2 * EVEN_PX + 1), 1)
    x = np.arange(lower.shape[1])
    beside = np.maximum(np.maximum(columns[0] - x, x - columns[-1]), 0)
    edge = np.interp(x, columns, top) - RISE * beside
    return np.asarray(np.clip(np.arange(len(lower))[:, None] - edge[None] + 0.5, 0, 1), np.float32)
