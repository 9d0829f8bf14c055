"""People who were taken out of a photo and laid over each other again, unmoved, are the photo exactly.

The segmenter and the inpainter are fakes: people are ellipses, and what they hide is one colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest

from engine.backends.base import Runner
from engine.composite import render_frames
from engine.mesh import BLENDSHAPES
from engine.motion.track import Motion
from engine.portrait.patches import Rectangle
from engine.portrait.portrait import FaceAssets
from engine.portrait.scene import Scene, SceneBuilder, own_share
from engine.types import Box, FaceMesh, Floats, Image
from tests.perception import astronaut, astronaut_mesh, backend, bundle

SIDE = 200  # of the farther person's picture
BACKGROUND = (30, 60, 90)


class EllipseSegmenter:
    """Says that each of the given ellipses (x, y, radii) is a person, with a soft edge."""

    def __init__(self, people: list[tuple[float, float, float, float]]) -> None:
        self._people = people

    def segment(self, photo: Image, region: Box, *, head: Box | None = None, classes: Sequence[str]) -> Floats:
        y, x = np.mgrid[round(region.y0) : round(region.y1), round(region.x0) : round(region.x1)]
        distance = [np.hypot((x - cx) / rx, (y - cy) / ry) for cx, cy, rx, ry in self._people]
        person = np.clip((1.15 - np.min(distance, axis=0)) / 0.3, 0, 1)
        found = {"background": 1 - person, "hair": person}
        return np.stack([found.get(name, np.zeros_like(person)) for name in classes]).astype(np.float32)


class FlatInpainter:
    def fill(self, image: Image, mask: np.ndarray) -> Image:
        return np.where(mask[..., None], np.array(BACKGROUND, np.uint8), image)


def mesh_in(mesh: FaceMesh, scale: float, x: float, y: float) -> FaceMesh:
    """The mesh of a photo that was resized and pasted with its corner at (x, y)."""
    shift = np.array([x, y, 0], np.float32)
    pose = replace(mesh.pose, scale_px=mesh.pose.scale_px * scale, origin_px=mesh.pose.origin_px * scale + shift)
    return replace(mesh, points_px=mesh.points_px * scale + shift, pose=pose)


@cache
def group() -> tuple[Image, Scene]:
    """Two people, the nearer one over the farther one's shoulder."""
    photo = np.random.default_rng(2).integers(0, 256, (240, 300, 3), dtype=np.uint8)
    meshes, ellipses = {}, []
    for number, (side, x, y) in enumerate(((SIDE, 0, 20), (240, 60, 0))):
        scale = side / astronaut().shape[1]
        photo[y : y + side, x : x + side] = cv2.resize(astronaut(), (side, side), interpolation=cv2.INTER_AREA)
        meshes[number] = mesh_in(astronaut_mesh(), scale, x, y)
        (cx, cy), cm = meshes[number].pose.origin_px[:2], meshes[number].pose.scale_px
        ellipses.append((float(cx), float(cy) + 6 * cm, 11 * cm, 22 * cm))
    builder = SceneBuilder(
        EllipseSegmenter(ellipses),  # type: ignore[arg-type]
        FlatInpainter(),  # type: ignore[arg-type]
        FaceAssets.load(bundle()),
        backend(),
    )
    return photo, builder.build(photo, meshes)


def motion(frames: int, yaw_deg: float = 0.0) -> Motion:
    """Only the head turns."""
    zeros = np.zeros((frames, 3), np.float32)
    turned = np.outer(np.arange(frames), [0, yaw_deg, 0]).astype(np.float32)
    shapes, gaze = np.zeros((frames, len(BLENDSHAPES)), np.float32), np.zeros((frames, 4), np.float32)
    return Motion(shapes, np.zeros(frames, np.float32), turned, zeros, gaze, zeros)


@cache
def warp() -> Runner:
    return backend().open(bundle().path("warp.onnx"))


@cache
def mouth() -> Runner:
    return backend().open(bundle().path("mouth.onnx"))


def draw(motions: dict[int, Motion]) -> list[Image]:
    return list(render_frames(group()[1], motions, warp(), mouth()))


def test_the_nearer_person_is_drawn_last() -> None:
    photo, scene = group()
    assert list(scene.portraits) == [0, 1]
    assert scene.backdrop.shape == photo.shape
    assert (scene.backdrop != photo).any(axis=2).mean() > 0.2


@pytest.mark.parametrize("moving", [(0,), (1,), (0, 1)])
def test_at_rest_the_layers_are_the_photo(moving: tuple[int, ...]) -> None:
    """Whoever is drawn by the warp, and whoever is laid down as a still."""
    for frame in draw({number: motion(3) for number in moving}):
        np.testing.assert_array_equal(frame, group()[0])


def test_who_has_no_motion_stands_still() -> None:
    photo, scene = group()
    first, *_, last = draw({0: motion(3, yaw_deg=4)})
    np.testing.assert_array_equal(first, photo)
    changed = (last != photo).any(axis=2)
    assert changed.any()
    # In front of the moving person, the other one's opaque pixels stay.
    opaque = np.zeros(photo.shape[:2], bool)
    opaque[scene.portraits[1].crop.slices] = scene.portraits[1].constants["source"][0, 3] == 1
    assert opaque.sum() > 1000
    assert not changed[opaque].any()


def test_a_person_in_front_moves_over_one_who_moves_behind() -> None:
    photo = group()[0]
    together, alone = draw({0: motion(2, 4), 1: motion(2, -3)}), draw({1: motion(2, -3)})
    np.testing.assert_array_equal(together[0], photo)
    assert (together[1] != alone[1]).any()


def test_everything_outside_the_crops_is_the_photo() -> None:
    photo, scene = group()
    inside = np.zeros(photo.shape[:2], bool)
    for portrait in scene.portraits.values():
        inside[portrait.crop.slices] = True
    assert not inside.all()
    last = draw({0: motion(2, 5), 1: motion(2, 5)})[-1]
    np.testing.assert_array_equal(last[~inside], photo[~inside])


def test_pixels_belong_to_whom_they_are_near() -> None:
    pose = astronaut_mesh().pose
    far, near = (mesh_in(astronaut_mesh(), scale, x, 0).pose for scale, x in ((0.4, 0), (0.5, 100)))
    rectangle = group()[1].portraits[0].crop
    bald = np.zeros((rectangle.height, rectangle.width), np.float32)
    assert np.all(own_share(pose, [], rectangle, bald) == 1)
    for mine, other in ((far, near), (near, far)):
        share = own_share(mine, [other], rectangle, bald)
        x, y = (
            round(float(v)) - corner for v, corner in zip(mine.origin_px, (rectangle.x0, rectangle.y0), strict=False)
        )
        if 0 <= x < rectangle.width and 0 <= y < rectangle.height:
            assert share[y, x] == 1
    both = own_share(far, [near], rectangle, bald) + own_share(near, [far], rectangle, bald)
    np.testing.assert_allclose(both, 1, atol=1e-5)


def test_a_head_is_in_front_of_the_body_of_who_stands_behind() -> None:
    """In rows of people: else the line down another's chest takes part of a face along."""
    front = astronaut_mesh().pose
    up_px, aside_px = 22 * front.scale_px, 9 * front.scale_px
    behind = replace(front, origin_px=(front.origin_px + [aside_px, -up_px, 0]).astype(np.float32))
    photo = astronaut()
    everything = Rectangle(0, 0, photo.shape[1], photo.shape[0])
    x, y = (round(float(v)) for v in front.origin_px[:2])
    cheek, bald = round(6 * front.scale_px), np.zeros(photo.shape[:2], np.float32)
    assert np.all(own_share(front, [behind], everything, bald)[y, x - cheek : x + cheek] == 1)
    assert np.all(own_share(behind, [front], everything, bald)[y, x - cheek : x + cheek] == 0)


def test_hair_that_hides_a_mouth_belongs_to_who_stands_before_it() -> None:
    """Else the mouth behind would open in it."""
    front = astronaut_mesh().pose
    behind = replace(front, origin_px=(front.origin_px - [0, 15 * front.scale_px, 0]).astype(np.float32))
    everything = Rectangle(0, 0, 512, 512)
    hair = np.zeros((512, 512), np.float32)
    x, mouth = round(float(front.origin_px[0])), round(float(behind.origin_px[1] + 5 * front.scale_px))
    assert own_share(behind, [front], everything, hair)[mouth, x] == 1
    hair[mouth - 5 : mouth + 5] = 1
    assert own_share(behind, [front], everything, hair)[mouth, x] == 0
    assert own_share(front, [behind], everything, hair)[mouth, x] == 1
    assert own_share(behind, [], everything, hair)[mouth, x] == 1  # a beard stays whose it is
