"""The inside of the mouth: what the network may change, what stays, and that teeth hold still while lips move."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from itertools import pairwise

import cv2
import numpy as np
import pytest

from engine.backends import Runner
from engine.composite import render_frames
from engine.mesh import BLENDSHAPES
from engine.motion.track import Motion
from engine.portrait.mouth import MouthInterior, shaded, softened, throat, tilted, tongue_share
from engine.portrait.mouth_frame import HEIGHT, PX_PER_CM, WIDTH, MouthFrame
from engine.portrait.own_teeth import LEAST_CM, RIM_CM, continued, own_teeth, tone
from engine.portrait.patches import Rectangle
from engine.portrait.portrait import Portrait
from engine.portrait.toning import Toning
from engine.render.drive import frame_inputs
from engine.render.mouth import (
    LOWER_TEETH,
    MouthPainter,
    Place,
    View,
    after,
    inverse,
    lay_over,
    mouth_file,
    moved,
    read,
    share_of,
    style_of,
    tone_of_teeth,
    trust,
    window_around,
)
from engine.render.renderer import behind_inputs
from engine.samples import sample_photo
from tests.clips import engine, one, pair
from tests.perception import backend, bundle

GREEN = (-1.0, 1.0, -1.0)


class Painted:
    """A network that draws everything green, and counts the frames that it is asked for."""

    inputs: Mapping[str, object] = {}
    outputs: Mapping[str, object] = {}

    def __init__(self) -> None:
        self.frames = 0

    def bind(self, **_: np.ndarray) -> Runner:
        raise AssertionError("nothing of the mouth network is bound")

    def __call__(self, crop: np.ndarray, style: np.ndarray) -> dict[str, np.ndarray]:
        self.frames += len(crop)
        assert crop.shape[1] == 8 and style.shape == (len(crop), 8)
        assert crop.shape[2] % 8 == 0 and crop.shape[3] % 8 == 0
        assert np.abs(crop).max() <= 1
        colour = np.array([*GREEN, 1.0], np.float32)[None, :, None, None]
        return {"mouth": np.broadcast_to(colour, (len(crop), 4, *crop.shape[2:]))}

    def close(self) -> None: ...


class Echo(Painted):
    """Gives back the colours that it sees."""

    def __call__(self, crop: np.ndarray, style: np.ndarray) -> dict[str, np.ndarray]:
        return {"mouth": np.concatenate([crop[:, :3], np.ones_like(crop[:, :1])], 1)}


@cache
def warp() -> Runner:
    return backend().open(bundle().path("warp.onnx"))


@cache
def network() -> Runner:
    return backend().open(bundle().path("mouth.onnx"))


@cache
def closed() -> Portrait:
    """Somebody whose photo shows no teeth."""
    return engine().prepare(sample_photo("grace_hopper")).scene.portraits[0]


def motion(frames: int, turn_deg: float = 0.0, **blendshapes: np.ndarray | float) -> Motion:
    shapes = np.zeros((frames, len(BLENDSHAPES)), np.float32)
    for name, value in blendshapes.items():
        shapes[:, BLENDSHAPES.index(name)] = value
    still, gaze = np.zeros((frames, 3), np.float32), np.zeros((frames, 4), np.float32)
    turned = still.copy()
    turned[:, 1:] = np.linspace(0, turn_deg, frames)[:, None]
    return Motion(shapes, np.ones(frames, np.float32), turned, still, gaze, still)


def drawn(portrait: Portrait, performed: Motion) -> dict[str, np.ndarray]:
    """What the warp draws of the mouth, and `mouth_affine`."""
    inputs = frame_inputs(portrait, performed)
    found = warp()(**portrait.constants, **behind_inputs(portrait, portrait.behind[None]), **inputs)
    return {"frames": found["mouth_frames"].copy(), "inside": found["mouth_inside"], "affine": inputs["mouth_affine"]}


def painted(portrait: Portrait, performed: Motion, runner: Runner) -> dict[str, np.ndarray]:
    found = drawn(portrait, performed)
    MouthPainter(runner, portrait.mouth, 0).paint(**found, box=portrait.patches["mouth"])
    return found


def test_only_what_is_drawn_and_not_skin_is_painted() -> None:
    portrait, one_each = closed(), np.ones(2)
    performed = motion(2, jawOpen=np.array([0.1, 0.2]), mouthUpperUpLeft=one_each, mouthUpperUpRight=one_each)
    before = drawn(portrait, performed)
    after_it = painted(portrait, performed, Painted())
    untouched = before["inside"][..., 3] == 0
    np.testing.assert_array_equal(after_it["frames"][untouched], before["frames"][untouched])
    red, made_green, blue = np.moveaxis(
        after_it["frames"], -1, 0
    )  # the green may be darker: teeth have the photo's light
    full = (before["inside"][..., 3] == 255) & (np.maximum(red, blue) <= 1) & (made_green > 25)
    assert full.sum() > 0.3 * (before["inside"][..., 3] == 255).sum()  # upper teeth; nothing counts in the dark


def test_a_mouth_that_shows_nothing_never_meets_the_network() -> None:
    portrait = one().scene.portraits[0]
    nothing = np.zeros_like(motion(1).release)
    runner, still = Painted(), motion(1)
    still = Motion(still.blendshapes, nothing, still.rotation_deg, still.shift_cm, still.gaze_deg, still.body_cm)
    before = drawn(portrait, still)["frames"]
    np.testing.assert_array_equal(painted(portrait, still, runner)["frames"], before)
    assert runner.frames == 0


def test_a_frame_does_not_depend_on_those_beside_it() -> None:
    performed = motion(5, turn_deg=8, jawOpen=np.linspace(0.1, 0.6, 5))
    together = list(render_frames(one().scene, {0: performed}, warp(), network()))
    for t in (1, 4):
        (alone,) = render_frames(one().scene, {0: performed[t : t + 1]}, warp(), network())
        assert np.abs(alone.astype(int) - together[t]).max() <= 1  # batches of another size may round otherwise


def test_teeth_hold_still_while_lips_and_head_move() -> None:
    """In the picture that is fixed to the skull, successive frames of a smile show the same teeth."""
    portrait = closed()
    count = 8
    lips = 0.6 + 0.15 * np.linspace(0, 1, count)
    performed = motion(
        count, turn_deg=4, mouthSmileLeft=lips, mouthSmileRight=lips, mouthUpperUpLeft=lips, mouthUpperUpRight=lips,
        jawOpen=0.15,
    )  # fmt: skip
    found, box = painted(portrait, performed, network()), portrait.patches["mouth"]
    teeth, seen = [], []
    for t in range(count):
        to_patch = moved(portrait.mouth, found["affine"][t, 2].astype(np.float64), box)
        teeth.append(read(found["frames"][t], to_patch, WIDTH, HEIGHT).astype(int))
        seen.append(read(cv2.extractChannel(found["inside"][t], 3), to_patch, WIDTH, HEIGHT) > 250)
    shown = np.all(seen, 0) & (portrait.mouth.upper[..., 0] > 0.9)
    assert shown.sum() > 200
    steps = [(later - earlier)[shown] for earlier, later in pairwise(teeth)]
    assert max(np.abs(step).mean() for step in steps) < 5
    assert max(np.abs(later - earlier).mean() for earlier, later in pairwise(steps)) < 3  # and none flickers


@pytest.mark.parametrize("place", [(0, 0, 1, 1), (37, 29, 81, 22), (150, 90, 10, 6), (-20, 30, 60, 90)])
def test_windows_hold_the_mouth_and_are_of_few_sizes(place: tuple[int, int, int, int]) -> None:
    x, y, width, height = place
    window = window_around(np.eye(2, 3), Rectangle(*place))
    assert window is not None
    assert window.x0 <= max(x, 0) and window.y0 <= y
    assert window.x0 + window.width >= min(x + width, WIDTH) and window.y0 + window.height >= min(y + height, HEIGHT)
    assert window.x0 >= 0 and window.x0 + window.width <= WIDTH
    assert not any(side % 8 for side in (window.x0, window.y0, window.width, window.height))


def test_a_mouth_outside_of_the_picture_has_no_window() -> None:
    assert window_around(np.eye(2, 3), Rectangle(WIDTH, 10, 5, 5)) is None


@pytest.mark.parametrize("px_per_cm", [8.0, 18.0, 47.0])
def test_the_mouth_is_painted_where_it_is_in_photos_of_any_resolution(px_per_cm: float) -> None:
    """A network that gives back what it sees leaves the patch as it was, but for its resolution."""
    scale, size = px_per_cm / PX_PER_CM, round(9 * px_per_cm)
    y, x = np.mgrid[:size, :size] / size
    picture = np.stack([255 * x, 255 * y, 128 + 100 * np.sin(9 * x) * np.sin(7 * y)], 2).astype(np.uint8)
    inside = np.zeros((1, size, size, 4), np.uint8)
    part = np.s_[0, size // 4 : size // 2, size // 4 : size // 2]
    inside[(*part, slice(3))], inside[(*part, 3)] = picture[part[1:]], 255
    to_patch = np.array([[scale, 0, 0.5], [0, scale, -0.5]], np.float32)
    nothing = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    mouth = MouthFrame(to_patch, nothing, nothing, nothing[..., 0], Toning.of(picture))
    frames = picture[None].copy()
    MouthPainter(Echo(), mouth, 0).paint(
        frames, inside, np.tile(np.eye(2, 3), (1, 4, 1, 1)), Rectangle(0, 0, size, size)
    )
    assert np.abs(frames[0].astype(int) - picture).mean() < 1
    assert np.abs(frames[0].astype(int) - picture).max() < 30 / px_per_cm + 6


def test_affine_maps_are_undone_by_their_inverse() -> None:
    affine = np.array([[0.8, 0.1, 5.0], [-0.2, 1.3, -7.0]])
    np.testing.assert_allclose(after(inverse(affine), affine), [[1, 0, 0], [0, 1, 0]], atol=1e-12)


def test_faces_have_teeth_of_their_own() -> None:
    first, second = (portrait.mouth for portrait in pair().scene.portraits.values())
    np.testing.assert_array_equal(style_of(3, first), style_of(3, first))
    if not second.own.any():
        assert not np.array_equal(style_of(0, second), style_of(1, second))


def test_drawn_teeth_take_the_tone_of_those_they_replace() -> None:
    crop = np.zeros((8, 8, 8), np.float32)
    crop[..., :3], crop[2:5, :, 3:5] = 0.2, 1  # upper teeth where the inside shows
    drawn = np.full((8, 8, 3), 255.0, np.float32)
    drawn[2:5] = 1.25 * 0.6 * 255
    np.testing.assert_allclose(drawn[3, 3] * tone_of_teeth(crop, drawn)[0, 0], 0.6 * 255, rtol=1e-3)


def test_less_counts_of_what_the_network_has_hardly_seen() -> None:
    """Upper teeth are what smiles show; lower ones it would paint over, and over the dark and the tongue lay a mist."""
    parts = np.zeros((60, 60, 4), np.float32)
    parts[:10, :, 0], parts[20:30, :, 2], parts[40:, :, 3] = 1, 1, 1
    counts = trust(parts)
    np.testing.assert_allclose(counts[2:8, 10:50], 1)
    np.testing.assert_allclose(counts[22:28, 10:50], LOWER_TEETH, rtol=1e-5)
    assert not counts[34:].any()


def test_gums_beside_the_photo_s_teeth_are_not_the_network_s() -> None:
    """It has learnt them beside teeth of its own tone, and these get the photo's."""
    upper = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    upper[20:30, :, 1] = 1
    mouth = MouthFrame(np.eye(2, 3, dtype=np.float32), upper, 0 * upper, 0 * upper[..., 0], closed().mouth.toning)
    assert share_of(mouth)[25, 80] == 1
    own = mouth.own.copy()
    own[32:40, 60:100] = 1
    assert share_of(replace(mouth, own=own))[25, 80] == 0
    assert share_of(replace(mouth, own=own))[45, 80] == 1


def test_deep_in_the_mouth_it_is_dark_but_for_the_tongue() -> None:
    mesh = MouthInterior.load(bundle().path("mouth_interior.npz"))
    colours, tongue = shaded(mesh, 20 * mesh.vertices_cm, 20.0), tongue_share(mesh)
    depth_cm = mesh.vertices_cm[:, 2] - mesh.vertices_cm[mesh.is_tooth, 2].min()
    near, far = np.abs(depth_cm - 1.5) < 0.3, np.abs(depth_cm - 3.2) < 0.3
    flesh = ~mesh.is_tooth
    assert colours[near & (tongue == 1)].mean() > 1.5 * colours[near & flesh & (tongue == 0)].mean()
    assert colours[far & (tongue == 1)].mean() < 0.4 * colours[near & (tongue == 1)].mean()
    assert tongue[mesh.is_tooth | ~mesh.is_lower].max() == 0


WHITE = np.array([200.0, 190.0, 180.0], np.float32)
AHEAD_AND_ASIDE = ([60.0, 60.0], [50.0, 70.0])


def test_the_throat_is_darkest_in_the_middle() -> None:
    dark = throat(WHITE, np.array([60.0, 60.0]), 20.0, Rectangle(0, 0, 120, 50))
    assert dark.shape == (50, 120, 4)
    assert (dark[..., 3] == 1).all()
    assert (np.diff(dark[0, 60:, :3], axis=0) >= 0).all()
    assert dark[0, 119].sum() > 1.5 * dark[0, 60].sum()


def test_a_head_that_looks_aside_shows_its_farther_cheek() -> None:
    """Front teeth to the left of the others: the head looks to the left, and the cheek there is the farther one."""
    ahead, aside = (throat(WHITE, np.array(teeth), 20.0, Rectangle(0, 0, 120, 50))[0] for teeth in AHEAD_AND_ASIDE)
    assert aside[10, :3].sum() > 1.5 * ahead[10, :3].sum()
    np.testing.assert_allclose(aside[70:, 3], 1)
    assert aside[70, :3].sum() < 0.6 * aside[10, :3].sum()


def test_back_teeth_and_gums_do_not_stand_out_darker_than_the_throat() -> None:
    """They fade into what is behind them, which is lighter at the cheeks, and don't hang there like a black curtain."""
    behind, lower, upper, _ = one().scene.portraits[0].constants["mouth_textures"]
    dark = np.broadcast_to(behind[:, :1], behind.shape)  # above the tongue
    for drawn in (lower, upper):
        solid = cv2.erode((drawn[3] > 0.99).astype(np.uint8), np.ones((3, 3))) > 0
        assert (drawn[:3, solid].sum(0) - dark[:3, solid].sum(0)).min() > -6


def test_the_tongue_lies_inside_the_teeth() -> None:
    mesh = MouthInterior.load(bundle().path("mouth_interior.npz"))
    tongue = mesh.vertices_cm[tongue_share(mesh) == 1]
    teeth = mesh.vertices_cm[mesh.is_tooth & mesh.is_lower]
    assert np.abs(tongue[:, 0]).max() < np.abs(teeth[:, 0]).max()
    for x, _, z in tongue:
        beside = teeth[np.abs(np.abs(teeth[:, 0]) - abs(x)) < 0.25]
        assert z > beside[:, 2].min()


def test_an_open_jaw_is_turned_about_its_front_teeth() -> None:
    jaw, teeth = np.array([[0, 1.0, -4], [1, 1, -2]]), np.array([[0, 1.0, -4], [0, 2, -4.2]])
    edge, back = tilted(jaw, teeth, np.radians([10.0, 10]))
    np.testing.assert_allclose(edge, [0, 1, -4], atol=0.05)
    assert back[0] == 1
    assert back[1] == pytest.approx(1 - 2.2 * np.sin(np.radians(10)), abs=0.05)


def test_the_tongue_comes_up_and_into_the_light_as_the_mouth_opens() -> None:
    portrait = one().scene.portraits[0]
    inputs = frame_inputs(portrait, motion(6, jawOpen=np.linspace(0, 1, 6)))
    tongue, teeth = inputs["mouth_affine"][:, 0, 1, 2], inputs["mouth_affine"][:, 1, 1, 2]  # what is seen at one row
    assert (np.diff(tongue - teeth) > 0).all()
    light = inputs["mouth_opacity"][:, 0]
    assert light[0] < 0.5
    assert light[-1] == 1
    assert (np.diff(light) >= 0).all()


def test_colours_go_over_into_each_other_inside_a_soft_outline() -> None:
    faceted = np.zeros((40, 60, 4), np.float32)
    faceted[10:30, 10:30], faceted[10:30, 30:50] = (100, 50, 40, 1), (140, 50, 40, 1)
    soft = softened(faceted, 2.0)
    assert not soft[faceted[..., 3] == 0].any()
    np.testing.assert_allclose(soft[16:24, 16:44, 1:], faceted[16:24, 16:44, 1:], rtol=0.02)
    assert 0 < soft[20, 11, 3] < 0.6
    red = soft[20, 16:44, 0]
    assert red[0] == pytest.approx(100, abs=2)
    assert red[-1] == pytest.approx(140, abs=2)
    assert np.abs(np.diff(red)).max() < 10


def gap(height_cm: float, px_per_cm: float = 20.0) -> np.ndarray:
    aperture = np.zeros((120, 160), np.float32)
    half = round(height_cm * px_per_cm / 2)
    aperture[60 - half : 60 + half, 30:130] = 1
    return aperture


SKIN = np.float32([150, 100, 80])


def shown(colour: tuple[float, float, float]) -> np.ndarray:
    return np.full((120, 160, 3), colour, np.float32)


@pytest.mark.parametrize(
    ("height_cm", "colour"),
    [(0.9 * LEAST_CM, (200, 190, 150)), (1.0, (110, 60, 55)), (1.0, (20, 12, 10)), (1.0, (190, 123, 110))],
    ids=["a line", "tongue", "dark", "a lip in the sun, brighter than skin"],
)
def test_a_dark_line_or_lip_and_tongue_are_no_teeth(height_cm: float, colour: tuple[float, float, float]) -> None:
    found = own_teeth(shown(colour), gap(height_cm), SKIN, 20.0)
    assert not found.kept.any()
    assert (found.above == 1).all()


def test_teeth_that_the_photo_shows_are_kept_and_end_at_the_lip() -> None:
    aperture = gap(1.0)
    own = shown((200, 190, 150))
    teeth = own_teeth(own, aperture, SKIN, 20.0)
    assert teeth.kept[60, 80] == 1
    assert not teeth.kept[aperture == 0].any()
    assert not teeth.above[75:].any() and teeth.above[: 69 - round(20 * RIM_CM)].all()
    mesh = np.full((120, 160, 4), [160.0, 160, 160, 1])
    np.testing.assert_allclose(tone(own, teeth, mesh), [1.25, 1.1875, 0.9375])
    in_warm_light = np.full((120, 160, 4), [180.0, 160, 100, 1])  # as dark skin looks, beside white teeth
    np.testing.assert_allclose(tone(shown((230, 230, 175)), teeth, in_warm_light)[2], 1.75)
    whole = continued(own, teeth, mesh)
    np.testing.assert_allclose(whole[60, 80], [200, 190, 150, 1])
    np.testing.assert_allclose(whole[40, 80], mesh[40, 80])
    assert not whole[80:].any()


@pytest.mark.parametrize(("dark_px", "further_px"), [(0, 2.4), (4, 0)], ids=["reach the lip", "end above it"])
def test_teeth_that_reach_the_lip_go_on_a_little_behind_it(dark_px: int, further_px: float) -> None:
    """Where the lip runs up before them they go on further, in an arc."""
    aperture, own = gap(1.0), shown((200, 190, 150))
    aperture[66:, 76:84] = 0  # the lip
    lowest = np.array([np.flatnonzero(column)[-1] if column.any() else 0 for column in aperture.T])
    for x in range(30, 130):
        own[lowest[x] + 1 - dark_px : lowest[x] + 1, x] = 15
    rows = own_teeth(own, aperture, SKIN, 20.0).above.sum(0)
    at_lip = lowest - RIM_CM * 20 + 0.5
    assert rows[50] == pytest.approx(at_lip[50] + further_px, abs=0.2)
    assert rows[80] == pytest.approx(at_lip[80] + (0.35 * 20 if further_px else 0), abs=1.5)


@pytest.mark.parametrize("turn", [0.0, 20.0])
def test_the_network_s_picture_is_upright_and_of_one_scale(turn: float) -> None:
    portrait = one().scene.portraits[0]
    mouth, scale = portrait.mouth, one().meshes[0].pose.scale_px  # type: ignore[union-attr]
    assert mouth.patch_px == pytest.approx(scale / PX_PER_CM, rel=1e-5)
    radians = np.radians(turn)
    skull = np.array([[np.cos(radians), -np.sin(radians), 3.0], [np.sin(radians), np.cos(radians), 4.0]])
    to_patch = moved(mouth, skull, portrait.patches["mouth"])
    box = portrait.patches["mouth"]
    there = to_patch @ [10.0, 20.0, 1.0] + [box.x0, box.y0]
    np.testing.assert_allclose(skull @ [*there, 1.0], mouth.to_patch @ [10.0, 20.0, 1.0], rtol=1e-5)


def test_lay_over_is_exact_where_nothing_shows() -> None:
    rng = np.random.default_rng(0)
    patch = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
    inside = np.zeros((20, 30, 4), np.uint8)
    inside[5:9, 6:20] = [10, 20, 30, 128]
    view = View(
        0,
        Place(np.eye(2, 3), Rectangle(0, 0, 32, 24), np.zeros(2)),
        Rectangle(6, 5, 14, 4),
        np.zeros((24, 32, 8), np.float32),
        np.ones((24, 32), np.float32),
    )
    found = patch.copy()
    lay_over(found, inside, rng.uniform(0, 1, (24, 32, 4)).astype(np.float32), view)
    np.testing.assert_array_equal(found[inside[..., 3] == 0], patch[inside[..., 3] == 0])
    assert (found != patch).any()


def test_integers_draw_the_same_mouth() -> None:
    """What a CPU runs against what a graphics card does."""
    crop = 0.3 * np.random.default_rng(5).standard_normal((3, 8, 64, 128)).astype(np.float32)
    crop[:, 3:] = np.clip(np.abs(crop[:, 3:]) * 2, 0, 1)
    style = np.zeros((3, 8), np.float32)
    exact, whole = (
        backend().open(bundle().path(name))(crop=crop, style=style)["mouth"]
        for name in ("mouth.onnx", "mouth_int8.onnx")
    )
    assert mouth_file(backend()) == "mouth_int8.onnx"
    assert np.abs(exact - whole).mean() < 0.02  # of colours from -1 to 1
    assert np.abs(exact - whole).max() > 0
