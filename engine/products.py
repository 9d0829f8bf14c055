"""Products and inverses of matrices on one thread.

After each product that it shares among threads, OpenBLAS's others wait for more by spinning, for a tenth of a second: a
core that networks and the encoder want. And what is shared is rounded otherwise, so that a clip would depend on the
number of processors.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Real = TypeVar("Real", np.float32, np.float64)
ALONE = 2**18  # multiplications: OpenBLAS shares no smaller product of matrices
LEAST = 2  # rows of one: products of a vector are shared much sooner
SMALL = 48  # rows of a matrix that LAPACK inverts without sharing


def product(left: NDArray[Real], right: NDArray[Real]) -> NDArray[Real]:
    """Of (rows, n) and (n, columns): as `left @ right`, by as many rows at a time as one thread does alone."""
    if len(left) < LEAST:
        return product(np.repeat(left, LEAST, 0), right)[: len(left)]
    rows = max(LEAST, ALONE // max(1, right.size))
    found = np.empty((len(left), right.shape[1]), left.dtype)
    for start in range(0, len(left), rows):
        part = slice(min(start, len(left) - LEAST), start + rows)
        np.matmul(left[part], right, out=found[part])
    return found


def inverse(matrix: NDArray[Real]) -> NDArray[Real]:
    """Of (n, n), whose leading parts have inverses as well: by halves, with the Schur complement of the first one."""
    half = len(matrix) // 2
    if len(matrix) <= SMALL:
        return np.asarray(np.linalg.inv(matrix), matrix.dtype)
    first, beside = inverse(matrix[:half, :half]), np.ascontiguousarray(matrix[:half, half:])
    below = product(np.ascontiguousarray(matrix[half:, :half]), first)
    across = product(first, beside)
    found = np.empty_like(matrix)
    found[half:, half:] = last = inverse(matrix[half:, half:] - product(below, beside))
    found[half:, :half] = -product(last, below)
    found[:half, half:] = -product(across, last)
    found[:half, :half] = first + product(across, product(last, below))
    return found
