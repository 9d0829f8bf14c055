"""Products are done by one thread: no call is so large that BLAS would share it."""

from __future__ import annotations

import numpy as np
import pytest

from engine.products import ALONE, SMALL, inverse, product


@pytest.mark.parametrize(
    ("rows", "inner", "columns"),
    [(8, 52, 1404), (706, 703, 16), (3, 700, 900), (1, 1, 1), (1, 52, 1404), (47, 703, 16)],
)
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_it_is_the_product(rows: int, inner: int, columns: int, kind: type[np.floating]) -> None:
    rng = np.random.default_rng(1)
    left, right = rng.normal(size=(rows, inner)).astype(kind), rng.normal(size=(inner, columns)).astype(kind)
    found = product(left, right)
    assert found.dtype == kind
    np.testing.assert_allclose(found, left @ right, atol=1e-3 if kind is np.float32 else 1e-9)


@pytest.mark.parametrize("rows", [706, 24, 2, 1])
def test_no_part_is_large(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a product of one row, which is shared sooner, there is none at all."""
    sizes, matmul = [], np.matmul

    def counted(left: np.ndarray, right: np.ndarray, out: np.ndarray) -> np.ndarray:
        assert len(left) > 1
        sizes.append(left.size * right.shape[1])
        return matmul(left, right, out=out)

    monkeypatch.setattr(np, "matmul", counted)
    product(np.ones((rows, 703)), np.ones((703, 16)))
    assert max(sizes) <= ALONE
    assert sum(sizes) >= rows * 703 * 16


@pytest.mark.parametrize("size", [5, 97, 650])
def test_it_is_the_inverse(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what interpolation inverts: distances, and an affine part."""
    sizes, invert = [], np.linalg.inv

    def counted(matrix: np.ndarray) -> np.ndarray:
        sizes.append(len(matrix))
        return invert(matrix)

    monkeypatch.setattr(np.linalg, "inv", counted)
    places = np.random.default_rng(2).uniform(-0.5, 0.5, (size, 2))
    affine = np.concatenate([np.ones((size, 1)), places], 1)
    apart = np.linalg.norm(places[:, None] - places[None], axis=2) - 1e-4 * np.eye(size)
    system = np.block([[apart, affine], [affine.T, np.zeros((3, 3))]])
    np.testing.assert_allclose(system @ inverse(system), np.eye(size + 3), atol=1e-8)
    assert max(sizes) <= SMALL
