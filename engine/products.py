"""Products of matrices on one thread.

After each product that it shares among threads, OpenBLAS's others wait for more by spinning, for a tenth of a second: a
core that networks and the encoder want. On one thread a product is also the same on every number of cores.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Real = TypeVar("Real", np.float32, np.float64)
ALONE = 2**18  # multiplications: OpenBLAS shares no smaller product


def product(left: NDArray[Real], right: NDArray[Real]) -> NDArray[Real]:
    """Of (rows, n) and (n, columns): as `left @ right`, by as many rows at a time as one thread does alone."""
    rows = max(1, ALONE // max(1, right.size))
    found = np.empty((len(left), right.shape[1]), left.dtype)
    for start in range(0, len(left), rows):
        np.matmul(left[start : start + rows], right, out=found[start : start + rows])
    return found
