"""Faces are found where they are, at any size, and nowhere else."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from engine.types import Face, Image
from tests.perception import astronaut, astronaut_face, detector, mirrored_face


def assert_same_face(found: Face, expected: Face, tolerance: float = 0.08) -> None:
    """Their boxes and points agree to `tolerance` of the face's width."""
    width = expected.box.width
    assert np.allclose(found.box.center, expected.box.center, atol=tolerance * width)
    assert found.box.width == pytest.approx(width, rel=2 * tolerance)
    assert np.abs(found.five_points - expected.five_points).max() < tolerance * width


def test_the_sample_has_one_face() -> None:
    detection = detector().detect(astronaut())
    assert len(detection.faces) == 1
    assert detection.best_candidate_score == pytest.approx(detection.faces[0].score)
    assert detection.faces[0].score > 0.99


def test_a_face_contains_its_five_points_in_their_order() -> None:
    face = astronaut_face()
    x, y = face.five_points.T
    assert face.box.x0 < x.min()
    assert x.max() < face.box.x1
    assert face.box.y0 < y.min()
    assert y.max() < face.box.y1
    assert x[0] < x[2] < x[1]
    assert x[3] < x[4]
    assert max(y[0], y[1]) < y[2] < min(y[3], y[4])
    assert face.five_points.shape == (5, 2)
    assert face.five_points.dtype == np.float32


def test_a_mirrored_photo_gives_the_mirrored_face() -> None:
    photo = astronaut()
    (found,) = detector().detect(photo[:, ::-1]).faces
    assert_same_face(found, mirrored_face(astronaut_face(), photo.shape[1]))


@pytest.mark.parametrize("scale", [0.35, 0.5, 3.0])
def test_a_resized_photo_gives_the_resized_face(scale: float) -> None:
    photo = cv2.resize(
        astronaut(), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    )
    (found,) = detector().detect(np.asarray(photo, np.uint8)).faces
    expected = astronaut_face()
    points = (expected.five_points + 0.5) * scale - 0.5
    assert np.abs(found.five_points - points).max() < 0.1 * expected.box.width * scale


def test_a_planted_face_is_found_where_it_was_planted() -> None:
    face = astronaut_face()
    x0, y0 = int(face.box.x0) - 40, int(face.box.y0) - 40
    patch = astronaut()[y0 : y0 + 220, x0 : x0 + 200]
    scene = np.full((500, 900, 3), 127, np.uint8)
    scene[240:460, 50:250] = patch
    scene[20:130, 700:800] = cv2.resize(patch, (100, 110), interpolation=cv2.INTER_AREA)
    large, small = detector().detect(scene).faces
    assert large.box.width > 1.5 * small.box.width
    shift = np.float32([50 - x0, 240 - y0])
    assert np.abs(large.five_points - (face.five_points + shift)).max() < 0.08 * face.box.width
    assert 700 < small.box.center[0] < 800
    assert 20 < small.box.center[1] < 130


def test_a_face_cut_by_the_edge_is_no_accident() -> None:
    face = astronaut_face()
    cut = astronaut()[:, round(face.box.x0 + 0.1 * face.box.width) :]
    assert len(detector().detect(np.ascontiguousarray(cut)).faces) == 1


def noise() -> Image:
    return np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    "photo",
    [np.zeros((300, 400, 3), np.uint8), np.full((64, 64, 3), 255, np.uint8), noise()],
    ids=["black", "white", "noise"],
)
def test_a_picture_of_nothing_has_no_face(photo: Image) -> None:
    detection = detector().detect(photo)
    assert detection.faces == ()
    assert detection.best_candidate_score < 0.95


@pytest.mark.parametrize("shape", [(1, 1, 3), (5, 2000, 3), (23, 23, 3)])
def test_a_photo_smaller_than_any_face_has_none(shape: tuple[int, int, int]) -> None:
    assert detector().detect(np.zeros(shape, np.uint8)).faces == ()


def test_detection_repeats_itself() -> None:
    first, second = detector().detect(astronaut()).faces[0], detector().detect(astronaut()).faces[0]
    assert first.box == second.box
    assert np.array_equal(first.five_points, second.five_points)
