"""Smooth displacement fields that are linear in the control points' displacements.

A radial basis interpolation with the kernel |r| and an affine part (Bookstein 1989 has the scheme; the kernel is that
of Duchon's family that stays gentle between dense and sparse points). Solved once a photo, and so are the functions'
values at the nodes where a field is wanted; a frame takes coefficients from its displacements, and its field is one
matrix product. Coefficients are larger than what they make by four digits, and cancel each other: in float32 a field
is good to some thousandths of a pixel, and to no more.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.products import inverse, product
from engine.types import Floats

RIDGE = 1e-3  # of the mean distance: lets a field miss a point by a hair rather than fold
BLOCK_NODES = 512  # at once: what is made on the way stays in the cache, and takes no memory worth mentioning
AFFINE = 3  # functions beside those of the points: 1, x and y


def node_positions(box: tuple[float, float, float, float], rows: int, columns: int) -> NDArray[np.float64]:
    """rows x columns positions, evenly over box (x0, y0, x1, y1), its edges included -> (rows, columns, 2)."""
    x, y = np.meshgrid(np.linspace(box[0], box[2], columns), np.linspace(box[1], box[3], rows))
    return np.stack([x, y], -1)


def distances(
    a: NDArray[np.floating], b: NDArray[np.floating], out: NDArray[np.floating] | None = None
) -> NDArray[np.floating]:
    """(n, 2), (m, 2) -> (n, m)."""
    # Not cv2.magnitude, which is faster: it rounds by where in memory an array begins.
    across, down = (a[:, None, i] - b[None, :, i] for i in range(2))
    across *= across
    down *= down
    across += down
    return np.asarray(np.sqrt(across, out=across if out is None else out))


class Interpolation:
    """Of displacements given at points (n, 2). Solved once for all fields, whichever points they leave out.

    variants: the points that each further field leaves out.
    """

    def __init__(self, points: Floats, variants: Sequence[Sequence[int]] = ()) -> None:
        p = points.astype(np.float64)
        self._centre, self._size = p.mean(0), np.ptp(p, axis=0).max()
        self._points = p = self._unit(p)
        n = len(p)
        kernel = distances(p, p)
        affine = np.concatenate([np.ones((n, 1)), p], 1)
        system = np.zeros((n + AFFINE, n + AFFINE))
        system[:n, :n] = kernel - RIDGE * kernel.mean() * np.eye(n)  # |r| is conditionally negative definite
        system[:n, n:], system[n:, :n] = affine, affine.T
        inverted = inverse(system)
        self._solved = inverted[:, :n].copy()
        self._corrections = [correction(inverted, list(out)) for out in variants]

    def functions(self, nodes: NDArray[np.float64]) -> Floats:
        """The functions' values at nodes (rows, columns, 2), in the points' pixels -> (rows, columns, n + 3)."""
        n, q, points = len(self._points), self._unit(nodes.reshape(-1, 2)), self._points.astype(np.float32)
        found = np.empty((*nodes.shape[:2], n + AFFINE), np.float32)
        flat = found.reshape(len(q), -1)
        for start in range(0, len(q), BLOCK_NODES):
            block, part = flat[start : start + BLOCK_NODES], q[start : start + BLOCK_NODES].astype(np.float32)
            distances(part, points, out=block[:, :n])
            block[:, n], block[:, n + 1 :] = 1, part
        return found

    def coefficients(self, displacement: Floats) -> list[Floats]:
        """Of displacements (T, n, 2): what the functions are multiplied by for the field of all points, and for each
        variant's, (T, n + 3, 2) each."""
        frames, n = displacement.shape[:2]
        given = displacement.astype(np.float64).transpose(1, 0, 2).reshape(n, -1)
        whole = product(self._solved, given)
        found = [whole, *(whole - product(change, whole[out]) for out, change in self._corrections)]
        return [np.ascontiguousarray(f.reshape(-1, frames, 2).transpose(1, 0, 2), np.float32) for f in found]

    def _unit(self, px: NDArray[np.float64]) -> NDArray[np.float64]:
        """Moved and shrunk to about 1, in which the system is well conditioned."""
        return np.asarray((px - self._centre) / self._size)


def correction(inverted: NDArray[np.float64], out: list[int]) -> tuple[list[int], NDArray[np.float64]]:
    """Which coefficients, and times what (n + 3, len(out)), are to be taken away to leave these points out.

    Of a matrix whose inverse is known, a part can be inverted by inverting what is left out (Schur complement).
    """
    return out, np.ascontiguousarray(np.linalg.solve(inverted[np.ix_(out, out)].T, inverted[:, out].T).T)
