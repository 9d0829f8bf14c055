"""Hair is hair and skin is skin, at the region's own size."""

from __future__ import annotations

import numpy as np
import pytest

from engine.segment import CLASSES
from engine.types import Box
from tests.perception import astronaut, astronaut_face, segmenter


def around_face(times: float) -> Box:
    (x, y), half = astronaut_face().box.center, times * astronaut_face().box.width / 2
    return Box(max(x - half, 0), max(y - half, 0), x + half, y + half)


def test_probabilities_have_the_region_s_size_and_sum_to_one() -> None:
    region = Box(100.4, 10, 401, 311.2)
    probabilities = segmenter().segment(astronaut(), region)
    assert probabilities.shape == (6, 301, 301)
    assert probabilities.dtype == np.float32
    assert probabilities.min() >= 0
    np.testing.assert_allclose(probabilities.sum(axis=0), 1, atol=1e-4)


@pytest.mark.parametrize("head", [False, True])
def test_known_places_have_their_classes(head: bool) -> None:
    region = around_face(4.0)
    probabilities = segmenter().segment(astronaut(), region, head=around_face(2.0) if head else None)
    best = np.array(CLASSES)[probabilities.argmax(axis=0)]

    def at(x: float, y: float) -> str:
        return str(best[round(y - region.y0), round(x - region.x0)])

    face = astronaut_face()
    assert at(*face.five_points[2]) == "face_skin"
    assert at(face.box.center[0], face.box.y0 - 0.1 * face.box.height) == "hair"
    assert at(region.x0 + 5, region.y0 + 5) == "background"


def test_the_head_s_tile_changes_nothing_outside_it() -> None:
    region, head = around_face(4.0), around_face(2.0)
    coarse = segmenter().segment(astronaut(), region)
    fine = segmenter().segment(astronaut(), region, head=head)
    outside = np.ones(coarse.shape[1:], bool)
    top, left = round(head.y0) - round(region.y0), round(head.x0) - round(region.x0)
    outside[top : top + round(head.height) + 1, left : left + round(head.width) + 1] = False
    assert np.array_equal(coarse[:, outside], fine[:, outside])
    assert not np.array_equal(coarse, fine)
    np.testing.assert_allclose(fine.sum(axis=0), 1, atol=1e-4)


def test_a_mirrored_photo_gives_the_mirrored_classes() -> None:
    photo = astronaut()
    region = Box(60, 0, 400, 340)
    mirrored = Box(photo.shape[1] - 400, 0, photo.shape[1] - 60, 340)
    straight = segmenter().segment(photo, region)
    turned = segmenter().segment(np.ascontiguousarray(photo[:, ::-1]), mirrored)
    np.testing.assert_allclose(turned[..., ::-1], straight, atol=1e-3)


@pytest.mark.parametrize("region", [Box(-3, 0, 100, 100), Box(0, 0, 100, 9999), Box(50, 50, 50.2, 60)])
def test_a_region_outside_the_photo_is_refused(region: Box) -> None:
    with pytest.raises(ValueError, match="inside the photo"):
        segmenter().segment(astronaut(), region)
