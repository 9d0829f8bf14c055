"""Smooth displacement fields that are linear in the control points' displacements.

A radial basis interpolation with the kernel |r| and an affine part (Bookstein 1989 has the scheme; the kernel is that
of Duchon's family that stays gentle between dense and sparse points). Solved once a photo; a frame's field is one
matrix product.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.types import Floats

RIDGE = 1e-3  # of the mean distance: lets a field miss a point by a hair rather than fold


def node_positions(box: tuple[float, float, float, float], rows: int, columns: int) -> NDArray[np.float64]:
    """rows x columns positions, evenly over box (x0, y0, x1, y1), its edges included -> (rows, columns, 2)."""
    x, y = np.meshgrid(np.linspace(box[0], box[2], columns), np.linspace(box[1], box[3], rows))
    return np.stack([x, y], -1)


def distances(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    squared = (a**2).sum(-1)[:, None] + (b**2).sum(-1)[None] - 2 * a @ b.T
    return np.asarray(np.sqrt(np.maximum(squared, 0)))


def interpolation_weights(points: Floats, nodes: NDArray[np.float64], used: NDArray[np.bool_]) -> Floats:
    """W (rows, columns, n) with field = W @ displacements; points not `used` get a column of zeros.

    points (n, 2) and nodes (rows, columns, 2) in the same pixels.
    """
    p = points[used].astype(np.float64)
    centre, size = p.mean(0), np.ptp(p, axis=0).max()
    p, q = (p - centre) / size, (nodes.reshape(-1, 2) - centre) / size
    n = len(p)
    kernel = distances(p, p)
    affine = np.concatenate([np.ones((n, 1)), p], 1)
    system = np.zeros((n + 3, n + 3))
    system[:n, :n] = kernel - RIDGE * kernel.mean() * np.eye(n)  # |r| is conditionally negative definite
    system[:n, n:], system[n:, :n] = affine, affine.T
    at_nodes = np.concatenate([distances(q, p), np.ones((len(q), 1)), q], 1)
    solved = np.linalg.solve(system.T, at_nodes.T).T[:, :n]
    weights = np.zeros((len(q), len(points)), np.float32)
    weights[:, used] = solved
    return weights.reshape(*nodes.shape[:2], len(points))
