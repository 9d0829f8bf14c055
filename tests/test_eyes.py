"""What lids hide of an eye: completed from what shows, the same at any size, and made up where nothing does."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from engine.mesh import CanonicalFace
from engine.portrait import topology as top
from engine.portrait.expression import BLINKS
from engine.portrait.eyes import LID_SHADE, REDDEST, Iris, eyeball_textures, paler, redness
from engine.portrait.patches import Rectangle
from engine.portrait.portrait import FaceAssets
from engine.portrait.shade import STEP_CM, skin_around, unshaded
from engine.portrait.shut_eyes import OPEN_CM, hidden_iris_px, lids_are_shut, opening_cm, unseen_iris
from engine.portrait.toning import Toning
from engine.types import Floats, Image
from kernels.reference import interior
from tests.perception import bundle

PX_PER_CM = 16.0
WIDTH_CM, HEIGHT_CM = 6.0, 5.0
MIDDLE_CM = np.array([3.0, 2.5])
SKIN, WHITE, BROWN = (190.0, 140.0, 120.0), (225.0, 220.0, 215.0), (80.0, 55.0, 40.0)


def eye(px_per_cm: float) -> tuple[Image, Floats]:
    """A photo of an eye, its upper lid on the iris, in the shade of lids and lashes; and what is between these."""
    width, height = round(WIDTH_CM * px_per_cm), round(HEIGHT_CM * px_per_cm)
    y, x = (np.mgrid[:height, :width] + 0.5) / px_per_cm
    x, y = x - MIDDLE_CM[0], y - MIDDLE_CM[1]
    soft = 0.06

    def step(inside_cm: Floats) -> Floats:
        return np.clip(0.5 + inside_cm / soft, 0, 1)

    inwards_cm = np.minimum(0.45 - 0.2 * x**2 + y, 0.4 - 0.15 * x**2 - y) - 0.02
    aperture = step(inwards_cm).astype(np.float32)
    iris = step(0.59 - np.hypot(x, y))[..., None]
    ball = np.array(WHITE) + iris * (np.array(BROWN) - WHITE)
    ball *= (1 - LID_SHADE * skin_around(aperture, px_per_cm))[..., None]
    ball *= np.clip(0.2 + inwards_cm / 0.1, 0, 1)[..., None]  # lashes, along the rim
    image = np.array(SKIN) + aperture[..., None] * (ball - SKIN)
    return np.rint(image).astype(np.uint8), aperture


def textures(px_per_cm: float) -> Floats:
    image, aperture = eye(px_per_cm)
    iris = Iris((MIDDLE_CM * px_per_cm - 0.5).astype(np.float32), 0.6 * px_per_cm)
    box = Rectangle(0, 0, image.shape[1], image.shape[0])
    return eyeball_textures(image, aperture, iris, np.array([240.0, 235, 230]), Toning.of(image), px_per_cm, box)


def shrunk(layers: Floats, like: Floats) -> Floats:
    size = like.shape[:1:-1]
    return np.stack([[cv2.resize(one, size, interpolation=cv2.INTER_AREA) for one in layer] for layer in layers])


@pytest.mark.parametrize("size", [2, 3, 5])
def test_a_close_up_has_the_same_eye(size: int) -> None:
    small = textures(PX_PER_CM)
    difference = np.abs(shrunk(textures(size * PX_PER_CM), small) - small)[:2, :3]
    assert difference.mean() < 2
    assert cv2.GaussianBlur(difference.max((0, 1)), (0, 0), 0.1 * PX_PER_CM).max() < 20


@pytest.mark.parametrize("px_per_cm", [PX_PER_CM, 3 * PX_PER_CM])
def test_the_white_goes_on_behind_the_lids_without_their_shade(px_per_cm: float) -> None:
    white = textures(px_per_cm)[0, :3]
    middle = round(MIDDLE_CM[1] * px_per_cm)
    beside_iris = white[
        :, middle - round(0.8 * px_per_cm) : middle, round(1.8 * px_per_cm)
    ]  # from the lid into the eye
    np.testing.assert_allclose(beside_iris.mean(1), WHITE, atol=20)
    assert np.abs(np.diff(beside_iris.mean(0))).max() < 30  # no edge where the photo's part begins


@pytest.mark.parametrize("px_per_cm", [8.0, 16.0, 27.0, 50.0])
def test_shade_is_looked_for_as_the_warp_does(px_per_cm: float) -> None:
    _, aperture = eye(px_per_cm)
    height, width = aperture.shape
    y, x = np.mgrid[:height, :width].astype(float)
    still = np.array([[[[1.0, 0, 0], [0, 1.0, 0]]]])
    own = {
        "textures": np.ones((1, 4, height, width)),
        "shade": np.ones(1),
        "shade_step": np.array([STEP_CM * px_per_cm], np.float32),
        "affine": still,
        "opacity": np.ones((1, 1)),
    }
    drawn, _, _ = interior(np.stack([x, y], 2)[None], 1 - aperture[None, None], own)
    np.testing.assert_allclose(1 - drawn[0, 0], skin_around(aperture, px_per_cm), atol=1e-5)


def test_what_is_shaded_again_is_the_photo() -> None:
    image, aperture = eye(PX_PER_CM)
    lit = unshaded(image.astype(np.float32), aperture, LID_SHADE, PX_PER_CM)
    again = lit * (1 - LID_SHADE * skin_around(aperture, PX_PER_CM))[..., None]
    np.testing.assert_allclose(again, image, atol=1e-3)


# Shut eyes


def lids(apart: float) -> tuple[Floats, Floats]:
    x = np.linspace(0, 60, 49)
    bow = 30 * apart * np.sin(np.linspace(0, np.pi, 49))
    return np.stack([x, 20 - bow], 1), np.stack([x, 20 + bow], 1)


def test_only_the_mesh_s_slit_is_a_shut_eye() -> None:
    assert lids_are_shut(*lids(0.0))
    assert lids_are_shut(*lids(0.12))
    assert not lids_are_shut(*lids(0.2))


def test_shut_eyes_open_with_the_expression_and_open_ones_stay() -> None:
    rest = CanonicalFace.load(bundle()).points_cm
    blinks = FaceAssets.load(bundle()).basis.displacements_cm[list(BLINKS)]
    assert not opening_cm(rest, blinks).any()
    shut = rest.copy()
    shut[list(top.UPPER_LID_LEFT)] = rest[list(top.LOWER_LID_LEFT)]
    opened = shut + opening_cm(shut, blinks)
    apart = np.linalg.norm(opened[list(top.LOWER_LID_LEFT)] - opened[list(top.UPPER_LID_LEFT)], axis=1).mean()
    assert apart == pytest.approx(OPEN_CM, rel=0.05)
    np.testing.assert_allclose(opened[list(top.UPPER_LID_RIGHT)], rest[list(top.UPPER_LID_RIGHT)], atol=0.02)


@pytest.mark.parametrize("grey", [False, True])
def test_an_eye_that_was_shut_opens_onto_an_iris(grey: bool) -> None:
    white, px_per_cm = np.array([240.0, 230, 220]), PX_PER_CM
    corners = np.array([[1.5, 2.6], [4.5, 2.6]]) * px_per_cm
    size = round(HEIGHT_CM * px_per_cm), round(WIDTH_CM * px_per_cm)
    skin = np.random.default_rng(0).normal(SKIN, 20, (*size, 3)).clip(0, 255).astype(np.uint8)
    if grey:
        skin, white = np.repeat(skin.mean(2, keepdims=True), 3, 2).astype(np.uint8), np.full(3, 230.0)
    iris = Iris(*hidden_iris_px(corners, px_per_cm))
    shut, box = np.zeros(size, np.float32), Rectangle(0, 0, size[1], size[0])
    back, layer, photo = eyeball_textures(skin, shut, iris, white, Toning.of(skin), px_per_cm, box)
    assert not photo.any()
    assert np.ptp(back[:3] / white[:, None, None]) < 1e-2  # of one colour, as white as the light
    shown = layer[:3] + (1 - layer[3]) * back[:3]
    y, x = np.rint(iris.centre_px).astype(int)[::-1]
    assert shown[:, y, x].max() < 30
    assert shown[:, y, x + round(0.8 * px_per_cm)].min() > 170
    red, green, blue = shown[:, y, x + round(0.35 * px_per_cm)]
    if grey:
        assert max(red, green, blue) - min(red, green, blue) < 2
    else:
        assert red > 1.2 * green > 1.2 * blue


def test_made_up_irises_have_a_pupil_and_a_catchlight() -> None:
    y, x = np.mgrid[-60:61, -60:61] / 50
    drawn = unseen_iris(np.stack([x, y], 2), np.full(3, 200.0))
    assert drawn[60, 60].max() < 20
    assert drawn[60 - 18, 60 - 10].min() > 100
    assert drawn.min() >= 0
    assert drawn.max() <= 200


def test_whites_between_red_lids_are_no_redder_than_whites() -> None:
    """As bright as they were; those that aren't too red stay as they are."""
    usual = np.broadcast_to(np.float32([200, 170, 160]), (4, 5, 3))
    pink = np.float32([284, 181, 153]) * np.linspace(0.8, 1, 20, dtype=np.float32).reshape(4, 5, 1)
    made = paler(pink, usual, redness(pink, usual))
    np.testing.assert_allclose(made.mean(2), pink.mean(2), rtol=1e-4)
    red = made[..., 0] / made[..., 1:].mean(2) * usual[..., 1:].mean(2) / usual[..., 0]
    np.testing.assert_allclose(red, REDDEST, atol=0.03)
    for white in (usual, 0.5 * usual, np.full((4, 5, 3), 120, np.float32)):
        assert redness(white, usual) == 0
