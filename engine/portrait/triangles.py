"""Meshes of triangles: their normals, finer ones, and how they are painted."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.portrait.patches import Rectangle
from engine.types import Floats

SUPERSAMPLING = 3
ROUNDNESS = 0.75  # of Phong tessellation, as its authors have it


def normals(vertices: Floats, triangles: NDArray[np.integer]) -> Floats:
    """Unit normals at vertices (V, 3), mean of those of the triangles (T, 3) around them -> (V, 3)."""
    return unit_sums(vector_areas(vertices, triangles), triangles, len(vertices))


def normals_to_viewer(vertices: Floats, triangles: NDArray[np.integer]) -> Floats:
    """The same, with each triangle's on the viewer's side, in whichever order its corners are."""
    vectors = vector_areas(vertices, triangles)
    vectors *= -np.sign(vectors[:, 2:] + 1e-12)
    return unit_sums(vectors, triangles, len(vertices))


def vector_areas(vertices: Floats, triangles: NDArray[np.integer]) -> Floats:
    """Normals of the triangles, as long as twice their areas -> (T, 3)."""
    a, b, c = (vertices[triangles[:, i]] for i in range(3))
    return np.cross(b - a, c - a)


def unit_sums(vectors: Floats, triangles: NDArray[np.integer], count: int) -> Floats:
    """Unit sums at `count` vertices of what their triangles (T, 3) have -> (count, 3)."""
    summed = np.zeros((count, 3), vectors.dtype)
    for i in range(3):
        np.add.at(summed, triangles[:, i], vectors)
    return np.asarray(summed / np.linalg.norm(summed, axis=1, keepdims=True).clip(1e-9), np.float32)


def rounder(vertices: Floats, triangles: NDArray[np.int64]) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64]]:
    """Four triangles for each: middles of edges join the vertices, out where the mesh is round (Phong tessellation,
    Boubekeur and Alexa 2008).

    -> all vertices (V + M, 3), triangles (4 T, 3), and the ends (M, 2) of the edge that each new one is the middle of
    """
    sides = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]], axis=2)
    ends, which = np.unique(sides.reshape(-1, 2), axis=0, return_inverse=True)
    normal, at = normals(vertices, triangles)[ends], vertices[ends]
    middle = at.mean(1, keepdims=True)
    on_planes = middle - ((middle - at) * normal).sum(2, keepdims=True) * normal
    found = middle[:, 0] + ROUNDNESS * (on_planes.mean(1) - middle[:, 0])
    a, b, c = triangles.T
    ab, bc, ca = len(vertices) + which.reshape(-1, 3).T
    finer = np.stack([a, ab, ca, ab, b, bc, ca, bc, c, ab, bc, ca], 1).reshape(-1, 3)
    return np.concatenate([vertices, found]).astype(np.float32), finer, ends


def rasterise(vertices_px: Floats, colours: Floats, triangles: NDArray[np.int64], rectangle: Rectangle) -> Floats:
    """Paints triangles from back to front -> premultiplied (h, w, 4), colours as given, even between the vertices."""
    k = SUPERSAMPLING
    corners = (vertices_px[triangles][..., :2] - [rectangle.x0, rectangle.y0] + 0.5) * k - 0.5
    order = np.argsort(-vertices_px[triangles][..., 2].mean(1))
    points = np.round(corners * 16).astype(np.int32)
    seen = np.zeros((rectangle.height * k, rectangle.width * k), np.int32)  # whose pixel it is, from 1 on
    for three, number in zip(points[order], (order + 1).tolist(), strict=True):
        cv2.fillConvexPoly(seen, three, number, lineType=cv2.LINE_8, shift=4)
    y, x = np.nonzero(seen)
    which = seen[y, x] - 1
    canvas = np.zeros((*seen.shape, 4), np.float32)
    shares = barycentric(corners.astype(np.float32), np.stack([x, y], 1), which)
    canvas[y, x, :3] = np.einsum("nk,nkc->nc", shares, colours.astype(np.float32)[triangles[which]])
    canvas[y, x, 3] = 1
    return np.asarray(cv2.resize(canvas, (rectangle.width, rectangle.height), interpolation=cv2.INTER_AREA), np.float32)


def barycentric(corners: Floats, places: NDArray[np.int64], which: NDArray[np.int32]) -> Floats:
    """Of each corner of triangles (T, 3, 2) the share at places (n, 2) in the `which`-th ones -> (n, 3), sum 1.

    A place a little outside, as fillings round them, counts as on the edge.
    """
    first, ab, ac = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]
    per_area = np.where(np.abs(area) > 1e-6, 1 / np.where(area == 0, 1, area), 0).astype(np.float32)[which, None]
    (x, y), b, c = (places - first[which]).T, ab[which], ac[which]
    of_b, of_c = (x * c[:, 1] - y * c[:, 0]), (y * b[:, 0] - x * b[:, 1])
    shares = np.stack([np.zeros_like(of_b), of_b, of_c], 1) * per_area
    shares[:, 0] = 1 - shares[:, 1] - shares[:, 2]
    shares = np.maximum(shares, 0)
    return np.asarray(shares / shares.sum(1, keepdims=True), np.float32)
