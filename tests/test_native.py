"""The native warp draws what warp.onnx draws, on any number of threads, and refuses what every runner refuses."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from engine import native
from engine.backends import Runner
from engine.backends.mock import MockBackend
from engine.composite import render_frames
from engine.errors import BackendError
from engine.mesh import BLENDSHAPES
from engine.motion.track import Motion
from engine.native import NativeWarp, layered_warp
from engine.portrait.patches import LAYERS
from engine.render.drive import frame_inputs
from engine.render.renderer import behind_inputs
from engine.render.warp import open_warp
from kernels import reference
from tests.clips import one, pair
from tests.native_library import native_library
from tests.perception import backend, bundle
from tests.test_warp import EYES, PATCHES, displace, planted

Arrays = dict[str, np.ndarray]


@pytest.fixture(autouse=True)
def _library() -> None:
    native_library()


SHADE_STEPS = {"eye_right": 0.6, "eye_left": 2.3, "mouth": 5.0}  # pixels: small faces, large ones, the largest


@cache
def graph() -> Runner:
    return backend().open(bundle().path("warp.onnx"))


def noisy(frames: int = 3, strength: float = 1.5) -> Arrays:
    """Everything random: displacements, alphas, textures and where they lie."""
    rng = np.random.default_rng(1)
    inputs = planted(frames)
    displace(inputs, rng.normal(0, strength, (frames, 16, 2)))
    inputs["folds"] = rng.uniform(0, 1, inputs["folds"].shape)
    inputs["light"] = rng.normal(0, 0.2, inputs["light"].shape)
    for name in PATCHES:
        for key in ("skin_alpha", "opacity", "feather", "textures"):
            inputs[f"{name}_{key}"] = rng.uniform(0, 1, inputs[f"{name}_{key}"].shape)
        inputs[f"{name}_textures"][:, :3] *= 255
        inputs[f"{name}_shade"][:] = 0.3
        inputs[f"{name}_shade_step"][:] = SHADE_STEPS[name]
        if name in EYES:
            inputs[f"{name}_lid_shares"] = rng.uniform(0, 1, (frames, 2)) * (rng.uniform(0, 1, (frames, 2)) > 0.3)
        inputs[f"{name}_affine"] += rng.normal(0, 0.02, inputs[f"{name}_affine"].shape)
    return {name: array if array.dtype == np.uint8 else array.astype(np.float32) for name, array in inputs.items()}


def constants() -> Arrays:
    portrait = one().scene.portraits[0]
    return {**portrait.constants, **behind_inputs(portrait, portrait.behind[None])}


def swing(*blendshapes: str, frames: int = 24) -> Motion:
    """From rest to these blendshapes and back, while the head turns, the eyes wander and the body sways."""
    up = np.sin(np.linspace(0, np.pi, frames))
    weights = np.zeros((frames, 52))
    weights[:, [BLENDSHAPES.index(name) for name in blendshapes]] = up[:, None]
    turn = up[:, None] * [7.0, -9.0, 5.0]
    shift = up[:, None] * [0.8, 0.5, 0.2]
    gaze = up[:, None] * [12.0, -6.0, 12.0, -6.0]
    tracks = (weights, 0.5 * up, turn, shift, gaze, 0.4 * shift)
    return Motion(*(track.astype(np.float32) for track in tracks))


OPEN = ("jawOpen", "eyeWideLeft", "eyeWideRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight")
SMILE = ("mouthSmileLeft", "mouthSmileRight", "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "jawOpen")
FROWN = ("browDownLeft", "browDownRight", "noseSneerLeft", "noseSneerRight", "mouthFrownLeft", "mouthFrownRight")


def moments(*blendshapes: str, frames: int = 9) -> Arrays:
    return dict(frame_inputs(one().scene.portraits[0], swing(*(blendshapes or OPEN), frames=frames)))


def assert_alike(found: Arrays, expected: Arrays) -> None:
    """Within one grey level but for a pixel in a thousand, and 50 dB."""
    assert list(found) == list(expected)
    for name, image in found.items():
        difference = np.abs(image.astype(int) - expected[name])
        assert image.shape == expected[name].shape
        assert (difference > 1).mean() <= 1e-3, name
        assert (difference**2).mean() <= 255**2 / 10**5.0, name


def test_it_takes_the_graph_s_tensors() -> None:
    assert list(NativeWarp().inputs.items()) == list(graph().inputs.items())
    for found, expected in zip(NativeWarp().outputs.values(), graph().outputs.values(), strict=True):
        assert (found.name, found.dtype, len(found.shape)) == (expected.name, expected.dtype, len(expected.shape))


@pytest.mark.parametrize("blendshapes", [OPEN, SMILE, FROWN])
def test_a_portrait_is_drawn_as_by_the_graph(blendshapes: tuple[str, ...]) -> None:
    inputs = moments(*blendshapes)
    assert_alike(NativeWarp().bind(**constants())(**inputs), graph().bind(**constants())(**inputs))


@pytest.mark.parametrize("strength", [0.5, 1.5])
def test_noise_is_drawn_as_by_the_graph_and_as_defined(strength: float) -> None:
    inputs = noisy(strength=strength)
    found = NativeWarp()(**inputs)
    assert_alike(found, graph()(**inputs))
    assert_alike(found, reference.layered_warp(inputs))


def test_the_definition_is_the_torch_module() -> None:
    torch = pytest.importorskip("torch")
    from export.warp import LayeredWarp

    inputs = noisy()
    with torch.no_grad():
        expected = LayeredWarp().eval()(*(torch.from_numpy(inputs[name]) for name in graph().inputs))
    found = reference.layered_warp(inputs)
    assert_alike(found, {name: image.numpy() for name, image in zip(found, expected, strict=True)})


def test_what_does_not_move_is_the_photo() -> None:
    inputs = {name: array[:1] for name, array in moments().items()}
    for name in ("base_coefficients", *LAYERS):
        inputs[name][:] = 0
    portrait = one().scene.portraits[0]
    photo = one().photo[portrait.crop.slices]
    drawn = NativeWarp().bind(**constants())(**inputs)
    np.testing.assert_array_equal(drawn["frames"][0], photo)
    for name, box in portrait.patches.items():
        np.testing.assert_array_equal(drawn[f"{name}_frames"][0], photo[box.slices])


def test_neither_threads_nor_batches_change_a_byte() -> None:
    inputs = moments(frames=11)  # more than the library does in one go
    expected = NativeWarp(1).bind(**constants())(**inputs)
    for threads in (2, 3, 16):
        found = NativeWarp(threads).bind(**constants())(**inputs)
        for name, image in found.items():
            np.testing.assert_array_equal(image, expected[name])
    alone = NativeWarp().bind(**constants())(**{name: array[4:5] for name, array in inputs.items()})
    for name, image in alone.items():
        np.testing.assert_array_equal(image[0], expected[name][4])


def test_what_is_empty_is_left_out_and_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    found = NativeWarp().bind(**constants())(**moments(*OPEN))
    blocks = layered_warp.occupied_blocks

    def all_of_them(pixels: np.ndarray) -> np.ndarray:
        assert not blocks(pixels).all(), "there is nothing to leave out"
        return np.ones_like(blocks(pixels))

    monkeypatch.setattr(layered_warp, "occupied_blocks", all_of_them)
    expected = NativeWarp().bind(**constants())(**moments(*OPEN))
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)


def test_numbers_that_are_none_do_no_harm() -> None:
    for value in (np.nan, np.inf, -1e30):
        inputs = noisy()
        inputs["base_coefficients"][1] = inputs["mouth_upper"][1] = value
        inputs["mouth_affine"][0] = value
        drawn = NativeWarp()(**inputs)
        expected = NativeWarp()(**noisy())
        np.testing.assert_array_equal(drawn["frames"][[0, 2]], expected["frames"][[0, 2]])


def test_no_frames_are_no_error() -> None:
    drawn = NativeWarp().bind(**constants())(**{name: array[:0] for name, array in moments().items()})
    assert all(len(image) == 0 for image in drawn.values())


def test_frames_are_drawn_into_a_part_of_a_picture() -> None:
    inputs = noisy()
    expected = NativeWarp()(**inputs)
    height, width = expected["frames"].shape[1:3]
    canvas = np.full((3, height + 5, width + 7, 3), 99, np.uint8)
    part = canvas[:, 2:-3, 4:-3]
    patches = NativeWarp().draw(part, **inputs)
    np.testing.assert_array_equal(part, expected["frames"])
    assert list(patches) == [*(f"{name}_frames" for name in PATCHES), "mouth_inside"]
    part[:] = 99
    assert (canvas == 99).all()


@pytest.mark.parametrize("change", [np.s_[:2], np.s_[:, :-1], np.s_[:, :, ::-1], np.s_[..., :2]])
def test_other_pictures_to_draw_into_are_refused(change: tuple[slice, ...]) -> None:
    inputs = noisy()
    frames = np.zeros_like(NativeWarp()(**inputs)["frames"])
    with pytest.raises(BackendError, match="draws frames of"):
        NativeWarp().draw(frames[change], **inputs)


def test_what_is_large_in_a_portrait_is_bound_without_a_copy() -> None:
    given = one().scene.portraits[0].constants
    bound = NativeWarp().bind(**given)._bound
    for name, array in given.items():
        kept = bound[name]
        if array.nbytes > 100_000 and isinstance(kept, np.ndarray):
            assert np.shares_memory(kept, array), name
    assert isinstance(bound["base_functions"], np.ndarray)


def test_bound_inputs_are_fixed_at_binding() -> None:
    inputs = noisy()
    expected = NativeWarp()(**inputs)
    first = {name: inputs.pop(name) for name in ("source", "base_functions", "behind", "mouth_textures", "mouth_box")}
    bound = NativeWarp().bind(**first)
    for array in first.values():
        array[:] = 0
    later = bound.bind(folds=inputs.pop("folds"))
    assert not {"folds", *first} & set(later.inputs)
    assert "folds" in bound.inputs
    for name, image in later(**inputs).items():
        np.testing.assert_array_equal(image, expected[name])


def test_arrays_need_be_neither_contiguous_nor_writeable() -> None:
    inputs = noisy()
    expected = NativeWarp()(**inputs)
    turned = {name: np.asfortranarray(array) for name, array in inputs.items()}
    for array in turned.values():
        array.flags.writeable = False
    for name, image in NativeWarp()(**turned).items():
        np.testing.assert_array_equal(image, expected[name])


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("folds", None, "needs the input 'folds'"),
        ("colour", lambda _: np.zeros(1, np.float32), "no free input 'colour'"),
        ("base_functions", lambda a: a.astype(np.float64), "'base_functions' as float32.*float64"),
        ("source", lambda a: a[:, :4], r"'source' of shape \(1, 5, crop_h, crop_w\)"),
        ("mouth_upper", lambda a: a[:, 1:], "'mouth_upper' with 18 functions, but there are 19"),
        ("folds", lambda a: a[:1], "'folds' with 1 frames, but there are 3"),
        ("behind", lambda a: np.repeat(a, 2, 0), "2 backs"),
        ("mouth_textures", lambda a: a[..., 1:], "'mouth_textures' with 30 mouth_w, but there are 31"),
        ("base_functions", lambda a: a[:1], "'base_functions' with at least 2 nodes_h"),
    ],
)
def test_wrong_inputs_are_refused(name: str, change: Callable[[np.ndarray], np.ndarray] | None, message: str) -> None:
    inputs = noisy()
    if change is None:
        del inputs[name]
    else:
        inputs[name] = change(inputs.get(name, np.zeros(0)))
    with pytest.raises(BackendError, match=message):
        NativeWarp()(**inputs)
    if change is not None and "frames" not in message and "backs" not in message:
        with pytest.raises(BackendError, match=message):
            NativeWarp().bind(**inputs)


def test_a_closed_runner_says_so() -> None:
    inputs = noisy()
    warp = NativeWarp()
    bound = warp.bind(source=inputs.pop("source"))
    warp.close()
    warp.close()
    with pytest.raises(BackendError, match="closed"):
        warp(**inputs)
    with pytest.raises(BackendError, match="closed"):
        warp.bind(folds=inputs["folds"])
    bound(**inputs)


def test_golden_crops_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests import test_golden
    from tests.golden import regenerate

    class Native:
        def open(self, model: Path) -> Runner:
            return NativeWarp() if model.name == "warp.onnx" else backend().open(model)

    monkeypatch.setattr(regenerate, "backend", Native)
    test_golden.test_the_picture_is_as_it_was()


def test_people_before_each_other_are_drawn_as_by_the_graph() -> None:
    motions = {i: swing(*(OPEN, SMILE)[i], frames=9)[3:6] for i in pair().scene.portraits}
    mouth = backend().open(bundle().path("mouth.onnx"))
    found, expected = (list(render_frames(pair().scene, motions, warp, mouth)) for warp in (NativeWarp(), graph()))
    assert_alike({"frames": np.stack(found)}, {"frames": np.stack(expected)})


def test_the_engine_draws_with_it() -> None:
    assert native.available()
    assert isinstance(open_warp(backend(), bundle()), NativeWarp)


def test_other_backends_draw_themselves() -> None:
    class Elsewhere(MockBackend):
        name = "elsewhere"

    with pytest.raises(BackendError, match=r"no model 'warp\.onnx'"):
        open_warp(Elsewhere({}), bundle())
