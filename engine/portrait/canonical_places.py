"""Places of the canonical face in a photo, and of a photo on the canonical face."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.types import Floats

NEIGHBOURS, NEAREST_CM = 8, 0.1


def on_photo(places_cm: NDArray[np.floating], canonical_cm: Floats, mesh_px: Floats, px_per_cm: float) -> Floats:
    """Places (m, 2) on the canonical face -> crop pixels (m, 2), carried along by the mesh points around them."""
    turn = px_per_cm * upright(mesh_px)
    return carried(places_cm, canonical_cm[:, :2], mesh_px[: len(canonical_cm), :2], turn, NEAREST_CM)


def on_canonical(places_px: NDArray[np.floating], canonical_cm: Floats, mesh_px: Floats, px_per_cm: float) -> Floats:
    """Crop pixels (m, 2) -> places (m, 2) on the canonical face, carried along in the same way."""
    turn = upright(mesh_px).T / px_per_cm
    return carried(places_px, mesh_px[: len(canonical_cm), :2], canonical_cm[:, :2], turn, NEAREST_CM * px_per_cm)


def upright(mesh_px: Floats) -> NDArray[np.float64]:
    """(2, 2) what turns the canonical face as the eyes' line is turned in the picture."""
    across = mesh_px[263, :2] - mesh_px[33, :2]
    return np.asarray(np.array([[across[0], -across[1]], [across[1], across[0]]]) / np.hypot(*across))


def carried(
    places: NDArray[np.floating], points: Floats, goals: Floats, turn: NDArray[np.float64], nearest: float
) -> Floats:
    """Places (m, 2) among points (n, 2), where those have gone to goals (n, 2) and what lies between is turned."""
    apart = np.linalg.norm(places[:, None] - points[None], axis=2)
    index = np.argpartition(apart, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
    weight = 1 / (np.take_along_axis(apart, index, 1) + nearest) ** 2
    weight /= weight.sum(1, keepdims=True)
    moved = goals[index] + (places[:, None] - points[index]) @ turn.T
    return np.asarray((weight[..., None] * moved).sum(1), np.float32)
