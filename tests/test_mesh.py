"""The mesh lies on the face, is steady, and reads what the face shows."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from engine.mesh import BLENDSHAPES, CanonicalFace, fit_pose
from engine.mesh_layout import MIRRORED_BLENDSHAPES, mirrored_points
from engine.types import Box, FaceMesh
from tests.perception import astronaut, astronaut_face, astronaut_mesh, bundle, mesh_fitter, mirrored_face

RIGHT_EYE, LEFT_EYE, NOSE_TIP, RIGHT_MOUTH, LEFT_MOUTH = (33, 133), (362, 263), (4,), (61,), (291,)


def face_width(mesh: FaceMesh) -> float:
    return float(np.ptp(mesh.points_px[:468, 0]))


def distance(a: FaceMesh, b: FaceMesh) -> float:
    """Mean distance of the points in the picture, in face widths."""
    return float(np.linalg.norm(a.points_px[:, :2] - b.points_px[:, :2], axis=1).mean()) / face_width(a)


def test_shapes() -> None:
    mesh = astronaut_mesh()
    assert mesh.points_px.shape == (478, 3)
    assert mesh.points_px.dtype == np.float32
    assert mesh.blendshapes.shape == (52,) == (len(BLENDSHAPES),)
    assert BLENDSHAPES[0] == "_neutral"
    assert BLENDSHAPES[-1] == "noseSneerRight"
    assert mesh.blendshapes.min() >= 0
    assert mesh.blendshapes.max() <= 1


def test_the_mesh_meets_the_five_points() -> None:
    mesh, face = astronaut_mesh(), astronaut_face()
    for group, point in zip((RIGHT_EYE, LEFT_EYE, NOSE_TIP, RIGHT_MOUTH, LEFT_MOUTH), face.five_points, strict=True):
        found = mesh.points_px[list(group), :2].mean(axis=0)
        assert np.linalg.norm(found - point) < 0.1 * face.box.width


def test_a_smile_is_read_as_one() -> None:
    mesh = astronaut_mesh()
    assert mesh.presence > 0.9
    assert mesh.blendshapes[BLENDSHAPES.index("mouthSmileLeft")] > 0.5
    assert mesh.blendshapes[BLENDSHAPES.index("mouthSmileRight")] > 0.5
    assert mesh.blendshapes[BLENDSHAPES.index("mouthFrownLeft")] < 0.1


def test_a_mirrored_photo_gives_the_mirrored_mesh() -> None:
    photo, mesh = astronaut(), astronaut_mesh()
    turned = mesh_fitter().fit(np.ascontiguousarray(photo[:, ::-1]), mirrored_face(astronaut_face(), photo.shape[1]))
    swap = mirrored_points(CanonicalFace.load(bundle()).points_cm)
    back = turned.points_px[swap] * np.float32([-1, 1, 1]) + np.float32([photo.shape[1] - 1, 0, 0])
    assert np.linalg.norm(back - mesh.points_px, axis=1).max() < 0.005 * face_width(mesh)
    assert np.abs(turned.blendshapes[list(MIRRORED_BLENDSHAPES)] - mesh.blendshapes).max() < 0.02


@pytest.mark.parametrize(("right", "down", "scale"), [(0.06, -0.05, 1.1), (-0.07, 0.04, 0.9)])
def test_a_slightly_different_box_gives_the_same_mesh(right: float, down: float, scale: float) -> None:
    face = astronaut_face()
    (x, y), width, height = face.box.center, face.box.width * scale, face.box.height * scale
    x, y = x + right * face.box.width, y + down * face.box.width
    moved = replace(face, box=Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2))
    assert distance(astronaut_mesh(), mesh_fitter().fit(astronaut(), moved)) < 0.005


def test_a_larger_photo_gives_the_larger_mesh() -> None:
    face, scale = astronaut_face(), 4
    photo = cv2.resize(astronaut(), None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    box = Box(*(value * scale for value in (face.box.x0, face.box.y0, face.box.x1, face.box.y1)))
    points = ((face.five_points + 0.5) * scale - 0.5).astype(np.float32)
    mesh = mesh_fitter().fit(np.asarray(photo, np.uint8), replace(face, box=box, five_points=points))
    small = (mesh.points_px[:, :2] + 0.5) / scale - 0.5
    assert np.linalg.norm(small - astronaut_mesh().points_px[:, :2], axis=1).mean() < 0.005 * face_width(
        astronaut_mesh()
    )


@pytest.mark.parametrize("degrees", [-25, 25])
def test_a_turned_photo_turns_the_mesh_and_the_pose_but_not_the_expression(degrees: float) -> None:
    photo, face, mesh = astronaut(), astronaut_face(), astronaut_mesh()
    turn = cv2.getRotationMatrix2D(face.box.center, -degrees, 1.0)  # OpenCV counts against the clock
    turned_photo = cv2.warpAffine(photo, turn, photo.shape[1::-1], flags=cv2.INTER_CUBIC)
    points = (face.five_points @ turn[:, :2].T + turn[:, 2]).astype(np.float32)
    turned = mesh_fitter().fit(np.asarray(turned_photo, np.uint8), replace(face, five_points=points))
    expected = mesh.points_px[:, :2] @ turn[:, :2].T + turn[:, 2]
    assert np.linalg.norm(turned.points_px[:, :2] - expected, axis=1).mean() < 0.01 * face_width(mesh)
    assert np.abs(turned.blendshapes - mesh.blendshapes).max() < 0.1
    relative = turned.pose.rotation @ mesh.pose.rotation.T
    roll = np.degrees(np.arctan2(relative[1, 0], relative[0, 0]))
    assert roll == pytest.approx(degrees, abs=2)


def test_faces_fitted_together_are_as_if_fitted_alone() -> None:
    face = astronaut_face()
    other = replace(face, box=Box(face.box.x0 - 5, face.box.y0 - 5, face.box.x1, face.box.y1))
    together = mesh_fitter().fit_all(astronaut(), [other, face])
    assert np.abs(together[1].points_px - astronaut_mesh().points_px).max() < 0.01
    assert mesh_fitter().fit_all(astronaut(), []) == []


def test_the_canonical_face_looks_at_the_viewer() -> None:
    face = CanonicalFace.load(bundle())
    points = face.points_cm
    assert points.shape == (468, 3)
    assert face.triangles.shape == (898, 3)
    assert 12 < np.ptp(points[:, 0]) < 20  # centimetres
    assert points[33, 0] < points[263, 0]  # the person's right eye is left in the picture
    assert points[10, 1] < points[152, 1]  # the forehead is above the chin, y down
    assert points[4, 2] < points[[33, 263], 2].min()  # the nose is nearest, z away


def test_a_planted_pose_is_recovered() -> None:
    canonical = CanonicalFace.load(bundle()).points_cm
    rotation, _ = cv2.Rodrigues(np.array([0.2, -0.4, 0.1]))
    placed = 12.5 * canonical @ rotation.T + np.array([300, 200, -40])
    placed[152] += 40  # an open jaw doesn't move the head
    pose = fit_pose(canonical, np.concatenate([placed, np.zeros((10, 3))]).astype(np.float32))
    np.testing.assert_allclose(pose.rotation, rotation, atol=1e-4)
    np.testing.assert_allclose(pose.origin_px, [300, 200, -40], atol=1e-2)
    assert pose.scale_px == pytest.approx(12.5, rel=1e-4)


def test_the_pose_puts_the_canonical_face_on_the_photo() -> None:
    mesh, canonical = astronaut_mesh(), CanonicalFace.load(bundle()).points_cm
    placed = mesh.pose.scale_px * canonical @ mesh.pose.rotation.T + mesh.pose.origin_px
    gap = np.linalg.norm(placed[:, :2] - mesh.points_px[:468, :2], axis=1).mean()
    assert gap < 0.06 * face_width(mesh)
    assert np.linalg.det(mesh.pose.rotation) == pytest.approx(1, abs=1e-4)


def test_mirroring_twice_changes_nothing() -> None:
    swap = mirrored_points(CanonicalFace.load(bundle()).points_cm)
    assert np.array_equal(swap[swap], np.arange(478))
    names = np.array(BLENDSHAPES)[list(MIRRORED_BLENDSHAPES)]
    assert names[BLENDSHAPES.index("mouthSmileLeft")] == "mouthSmileRight"
    assert names[BLENDSHAPES.index("jawOpen")] == "jawOpen"
