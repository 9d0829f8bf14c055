"""The three places where a face tears: two eyes and the mouth.

Each patch is a rectangle of the crop with two skin layers. The upper layer ends at the upper lid or lip, the lower one
begins at the lower lid or lip; their displacement fields differ only in the control points that they leave out.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.portrait import topology as top
from engine.types import Floats, Image

SUPERSAMPLING = 4
LEAST_PX = 8  # of a rectangle's sides
CURVE_STEPS = 6  # of a smooth curve from a point to the next


@dataclass(frozen=True)
class Tear:
    """Where a patch lies on the face, and what its layers leave out."""

    name: str
    ends: tuple[int, int]  # mesh points, the picture's left first
    upper: tuple[int, ...]  # contour between the ends
    lower: tuple[int, ...]
    not_in_upper: tuple[int, ...]  # control points that the upper layer must not follow
    not_in_lower: tuple[int, ...]
    reach_cm: tuple[float, float, float]  # of the rectangle from the middle: sideways, up, down


TEARS = (
    Tear(
        "eye_right", top.EYE_ENDS_RIGHT, top.UPPER_LID_RIGHT, top.LOWER_LID_RIGHT,
        (*top.LOWER_LID_RIGHT, *top.LOWER_RING_RIGHT), (*top.UPPER_LID_RIGHT, *top.UPPER_RING_RIGHT), (3.6, 3.2, 3.2),
    ),
    Tear(
        "eye_left", top.EYE_ENDS_LEFT, top.UPPER_LID_LEFT, top.LOWER_LID_LEFT,
        (*top.LOWER_LID_LEFT, *top.LOWER_RING_LEFT), (*top.UPPER_LID_LEFT, *top.UPPER_RING_LEFT), (3.6, 3.2, 3.2),
    ),
    Tear(
        "mouth", (top.LIP_LEFT_END, top.LIP_RIGHT_END), top.UPPER_LIP_INNER, top.LOWER_LIP_INNER,
        (*top.LOWER_LIP, *top.LOWER_LIP_OUTER), (*top.UPPER_LIP, *top.UPPER_LIP_OUTER), (6.0, 4.0, 7.5),
    ),
)  # fmt: skip

LAYERS = {  # of the skin, and the control points that each leaves out
    f"{tear.name}_{side}": points
    for tear in TEARS
    for side, points in (("upper", tear.not_in_upper), ("lower", tear.not_in_lower))
}


@dataclass(frozen=True)
class Rectangle:
    """Whole pixels of an image: x0 <= x < x0 + width."""

    x0: int
    y0: int
    width: int
    height: int

    @property
    def slices(self) -> tuple[slice, slice]:
        return slice(self.y0, self.y0 + self.height), slice(self.x0, self.x0 + self.width)

    @property
    def outer_pixels(self) -> tuple[float, float, float, float]:
        return self.x0, self.y0, self.x0 + self.width - 1, self.y0 + self.height - 1


def rectangle_around(
    centre: NDArray[np.floating], reach: tuple[float, float, float], width: int, height: int
) -> Rectangle:
    """The rectangle that reaches (sideways, up, down) pixels from centre, clipped to an image; 8 pixels at least."""
    x0, x1 = np.clip([centre[0] - reach[0], centre[0] + reach[0]], 0, width)
    y0, y1 = np.clip([centre[1] - reach[1], centre[1] + reach[2]], 0, height)
    x0, y0 = min(int(x0), width - LEAST_PX), min(int(y0), height - LEAST_PX)
    return Rectangle(x0, y0, max(LEAST_PX, int(np.ceil(x1)) - x0), max(LEAST_PX, int(np.ceil(y1)) - y0))


def bounding_rectangle(matte: Floats | NDArray[np.bool_], spare_px: int) -> Rectangle:
    """The part of a matte that isn't empty, and a margin; all of it if it is."""
    height, width = matte.shape
    rows, columns = np.flatnonzero(matte.max(1) > 0), np.flatnonzero(matte.max(0) > 0)
    if not len(rows):
        return Rectangle(0, 0, width, height)
    x0, x1 = max(0, int(columns[0]) - spare_px), min(width, int(columns[-1]) + 1 + spare_px)
    y0, y1 = max(0, int(rows[0]) - spare_px), min(height, int(rows[-1]) + 1 + spare_px)
    return Rectangle(x0, y0, x1 - x0, y1 - y0)


def signed_distance(polygon: NDArray[np.floating], width: int, height: int) -> Floats:
    """Distance in pixels to a polygon's edge, positive inside -> (height, width)."""
    k = SUPERSAMPLING
    mask = np.zeros((height * k, width * k), np.uint8)
    # Pixel centres: position p of a pixel is (p + 0.5) * k - 0.5 in the finer picture.
    corners = np.round(((polygon + 0.5) * k - 0.5) * 16).astype(np.int32)
    cv2.fillPoly(mask, [corners], 1, lineType=cv2.LINE_8, shift=4)
    inside = cv2.distanceTransform(mask, cv2.DIST_L2, 5)
    outside = cv2.distanceTransform(1 - mask, cv2.DIST_L2, 5)
    fine = np.where(mask > 0, inside - 0.5, 0.5 - outside) / k
    return np.asarray(cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA), np.float32)


def contour(mesh_px: Floats, ends: tuple[int, int], between: tuple[int, ...]) -> Floats:
    """A lid's or lip's edge as a smooth curve through its points -> (m, 2)."""
    points = mesh_px[[ends[0], *between, ends[1]], :2].astype(np.float64)
    return smooth_curve(points).astype(np.float32)


def smooth_curve(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Catmull-Rom through points (n, 2) -> (CURVE_STEPS (n - 1) + 1, 2)."""
    p = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    t = (np.arange(CURVE_STEPS) / CURVE_STEPS)[:, None]
    curve = [
        0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
        for a, b, c, d in zip(p, p[1:], p[2:], p[3:], strict=False)
    ]
    return np.concatenate([*curve, points[-1:]])


def skin_alphas(upper: Floats, lower: Floats, rectangle: Rectangle, softness_px: float) -> Floats:
    """Alphas (2, h, w) of the upper and lower skin layer, from contours in crop pixels.

    Beyond the contours' ends the layers meet along a straight line that softens with distance, where their fields
    agree less and less exactly.
    """
    offset = np.array([rectangle.x0, rectangle.y0], np.float32)
    shut = np.array_equal(upper, lower)
    upper, lower = upper - offset, lower - offset
    along = upper[-1] - upper[0]
    along /= np.linalg.norm(along)
    far = float(rectangle.width + rectangle.height)
    down = np.array([-along[1], along[0]])
    alphas = []
    for curve, away in ((upper, -down), (lower, down)):
        line = np.concatenate([[curve[0] - far * along], curve, [curve[-1] + far * along]])
        polygon = np.concatenate([line, [line[-1] + far * away, line[0] + far * away]])
        distance = signed_distance(np.clip(polygon, -2000, 6000), rectangle.width, rectangle.height)
        softness = softness_px + 0.5 * distance_beyond(curve[0], curve[-1], along, rectangle)
        alphas.append(np.clip(0.5 + distance / softness, 0, 1))
        beyond = softness > softness_px
    upper_alpha, lower_alpha = alphas
    # Where nothing can show between the layers they complete each other exactly.
    lower_alpha = np.where(beyond | shut, 1 - upper_alpha, lower_alpha)
    return np.stack([upper_alpha, lower_alpha]).astype(np.float32)


def distance_beyond(left: Floats, right: Floats, along: Floats, rectangle: Rectangle) -> Floats:
    """How far beyond the ends each pixel lies, along the line through them; 0 between -> (h, w)."""
    y, x = np.mgrid[: rectangle.height, : rectangle.width].astype(np.float32)
    before = -((x - left[0]) * along[0] + (y - left[1]) * along[1])
    after = (x - right[0]) * along[0] + (y - right[1]) * along[1]
    return np.asarray(np.maximum(0, np.maximum(before, after)))


def feather(rectangle: Rectangle, margin_px: float, crop_width: int, crop_height: int) -> Floats:
    """1 inside, falling smoothly to 0 at those sides of the rectangle that aren't the crop's own -> (h, w)."""
    x = np.arange(rectangle.width, dtype=np.float32)
    y = np.arange(rectangle.height, dtype=np.float32)
    left = x if rectangle.x0 > 0 else np.full_like(x, np.inf)
    right = x[::-1] if rectangle.x0 + rectangle.width < crop_width else np.full_like(x, np.inf)
    above = y if rectangle.y0 > 0 else np.full_like(y, np.inf)
    below = y[::-1] if rectangle.y0 + rectangle.height < crop_height else np.full_like(y, np.inf)
    t = np.clip(np.minimum(np.minimum(left, right)[None], np.minimum(above, below)[:, None]) / margin_px, 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def snap_to_dark_line(image: Image, curve: Floats, reach_px: float) -> Floats:
    """Moves the curve between closed lips onto the darkest path within reach (dynamic programming along the curve).

    The mesh is a pixel or two off; a tear beside the real line would leave one lip's edge on the other.
    """
    grey = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (0, 0), max(0.7, reach_px / 4)).astype(np.float32)
    steps = np.linspace(-1, 1, 15) * reach_px
    normal = np.gradient(curve, axis=0)[:, ::-1] * [-1, 1]
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-6
    at = (curve[:, None] + steps[None, :, None] * normal[:, None]).astype(np.float32)
    cost = cv2.remap(grey, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    cost = cost + 6 * (steps / reach_px)[None] ** 2
    cost[0] += 1e3 * np.abs(steps)
    cost[-1] += 1e3 * np.abs(steps)
    turn = 4 * np.abs(np.arange(15)[:, None] - np.arange(15)[None])
    total, back = cost[0], []
    for row in cost[1:]:
        through = total[None] + turn
        back.append(through.argmin(1))
        total = through.min(1) + row
    path = [int(total.argmin())]
    for choices in reversed(back):
        path.append(int(choices[path[-1]]))
    shift = cv2.GaussianBlur(steps[path[::-1]].astype(np.float32)[:, None], (1, 9), 2)[:, 0]
    return np.asarray(curve + shift[:, None] * normal, np.float32)
