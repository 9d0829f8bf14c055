"""No mouth opens in a mask or a hand, and what merely touches a face doesn't keep it still."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import cv2
import numpy as np
import pytest

from engine.composite import render_frames
from engine.mesh import BLENDSHAPES
from engine.motion.track import Motion
from engine.portrait import topology as top
from engine.portrait.covers import Cover, cover_of
from engine.portrait.patches import Rectangle
from engine.portrait.portrait import CutOut, FaceAssets, Portrait, build_portrait
from engine.portrait.scene import Scene, SceneBuilder
from engine.types import Floats, Image
from tests.perception import astronaut, astronaut_mesh, backend, bundle, inpainter, segmenter

MOUTH = [*top.UPPER_LIP_OUTER, *top.LOWER_LIP_OUTER]
BROWS = [*top.BROW_RIGHT, *top.BROW_LEFT]
CHEEK, FOREHEAD, BESIDE_THE_JAW, BETWEEN_LIPS = [214], [10], [172], [13, 14]
CLOTH = (150, 190, 215)
NOTHING = np.zeros(astronaut().shape[:2], np.float32)


@cache
def mask_shape() -> Floats:
    """From the middle of the nose to the chin, 1 where a face mask lies."""
    points = astronaut_mesh().points_px[:468, :2]
    low = [i for i in top.FACE_OVAL if points[i, 1] > points[[168, 4], 1].mean()]
    shape = np.zeros(astronaut().shape[:2], np.uint8)
    cv2.fillConvexPoly(shape, cv2.convexHull(np.round(points[low]).astype(np.int32)), 1)
    return shape.astype(np.float32)


def masked() -> Image:
    """The astronaut, with a mask that shows a little of the shade below it."""
    shade = cv2.GaussianBlur(astronaut().mean(2).astype(np.float32), (0, 0), 9) / 160
    cloth = np.clip(np.array(CLOTH) * shade[..., None], 0, 255)
    soft = cv2.GaussianBlur(mask_shape(), (0, 0), 1.2)[..., None]
    return np.asarray(soft * cloth + (1 - soft) * astronaut(), np.uint8)


def spot(points: list[int], radius_cm: float) -> Floats:
    """1 around the middle of some points of the mesh."""
    mesh = astronaut_mesh()
    x, y = mesh.points_px[points, :2].mean(0)
    drawn = np.zeros(astronaut().shape[:2], np.uint8)
    cv2.circle(drawn, (round(x), round(y)), round(radius_cm * mesh.pose.scale_px), 1, cv2.FILLED)
    return drawn.astype(np.float32)


def cover(covering: Floats) -> Cover:
    return cover_of(covering, astronaut_mesh().points_px, astronaut_mesh().pose.scale_px)


def portrait(covering: Floats) -> Portrait:
    image = masked()
    ones, zeros = np.ones(image.shape[:2], np.float32), np.zeros(image.shape[:2], np.float32)
    person = CutOut(Rectangle(0, 0, image.shape[1], image.shape[0]), ones, zeros, zeros, covering)
    return build_portrait(image, person, astronaut_mesh(), lambda: np.full_like(image, 90), FaceAssets.load(bundle()))


def all_at_once(**weights: float) -> tuple[Floats, Floats]:
    """One frame's blendshapes, and the photo's own expression wholly taken out."""
    shapes = np.zeros((1, 52), np.float32)
    for name, weight in weights.items():
        shapes[0, BLENDSHAPES.index(name)] = weight
    return shapes, np.ones(1, np.float32)


@pytest.mark.parametrize(("photo", "is_held"), [(astronaut, False), (masked, True)], ids=["bare", "masked"])
def test_the_network_tells_a_mask_from_a_face(photo: Callable[[], Image], is_held: bool) -> None:
    builder = SceneBuilder(segmenter(), inpainter(), FaceAssets.load(bundle()), backend())
    mesh = astronaut_mesh()
    person = builder.cut_out(photo(), mesh, [])
    shift = np.array([person.crop.x0, person.crop.y0, 0], np.float32)
    found = cover_of(person.covering, mesh.points_px - shift, mesh.pose.scale_px)
    assert (found.free is not None) == is_held
    assert found.free is None or found.free[MOUTH].max() < 0.05


def test_a_covered_mouth_keeps_still_and_brows_move() -> None:
    shapes, release = all_at_once(jawOpen=1, mouthStretchLeft=1, noseSneerLeft=1, browInnerUp=1)
    bare, covered = (portrait(cover).shape.displacement_cm(shapes, release)[0] for cover in (NOTHING, mask_shape()))
    assert np.abs(bare[MOUTH]).max() > 1
    assert np.abs(covered[MOUTH]).max() < 0.02
    np.testing.assert_allclose(covered[BROWS], bare[BROWS], atol=0.02)
    assert np.abs(bare[BROWS]).max() > 0.3


def test_nothing_is_drawn_on_a_mask() -> None:
    shapes, release = all_at_once(jawOpen=1, mouthSmileLeft=1, mouthSmileRight=1, noseSneerLeft=1, noseSneerRight=1)
    still = np.zeros((1, 3), np.float32)
    motion = Motion(shapes, release, still, still, np.zeros((1, 4), np.float32), still)
    covered = portrait(mask_shape())
    warp, mouth = (backend().open(bundle().path(f"{name}.onnx")) for name in ("warp", "mouth"))
    frame = next(iter(render_frames(Scene({0: covered}, covered.behind), {0: motion}, warp, mouth)))
    change = np.abs(frame.astype(int) - masked())[cv2.erode(mask_shape(), np.ones((25, 25))) > 0]
    assert change.mean() < 1
    assert change.max() < 12


@pytest.mark.parametrize(
    ("points", "radius_cm"),
    [(CHEEK, 1.2), (FOREHEAD, 3.0), (BESIDE_THE_JAW, 2.0), (BETWEEN_LIPS, 0.2)],
    ids=["a cheek", "a hat", "a shoulder", "teeth"],
)
def test_what_leaves_the_mouth_free_holds_nothing(points: list[int], radius_cm: float) -> None:
    found = cover(spot(points, radius_cm))
    assert found.free is None or found.free.min() == 1


def test_half_a_covered_mouth_is_held_as_a_whole() -> None:
    found = cover(spot([top.MOUTH_CORNERS[0]], 2.2))
    assert found.free is not None
    assert found.free[MOUTH].max() < 0.05


def test_no_fold_shows_on_a_hand() -> None:
    found = cover(spot(CHEEK, 1.2))
    folds = np.ones_like(NOTHING)
    assert found.beside(folds)[spot(CHEEK, 0.6) > 0].mean() < 0.1
    assert found.beside(folds).mean() > 0.9
    assert Cover().beside(folds) is folds


def test_eyes_blink_above_a_mask() -> None:
    found = cover(mask_shape())
    assert found.free is not None
    assert found.free[[*top.UPPER_LID_RIGHT, *top.LOWER_LID_RIGHT]].min() > 0.95


@pytest.mark.parametrize("size", [8, 40])
def test_a_face_of_a_few_pixels_is_no_accident(size: int) -> None:
    points = astronaut_mesh().points_px
    small = (points - points.min(0)) * (size - 1) / np.ptp(points, axis=0).max()
    found = cover_of(np.ones((size, size), np.float32), small, size / 20)
    assert found.free is None or np.isfinite(found.free).all()
