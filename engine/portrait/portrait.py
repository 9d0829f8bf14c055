"""A portrait: everything about one face that doesn't change from frame to frame, reusable for any emotion."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from engine.bundle import Bundle
from engine.mesh import CanonicalFace
from engine.portrait import topology as top
from engine.portrait.brows import rising
from engine.portrait.control_points import CROP_REACH_CM, ControlPoints, control_points, to_head_frame
from engine.portrait.covers import cover_of
from engine.portrait.expression import ExpressionBasis, FaceShape, face_shape
from engine.portrait.eyes import IRISES, LID_SHADE, Iris, eyeball_textures, iris_of
from engine.portrait.far_side import motion_from_aside, shared_motion
from engine.portrait.folds import fold_map, fold_regions, fold_tint
from engine.portrait.glasses import Glasses, take_off
from engine.portrait.interpolation import Interpolation, node_positions
from engine.portrait.light import Light, estimate_light, light_maps, vertex_normals
from engine.portrait.lips import MESH_EDGE_CM, end_of_lower_lip
from engine.portrait.mouth import DEPTH_SHADE, TONGUE_SHADE, MouthInterior
from engine.portrait.mouth_frame import MouthFrame
from engine.portrait.mouth_layers import Tones, mouth_layers, shown_teeth
from engine.portrait.patches import (
    LAYERS,
    TEARS,
    Rectangle,
    Tear,
    contour,
    feather,
    rectangle_around,
    skin_alphas,
    snap_to_dark_line,
)
from engine.portrait.shade import STEP_CM
from engine.portrait.shut_eyes import hidden_iris_px, lids_are_shut
from engine.portrait.skin import Skin
from engine.portrait.toning import Toning
from engine.portrait.white import eye_white, skin_tone, white_of_light
from engine.types import FaceMesh, Floats, Image

BASE_NODE_CM, PATCH_NODE_CM = 0.5, {"eye_right": 0.16, "eye_left": 0.16, "mouth": 0.24}
COARSER_BELOW = 18.0  # pixels a centimetre
FEATHER_CM = 1.0
CLOSED_LIPS_CM = 0.16  # lips nearer than this don't show what is behind them
LIP_SEARCH_CM, LASH_SEARCH_CM = 0.22, 0.2
EDGE_SOFTNESS_CM = 0.045
CHIN = 152
# Lower teeth are farther from the jaw's joint than the mesh's chin, and nearer to its height: they go back half as far.
# A third looks better from aside, since lips that are stretched wide don't hug the teeth as real ones do.
JAW_PER_CHIN = np.array([1.13, 1.13, 0.35], np.float32)
LASH_CM = 0.06  # the upper lid's edge lies this much below the mesh's points: lashes go with the lid


@dataclass(frozen=True)
class FaceAssets:
    """What is known of all faces."""

    basis: ExpressionBasis
    canonical_cm: Floats  # (468, 3) the canonical face
    triangles: NDArray[np.integer]  # (898, 3) of its points
    skin: Skin
    mouth: MouthInterior

    @classmethod
    def load(cls, bundle: Bundle) -> FaceAssets:
        with np.load(bundle.path("expression_basis.npz")) as arrays:
            basis_cm = np.ascontiguousarray(arrays["displacements_cm"][:, : top.FACE_POINTS])
            basis = ExpressionBasis(basis_cm, arrays["parted_cm"])
        mouth = MouthInterior.load(bundle.path("mouth_interior.npz"))
        canonical = CanonicalFace.load(bundle)
        return cls(basis, canonical.points_cm, canonical.triangles, Skin.of(canonical.triangles), mouth)


@dataclass(frozen=True)
class CutOut:
    """One person's part of the photo; everything (h, w) of the crop's size, 0 to 1."""

    crop: Rectangle  # in the photo
    matte: Floats
    hair: Floats  # probability
    other: Floats  # probability of what is neither skin, hair nor clothes: glasses, hats, masks, what hands hold
    covering: Floats  # probability of all that might be before a face: other, hands, clothes


@dataclass(frozen=True)
class Portrait:
    """What one face needs to be drawn with any motion."""

    crop: Rectangle  # in the photo
    points: ControlPoints
    shape: FaceShape
    patches: Mapping[str, Rectangle]  # in the crop
    interpolation: Interpolation  # of all points, and of the layers of `LAYERS`
    mouth: MouthFrame
    glasses: Glasses | None  # the constants show the face without them
    light: Light
    pose_rotation: Floats  # (3, 3) from the head's frame to the photo's
    constants: Mapping[str, np.ndarray]  # of the warp graph
    behind: Image  # the crop without this person
    freedom: float = 1.0  # share of a head's motion that it makes

    def unmoved(self) -> Floats:
        """The person as in the photo, glasses on -> (h, w, 4) premultiplied, of the crop; colours 0-255, alpha 0-1."""
        person = np.array(self.constants["source"][0, :4].transpose(1, 2, 0), np.float32)
        if self.glasses is not None:
            part = person[self.glasses.rectangle.slices]
            part *= 1 - self.glasses.layer[..., 3:]
            part += self.glasses.layer
        return person


def crop_rectangle(mesh: FaceMesh, width: int, height: int) -> Rectangle:
    """The part of the photo that moves with this head: hair, neck and shoulders included."""
    scale = mesh.pose.scale_px
    reach = (CROP_REACH_CM[0] * scale, CROP_REACH_CM[1] * scale, CROP_REACH_CM[2] * scale)
    return rectangle_around(mesh.pose.origin_px[:2], reach, width, height)


def build_portrait(
    crop_image: Image, person: CutOut, mesh: FaceMesh, hide: Callable[[], Image], assets: FaceAssets
) -> Portrait:
    """crop_image (h, w, 3) has the crop's size, and so has what `hide` returns: the picture without the person. It is
    called last."""
    crop = person.crop
    shift = np.array([crop.x0, crop.y0, 0], np.float32)
    mesh_px = (mesh.points_px - shift).astype(np.float32)
    pose = replace(mesh.pose, origin_px=(mesh.pose.origin_px - shift).astype(np.float32))
    cover = cover_of(person.covering, mesh_px, pose.scale_px)
    crop_image, matte, glasses = take_off(crop_image, cover.beside(person.other), person.matte, mesh_px, pose)
    points = control_points(mesh_px, pose, crop.width, crop.height)
    face_cm = to_head_frame(mesh_px[: top.FACE_POINTS], pose)
    together = shared_motion(face_cm, assets.triangles, pose.rotation)
    moves = rising(assets.basis.displacements_cm, crop_image, mesh_px, pose.scale_px)
    moves *= motion_from_aside(face_cm, pose.rotation)[:, None]
    basis = replace(assets.basis, displacements_cm=moves)
    shape = face_shape(face_cm, mesh.blendshapes, basis, assets.skin, pose.rotation, together, cover.free)
    folds = cover.beside(fold_map(assets.canonical_cm, mesh_px, pose.scale_px, crop.width, crop.height))
    nodes = node_grid(Rectangle(0, 0, crop.width, crop.height), max(4, node_step_px(BASE_NODE_CM, pose.scale_px)))
    field = Interpolation(points.positions_px, list(LAYERS.values()))
    face_px = mesh_px[: top.FACE_POINTS]
    normals = vertex_normals(face_px, assets.triangles)
    light = estimate_light(crop_image, face_px, normals, pose.scale_px)
    skin, toning = skin_tone(crop_image, mesh_px), Toning.of(crop_image)
    constants: dict[str, np.ndarray] = {
        "base_functions": field.functions(nodes),
        "fold_regions": fold_regions(assets.canonical_cm, mesh_px, pose.scale_px, nodes),
        "fold_tint": fold_tint(toning),
        "light_maps": light_maps(light, nodes, face_px, normals, pose),
    }
    tones = Tones(skin, white_of_light(skin, eye_white(crop_image, mesh_px)), toning)
    patches = {}
    for tear in TEARS:
        rectangle = patch_rectangle(tear, mesh_px, pose.scale_px, crop)
        patches[tear.name] = rectangle
        alphas = tear_alphas(tear, crop_image, mesh_px, pose.scale_px, rectangle)
        aperture = np.clip(1 - alphas.sum(0), 0, 1)
        if tear.name == "mouth":
            teeth, shape = shown_teeth(crop_image, aperture, shape, pose, skin, rectangle)
            jaw_px = points.cm_to_px @ (-JAW_PER_CHIN * shape.release_cm[CHIN])
            textures, mouth = mouth_layers(
                crop_image, aperture, teeth, assets.mouth, shape, pose, jaw_px, tones, rectangle
            )
            shade = np.array([TONGUE_SHADE, DEPTH_SHADE, DEPTH_SHADE, 0], np.float32)
        else:
            iris = iris_of(mesh_px, IRISES[tear.name])
            if not aperture.any():
                iris = Iris(*hidden_iris_px(mesh_px[list(tear.ends), :2], pose.scale_px))
            textures = eyeball_textures(crop_image, aperture, iris, tones.white, pose.scale_px, rectangle)
            shade = np.array([LID_SHADE, LID_SHADE, 0], np.float32)
        patch_nodes = node_grid(rectangle, max(2, node_step_px(PATCH_NODE_CM[tear.name], pose.scale_px)))
        patch = {
            "functions": field.functions(patch_nodes),
            "box": np.array(rectangle.outer_pixels, np.float32),
            "skin_alpha": alphas[None],
            "feather": feather(rectangle, FEATHER_CM * pose.scale_px, crop.width, crop.height)[None, None],
            "textures": textures,
            "shade": shade,
            "shade_step": np.array([STEP_CM * pose.scale_px], np.float32),
        }
        constants |= {f"{tear.name}_{key}": value for key, value in patch.items()}
    behind, alpha = hide(), matte[..., None]
    colour = crop_image.astype(np.float32) - (1 - alpha) * behind.astype(np.float32)
    layers = np.concatenate([colour, alpha, folds[..., None]], 2).transpose(2, 0, 1)
    constants["source"] = np.ascontiguousarray(layers[None], np.float32)
    for array in constants.values():
        array.flags.writeable = False  # so that whoever keeps them needs no copies
    return Portrait(crop, points, shape, patches, field, mouth, glasses, light, pose.rotation, constants, behind)


def node_step_px(step_cm: float, px_per_cm: float) -> float:
    """What is missed between nodes grows with the square of their distance: in small faces, where it is a smaller part
    of a pixel, they lie further apart."""
    return step_cm * px_per_cm * max(1.0, math.sqrt(COARSER_BELOW / px_per_cm))


def node_grid(rectangle: Rectangle, step_px: float) -> np.ndarray:
    rows = max(4, round(rectangle.height / step_px) + 1)
    columns = max(4, round(rectangle.width / step_px) + 1)
    return node_positions(rectangle.outer_pixels, rows, columns)


def patch_rectangle(tear: Tear, mesh_px: Floats, px_per_cm: float, crop: Rectangle) -> Rectangle:
    middle = mesh_px[list(tear.ends), :2].mean(0)
    reach = (tear.reach_cm[0] * px_per_cm, tear.reach_cm[1] * px_per_cm, tear.reach_cm[2] * px_per_cm)
    return rectangle_around(middle, reach, crop.width, crop.height)


def tear_alphas(tear: Tear, image: Image, mesh_px: Floats, px_per_cm: float, rectangle: Rectangle) -> Floats:
    """Alphas (2, h, w) of the upper and lower layer in the photo."""
    upper, lower = contour(mesh_px, tear.ends, tear.upper), contour(mesh_px, tear.ends, tear.lower)
    softness = max(1.0, EDGE_SOFTNESS_CM * px_per_cm)
    bow = np.sin(np.linspace(0, np.pi, len(upper), dtype=np.float32))[:, None]
    if tear.name != "mouth" and lids_are_shut(upper, lower):
        upper = lower = snap_to_dark_line(image, (upper + lower) / 2, LASH_SEARCH_CM * px_per_cm)
    elif tear.name != "mouth":
        upper = upper + bow * [0, LASH_CM * px_per_cm]
    elif float(np.linalg.norm(lower - upper, axis=1).max()) < CLOSED_LIPS_CM * px_per_cm:
        upper = lower = snap_to_dark_line(image, (upper + lower) / 2, LIP_SEARCH_CM * px_per_cm)
    else:
        lower = end_of_lower_lip(image, upper, lower, px_per_cm)
        upper = upper - bow * [0, MESH_EDGE_CM * px_per_cm]
    return skin_alphas(upper.astype(np.float32), lower.astype(np.float32), rectangle, softness)
