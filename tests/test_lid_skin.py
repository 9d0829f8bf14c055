"""Lids that are shut or below raised brows are skin: nothing that stood before an open eye is drawn out on them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from engine.mesh import BLENDSHAPES, CanonicalFace
from engine.portrait import topology as top
from engine.portrait.lid_skin import lid_changes
from engine.portrait.patches import TEARS, Rectangle, contour
from engine.portrait.tears import patch_rectangle
from engine.render.drive import lid_shares
from engine.render.renderer import overlap
from tests.clips import one
from tests.perception import bundle

SKIN, HAIR, EYE = (205, 160, 140), (50, 35, 30), (235, 230, 228)
TINT = np.array([0.68, 1.03, 1.29], np.float32)
EYES = TEARS[:2]
ABOVE_LIDS = (top.ABOVE_LID_RIGHT, top.ABOVE_LID_LEFT[::-1])
SIDE = 440
EVERYTHING = Rectangle(20, 30, SIDE - 40, SIDE - 60)


def mesh_px(px_per_cm: float) -> np.ndarray:
    middle = np.full(2, SIDE / 2, np.float32)
    points = CanonicalFace.load(bundle()).points_cm * px_per_cm
    points[:, :2] += middle - points[[*top.EYE_ENDS_RIGHT, *top.EYE_ENDS_LEFT], :2].mean(0)
    return np.asarray(points, np.float32)


def drawn(px_per_cm: float, colour: tuple[int, int, int] = SKIN) -> np.ndarray:
    """A face of one colour with open eyes."""
    picture, mesh = np.full((SIDE, SIDE, 3), colour, np.uint8), mesh_px(px_per_cm)
    for tear in EYES:
        lids = [contour(mesh, tear.ends, between) for between in (tear.upper, tear.lower)]
        cv2.fillPoly(picture, [np.rint(np.concatenate([lids[0], lids[1][::-1]])).astype(np.int32)], EYE)
    return picture


def with_hairs(picture: np.ndarray, px_per_cm: float, start: float, end: float) -> np.ndarray:
    """The picture with hairs before both lids, between these shares of the way up, 0.25 cm apart."""
    mesh, found = mesh_px(px_per_cm), picture.copy()
    for tear, above in zip(EYES, ABOVE_LIDS, strict=True):
        lid, upper = contour(mesh, tear.ends, tear.upper), contour(mesh, tear.ends, above)
        for low, high in list(zip(lid, upper, strict=True))[4:-4:4]:
            a, b = (np.rint(low + share * (high - low)).astype(int).tolist() for share in (start, end))
            cv2.line(found, a, b, HAIR, max(1, round(0.08 * px_per_cm)), cv2.LINE_AA)
    return found


def shut(picture: np.ndarray, px_per_cm: float, tint: np.ndarray = TINT, which: int = 0) -> np.ndarray:
    """The rectangle as it looks when both eyes are shut, where the open ones' photo has it."""
    found = picture[EVERYTHING.slices].astype(np.float32)
    for tear in EYES:
        found += lid_changes(picture, mesh_px(px_per_cm), tear, px_per_cm, tint, EVERYTHING)[which]
    return found


def below_raised_brows(picture: np.ndarray, px_per_cm: float) -> np.ndarray:
    return shut(picture, px_per_cm, which=1)


def at(picture: np.ndarray, px_per_cm: float, eye: int, share: float) -> np.ndarray:
    """Colours along a lid, this share of the way up -> (n, 3), without its ends."""
    mesh, tear = mesh_px(px_per_cm), EYES[eye]
    lid, upper = contour(mesh, tear.ends, tear.upper), contour(mesh, tear.ends, ABOVE_LIDS[eye])
    places = np.rint((lid + share * (upper - lid))[12:-12]).astype(int) - [EVERYTHING.x0, EVERYTHING.y0]
    return np.asarray(picture[places[:, 1], places[:, 0]])


@pytest.mark.parametrize("px_per_cm", [12.0, 20.0, 40.0])
@pytest.mark.parametrize("eye", [0, 1])
@pytest.mark.parametrize("hairs", [(0.15, 0.55), (0.5, 0.9)], ids=["lashes", "brows"])
def test_no_hair_is_left_on_a_shut_lid(px_per_cm: float, eye: int, hairs: tuple[float, float]) -> None:
    picture = with_hairs(drawn(px_per_cm), px_per_cm, *hairs)
    middle = min(sum(hairs) / 2, 0.7)
    before = at(picture[EVERYTHING.slices], px_per_cm, eye, middle).astype(float)
    after = at(shut(picture, px_per_cm), px_per_cm, eye, middle)
    assert before.min() < 100
    assert np.abs(after - SKIN).max() < 35


@pytest.mark.parametrize("eye", [0, 1])
def test_bare_lids_and_their_creases_stay_as_they_are(eye: int) -> None:
    picture = drawn(20.0)
    mesh, tear = mesh_px(20.0), EYES[eye]
    lid, upper = contour(mesh, tear.ends, tear.upper), contour(mesh, tear.ends, ABOVE_LIDS[eye])
    crease = np.rint(lid + 0.5 * (upper - lid)).astype(np.int32)
    cv2.polylines(picture, [crease[8:-8]], False, tuple(0.93 * value for value in SKIN), 2)
    for share in (0.3, 0.5, 0.7):
        before, after = (at(p, 20.0, eye, share) for p in (picture[EVERYTHING.slices], shut(picture, 20.0)))
        np.testing.assert_allclose(after, before, atol=3)


@pytest.mark.parametrize("eye", [0, 1])
def test_the_shade_of_a_deep_socket_is_lighter_on_the_lid(eye: int) -> None:
    picture, mesh = drawn(20.0), mesh_px(20.0)
    tear = EYES[eye]
    lid, upper = contour(mesh, tear.ends, tear.upper), contour(mesh, tear.ends, ABOVE_LIDS[eye])
    beyond = upper + 0.4 * (upper - lid)
    cv2.fillPoly(picture, [np.rint(np.concatenate([lid, beyond[::-1]])).astype(np.int32)], (90, 62, 52))
    assert at(shut(picture, 20.0), 20.0, eye, 0.45).mean() > 0.75 * np.mean(SKIN)
    assert at(below_raised_brows(picture, 20.0), 20.0, eye, 0.7).mean() > 0.75 * np.mean(SKIN)


@pytest.mark.parametrize("px_per_cm", [16.0, 40.0])
def test_lashes_stay_below_raised_brows(px_per_cm: float) -> None:
    picture = drawn(px_per_cm)
    mesh, tear = mesh_px(px_per_cm), EYES[0]
    lid, upper = contour(mesh, tear.ends, tear.upper), contour(mesh, tear.ends, ABOVE_LIDS[0])
    for low, high in list(zip(lid, upper, strict=True))[8:-8:8]:
        cv2.line(picture, *(np.rint(end).astype(int).tolist() for end in (low, low + 0.6 * (high - low))), HAIR, 1)
    change = below_raised_brows(picture, px_per_cm) - picture[EVERYTHING.slices]
    assert np.abs(change).max() < 25


@pytest.mark.parametrize("eye", [0, 1])
def test_the_edge_has_no_glint_of_the_eye(eye: int) -> None:
    mesh, tear, picture = mesh_px(20.0), EYES[eye], drawn(20.0)
    lid, upper = contour(mesh, tear.ends, tear.upper), contour(mesh, tear.ends, ABOVE_LIDS[eye])
    lashes = lid + 0.08 * (upper - lid)
    cv2.polylines(picture, [np.rint(lashes).astype(np.int32)], False, HAIR, 2)
    below = -0.12  # of the way up: what goes with the lid though it is eye
    before, after = (at(p, 20.0, eye, below) for p in (picture[EVERYTHING.slices], shut(picture, 20.0)))
    assert before.mean() > 180
    assert after.mean() < 110


@pytest.mark.parametrize("which", [0, 1])
def test_what_changes_ends_softly_at_the_eye_s_corners(which: int) -> None:
    picture, mesh = drawn(20.0), mesh_px(20.0)
    for tear, above in zip(EYES, ABOVE_LIDS, strict=True):
        lid, upper = contour(mesh, tear.ends, tear.upper), contour(mesh, tear.ends, above)
        cv2.fillPoly(picture, [np.rint(np.concatenate([lid, (2 * upper - lid)[::-1]])).astype(np.int32)], (90, 62, 52))
        change = lid_changes(picture, mesh, tear, 20.0, TINT, EVERYTHING)[which].max(2)
        x, y = np.rint(lid + 0.7 * (upper - lid)).astype(int).T - [[EVERYTHING.x0], [EVERYTHING.y0]]
        along = change[y, x]
        assert along[20:-20].min() > 60
        assert along[[0, 1, 2, -3, -2, -1]].max() < 30


def test_nothing_changes_elsewhere() -> None:
    picture, mesh = with_hairs(drawn(20.0), 20.0, 0.1, 1.6), mesh_px(20.0)
    for tear, above in zip(EYES, ABOVE_LIDS, strict=True):
        change = np.abs(lid_changes(picture, mesh, tear, 20.0, TINT, EVERYTHING)).max((0, 3))
        lower, upper = (contour(mesh, tear.ends, between) for between in (tear.lower, above))
        around = np.zeros((SIDE, SIDE), np.uint8)
        cv2.fillPoly(around, [np.rint(np.concatenate([upper, lower[::-1]])).astype(np.int32)], 1)
        outside = cv2.dilate(around, np.ones((5, 5), np.uint8))[EVERYTHING.slices] == 0
        assert change.max() > 50
        assert not change[outside].any()


def test_lids_in_photos_without_colours_have_none() -> None:
    grey = cv2.cvtColor(cv2.cvtColor(with_hairs(drawn(20.0), 20.0, 0.2, 0.6), cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    found = shut(grey, 20.0, tint=np.ones(3, np.float32))
    assert np.abs(found - found.mean(2, keepdims=True)).max() < 1e-2


def shares(**weights: float) -> np.ndarray:
    """How far the right lid looks shut, and as below a raised brow."""
    shape = one().scene.portraits[0].shape
    blendshapes = np.zeros((1, len(BLENDSHAPES)), np.float32)
    for name, weight in weights.items():
        blendshapes[0, BLENDSHAPES.index(name)] = weight
    return lid_shares(shape.rest_cm, shape.displacement_cm(blendshapes, np.zeros(1, np.float32)), 0)[0]


def test_lids_look_so_by_as_much_as_they_close_and_brows_rise() -> None:
    np.testing.assert_array_equal(shares(), [0, 0])
    np.testing.assert_array_equal(shares(eyeWideRight=1.0), [0, 0])
    assert shares(eyeBlinkRight=1.0)[0] == 1
    assert 0 < shares(eyeBlinkRight=0.4)[0] < 1
    raised = {"browInnerUp": 1.0, "browOuterUpRight": 1.0}
    assert shares(**raised)[0] == 0
    assert shares(**raised)[1] > 0.5
    assert shares(**raised, eyeBlinkRight=0.4).sum() <= 1
    np.testing.assert_array_equal(shares(**raised, eyeBlinkRight=1.0), [1, 0])
    assert shares(browDownRight=1.0)[1] == 0


@pytest.mark.parametrize("turn_deg", [0, 20, 45, 70])
@pytest.mark.parametrize("aside", [1.0, 0.6])
def test_neither_eye_s_patch_reaches_beyond_the_middle(turn_deg: float, aside: float) -> None:
    """Of patches that overlap the last one wins, and the other eye would be drawn without its tear."""
    mesh = mesh_px(20.0)
    mesh[:, :2] = (mesh[:, :2] - SIDE / 2) * [aside, 1] @ rotation(turn_deg).T + SIDE / 2
    crop = Rectangle(0, 0, SIDE, SIDE)
    right, left = (patch_rectangle(tear, mesh, 20.0, crop) for tear in EYES)
    assert not overlap(right, left)
    for tear, box in zip(EYES, (right, left), strict=True):
        corners = mesh[list(tear.ends), :2] - [box.x0, box.y0]
        assert (corners > 4).all() and (corners < [box.width - 4, box.height - 4]).all()


@pytest.mark.parametrize("shift", [(-200, 0), (200, 0), (0, -200), (0, 200), (-400, 0), (400, 0)])
def test_eyes_beyond_the_photo_have_patches_in_it(shift: tuple[int, int]) -> None:
    mesh, crop = mesh_px(20.0), Rectangle(0, 0, SIDE, SIDE)
    mesh[:, :2] += shift
    for tear in EYES:
        box = patch_rectangle(tear, mesh, 20.0, crop)
        assert box.x0 >= 0 and box.y0 >= 0
        assert box.x0 + box.width <= SIDE and box.y0 + box.height <= SIDE
        assert box.width >= 8 and box.height >= 8


def rotation(angle_deg: float) -> np.ndarray:
    cos, sin = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    return np.array([[cos, -sin], [sin, cos]])
