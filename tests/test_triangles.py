"""Meshes are painted without facets, and finer ones are rounder."""

from __future__ import annotations

import numpy as np

from engine.portrait.mouth import MouthInterior
from engine.portrait.patches import Rectangle
from engine.portrait.triangles import rasterise, rounder
from tests.perception import bundle

OCTAHEDRON = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], np.float32)
FACES = np.array([[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]])


def test_colours_go_over_from_corner_to_corner() -> None:
    corners = np.array([[0, 0, 1], [60, 0, 1], [0, 40, 1]], np.float32)
    colours = np.array([[0.0, 0, 0], [0.6, 0, 0], [0, 0.4, 0]])
    drawn = rasterise(corners, colours, np.array([[0, 1, 2]]), Rectangle(0, 0, 60, 40))
    y, x = np.nonzero(drawn[..., 3] == 1)
    assert len(x) > 1000
    np.testing.assert_allclose(drawn[y, x, 0], x / 100, atol=0.006)
    np.testing.assert_allclose(drawn[y, x, 1], y / 100, atol=0.006)
    assert (drawn[30:, 50:] == 0).all()


def test_the_nearer_triangle_is_in_front() -> None:
    corners = np.array([[0, 0, 2], [30, 0, 2], [0, 30, 2], [0, 0, 1], [30, 0, 1], [0, 30, 1]], np.float32)
    colours = np.repeat([[1.0, 0, 0], [0, 1.0, 0]], 3, 0)
    for triangles in ([[0, 1, 2], [3, 4, 5]], [[3, 4, 5], [0, 1, 2]]):
        drawn = rasterise(corners, colours, np.array(triangles), Rectangle(0, 0, 30, 30))
        np.testing.assert_allclose(drawn[5, 5], [0, 1, 0, 1], atol=1e-6)


def test_triangles_without_area_are_no_harm() -> None:
    line = np.array([[5, 5, 1], [10, 5, 1], [20, 5, 1]], np.float32)
    drawn = rasterise(line, np.full((3, 3), 0.5), np.array([[0, 1, 2]]), Rectangle(0, 0, 30, 10))
    assert np.isfinite(drawn).all()
    assert drawn.max() <= 1


def test_a_finer_mesh_is_closed_and_rounder() -> None:
    vertices, triangles, ends = rounder(OCTAHEDRON, FACES)
    assert (len(vertices), len(triangles), len(ends)) == (6 + 12, 32, 12)
    sides, count = np.unique(
        np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]], 2).reshape(-1, 2), axis=0, return_counts=True
    )
    assert (count == 2).all()  # as before, each edge has a triangle to both sides
    assert len(vertices) - len(sides) + len(triangles) == 2  # Euler
    flat = np.linalg.norm(OCTAHEDRON[ends].mean(1), axis=1)
    out = np.linalg.norm(vertices[6:], axis=1)
    assert (np.abs(out - 1) < 0.4 * np.abs(flat - 1)).all()


def test_finer_teeth_are_the_same_teeth() -> None:
    mesh = MouthInterior.load(bundle().path("mouth_interior.npz"))
    finer = mesh.finer
    assert len(finer.triangles) == 4 * len(mesh.triangles)
    for kind in ("is_tooth", "is_lower"):
        before, after = (getattr(one, kind)[one.triangles].all(1).sum() for one in (mesh, finer))
        assert after >= 4 * before
    assert finer.to_next_tooth_cm.shape == (len(finer.vertices_cm),)
