"""The warp graph gives back what was planted in it: shifts, torn skin, what lies behind."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from engine.backends.base import Runner
from engine.portrait.interpolation import Interpolation, node_positions
from tests.perception import backend, bundle

PATCHES = {"eye_right": 3, "eye_left": 3, "mouth": 4}  # and their numbers of textures
EYES = ("eye_right", "eye_left")
HEIGHT, WIDTH = 61, 74  # of the crop
SIZES = {"eye_right": (19, 26), "eye_left": (21, 24), "mouth": (24, 31)}
CORNERS = {"eye_right": (4, 5), "eye_left": (43, 6), "mouth": (20, 34)}  # x0 y0


@cache
def warp() -> Runner:
    return backend().open(bundle().path("warp.onnx"))


def control_points() -> np.ndarray:
    x, y = np.meshgrid(np.linspace(0, WIDTH - 1, 4), np.linspace(0, HEIGHT - 1, 4))
    return np.stack([x.ravel(), y.ravel()], 1).astype(np.float32)


def functions(box: tuple[float, float, float, float], rows: int, columns: int) -> np.ndarray:
    return Interpolation(control_points()).functions(node_positions(box, rows, columns))


def constant(shift: tuple[float, float]) -> np.ndarray:
    """Coefficients (19, 2) of a field that is the same everywhere."""
    found = np.zeros((19, 2), np.float32)
    found[16] = shift
    return found


def displace(inputs: dict[str, np.ndarray], displacement: np.ndarray) -> None:
    """Moves the control points (T, 16, 2): the smooth field and all layers follow."""
    [found] = Interpolation(control_points()).coefficients(displacement)
    inputs["base_coefficients"] = found
    inputs |= {f"{name}_{side}": found.copy() for name in PATCHES for side in ("upper", "lower")}


def planted(frames: int = 1) -> dict[str, np.ndarray]:
    """A noisy person who fills half of the crop, closed skin everywhere, nothing that moves."""
    rng = np.random.default_rng(11)
    behind = rng.integers(0, 256, (1, HEIGHT, WIDTH, 3), dtype=np.uint8)
    photo = rng.integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.float32)
    alpha = np.clip(np.linspace(3, -2, WIDTH), 0, 1)[None, :, None] * np.ones((HEIGHT, 1, 1))
    photo = np.where(alpha > 0, photo, behind[0])
    darker = rng.uniform(0.1, 0.4, (HEIGHT, WIDTH, 1))  # where skin folds
    person = np.concatenate([photo - (1 - alpha) * behind[0], alpha, darker], 2)
    inputs = {
        "base_coefficients": np.zeros((frames, 19, 2)),
        "folds": np.zeros((frames, 2)),
        "light": np.zeros((frames, 3)),
        "behind": behind,
        "source": person.transpose(2, 0, 1)[None],
        "base_functions": functions((0, 0, WIDTH - 1, HEIGHT - 1), 11, 12),
        "light_maps": np.stack([np.full((11, 12), 0.5), np.tile(np.arange(12) / 11, (11, 1)), np.zeros((11, 12))]),
        "fold_regions": np.stack([np.zeros((11, 12)), np.tile(np.arange(12) < 6, (11, 1))]),  # the left half
        "fold_tint": np.array([0.7, 1.0, 1.3]),
    }
    for name, count in PATCHES.items():
        (height, width), (x0, y0) = SIZES[name], CORNERS[name]
        box = (x0, y0, x0 + width - 1, y0 + height - 1)
        inside = np.zeros((1, 1, height, width))
        inside[..., 4:-4, 4:-4] = 1
        identity = np.tile([[1.0, 0, 0], [0, 1.0, 0]], (frames, count, 1, 1))
        inputs |= {
            f"{name}_box": np.array(box),
            f"{name}_functions": functions(box, 6, 7),
            f"{name}_upper": np.zeros((frames, 19, 2)),
            f"{name}_lower": np.zeros((frames, 19, 2)),
            f"{name}_skin_alpha": np.stack([np.ones((height, width)), np.zeros((height, width))])[None],
            f"{name}_feather": inside,
            f"{name}_textures": np.zeros((count, 4, height, width)),
            f"{name}_shade": np.zeros(count),
            f"{name}_shade_step": np.ones(1),
            # Textures are as large as their patch, and the graph hands over pixels of the crop.
            f"{name}_affine": identity - np.array([[0, 0, x0], [0, 0, y0]]),
            f"{name}_opacity": np.ones((frames, count)),
            f"{name}_behind": np.ascontiguousarray(behind[:, y0 : y0 + height, x0 : x0 + width]),
        }
        if name in EYES:
            changes = rng.normal(0, 40, (2, 3, height, width))
            inputs |= {f"{name}_lid_changes": changes, f"{name}_lid_shares": np.zeros((frames, 2))}
    return {name: array if array.dtype == np.uint8 else array.astype(np.float32) for name, array in inputs.items()}


def photo_of(inputs: dict[str, np.ndarray]) -> np.ndarray:
    person, alpha = inputs["source"][0, :3].transpose(1, 2, 0), inputs["source"][0, 3][..., None]
    return np.rint(person + (1 - alpha) * inputs["behind"][0]).astype(np.uint8)


def part(image: np.ndarray, name: str) -> np.ndarray:
    (height, width), (x0, y0) = SIZES[name], CORNERS[name]
    return image[..., y0 : y0 + height, x0 : x0 + width, :]


def test_detail_stays_sharp_half_a_pixel_on() -> None:
    """Stripes four pixels wide keep nine tenths of their contrast; of a mixture of four pixels seven would be left."""
    inputs = planted()
    inputs["source"][0, :3] = 128 + 100 * np.cos(np.pi / 2 * np.arange(WIDTH))
    inputs["source"][0, 3] = 1
    displace(inputs, np.full((1, 16, 2), [0.5, 0], np.float32))
    middle = warp()(**inputs)["frames"][0, 2:-2, 30:40].astype(float)  # away from the border
    contrast = np.abs(middle - 128).max() / (100 * np.cos(np.pi / 4))
    assert 0.9 < contrast < 1.02


def test_what_does_not_move_is_the_photo_exactly() -> None:
    inputs = planted(frames=3)
    photo, drawn = photo_of(inputs), warp()(**inputs)
    assert drawn["frames"].dtype == np.uint8
    assert drawn["frames"].shape == (3, HEIGHT, WIDTH, 3)
    for t in range(3):
        np.testing.assert_array_equal(drawn["frames"][t], photo)
        for name in PATCHES:
            np.testing.assert_array_equal(drawn[f"{name}_frames"][t], part(photo, name))


@pytest.mark.parametrize("shift", [(4, 0), (0, -3), (5, 2)])
def test_a_constant_displacement_shifts_the_picture(shift: tuple[int, int]) -> None:
    inputs = planted(frames=2)
    inputs["source"][0, 3] = 1  # so that what is behind doesn't show
    inputs["source"][0, :3] = np.rint(np.clip(inputs["source"][0, :3], 0, 255))
    displace(inputs, np.broadcast_to(np.array([[0, 0], shift], np.float32)[:, None], (2, 16, 2)))
    photo, drawn = photo_of(inputs), warp()(**inputs)
    np.testing.assert_array_equal(drawn["frames"][0], photo)
    dx, dy = shift
    expected = np.roll(photo, (dy, dx), axis=(0, 1))[8:-8, 8:-8].astype(int)
    found = drawn["frames"][1][8:-8, 8:-8].astype(int)
    # The inversion stops after some steps, and noise is the hardest picture to shift.
    assert np.abs(found - expected).max() <= 1
    mouth = part(np.roll(photo, (dy, dx), axis=(0, 1)), "mouth")[:-3, 3:-3].astype(int)
    assert np.abs(drawn["mouth_frames"][1][:-3, 3:-3].astype(int) - mouth).max() <= 1


def test_the_matte_moves_with_the_person_and_shows_what_is_behind() -> None:
    inputs = planted()
    inputs["base_coefficients"][0] = constant((-9, 0))
    drawn = warp()(**inputs)["frames"][0]
    uncovered = np.arange(WIDTH) >= np.flatnonzero(inputs["source"][0, 3, 30])[-1] - 7
    uncovered[CORNERS["eye_left"][0] :] = False  # patches are the caller's to lay over it
    assert uncovered.any()
    np.testing.assert_array_equal(drawn[:, uncovered], inputs["behind"][0][:, uncovered])


def test_skin_darkens_where_it_folds() -> None:
    inputs = planted(frames=2)
    inputs["folds"][:, 0], inputs["folds"][1, 1] = 1, 0.5  # the first region is empty
    photo, (still, folded) = photo_of(inputs), warp()(**inputs)["frames"]
    np.testing.assert_array_equal(still, photo)
    np.testing.assert_array_equal(folded[:, WIDTH // 2 + 8 :], photo[:, WIDTH // 2 + 8 :])
    left = np.s_[:, : WIDTH // 2 - 8]  # the person is opaque there
    expected = photo[left] * (1 - 0.5 * inputs["source"][0, 4][left][..., None] * inputs["fold_tint"])
    np.testing.assert_allclose(folded[left], expected, atol=1)


def test_skin_brightens_with_its_light() -> None:
    inputs = planted(frames=2)
    inputs["light"][1] = [0.2, -0.4, 1]  # of maps that are a half, grow from left to right, and are nothing
    photo, (still, lit) = photo_of(inputs), warp()(**inputs)["frames"]
    np.testing.assert_array_equal(still, photo)
    x = np.arange(WIDTH) / (WIDTH - 1)
    opaque = inputs["source"][0, 3] == 1
    expected = np.clip(photo * (1 + 0.1 - 0.4 * x)[:, None], 0, 255)
    np.testing.assert_allclose(lit[opaque], expected[opaque], atol=1)
    np.testing.assert_array_equal(lit[inputs["source"][0, 3] == 0], photo[inputs["source"][0, 3] == 0])


def parted(name: str, gap: int, frames: int = 1) -> dict[str, np.ndarray]:
    """Planted inputs whose two skin layers meet at mid-height of a patch and are pulled apart by 2 * gap rows."""
    inputs = planted(frames)
    half = SIZES[name][0] // 2
    inputs[f"{name}_skin_alpha"][0, 0, half:] = 0
    inputs[f"{name}_skin_alpha"][0, 1, half:] = 1
    inputs[f"{name}_feather"][:] = 1
    apart = np.repeat([-gap, gap], 8)[:, None] * [0, 1]  # the upper and the lower half of the control points
    displace(inputs, np.broadcast_to(apart, (frames, 16, 2)))
    inputs[f"{name}_upper"][:], inputs[f"{name}_lower"][:] = constant((0, -gap)), constant((0, gap))
    colours = np.random.default_rng(3).integers(20, 236, (PATCHES[name], 3)).astype(np.float32)
    inputs[f"{name}_textures"][0, :3], inputs[f"{name}_textures"][0, 3] = colours[0][:, None, None], 1
    left = inputs[f"{name}_textures"][1, :, :, : SIZES[name][1] // 2]
    left[:3], left[3] = colours[1][:, None, None], 1
    return inputs


@pytest.mark.parametrize("name", list(PATCHES))
def test_where_skin_parts_the_interior_shows(name: str) -> None:
    inputs = parted(name, gap=4)
    width, half = SIZES[name][1], SIZES[name][0] // 2
    drawn = warp()(**inputs)[f"{name}_frames"][0]
    textures = inputs[f"{name}_textures"]
    np.testing.assert_array_equal(drawn[half, 2], textures[1, :3, half, 2])
    np.testing.assert_array_equal(drawn[half, width - 3], textures[0, :3, half, width - 3])
    x0, y0 = CORNERS[name]
    photo = photo_of(inputs)
    source = photo[y0 + 4 : y0 + half, x0 : x0 + width].astype(int)  # of the upper layer, moved up by 4
    if name == "eye_right":  # where the person is opaque, and away from the patch's sides
        inner = np.s_[: half - 5, 4:-4]
        assert np.abs(drawn[inner].astype(int) - source[inner]).max() <= 1


def test_what_comes_from_beyond_a_patch_follows_the_smooth_field() -> None:
    """A patch's own field isn't known there; to take it for that at its border would cut foreheads and cheeks."""
    inputs, moved = planted(), 6
    inputs["base_coefficients"][:], inputs["eye_right_feather"][:] = constant((0, moved)), 1  # the patch's own stays
    found = warp()(**inputs)
    (height, width), (x0, y0) = SIZES["eye_right"], CORNERS["eye_right"]
    smooth = found["frames"][0, y0 : y0 + height, x0 : x0 + width].astype(int)
    patch, photo = (image.astype(int) for image in (found["eye_right_frames"][0], photo_of(inputs)))
    assert np.abs(patch[:moved] - smooth[:moved]).max() <= 1
    inner = np.s_[moved + 4 : height - 1, 4:-4]
    assert np.abs(patch[inner] - photo[y0 : y0 + height, x0 : x0 + width][inner]).max() <= 1


def test_a_texture_vanishes_and_darkens_as_told() -> None:
    inputs = parted("mouth", gap=6, frames=2)
    inputs["mouth_opacity"][1, 1] = 0
    half = SIZES["mouth"][0] // 2
    drawn = warp()(**inputs)["mouth_frames"]
    textures = inputs["mouth_textures"]
    np.testing.assert_array_equal(drawn[0, half, 2], textures[1, :3, half, 2])
    np.testing.assert_array_equal(drawn[1, half, 2], textures[0, :3, half, 2])
    inputs["mouth_shade"][:] = 0.5
    shaded = warp()(**inputs)["mouth_frames"]
    edge = half - 5  # the interior's first rows, beside the upper lip
    assert shaded[0, edge, 2].astype(int).sum() < drawn[0, edge, 2].astype(int).sum() - 10


def test_a_texture_turns_with_its_affine() -> None:
    inputs = parted("eye_left", gap=6)
    inputs["eye_left_affine"][0, 1, 0, 2] -= 5  # the second texture moves five pixels to the right
    middle, half = SIZES["eye_left"][1] // 2, SIZES["eye_left"][0] // 2
    drawn = warp()(**inputs)["eye_left_frames"][0, half]
    textures = inputs["eye_left_textures"]
    np.testing.assert_array_equal(drawn[middle + 4], textures[1, :3, half, 0])
    np.testing.assert_array_equal(drawn[middle + 6], textures[0, :3, half, 0])


@pytest.mark.parametrize("name", EYES)
def test_lids_change_their_colours_in_the_upper_layer_alone(name: str) -> None:
    shares = np.array([[0, 0], [0.5, 0], [1, 0], [0, 1], [0.5, 0.25]], np.float32)
    inputs = planted(frames=len(shares))
    half = SIZES[name][0] // 2
    inputs[f"{name}_skin_alpha"][0, 0, half:], inputs[f"{name}_skin_alpha"][0, 1, half:] = 0, 1
    inputs[f"{name}_lid_shares"][:] = shares
    inputs["source"][0, :3], inputs[f"{name}_behind"][:] = 120, 60  # so that nothing is clipped
    changes = inputs[f"{name}_lid_changes"].clip(-50, 50)
    inputs[f"{name}_lid_changes"][:] = changes
    drawn = warp()(**inputs)[f"{name}_frames"].astype(float)
    for frame, of_each in enumerate(shares):
        added = drawn[frame] - drawn[0]
        expected = np.tensordot(of_each, changes, 1).transpose(1, 2, 0)
        np.testing.assert_allclose(added[:half], expected[:half], atol=1)
        assert not added[half:].any()


def test_the_file_is_the_torch_module() -> None:
    torch = pytest.importorskip("torch")
    from export.warp import LayeredWarp

    rng = np.random.default_rng(1)
    inputs = planted(frames=3)
    displace(inputs, rng.normal(0, 1.5, (3, 16, 2)))
    for name in PATCHES:
        for key in ("skin_alpha", "opacity", "feather"):
            inputs[f"{name}_{key}"] = rng.uniform(0, 1, inputs[f"{name}_{key}"].shape).astype(np.float32)
        inputs[f"{name}_textures"] = rng.uniform(0, 1, inputs[f"{name}_textures"].shape).astype(np.float32)
        inputs[f"{name}_textures"][:, :3] *= 255
        inputs[f"{name}_shade"][:] = 0.3
        inputs[f"{name}_shade_step"][:] = 1.7
        inputs[f"{name}_affine"] += rng.normal(0, 0.02, inputs[f"{name}_affine"].shape).astype(np.float32)
    inputs["folds"] = rng.uniform(0, 1, inputs["folds"].shape).astype(np.float32)
    inputs |= {f"{name}_lid_shares": rng.uniform(0, 1, (3, 2)).astype(np.float32) for name in EYES}
    with torch.no_grad():
        expected = LayeredWarp().eval()(*(torch.from_numpy(inputs[name]) for name in warp().inputs))
    found = warp()(**inputs)
    for image, wanted in zip(found.values(), expected, strict=True):
        difference = np.abs(image.astype(int) - wanted.numpy().astype(int))
        assert difference.max() <= 1  # a value beside x.5 may be rounded to either side
        assert (difference > 0).mean() < 0.01
