"""Photos of one tone stay of one tone: nothing drawn into a grey or sepia portrait has colours of its own."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from engine.composite import render_frames
from engine.mesh import BLENDSHAPES
from engine.motion.track import Motion
from engine.portrait.toning import COLOURED, Toning
from engine.types import Floats, Image
from tests.clips import engine, one, small_photo

SEPIA = (np.array([1.06, 0.95, 0.76]), np.array([10.0, 2.0, 0.0]))


def grey() -> Image:
    return np.repeat(cv2.cvtColor(small_photo(), cv2.COLOR_RGB2GRAY)[..., None], 3, 2)


def sepia() -> Image:
    """As cameras save it: the tone is compressed too."""
    gain, lift = SEPIA
    toned = np.clip(grey() * gain + lift, 0, 255).astype(np.uint8)
    written = cv2.imencode(".jpg", toned[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])[1]
    return np.asarray(cv2.imdecode(written, cv2.IMREAD_COLOR)[..., ::-1], np.uint8)


def shouting(photo: Image) -> Image:
    """The photo's person with an open mouth, the head turned."""
    portraits = engine().prepare(photo)
    shapes = np.zeros((2, len(BLENDSHAPES)))
    shapes[:, [BLENDSHAPES.index(name) for name in ("jawOpen", "mouthUpperUpLeft", "mouthUpperUpRight")]] = 0.7
    turned = np.tile([3.0, 8.0, 4.0], (2, 1))
    motion = Motion(shapes, np.ones(2), turned, np.zeros((2, 3)), np.tile([4.0, 0, 4.0, 0], (2, 1)), np.zeros((2, 3)))
    return list(render_frames(portraits.scene, {0: motion}, engine()._warp, engine()._mouth))[-1]


def from_the_curve(photo: Image, frame: Image) -> Floats:
    """How far the frame's colours are from what the photo makes of their brightness."""
    return np.abs(frame - Toning.of(photo).applied(frame.astype(np.float32))).max(2)


def test_a_grey_photo_stays_grey() -> None:
    frame = shouting(grey())
    assert np.ptp(frame.astype(int), axis=2).max() <= 2
    assert np.abs(frame.astype(int) - grey()).max() > 60  # the mouth is open


def test_nothing_behind_lips_and_lids_of_a_grey_photo_has_colours() -> None:
    """Gums beside teeth that the photo shows, say, which few motions bare."""
    constants = engine().prepare(grey()).scene.portraits[0].constants
    for patch in ("mouth", "eye_right", "eye_left"):
        assert np.ptp(constants[f"{patch}_textures"][:, :3], axis=1).max() < 1


def test_a_sepia_photo_stays_sepia() -> None:
    photo = sepia()
    frame = shouting(photo)
    changed = np.abs(frame.astype(int) - photo).max(2) > 25
    assert np.percentile(from_the_curve(photo, frame)[changed], 99) <= 8
    assert np.percentile(from_the_curve(photo, shouting(small_photo()))[changed], 90) > 15  # in colours it isn't


def test_a_photo_in_colours_keeps_them() -> None:
    toning = one().scene.portraits[0].mouth.toning
    assert toning.share == 0
    colours = np.random.default_rng(0).uniform(0, 255, (20, 3)).astype(np.float32)
    assert toning.applied(colours) is colours


@pytest.mark.parametrize("spread", [0.0, 1.5, 2.5])
def test_noise_is_no_colour(spread: float) -> None:
    noise = np.random.default_rng(1).normal(0, spread, (*small_photo().shape[:2], 3))
    assert Toning.of(np.clip(np.rint(grey() + noise), 0, 255).astype(np.uint8)).share == 1


def test_from_grey_to_colours_there_is_no_jump() -> None:
    pale = [
        Toning.of(np.rint(grey() + share * (small_photo().astype(np.float32) - grey())).astype(np.uint8)).share
        for share in np.linspace(0, 1, 41)
    ]
    assert pale[0] == 1 and pale[-1] == 0
    assert np.diff(pale).max() <= 0
    assert np.abs(np.diff(pale)).max() < 3 / COLOURED
