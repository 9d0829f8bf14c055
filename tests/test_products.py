"""Products are done by one thread: no call is so large that BLAS would share it."""

from __future__ import annotations

import numpy as np
import pytest

from engine.products import ALONE, product


@pytest.mark.parametrize(("rows", "inner", "columns"), [(8, 52, 1404), (706, 703, 16), (3, 700, 900), (1, 1, 1)])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_it_is_the_product(rows: int, inner: int, columns: int, kind: type[np.floating]) -> None:
    rng = np.random.default_rng(1)
    left, right = rng.normal(size=(rows, inner)).astype(kind), rng.normal(size=(inner, columns)).astype(kind)
    found = product(left, right)
    assert found.dtype == kind
    np.testing.assert_allclose(found, left @ right, atol=1e-3 if kind is np.float32 else 1e-9)


def test_no_part_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, matmul = [], np.matmul

    def counted(left: np.ndarray, right: np.ndarray, out: np.ndarray) -> np.ndarray:
        sizes.append(left.size * right.shape[1])
        return matmul(left, right, out=out)

    monkeypatch.setattr(np, "matmul", counted)
    product(np.ones((706, 703)), np.ones((703, 16)))
    assert max(sizes) <= ALONE
    assert sum(sizes) == 706 * 703 * 16
