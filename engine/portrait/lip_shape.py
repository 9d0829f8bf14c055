"""How lips hold together: what closes them, what follows them, and how they get thinner as they are drawn out."""

from __future__ import annotations

import numpy as np

from engine.portrait import topology as top
from engine.types import Floats

LIPS = (  # the edge from corner to corner, and the border that faces it
    ([top.LIP_LEFT_END, *top.UPPER_LIP_INNER, top.LIP_RIGHT_END], list(top.UPPER_LIP_OUTER)),
    ([top.LIP_LEFT_END, *top.LOWER_LIP_INNER, top.LIP_RIGHT_END], list(top.LOWER_LIP_OUTER)),
)
MOUTH = (*top.UPPER_LIP, *top.UPPER_LIP_OUTER, *top.LOWER_LIP, *top.LOWER_LIP_OUTER)
UPPER_LIP_SHARE = 0.35
LIP_REACH_CM = 1.1
CLOSED_LIPS_CM = 0.05  # the mesh has closed lips this far apart
LIP_OVERLAP_CM = 0.16  # of parted lips that have met: their edges are soft, and teeth would still show through
MIDDLE = slice(2, 7)  # of a lip's nine places from corner to corner
THINNER = (0.8, 0.3)  # powers of their edges' length, upper and lower, of 52 people (export/smile.py)
# How much of what it loses the upper lip's edge rises by, all of that where the mouth is open by the second.
EDGE_RISES, OPEN_LIPS_CM = 0.6, 0.4
THINNEST = 0.6  # of what a lip was
SKIN_AT_LIPS_CM = 0.7  # over which the skin around follows a lip's border


def overlap_cm(gap_cm: Floats) -> Floats:
    """How far lips that are this far apart in the photo go past each other when they meet."""
    return np.asarray(LIP_OVERLAP_CM * np.clip(gap_cm / CLOSED_LIPS_CM - 1, 0, 1))


def parting_cm(points_cm: Floats) -> Floats:
    """How far apart lips (..., 468, 3) are in the mean (...)."""
    gap = points_cm[..., list(top.LOWER_LIP_INNER), :] - points_cm[..., list(top.UPPER_LIP_INNER), :]
    return np.asarray(np.linalg.norm(gap, axis=-1).mean(-1))


def closing_lips_cm(points_cm: Floats) -> Floats:
    """What brings parted lips (468, 3) together; chin and cheeks follow less and less with distance -> (468, 3)."""
    gap = points_cm[list(top.LOWER_LIP_INNER)] - points_cm[list(top.UPPER_LIP_INNER)]  # (9, 3)
    gap[:, 1] += overlap_cm(np.linalg.norm(gap, axis=1))
    return following_lips(points_cm, whole=False) @ gap


def following_lips(points_cm: Floats, *, whole: bool) -> Floats:
    """How far points (468, 3) go towards the other lip for what is between the lips' edges -> (468, 9).

    Lips that press against something follow as a whole, and the chin less and less. Lips that close shrink back to
    what they were before they were drawn apart, and the chin comes up with the jaw.
    """
    found = np.zeros((len(points_cm), len(top.UPPER_LIP_INNER)))
    for edge, share, lip, beyond in (
        (top.UPPER_LIP_INNER, UPPER_LIP_SHARE, (*top.UPPER_LIP, *top.UPPER_LIP_OUTER), ()),
        (top.LOWER_LIP_INNER, UPPER_LIP_SHARE - 1, (*top.LOWER_LIP, *top.LOWER_LIP_OUTER), below_mouth(points_cm)),
    ):
        index = np.array([*lip, *beyond])
        near = distances_cm(points_cm[index], points_cm[list(edge)])  # (m, 9)
        weight = np.exp(-(((near - near.min(1, keepdims=True)) / 0.3) ** 2))
        if whole:
            away = distances_cm(points_cm[index], points_cm[list(lip)]).min(1)
        else:
            away = near.min(1) if share > 0 else np.zeros(len(index))
        fade = np.exp(-((away / LIP_REACH_CM) ** 2))
        found[index] = share * fade[:, None] * weight / weight.sum(1, keepdims=True)
        found[list(edge)] = share * np.eye(len(edge))
    return found


def following_borders(points_cm: Floats) -> Floats:
    """How far points (468, 3) go with the outer borders of both lips -> (468, 18).

    Not at all at a lip's edge, all the way on its border; the skin beyond follows less and less.
    """
    found = np.zeros((len(points_cm), 2, len(top.UPPER_LIP_INNER)))
    mouth_y = points_cm[[top.LIP_LEFT_END, top.LIP_RIGHT_END], 1].mean()
    for side, ((edge, border), inside) in enumerate(zip(LIPS, (top.UPPER_LIP, top.LOWER_LIP), strict=True)):
        lip = {*inside, *border}
        above = points_cm[:, 1] < mouth_y
        beyond = [i for i in np.flatnonzero(above == (side == 0)) if i not in {*MOUTH, *inside}]
        index = np.array([*lip, *beyond])
        to_edge = distances_cm(points_cm[index], points_cm[edge[1:-1]])
        to_border = distances_cm(points_cm[index], points_cm[border])
        weight = np.exp(-(((to_border - to_border.min(1, keepdims=True)) / 0.3) ** 2))
        near = to_edge.min(1) / np.maximum(to_edge.min(1) + to_border.min(1), 1e-6)
        fade = np.exp(-((to_border.min(1) / SKIN_AT_LIPS_CM) ** 2))
        share = np.where([i in lip for i in index], near, fade)
        found[index, side] = share[:, None] * weight / weight.sum(1, keepdims=True)
    return found.reshape(len(points_cm), -1)


def length_cm(lines: Floats) -> Floats:
    """Of lines (T, n, 3), seen from the front -> (T,)."""
    return np.asarray(np.linalg.norm(np.diff(lines[..., :2], axis=1), axis=2).sum(1))


def thickness_cm(points_cm: Floats, edge: list[int], border: list[int]) -> Floats:
    """Of the middle of a lip of `LIPS` among points (T, 468, 3), seen from the front -> (T,)."""
    across = points_cm[:, border[MIDDLE]] - points_cm[:, edge[1:-1][MIDDLE]]
    return np.asarray(np.linalg.norm(across[..., :2], axis=2).mean(1))


def thinning_cm(before_cm: Floats, after_cm: Floats) -> tuple[Floats, Floats]:
    """What lips (T, 468, 3) that muscles have drawn out lose of their thickness.

    Returns from their edges the way (T, 18, 3) that the outer borders of both come nearer, and how far the upper lip
    rises (T, 9), as that one's edge bares the teeth where the mouth is open.
    """
    borders = []
    for (edge, border), power in zip(LIPS, THINNER, strict=True):
        longer = length_cm(after_cm[:, edge]) / length_cm(before_cm[:, edge])
        wanted = thickness_cm(before_cm, edge, border) * longer**-power
        left = np.clip(wanted / np.maximum(thickness_cm(after_cm, edge, border), 1e-6), THINNEST, 1)
        borders.append((1 - left)[:, None, None] * (after_cm[:, border] - after_cm[:, edge[1:-1]]))
    upper, lower = (list(edge[1:-1]) for edge, _ in LIPS)
    opened = np.clip((after_cm[:, lower, 1] - after_cm[:, upper, 1]) / OPEN_LIPS_CM, 0, 1)
    return np.concatenate(borders, 1), -EDGE_RISES * opened * borders[0][..., 1]  # up is negative


def distances_cm(points: Floats, others: Floats) -> Floats:
    """(m, 3) and (n, 3) -> (m, n)."""
    return np.asarray(np.linalg.norm(points[:, None] - others[None], axis=2))


def below_mouth(points_cm: Floats) -> list[int]:
    """Points of the chin: they come up with the lower lip when the jaw closes."""
    lip = points_cm[list(top.LOWER_LIP_OUTER), 1].mean()
    inside = np.abs(points_cm[:, 0]) < 3.5
    return [int(i) for i in np.flatnonzero((points_cm[:, 1] > lip) & inside)]
