"""A photo's people are found whichever way up it is, and those that can't be seen well stay still."""

from __future__ import annotations

import logging

import cv2
import numpy as np
import pytest

from engine.detect import Detection, Detector
from engine.errors import FaceIndexError, NoFaceError
from engine.faces import FaceFinder, FoundFaces
from engine.mesh import MeshFitter
from engine.options import chosen_faces
from engine.types import Box, Face, FaceMesh, Floats, HeadPose, Image
from tests.perception import astronaut, detector, mesh_fitter

BLANK = np.zeros((300, 400, 3), np.uint8)


def finder() -> FaceFinder:
    return FaceFinder(detector(), mesh_fitter())


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_photo_that_lies_on_its_side_is_turned_upright(quarters: int, caplog: pytest.LogCaptureFixture) -> None:
    upright = finder().find(astronaut())
    with caplog.at_level(logging.WARNING):
        found = finder().find(np.ascontiguousarray(np.rot90(astronaut(), quarters)))
    assert np.array_equal(found.photo, astronaut())
    assert [face.box for face in found.faces] == [face.box for face in upright.faces]
    assert f"clockwise by {90 * quarters} degrees" in caplog.text


def test_an_upright_photo_is_left_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    photo = astronaut()
    assert finder().find(photo).photo is photo
    assert not caplog.records


def face(x_px: float, size_px: float, score: float = 0.999) -> Face:
    return Face(Box(x_px, 20, x_px + size_px, 20 + size_px), np.zeros((5, 2), np.float32), score)


class Scans(Detector):
    """Finds what it was told, once a scan: upright first, then turned clockwise by one, two and three quarters."""

    def __init__(self, *scans: list[Face]) -> None:
        self.scans = iter(scans)

    def detect(self, photo: Image) -> Detection:
        found = next(self.scans)
        return Detection(tuple(found), max((face.score for face in found), default=0.31))

    def scores_turned(self, photo: Image, face: Face) -> Floats:
        return np.float32([face.score, 0, 0, 0])


class Presences(MeshFitter):
    """Fits meshes of nothing, which it believes in by the left edge of the face's box: from 0 at 0 to 1 at 100."""

    def __init__(self) -> None:
        pass

    def fit_all(self, photo: Image, faces: object) -> list[FaceMesh]:
        assert isinstance(faces, list)
        pose = HeadPose(np.eye(3, dtype=np.float32), 1.0, np.zeros(3, np.float32))
        empty = np.zeros((478, 3), np.float32), np.zeros(52, np.float32)
        return [FaceMesh(*empty, face.box.x0 / 100, pose) for face in faces]


def found_in(*scans: list[Face]) -> FoundFaces:
    return FaceFinder(Scans(*scans), Presences()).find(BLANK)


def test_faces_that_cannot_be_seen_well_stay_still() -> None:
    found = found_in([face(2, 80), face(100, 90), face(250, 40)])
    assert [mesh is not None for mesh in found.meshes] == [False, True, False]
    assert found.obstacle(0) == "is covered, unsharp or cut off"
    assert found.obstacle(1) is None
    assert found.obstacle(2) == "is under 48 pixels"
    assert chosen_faces(found, [], "all") == [1]
    with pytest.raises(FaceIndexError, match="Face 0 is covered, unsharp or cut off and can't be animated"):
        chosen_faces(found, [], [0])


def test_one_face_that_is_half_hidden_moves_where_there_is_no_other() -> None:
    assert found_in([face(70, 80)]).meshes[0] is not None
    assert found_in([face(70, 80), face(100, 90)]).meshes[0] is None
    assert found_in([face(40, 80)]).meshes[0] is None


def test_who_is_out_of_focus_behind_somebody_stays_still() -> None:
    """Eyes and teeth are as sharp as the photo's; in a blurred face they would be the only sharp thing."""
    sharp = astronaut()[:300, 100:350]
    blurred = cv2.GaussianBlur(sharp, (0, 0), 3)
    assert [mesh is not None for mesh in finder().find(np.hstack([sharp, blurred])).meshes] == [True, False]
    assert [mesh is not None for mesh in finder().find(np.hstack([blurred, blurred])).meshes] == [True, True]


def test_only_a_clearer_face_of_about_the_same_size_turns_a_photo() -> None:
    doubtful = [face(100, 90, 0.97)]
    assert found_in(doubtful, [face(100, 85, 0.96)], [], []).photo is BLANK
    assert found_in(doubtful, [face(100, 30, 0.999)], [], []).photo is BLANK
    assert found_in(doubtful, [face(100, 85, 0.98)], [], []).photo.shape == (400, 300, 3)


def test_no_face_either_way_up() -> None:
    with pytest.raises(NoFaceError, match=r"scored 0\.31 of 1"):
        found_in([], [], [], [])


def test_faces_can_be_compared_and_collected() -> None:
    box, points = Box(0, 0, 1, 1), np.zeros((5, 2), np.float32)
    one, other = Face(box, points, 1.0), Face(box, points, 1.0)
    assert one == one  # noqa: PLR0124
    assert one != other
    assert len({one, other, one}) == 2


def test_an_obstacle_is_asked_of_a_face_that_is_there() -> None:
    found = FoundFaces(np.zeros((64, 64, 3), np.uint8), (), ())
    for number in (0, -1):
        with pytest.raises(FaceIndexError, match=f"no face {number}"):
            found.obstacle(number)
