"""Glasses: found where they are, rigid whatever the face does, and the photo exactly while nothing moves."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest

from engine.composite import draw_still, render_frames
from engine.mesh import BLENDSHAPES
from engine.motion.track import Motion
from engine.portrait.glasses import Glasses, filled_in, frames_in, take_off, without_shade
from engine.portrait.patches import Rectangle
from engine.portrait.portrait import CutOut, FaceAssets, Portrait, build_portrait
from engine.portrait.scene import Scene
from engine.types import Floats, Image
from tests.perception import astronaut, astronaut_mesh, backend, bundle

DARK = (20, 20, 25)
RIMS = ((33, 133), (362, 263))  # ends of the eyes


@cache
def frames_mask() -> Floats:
    """Two rims of 3 mm and what joins them, over the astronaut's eyes, 1 where they are."""
    mesh = astronaut_mesh()
    cm, mask = mesh.pose.scale_px, np.zeros(astronaut().shape[:2], np.uint8)
    middles = [mesh.points_px[list(ends), :2].mean(0) for ends in RIMS]
    for x, y in middles:
        cv2.ellipse(mask, (round(x), round(y)), (round(2.6 * cm), round(2.1 * cm)), 0, 0, 360, 1, round(0.3 * cm))
    (x0, y0), (x1, y1) = middles
    cv2.line(mask, (round(x0 + 2.6 * cm), round(y0)), (round(x1 - 2.6 * cm), round(y1)), 1, round(0.3 * cm))
    return mask.astype(np.float32)


@cache
def photo() -> Image:
    return np.where(frames_mask()[..., None] > 0, np.array(DARK, np.uint8), astronaut())


@cache
def portrait(other: str = "frames") -> Portrait:
    image = photo()
    whole = Rectangle(0, 0, image.shape[1], image.shape[0])
    mask = frames_mask() if other == "frames" else np.zeros_like(frames_mask())
    matte = np.ones(image.shape[:2], np.float32)
    behind = np.full_like(image, 90)
    person = CutOut(whole, matte, np.zeros_like(matte), mask, np.zeros_like(matte))
    return build_portrait(image, person, astronaut_mesh(), lambda: behind, FaceAssets.load(bundle()))


def glasses() -> Glasses:
    found = portrait().glasses
    assert found is not None
    return found


def moving(yaw_deg: float = 0.0, **weights: float) -> Motion:
    """One frame."""
    shapes, zeros = np.zeros((1, 52), np.float32), np.zeros((1, 3), np.float32)
    for name, weight in weights.items():
        for side in ("Left", "Right") if name not in BLENDSHAPES else ("",):
            shapes[0, BLENDSHAPES.index(name + side)] = weight
    turned = np.array([[0, yaw_deg, 0]], np.float32)
    return Motion(shapes, np.zeros(1, np.float32), turned, zeros, np.zeros((1, 4), np.float32), zeros)


def draw(motion: Motion, other: str = "frames") -> Image:
    scene = Scene({0: portrait(other)}, portrait(other).behind)
    warp, mouth = (backend().open(bundle().path(f"{name}.onnx")) for name in ("warp", "mouth"))
    return next(iter(render_frames(scene, {0: motion}, warp, mouth)))


def dark(frame: Image) -> np.ndarray:
    return frame.max(2) < 60


def test_a_face_without_glasses_is_left_alone() -> None:
    assert portrait("none").glasses is None
    image = photo()
    matte = np.ones(image.shape[:2], np.float32)
    bare, bare_matte, found = take_off(image, 0 * matte, matte, astronaut_mesh().points_px, astronaut_mesh().pose)
    assert found is None
    assert bare is image
    assert bare_matte is matte


@pytest.mark.parametrize(
    "rows",
    [slice(0, 30), slice(60, 64)],
    ids=["a hat", "a stain"],
)
def test_what_is_no_frame_is_not_taken_for_one(rows: slice) -> None:
    other = np.zeros((120, 200), np.float32)
    other[rows, 40 : 160 if rows.start == 0 else 60] = 1
    assert frames_in(other, 12.0) is None


def test_the_bare_face_has_no_frames() -> None:
    bare = portrait().constants["source"][0, :3].transpose(1, 2, 0)  # opaque: the matte is 1
    inside = frames_mask() > 0
    assert dark(photo())[inside].all()
    assert dark(bare)[inside].mean() < 0.35  # her lashes and brows are dark as well


def grown(mask: Floats, cm: float) -> Floats:
    size = 2 * round(cm * astronaut_mesh().pose.scale_px) + 1
    return np.asarray(cv2.dilate(mask, np.ones((size, size))), np.float32)


def test_skin_beside_rims_stays_skin() -> None:
    """The network's masks are several times as wide as a rim."""
    mesh, rough = astronaut_mesh(), grown(frames_mask(), 0.3)
    bare, _, found = take_off(photo(), rough, np.ones_like(rough), mesh.points_px, mesh.pose)
    assert found is not None
    beside = (rough > 0) & (grown(frames_mask(), 0.15) == 0)
    kept = (bare == photo()).all(2)
    assert kept[beside].mean() > 0.6
    assert not kept[frames_mask() > 0].any()


def test_brows_colour_no_skin_below_a_rim_that_touches_them() -> None:
    """Brows that rise would draw it out into a dark patch."""
    picture = np.full((80, 120, 3), (200, 160, 140), np.uint8)
    brows, around, none = (np.zeros((80, 120), np.uint8) for _ in range(3))
    picture[20:31, 20:100], brows[20:31, 20:100] = (50, 35, 30), 1
    picture[28:40, 10:110], around[28:40, 10:110] = DARK, 1
    usual = filled_in(picture, around, none, 20.0)[33:39, 30:90]
    filled = without_shade(picture, around, none, brows, 20.0)
    assert usual.mean() < 150
    np.testing.assert_allclose(filled[34:39, 30:90].mean((0, 1)), (200, 160, 140), atol=8)
    assert filled[28:30, 30:90].mean() < 100  # under the rim the brow goes on
    np.testing.assert_array_equal(
        without_shade(picture, around, none, none, 20.0), filled_in(picture, around, none, 20.0)
    )


@pytest.mark.parametrize("reflecting", [False, True])
def test_dark_lenses_hide_eyes_that_move(reflecting: bool) -> None:
    """Also where one lens reflects what doesn't look like glasses to the network."""
    mesh, lenses = astronaut_mesh(), frames_mask().astype(np.uint8)
    for ends in RIMS:
        x, y = np.rint(mesh.points_px[list(ends), :2].mean(0)).astype(int).tolist()
        cv2.floodFill(lenses, None, (x, y), 1)
    image = np.where(lenses[..., None] > 0, np.array(DARK, np.uint8), astronaut())
    other = lenses.astype(np.float32)
    if reflecting:
        x, y = np.rint(mesh.points_px[list(RIMS[0]), :2].mean(0)).astype(int).tolist()
        cv2.circle(other, (x, y), round(1.5 * mesh.pose.scale_px), 0, cv2.FILLED)
    bare, _, found = take_off(image, other, np.ones(lenses.shape, np.float32), mesh.points_px, mesh.pose)
    assert found is not None
    whole = np.zeros(lenses.shape, np.float32)
    whole[found.rectangle.slices] = found.layer[..., 3]
    assert whole[cv2.erode(lenses, np.ones((5, 5))) > 0].min() > 0.9
    assert not dark(bare)[lenses > 0].any()


def test_reflections_are_the_lenses() -> None:
    """They stay in the lens, over the eye, while the brow behind them rises."""
    mesh = astronaut_mesh()
    x, y = mesh.points_px[list(RIMS[1]), :2].mean(0) - [0, 1.5 * mesh.pose.scale_px]
    shining, place = photo().copy(), np.zeros(photo().shape[:2], np.uint8)
    cv2.circle(place, (round(x), round(y)), round(0.4 * mesh.pose.scale_px), 1, cv2.FILLED)
    shining[place > 0] = (120, 150, 250)
    matte = np.ones(shining.shape[:2], np.float32)
    for image, shines in ((shining, True), (photo(), False)):
        bare, _, found = take_off(image, frames_mask(), matte, mesh.points_px, mesh.pose)
        assert found is not None
        layer = np.zeros(matte.shape, np.float32)
        layer[found.rectangle.slices] = found.layer[..., 3]
        assert (layer[place > 0].mean() > 0.95) == shines
        blue = bare[place > 0].astype(int) @ [-1, 0, 1]
        assert blue.mean() < 0  # skin


def test_what_a_rim_hides_of_the_background_is_no_part_of_the_head() -> None:
    mesh, rims = astronaut_mesh(), frames_mask()
    face = np.arange(rims.shape[1]) < mesh.points_px[263, 0] + mesh.pose.scale_px  # the left rim is half beside it
    matte = np.maximum(np.broadcast_to(face, rims.shape), rims).astype(np.float32)
    _, bare_matte, found = take_off(photo(), rims, matte, mesh.points_px, mesh.pose)
    assert found is not None
    beside, before = (rims > 0) & ~face, (rims > 0) & face
    assert bare_matte[beside].mean() < 0.3
    assert bare_matte[before].mean() > 0.95
    elsewhere = grown(rims, 0.3) == 0
    np.testing.assert_array_equal(bare_matte[elsewhere], matte[elsewhere])


def test_temples_stay_with_the_skin() -> None:
    """They lead back in depth, where a flat layer can't follow: at the ears the layer is empty."""
    image, mesh = photo().copy(), astronaut_mesh()
    middle, cm = mesh.points_px[[33, 133, 362, 263], :2].mean(0), mesh.pose.scale_px
    line = np.zeros(image.shape[:2], np.uint8)
    ends = [(round(middle[0] + side * 8.9 * cm), round(middle[1])) for side in (-1, 1)]
    cv2.line(line, *ends, 1, round(0.3 * cm))
    image[line > 0] = DARK
    mask = np.maximum(frames_mask(), line)
    bare, _, found = take_off(image, mask, np.ones_like(mask), mesh.points_px, mesh.pose)
    assert found is not None
    for x, y in ends:
        there = slice(y - 3, y + 4), slice(max(0, x - 2), x + 3)
        assert np.abs(bare[there].astype(int) - image[there]).max() < 0.2 * 255
    assert found.layer[:, : round(0.1 * cm), 3].max() < 0.2


def test_unmoved_it_is_the_photo() -> None:
    np.testing.assert_array_equal(draw(moving()), photo())
    canvas = np.zeros((1, *photo().shape), np.uint8)
    draw_still(canvas, portrait())
    np.testing.assert_array_equal(canvas[0], photo())


def test_frames_stay_where_they_are_when_brows_rise() -> None:
    """Bent with the skin, a third of their pixels would be elsewhere."""
    raised = moving(browInnerUp=1.2, browOuterUp=1.2, eyeWide=1.0)
    solid = glasses().layer[..., 3] > 0.99
    whole = np.zeros(photo().shape[:2], bool)
    whole[glasses().rectangle.slices] = solid
    assert whole.sum() > 500
    assert np.abs(draw(raised).astype(int) - photo())[whole].max() <= 1
    bent = np.abs(draw(raised, "none").astype(int) - photo())[whole].max(1)
    assert (bent > 60).mean() > 0.1


def test_they_turn_with_the_head() -> None:
    before, after = (dark(frame)[glasses().rectangle.slices] for frame in (photo(), draw(moving(yaw_deg=6.0))))
    middle, there = (np.flatnonzero(part.any(0)).mean() for part in (before, after))
    assert 0.3 < abs(there - middle) / astronaut_mesh().pose.scale_px < 2.5


def test_glasses_that_leave_the_crop_are_cut_off() -> None:
    shifted = replace(glasses(), rectangle=replace(glasses().rectangle, x0=-40))
    scene = Scene({0: replace(portrait(), glasses=shifted)}, portrait().behind)
    warp, mouth = (backend().open(bundle().path(f"{name}.onnx")) for name in ("warp", "mouth"))
    (frame,) = render_frames(scene, {0: moving(yaw_deg=-8.0)}, warp, mouth)
    assert frame.shape == photo().shape
