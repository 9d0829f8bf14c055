"""The parts of a portrait keep their own promises: fields, tears, eyes, mattes and the geometry of expressions."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest

from engine.mesh import BLENDSHAPES
from engine.portrait import topology as top
from engine.portrait.control_points import to_head_frame
from engine.portrait.expression import (
    BLINKS,
    DRAWN_OUT,
    LID_OVERLAP_CM,
    LIDS,
    OVER_LIDS,
    RAISED_BROW_CM,
    WIDE_LIDS_CM,
    WIDE_MOUTH_CM,
    FaceShape,
    face_shape,
)
from engine.portrait.eyes import Iris, diffuse, refined
from engine.portrait.interpolation import Interpolation, node_positions
from engine.portrait.lip_shape import LIP_OVERLAP_CM, LIPS, closing_lips_cm, length_cm, thickness_cm
from engine.portrait.matte import person_matte
from engine.portrait.patches import Rectangle, feather, rectangle_around, signed_distance, skin_alphas
from engine.portrait.portrait import FaceAssets
from engine.portrait.readings import own_expression, parting_share
from tests.perception import astronaut_mesh, bundle

EVERYTHING = Rectangle(0, 0, 60, 40)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


# Fields


def field_of(
    points: np.ndarray, displacement: np.ndarray, nodes: np.ndarray, left_out: list[int] | None = None
) -> np.ndarray:
    """At nodes (h, w, 2), of displacements (n, 2) -> (h, w, 2)."""
    interpolation = Interpolation(points, [] if left_out is None else [left_out])
    return interpolation.functions(nodes) @ interpolation.coefficients(displacement[None])[-1][0]


def test_a_field_passes_through_its_control_points(rng: np.random.Generator) -> None:
    """But for the ridge, which lets it miss a point by a hair."""
    x, y = np.meshgrid(np.arange(7) * 10.0, np.arange(6) * 10.0)
    points = np.stack([x.ravel(), y.ravel()], 1).astype(np.float32)
    displacement = rng.normal(0, 5, (len(points), 2))
    found = field_of(points, displacement, points.astype(np.float64).reshape(6, 7, 2))
    np.testing.assert_allclose(found.reshape(-1, 2), displacement, atol=0.3)


def test_an_affine_field_is_exact_everywhere(rng: np.random.Generator) -> None:
    points = rng.uniform(0, 60, (40, 2)).astype(np.float32)
    nodes = node_positions((-5, -5, 70, 70), 9, 8)
    matrix, shift = np.array([[0.1, -0.3], [0.2, 0.05]]), np.array([3.0, -7.0])
    np.testing.assert_allclose(field_of(points, points @ matrix + shift, nodes), nodes @ matrix + shift, atol=2e-3)


def test_points_that_are_left_out_have_no_say(rng: np.random.Generator) -> None:
    points = rng.uniform(0, 60, (30, 2)).astype(np.float32)
    used = rng.uniform(size=30) < 0.7
    nodes = node_positions((0, 0, 60, 60), 5, 5)
    displacement = rng.normal(0, 5, (30, 2))
    found = field_of(points, displacement, nodes, np.flatnonzero(~used).tolist())
    np.testing.assert_allclose(found, field_of(points[used], displacement[used], nodes), atol=0.02)
    displacement[~used] += 100
    np.testing.assert_allclose(field_of(points, displacement, nodes, np.flatnonzero(~used).tolist()), found, atol=1e-3)


def test_fields_of_several_frames_are_those_of_each(rng: np.random.Generator) -> None:
    points, displacement = rng.uniform(0, 60, (30, 2)).astype(np.float32), rng.normal(0, 5, (4, 30, 2))
    interpolation = Interpolation(points, [[0, 7], [3]])
    together = interpolation.coefficients(displacement)
    assert [found.shape for found in together] == [(4, 33, 2)] * 3
    for frame in range(4):
        alone = interpolation.coefficients(displacement[frame : frame + 1])
        for found, expected in zip(together, alone, strict=True):
            np.testing.assert_allclose(found[frame], expected[0], rtol=1e-4, atol=1e-4)


# Tears


def test_signed_distance_of_a_square() -> None:
    square = np.array([[10, 10], [30, 10], [30, 30], [10, 30]], np.float32)
    found = signed_distance(square, 60, 40)
    y, x = np.mgrid[:40, :60].astype(np.float32)
    beside = np.hypot(np.maximum(np.abs(x - 20) - 10, 0), np.maximum(np.abs(y - 20) - 10, 0))
    inside = 10 - np.maximum(np.abs(x - 20), np.abs(y - 20))
    exact = np.where(inside > 0, inside, -beside)
    assert found.shape == (40, 60)
    # OpenCV's 5x5 distance is an approximation: off by up to 2 %, and an edge pixel by a part of itself.
    np.testing.assert_allclose(found, exact, atol=0.3, rtol=0.02)


def curve(middle: float) -> np.ndarray:
    x = np.linspace(15, 45, 20)
    return np.stack([x, 20 + middle * np.sin(np.linspace(0, np.pi, 20))], 1).astype(np.float32)


def test_closed_lips_hide_everything() -> None:
    shut = curve(3)
    alphas = skin_alphas(shut, shut, EVERYTHING, softness_px=1.5)
    assert alphas.shape == (2, 40, 60)
    np.testing.assert_allclose(alphas.sum(0), 1, atol=1e-6)


def test_parted_lips_show_what_is_between_and_nothing_beyond_their_corners() -> None:
    alphas = skin_alphas(curve(-8), curve(8), EVERYTHING, softness_px=1.5)
    covered = alphas.sum(0)
    assert covered[20, 30] == 0
    assert alphas[0, 3, 30] == 1
    assert alphas[1, 37, 30] == 1
    np.testing.assert_allclose(covered[:, [0, 5, 55, 59]], 1, atol=1e-6)


def test_a_patch_fades_only_towards_the_crop_s_inside() -> None:
    weight = feather(Rectangle(0, 10, 30, 20), 6, crop_width=60, crop_height=40)
    assert weight.shape == (20, 30)
    assert weight[10, 0] == 1
    assert not weight[0].any()
    assert not weight[:, -1].any()
    assert weight[10, 15] == 1


@pytest.mark.parametrize("centre", [(30, 20), (-50, 20), (200, 90), (59.6, 39.9)])
def test_a_rectangle_stays_inside_its_image(centre: tuple[float, float]) -> None:
    found = rectangle_around(np.array(centre), (12, 9, 11), 60, 40)
    assert 0 <= found.x0 < found.x0 + found.width <= 60
    assert 0 <= found.y0 < found.y0 + found.height <= 40
    assert min(found.width, found.height) >= 8


# Eyes


def test_diffusing_keeps_what_is_known(rng: np.random.Generator) -> None:
    image = rng.uniform(0, 255, (33, 47, 3)).astype(np.float32)
    known = rng.uniform(size=(33, 47)) < 0.3
    filled = diffuse(image, known)
    np.testing.assert_allclose(filled[known], image[known], atol=1e-3)
    assert filled.min() >= 0
    assert filled.max() <= 255.001


def test_diffusing_continues_an_even_colour() -> None:
    image = np.full((20, 30, 3), (200, 120, 40), np.float32)
    known = np.zeros((20, 30), bool)
    known[3:5, 4:8] = True
    np.testing.assert_allclose(diffuse(image * known[..., None], known), image, atol=0.01)


@pytest.mark.parametrize("offset", [(0.0, 0.0), (2.0, 0.5), (-1.5, -1.0)])
@pytest.mark.parametrize("scale", [0.85, 1.0])
def test_a_planted_iris_is_found(offset: tuple[float, float], scale: float) -> None:
    """From a first guess that is up to a quarter of the radius off."""
    radius, centre = 10.0, np.array([40.0, 30.0])
    y, x = np.mgrid[:60, :80].astype(np.float32)
    distance = np.hypot(x - centre[0], y - centre[1])
    disc = np.clip(0.5 - (distance - scale * radius), 0, 1)
    image = np.repeat((210 - 150 * disc)[..., None], 3, 2).astype(np.uint8)
    guess = Iris((centre + offset).astype(np.float32), radius)
    found = refined(guess, image, np.ones((60, 80), np.float32), Rectangle(0, 0, 80, 60))
    assert np.hypot(*(found.centre_px - centre)) < 1.0
    assert abs(found.radius_px - scale * radius) < 0.8


# Matte


def test_a_matte_is_exact_away_from_the_edge(rng: np.random.Generator) -> None:
    y, x = np.mgrid[:120, :160]
    distance = 40 - np.hypot(x - 80, y - 60)
    image = np.where(distance[..., None] > 0, (180, 140, 120), (40, 60, 90)) + rng.normal(0, 4, (120, 160, 1))
    probability = np.clip(0.5 + distance / 12, 0, 1).astype(np.float32)  # a network's soft edge
    matte = person_matte(image.clip(0, 255).astype(np.uint8), probability, px_per_cm=6.0)
    assert matte.dtype == np.float32
    assert np.all(matte[distance > 12] == 1)
    assert np.all(matte[distance < -12] == 0)
    undecided = [((a > 0.05) & (a < 0.95)).sum() for a in (matte, probability)]
    assert undecided[0] < 0.8 * undecided[1]  # the picture's own edge is sharper than the network's


# Expression


@cache
def shape() -> FaceShape:
    mesh = astronaut_mesh()
    points_cm = to_head_frame(mesh.points_px[: top.FACE_POINTS], mesh.pose)
    assets = FaceAssets.load(bundle())
    return face_shape(points_cm, mesh.blendshapes, assets.basis, assets.skin, mesh.pose.rotation)


def moved_cm(release: float = 0.0, **weights: float) -> np.ndarray:
    blendshapes = np.zeros((1, len(BLENDSHAPES)), np.float32)
    for name, weight in weights.items():
        blendshapes[0, BLENDSHAPES.index(name)] = weight
    return shape().rest_cm + shape().displacement_cm(blendshapes, np.float32([release]))[0]


def test_lips_of_few_pixels_part_less() -> None:
    """Everything else of a small face's expression is as large as ever."""
    parts = [name.startswith(("jawOpen", "mouthLowerDown", "mouthUpperUp", "mouthFunnel")) for name in BLENDSHAPES]
    shares = np.array([parting_share(px_per_cm) for px_per_cm in (2.0, 4.0, 5.0, 6.0, 30.0)])
    assert (shares[:, ~np.array(parts)] == 1).all()
    assert (np.diff(shares[:4, parts], axis=0) > 0.1).all()
    assert (shares[3:] == 1).all() and shares[0, parts].min() > 0.3


def test_rest_moves_nothing() -> None:
    zeros = np.zeros((3, len(BLENDSHAPES)), np.float32)
    assert not shape().displacement_cm(zeros, np.zeros(3, np.float32)).any()


@pytest.mark.parametrize("eye", [0, 1])
@pytest.mark.parametrize("wide", [0.0, 1.0])
def test_a_blink_of_1_brings_the_lids_together(eye: int, wide: float) -> None:
    side = ("Right", "Left")[eye]
    upper, lower = (list(lid) for lid in LIDS[eye])
    closed = moved_cm(**{f"eyeBlink{side}": 1.0, f"eyeWide{side}": wide})
    np.testing.assert_allclose(np.linalg.norm(closed[upper] - closed[lower], axis=1), LID_OVERLAP_CM, atol=1e-4)
    assert (closed[upper, 1] > closed[lower, 1]).all()  # the upper one over the lower one's edge
    other_upper, other_lower = (list(lid) for lid in LIDS[1 - eye])
    assert np.linalg.norm(closed[other_lower] - closed[other_upper], axis=1).max() > 0.3


def eye_cm(points: np.ndarray, eye: int) -> float:
    """How far the lids are open."""
    upper, lower = (list(lid) for lid in LIDS[eye])
    return float(np.linalg.norm(points[lower] - points[upper], axis=1).max())


@pytest.mark.parametrize("eye", [0, 1])
def test_lids_open_less_and_less_beyond_what_shows_all_of_the_iris(eye: int) -> None:
    side = ("Right", "Left")[eye]
    opened = [eye_cm(moved_cm(**{f"eyeWide{side}": weight}), eye) for weight in (0.0, 0.4, 1.6, 2.0, 2.4)]
    assert opened == sorted(opened)
    freely, held = (opened[1] - opened[0]) / 0.4, (opened[4] - opened[3]) / 0.4
    assert held < 0.5 * freely
    assert opened[4] < WIDE_LIDS_CM + 0.25


def test_eyes_that_a_photo_shows_wide_open_stay_so() -> None:
    staring = replace(shape(), rest_cm=shape().rest_cm.copy())
    for upper, _ in LIDS:
        staring.rest_cm[list(upper), 1] -= 1.0
    assert eye_cm(staring.rest_cm, 0) > WIDE_LIDS_CM + 0.2
    zeros = np.zeros((1, len(BLENDSHAPES)), np.float32)
    np.testing.assert_allclose(staring.displacement_cm(zeros, np.zeros(1, np.float32)), 0, atol=1e-6)


def test_brows_rise_less_and_less_beyond_what_people_can() -> None:
    right, left = (list(brow[1:-1]) for brow in (top.BROW_RIGHT, top.BROW_LEFT))

    def raised(release: float, weight: float) -> np.ndarray:
        return moved_cm(release=release, browInnerUp=weight, browOuterUpRight=weight) - moved_cm(release=release)

    for release in (0.0, 1.0):
        high = [-float(raised(release, weight)[right, 1].mean()) for weight in (0.3, 0.6, 1.2, 1.6)]
        assert high == sorted(high)
        assert high[1] == pytest.approx(2 * high[0], rel=0.1)
        assert RAISED_BROW_CM < high[2] < RAISED_BROW_CM + 0.15
        assert (high[3] - high[2]) / 0.4 < 0.4 * high[0] / 0.3
    lids = [*LIDS[0][0], *LIDS[0][1]]
    alone = moved_cm(browInnerUp=0.6, browOuterUpRight=0.6)[lids] - shape().rest_cm[lids]
    np.testing.assert_allclose(raised(0.0, 1.2)[lids], 2 * alone, atol=0.06)  # these are not held
    assert -raised(0.0, 1.6)[left, 1].mean() < RAISED_BROW_CM  # browInnerUp alone


def mouth_cm(points: np.ndarray) -> float:
    """How wide the mouth is, between its inner corners."""
    return float(np.linalg.norm(points[top.LIP_RIGHT_END] - points[top.LIP_LEFT_END]))


def test_mouths_get_wider_less_and_less_beyond_wide_smiles() -> None:
    def stretched(weight: float) -> np.ndarray:
        return moved_cm(release=1.0, mouthStretchLeft=weight, mouthStretchRight=weight)

    wide = [mouth_cm(stretched(weight)) for weight in (0.0, 0.3, 1.5, 2.0)]
    assert wide == sorted(wide)
    freely, held = (wide[1] - wide[0]) / 0.3, (wide[3] - wide[2]) / 0.5
    assert held < 0.6 * freely
    assert wide[2] < WIDE_MOUTH_CM + 0.8
    away = list(top.EYE_ENDS_RIGHT + top.EYE_ENDS_LEFT + (*top.BROW_RIGHT[1:], *top.BROW_LEFT[1:]))
    np.testing.assert_allclose(stretched(2.0)[away], shape().rest_cm[away] + shape().release_cm[away], atol=0.06)


def test_a_mouth_that_a_photo_shows_wide_stays_so() -> None:
    grinning = replace(shape(), rest_cm=1.5 * shape().rest_cm)
    assert mouth_cm(grinning.rest_cm) > WIDE_MOUTH_CM + 0.5
    zeros = np.zeros((1, len(BLENDSHAPES)), np.float32)
    np.testing.assert_allclose(grinning.displacement_cm(zeros, np.zeros(1, np.float32)), 0, atol=1e-6)


def test_release_closes_parted_lips() -> None:
    """The astronaut smiles with teeth."""
    upper, lower = list(top.UPPER_LIP_INNER), list(top.LOWER_LIP_INNER)
    parted, met = shape().rest_cm, moved_cm(release=1.0)
    assert (parted[lower, 1] - parted[upper, 1]).max() > 0.3
    overlap = met[upper, 1] - met[lower, 1]  # of soft edges, so that no tooth shines through
    assert overlap.min() > -0.01
    assert overlap.max() < LIP_OVERLAP_CM + 0.01


def test_lips_never_pass_through_each_other() -> None:
    upper, lower = list(top.UPPER_LIP_INNER), list(top.LOWER_LIP_INNER)
    pressed = moved_cm(release=1.0, mouthShrugLower=1.0, mouthPressLeft=1.0, mouthPressRight=1.0, mouthClose=1.0)
    assert (pressed[lower, 1] - pressed[upper, 1]).min() > -LIP_OVERLAP_CM - 0.01


def test_a_lower_lip_pressed_against_the_upper_one_stays_full() -> None:
    """As high as that of closed lips, or nearly; it pushes the upper one up instead of vanishing below it."""
    closed = moved_cm(release=1.0)
    pressed = moved_cm(release=1.0, mouthShrugLower=1.0, mouthFrownLeft=1.4, mouthFrownRight=1.4)
    height, before = (lips[17, 1] - lips[14, 1] for lips in (pressed, closed))
    assert height > 0.75 * before
    assert pressed[0, 1] < closed[0, 1] + 0.05


def test_an_upper_lip_hardly_rises_above_the_gums() -> None:
    closed = moved_cm(release=1.0)
    lifts = []
    for weight in (0.3, 1.0, 1.4):
        sides = {f"{name}{side}": weight for name in ("noseSneer", "mouthUpperUp") for side in ("Left", "Right")}
        lifts.append(closed[13, 1] - moved_cm(release=1.0, **sides)[13, 1])
    assert lifts == sorted(lifts)
    assert lifts[1] > 0.6
    assert lifts[2] < 1.1


def test_a_lower_lip_hardly_rises_before_teeth_that_the_photo_shows() -> None:
    """A raised chin lifts closed lips further than the lower one alone, when the upper one bares the teeth."""
    bared = {f"mouthUpperUp{side}": 1.0 for side in ("Left", "Right")}
    lips = [moved_cm(release=1.0, mouthShrugLower=0.3, **upper) for upper in ({}, bared)]
    closed = moved_cm(release=1.0)
    assert closed[14, 1] - lips[1][14, 1] < 0.7 * (closed[14, 1] - lips[0][14, 1])
    assert closed[13, 1] - lips[1][13, 1] > 0.4  # cm


def test_a_smile_that_the_photo_shows_keeps_its_teeth_in_joy() -> None:
    """They are held back only once the smile has gone."""
    smile = {f"mouthSmile{side}": 0.8 for side in ("Left", "Right")}
    assert moved_cm(release=0.5, **smile)[13, 1] < moved_cm()[13, 1] + 0.1


def test_an_opened_jaw_opens_the_lips() -> None:
    opened, closed = moved_cm(release=1.0, jawOpen=0.6), moved_cm(release=1.0)
    assert opened[14, 1] - opened[13, 1] > closed[14, 1] - closed[13, 1] + 0.5


def test_closing_lips_leaves_closed_ones_alone() -> None:
    points = shape().rest_cm.astype(np.float64)
    points[list(top.LOWER_LIP_INNER)] = points[list(top.UPPER_LIP_INNER)]
    assert not closing_lips_cm(points).any()


def test_what_faces_that_show_nothing_read_is_not_taken_out() -> None:
    nothing = np.full(len(BLENDSHAPES), 0.2, np.float32)
    nothing[[i for i, name in enumerate(BLENDSHAPES) if name.startswith("mouthSmile")]] = 0.05
    assert not own_expression(nothing).any()
    strong = own_expression(np.full(len(BLENDSHAPES), 1.0, np.float32))
    assert strong[BLENDSHAPES.index("mouthSmileLeft")] == 1
    assert strong[BLENDSHAPES.index("eyeBlinkLeft")] == 0


def test_a_smile_takes_the_lips_that_it_raises_along_but_a_snarl_is_one() -> None:
    shown = np.zeros(len(BLENDSHAPES), np.float32)
    lips = BLENDSHAPES.index("mouthUpperUpLeft")
    shown[lips] = 0.5
    assert own_expression(shown)[lips] > 0.3
    shown[BLENDSHAPES.index("mouthSmileLeft")] = 0.8
    assert own_expression(shown)[lips] == 0


def test_lips_get_thinner_as_a_smile_draws_them_out() -> None:
    """Of people whose smile parts the lips by 0.75 cm, the upper one loses 0.12 cm of 0.7, the lower 0.07 of 1."""
    calm = moved_cm(release=1.0)
    smiling = moved_cm(release=1.0, mouthSmileLeft=1, mouthSmileRight=1, mouthUpperUpLeft=0.5, mouthUpperUpRight=0.5)
    for (edge, border), least in zip(LIPS, (0.08, 0.01), strict=True):
        assert length_cm(smiling[None, edge]) > 1.1 * length_cm(calm[None, edge])
        before, after = (float(thickness_cm(points[None], edge, border)[0]) for points in (calm, smiling))
        assert least < before - after < 0.3


def test_lips_that_nothing_draws_out_stay_as_thick() -> None:
    for raised in ({"browInnerUp": 1.0}, {"mouthPucker": 0.4}):
        calm, moved = moved_cm(), moved_cm(**raised)
        for edge, border in LIPS:
            before, after = (float(thickness_cm(points[None], edge, border)[0]) for points in (calm, moved))
            assert after > 0.95 * before


def test_the_sample_is_what_these_tests_take_it_for() -> None:
    face = astronaut_mesh().points_px[list(top.FACE_OVAL), :2].astype(np.float32)
    assert cv2.contourArea(face) > 5000


@pytest.mark.parametrize("names", [("jawOpen",), ("mouthLowerDownLeft", "mouthLowerDownRight")])
@pytest.mark.parametrize("lip", [(78, 178, 14), (308, 402, 14)], ids=["right", "left"])
def test_a_lower_lip_that_is_drawn_down_hangs_in_an_arc(names: tuple[str, ...], lip: tuple[int, int, int]) -> None:
    """Half-way from the corner to the middle it is nearly as low as there; in a V it would be half as low."""
    basis_cm = FaceAssets.load(bundle()).basis.displacements_cm
    corner, half_way, middle = basis_cm[[BLENDSHAPES.index(name) for name in names]].sum(0)[list(lip), 1]
    assert (half_way - corner) / (middle - corner) > 0.75


def test_lids_that_are_held_stay_open() -> None:
    """Both eyes', or one would wink; the other one can still be narrowed."""
    mesh, assets = astronaut_mesh(), FaceAssets.load(bundle())
    points_cm = shape().rest_cm
    (held, other), free = LIDS, np.ones(top.FACE_POINTS, np.float32)
    free[np.linalg.norm(points_cm[:, None] - points_cm[None, [*held[0], *held[1]]], axis=2).min(1) < 1.2] = 0
    made = face_shape(points_cm, mesh.blendshapes, assets.basis, assets.skin, mesh.pose.rotation, free=free)
    blink = np.zeros((1, len(BLENDSHAPES)), np.float32)
    blink[0, list(BLINKS)] = 1
    moved = made.displacement_cm(blink, np.zeros(1, np.float32))[0]
    np.testing.assert_allclose(moved, 0, atol=1e-6)
    blink[:] = 0
    blink[0, [BLENDSHAPES.index(f"eyeSquint{side}") for side in ("Left", "Right")]] = 1
    moved = made.displacement_cm(blink, np.zeros(1, np.float32))[0]
    np.testing.assert_allclose(moved[[*held[0], *held[1]]], 0, atol=1e-6)
    assert np.abs(moved[[*other[0], *other[1]]]).max() > 0.05


def test_lids_that_shut_below_raised_brows_share_the_skin() -> None:
    """Above the crease it is drawn out to twice its length, or hardly more than below."""
    rest = shape().rest_cm
    shut = moved_cm(browInnerUp=1.2, browOuterUpLeft=1.2, browOuterUpRight=1.2, eyeBlinkLeft=1.0, eyeBlinkRight=1.0)
    for above, crease, edge in (map(list, lines) for lines in OVER_LIDS.values()):
        upper, lower = (
            np.linalg.norm(shut[end] - shut[start], axis=1) / np.linalg.norm(rest[end] - rest[start], axis=1)
            for start, end in ((above, crease), (crease, edge))
        )
        assert upper.max() > 1.5
        assert (upper <= np.maximum(1.01 * DRAWN_OUT, 1.2 * lower)).all()
