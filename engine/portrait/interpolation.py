"""Smooth displacement fields that are linear in the control points' displacements.

A radial basis interpolation with the kernel |r| and an affine part (Bookstein 1989 has the scheme; the kernel is that
of Duchon's family that stays gentle between dense and sparse points). Solved once a photo; a frame's field is one
matrix product.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.types import Floats

RIDGE = 1e-3  # of the mean distance: lets a field miss a point by a hair rather than fold
BLOCK_NODES = 1024  # at once: what is made on the way stays in the cache, and takes no memory worth mentioning


def node_positions(box: tuple[float, float, float, float], rows: int, columns: int) -> NDArray[np.float64]:
    """rows x columns positions, evenly over box (x0, y0, x1, y1), its edges included -> (rows, columns, 2)."""
    x, y = np.meshgrid(np.linspace(box[0], box[2], columns), np.linspace(box[1], box[3], rows))
    return np.stack([x, y], -1)


def distances(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 2), (m, 2) -> (n, m)."""
    across, down = (a[:, None, i] - b[None, :, i] for i in range(2))
    across *= across
    down *= down
    across += down
    return np.asarray(np.sqrt(across, out=across))


class Interpolation:
    """Of displacements given at points (n, 2). Solved once for all fields, whichever points they leave out."""

    def __init__(self, points: Floats) -> None:
        p = points.astype(np.float64)
        self._centre, self._size = p.mean(0), np.ptp(p, axis=0).max()
        self._points = p = self._unit(p)
        n = len(p)
        kernel = distances(p, p)
        affine = np.concatenate([np.ones((n, 1)), p], 1)
        system = np.zeros((n + 3, n + 3))
        system[:n, :n] = kernel - RIDGE * kernel.mean() * np.eye(n)  # |r| is conditionally negative definite
        system[:n, n:], system[n:, :n] = affine, affine.T
        self._inverse: NDArray[np.float64] = np.asarray(np.linalg.inv(system))

    def weights(self, nodes: NDArray[np.float64], left_out: Sequence[int] = ()) -> Floats:
        """W (rows, columns, n) with field = W @ displacements; points that are left out get a column of zeros.

        nodes: (rows, columns, 2) in the points' pixels.
        """
        n, q = len(self._points), self._unit(nodes.reshape(-1, 2))
        solved = self._inverse_without(left_out)[:, :n]
        weights = np.empty((*nodes.shape[:2], n), np.float32)
        rows = weights.reshape(-1, n)
        for start in range(0, len(q), BLOCK_NODES):
            part = q[start : start + BLOCK_NODES]
            at_nodes = np.concatenate([distances(part, self._points), np.ones((len(part), 1)), part], 1)
            rows[start : start + BLOCK_NODES] = at_nodes @ solved
        return weights

    def _inverse_without(self, left_out: Sequence[int]) -> NDArray[np.float64]:
        """The inverse of the system without these points, in the place of the whole one's; the rest is zero.

        Of a matrix whose inverse is known, a part can be inverted by inverting what is left out (Schur complement).
        """
        if not left_out:
            return self._inverse
        out = list(left_out)
        change = np.linalg.solve(self._inverse[np.ix_(out, out)], self._inverse[out])
        found = self._inverse - self._inverse[:, out] @ change
        found[out] = found[:, out] = 0
        return np.asarray(found)

    def _unit(self, px: NDArray[np.float64]) -> NDArray[np.float64]:
        """Moved and shrunk to about 1, in which the system is well conditioned."""
        return np.asarray((px - self._centre) / self._size)
