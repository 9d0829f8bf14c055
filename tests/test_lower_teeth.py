"""The lower front teeth: as narrow as people's, and to be told apart in the lips' shade."""

from itertools import pairwise

import numpy as np
import pytest

from engine.bundle import Bundle
from engine.portrait.mouth import MouthInterior, shaded

FRONT_CM = 0.54, 0.59, 0.75  # incisors and canine; upper incisors have 0.91. Wheeler: 5.0, 5.5, 7.0; 8.5 mm


@pytest.fixture(scope="module")
def mesh() -> MouthInterior:
    return MouthInterior.load(Bundle.default().path("mouth_interior.npz"))


def pieces(mesh: MouthInterior) -> np.ndarray:
    """Of each vertex the least number among those that its piece's triangles lead to."""
    number = np.arange(len(mesh.vertices_cm))
    while True:
        least = number[mesh.triangles].min(1)
        before = number.copy()
        for corner in range(3):
            np.minimum.at(number, mesh.triangles[:, corner], least)
        if (number == before).all():
            return number


def row(mesh: MouthInterior, *, lower: bool) -> list[np.ndarray]:
    """The vertices of the left half's teeth, from the middle outwards."""
    part = pieces(mesh)
    teeth = [mesh.vertices_cm[part == tooth] for tooth in np.unique(part[mesh.is_tooth & (mesh.is_lower == lower)])]
    return sorted((tooth for tooth in teeth if tooth[:, 0].mean() > 0), key=lambda tooth: tooth[:, 2].mean())


def width_cm(tooth: np.ndarray) -> float:
    """Of a lower tooth's crown, in the direction in which the row goes there."""
    crown = tooth[tooth[:, 1] < tooth[:, 1].min() + 0.6][:, [0, 2]]
    outward = crown.mean(0) - [0, 0.5]  # the arch is about a half circle around this point
    along = np.array([-outward[1], outward[0]]) / np.linalg.norm(outward)
    return float(np.ptp(crown @ along))


def test_lower_front_teeth_are_narrower_than_the_upper_ones(mesh: MouthInterior) -> None:
    upper, lower = row(mesh, lower=False), row(mesh, lower=True)
    for tooth, wanted in zip(lower, FRONT_CM, strict=False):
        assert width_cm(tooth) == pytest.approx(wanted, abs=0.08)
    assert np.ptp(lower[0][:, 0]) < 0.7 * np.ptp(upper[0][:, 0])


def test_lower_teeth_stand_in_a_row_without_gaps(mesh: MouthInterior) -> None:
    lower = row(mesh, lower=True)
    assert lower[0][:, 0].min() == pytest.approx(0, abs=0.02)
    for one, other in pairwise(lower):
        assert np.linalg.norm(one[:, None] - other[None], axis=2).min() < 0.06


def test_lower_teeth_are_darker_where_they_touch_and_to_the_sides(mesh: MouthInterior) -> None:
    colours = shaded(mesh, 20 * mesh.vertices_cm, 20.0).mean(1)
    depth_cm = mesh.vertices_cm[:, 2] - mesh.vertices_cm[mesh.is_tooth, 2].min()
    lower, upper = (mesh.is_tooth & (mesh.is_lower == low) for low in (True, False))
    front = lower & (depth_cm < 0.6)
    touching = mesh.to_next_tooth_cm < 0.03
    assert colours[front & touching].mean() < 0.8 * colours[front & (mesh.to_next_tooth_cm > 0.15)].mean()
    aside = np.abs(depth_cm - 2) < 0.3
    assert colours[lower & aside].mean() < 0.75 * colours[upper & aside].mean()


def test_gums_have_no_next_tooth(mesh: MouthInterior) -> None:
    assert np.isinf(mesh.to_next_tooth_cm[~mesh.is_tooth]).all()
    assert np.isfinite(mesh.to_next_tooth_cm[mesh.is_tooth]).all()
