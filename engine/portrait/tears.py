"""One place where skin tears, as the warp graph takes it: where its layers end, and what lies behind them."""

from __future__ import annotations

import math

import numpy as np

from engine.portrait import topology as top
from engine.portrait.eyes import IRISES, Iris, eyeball_textures, iris_of
from engine.portrait.folds import fold_tint
from engine.portrait.interpolation import Interpolation, node_positions
from engine.portrait.lid_skin import lid_changes
from engine.portrait.lips import MESH_EDGE_CM, end_of_lower_lip
from engine.portrait.mouth_layers import Tones
from engine.portrait.patches import (
    LEAST_PX,
    Rectangle,
    Tear,
    contour,
    feather,
    rectangle_around,
    skin_alphas,
    snap_to_dark_line,
)
from engine.portrait.shade import STEP_CM
from engine.portrait.shut_eyes import hidden_iris_px, lids_are_shut
from engine.types import Floats, Image

BASE_NODE_CM, PATCH_NODE_CM = 0.5, {"eye_right": 0.16, "eye_left": 0.16, "mouth": 0.24}
COARSER_BELOW = 18.0  # pixels a centimetre
FEATHER_CM = 1.0
OTHER_EYE = {"eye_right": top.EYE_ENDS_LEFT, "eye_left": top.EYE_ENDS_RIGHT}
CLOSED_LIPS_CM = 0.16  # lips nearer than this don't show what is behind them
LIP_SEARCH_CM, LASH_SEARCH_CM = 0.22, 0.2
EDGE_SOFTNESS_CM = 0.045
LASH_CM = 0.06  # the upper lid's edge lies this much below the mesh's points: lashes go with the lid


def patch_constants(
    tear: Tear, alphas: Floats, textures: Floats, shade: Floats, field: Interpolation, rectangle: Rectangle,
    crop: Rectangle, px_per_cm: float,
) -> dict[str, np.ndarray]:  # fmt: skip
    """The graph's inputs for one patch; alphas (2, h, w), textures (K, 4, h, w) and shade (K,) as it takes them."""
    nodes = node_grid(rectangle, max(2, node_step_px(PATCH_NODE_CM[tear.name], px_per_cm)))
    patch = {
        "functions": field.functions(nodes),
        "box": np.array(rectangle.outer_pixels, np.float32),
        "skin_alpha": alphas[None],
        "feather": feather(rectangle, FEATHER_CM * px_per_cm, crop.width, crop.height)[None, None],
        "textures": textures,
        "shade": shade,
        "shade_step": np.array([STEP_CM * px_per_cm], np.float32),
    }
    return {f"{tear.name}_{key}": value for key, value in patch.items()}


def eye_textures(
    tear: Tear, image: Image, aperture: Floats, mesh_px: Floats, tones: Tones, px_per_cm: float, rectangle: Rectangle
) -> Floats:
    """`eyeball_textures` of an open eye, or of what is behind shut lids."""
    iris = iris_of(mesh_px, IRISES[tear.name])
    if not aperture.any():
        iris = Iris(*hidden_iris_px(mesh_px[list(tear.ends), :2], px_per_cm))
    return eyeball_textures(image, aperture, iris, tones.white, tones.toning, px_per_cm, rectangle)


def lid_constants(
    tear: Tear, image: Image, mesh_px: Floats, tones: Tones, bare: Floats, rectangle: Rectangle, px_per_cm: float
) -> dict[str, np.ndarray]:
    """`lid_changes`, where the face is bare (h, w) of hair and hands, as the graph takes them."""
    changes = lid_changes(image, mesh_px, tear, px_per_cm, fold_tint(tones.toning), rectangle)
    changes = bare[rectangle.slices][..., None] * changes
    return {f"{tear.name}_lid_changes": np.ascontiguousarray(changes.transpose(0, 3, 1, 2), np.float32)}


def node_step_px(step_cm: float, px_per_cm: float) -> float:
    """What is missed between nodes grows with the square of their distance: in small faces, where it is a smaller part
    of a pixel, they lie further apart."""
    return step_cm * px_per_cm * max(1.0, math.sqrt(COARSER_BELOW / px_per_cm))


def node_grid(rectangle: Rectangle, step_px: float) -> np.ndarray:
    rows = max(4, round(rectangle.height / step_px) + 1)
    columns = max(4, round(rectangle.width / step_px) + 1)
    return node_positions(rectangle.outer_pixels, rows, columns)


def patch_rectangle(tear: Tear, mesh_px: Floats, px_per_cm: float, crop: Rectangle) -> Rectangle:
    """An eye's ends half-way to the other one, which is near in a face that looks aside: of patches that overlap the
    last one wins, and it knows nothing of the other's tear."""
    middle = mesh_px[list(tear.ends), :2].mean(0)
    reach = (tear.reach_cm[0] * px_per_cm, tear.reach_cm[1] * px_per_cm, tear.reach_cm[2] * px_per_cm)
    found = rectangle_around(middle, reach, crop.width, crop.height)
    if tear.name not in OTHER_EYE:
        return found
    other = mesh_px[list(OTHER_EYE[tear.name]), :2].mean(0)
    x0, y0, x1, y1 = found.x0, found.y0, found.x0 + found.width, found.y0 + found.height
    between = np.rint((middle + other) / 2).astype(int).tolist()
    across, down = (other - middle).tolist()
    if abs(across) > abs(down):
        x0, x1 = ended(x0, x1, between[0], across > 0)
    else:
        y0, y1 = ended(y0, y1, between[1], down > 0)
    return Rectangle(x0, y0, x1 - x0, y1 - y0)


def ended(first: int, last: int, between: int, other_is_after: bool) -> tuple[int, int]:
    """Where a patch begins and ends that goes half-way to the other one; eyes beyond the photo keep a few pixels."""
    if other_is_after:
        return first, max(min(last, between), first + LEAST_PX)
    return min(max(first, between), last - LEAST_PX), last


def tear_alphas(tear: Tear, image: Image, mesh_px: Floats, px_per_cm: float, rectangle: Rectangle) -> Floats:
    """Alphas (2, h, w) of the upper and lower layer in the photo."""
    upper, lower = contour(mesh_px, tear.ends, tear.upper), contour(mesh_px, tear.ends, tear.lower)
    softness = max(1.0, EDGE_SOFTNESS_CM * px_per_cm)
    bow = np.sin(np.linspace(0, np.pi, len(upper), dtype=np.float32))[:, None]
    if tear.name != "mouth" and lids_are_shut(upper, lower):
        upper = lower = snap_to_dark_line(image, (upper + lower) / 2, LASH_SEARCH_CM * px_per_cm)
    elif tear.name != "mouth":
        upper = upper + bow * [0, LASH_CM * px_per_cm]
    elif float(np.linalg.norm(lower - upper, axis=1).max()) < CLOSED_LIPS_CM * px_per_cm:
        upper = lower = snap_to_dark_line(image, (upper + lower) / 2, LIP_SEARCH_CM * px_per_cm)
    else:
        lower = end_of_lower_lip(image, upper, lower, px_per_cm)
        upper = upper - bow * [0, MESH_EDGE_CM * px_per_cm]
    return skin_alphas(upper.astype(np.float32), lower.astype(np.float32), rectangle, softness)
