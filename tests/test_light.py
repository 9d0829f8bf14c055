"""Light stays with the room: a turned head is compared with the same head rendered in the same light."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from engine.mesh import CanonicalFace
from engine.portrait.light import FADE_CM, Light, estimate_light, light_maps, outside_cm
from engine.portrait.triangles import normals_to_viewer
from engine.render.drive import rotations
from engine.types import HeadPose
from tests.perception import bundle

PX_PER_CM, SIZE = 24.0, 540
MIDDLE = SIZE / 2
FOREHEAD, CHEEKS = (10, 151, 9, 108, 337), ((50, 205, 187, 123), (280, 425, 411, 352))
AMBIENT, ALBEDO, GAMMA = 0.3, 0.8, 2.2
LIGHTS = {"side": (-0.8, -0.2, -0.6), "above": (0.0, -0.8, -0.6), "front": (0.0, 0.0, -1.0)}  # where it comes from


def face() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices in pixels, triangles and normals of the canonical face, seen from the front."""
    canonical = CanonicalFace.load(bundle())
    points = canonical.points_cm * PX_PER_CM + np.array([MIDDLE, MIDDLE, 0], np.float32)
    return points, canonical.triangles, normals_to_viewer(points, canonical.triangles)


def brightness(normals: np.ndarray, name: str) -> np.ndarray:
    """Lambert's law, with some light from everywhere."""
    direction = np.array(LIGHTS[name])
    return AMBIENT + (1 - AMBIENT) * np.clip(normals @ direction / np.linalg.norm(direction), 0, None)


def rendered(points: np.ndarray, triangles: np.ndarray, bright: np.ndarray) -> np.ndarray:
    """A photo of the face, triangle by triangle from the back to the front."""
    photo = np.zeros((SIZE, SIZE), np.float32)
    for corners in triangles[np.argsort(-points[triangles][:, :, 2].mean(1))]:
        shape = np.round(points[corners, :2] * 16).astype(np.int32)
        cv2.fillConvexPoly(photo, shape, float(bright[corners].mean()), cv2.LINE_AA, 4)
    encoded = 255 * np.clip(ALBEDO * photo, 0, 1) ** (1 / GAMMA)
    return np.repeat(encoded[..., None], 3, 2).astype(np.uint8)


@pytest.mark.parametrize("name", LIGHTS)
@pytest.mark.parametrize("angles_deg", [(0, 8, 0), (0, -8, 0), (8, 0, 0), (-8, 0, 0)])
def test_a_turned_head_is_lit_as_the_room_lights_it(name: str, angles_deg: tuple[int, int, int]) -> None:
    points, triangles, normals = face()
    light = estimate_light(rendered(points, triangles, brightness(normals, name)), points, normals, PX_PER_CM)
    nodes = points[None, :, :2].astype(np.float64)
    pose = HeadPose(np.eye(3, dtype=np.float32), PX_PER_CM, np.array([MIDDLE, MIDDLE, 0], np.float32))
    turn = rotations(np.array([angles_deg], np.float32))
    gain = 1 + np.tensordot(light.change(turn)[0], light_maps(light, nodes, points, normals, pose), 1)[0]
    true = (brightness(normals @ turn[0].T, name) / brightness(normals, name)) ** (1 / GAMMA)
    for place in (FOREHEAD, *CHEEKS):
        expected, found = (float(ratio[list(place)].mean()) - 1 for ratio in (true, gain))
        assert found == pytest.approx(expected, rel=0.35, abs=0.01), "right direction, right amount"


def test_a_head_that_doesn_t_turn_stays_as_it_is() -> None:
    light = Light(1.0, np.array([0.3, -0.5, 0.1]), np.diag([0.2, -0.1, -0.1]))
    assert not light.change(np.eye(3)[None]).any()


def test_light_from_everywhere_doesn_t_change() -> None:
    points, triangles, normals = face()
    light = estimate_light(rendered(points, triangles, np.full(len(points), 0.7)), points, normals, PX_PER_CM)
    assert np.abs(light.change(rotations(np.array([[8, 8, 8]], np.float32)))).max() < 0.02


def test_a_dark_beard_is_no_shadow() -> None:
    """What fits no light is left out of the estimate."""
    points, triangles, normals = face()
    bright = brightness(normals, "front")
    bearded = np.where((points[:, 1] > MIDDLE + 4.5 * PX_PER_CM), 0.25 * bright, bright)
    clean, dark = (
        estimate_light(rendered(points, triangles, values), points, normals, PX_PER_CM) for values in (bright, bearded)
    )
    assert np.abs(clean.slope - dark.slope).max() < 0.35


@pytest.mark.parametrize("order", [1, -1])
def test_distances_outside_of_a_face_are_opencv_s(order: int) -> None:
    rng = np.random.default_rng(5)
    angles, radii = np.sort(rng.uniform(0, 2 * np.pi, 36))[::order], rng.uniform(60, 100, 36)
    oval = (150 + radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)).astype(np.float32)
    points = np.concatenate([rng.uniform(0, 300, (3000, 2)), oval, oval + [5, 0]])
    expected = [-cv2.pointPolygonTest(oval, (float(x), float(y)), True) / 20 for x, y in points]
    found = np.minimum(outside_cm(points, oval, 20), FADE_CM[0])
    np.testing.assert_allclose(found, np.clip(expected, 0, FADE_CM[0]), atol=1e-5)
