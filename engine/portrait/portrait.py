"""A portrait: everything about one face that doesn't change from frame to frame, reusable for any emotion."""

from __future__ import annotations

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
from engine.portrait.eyes import LID_SHADE
from engine.portrait.far_side import free_of_nose, motion_from_aside, shared_motion
from engine.portrait.folds import fold_map, fold_regions, fold_tint
from engine.portrait.glasses import Glasses, take_off
from engine.portrait.interpolation import Interpolation
from engine.portrait.light import Light, estimate_light, light_maps
from engine.portrait.mouth import DEPTH_SHADE, TONGUE_SHADE, MouthInterior
from engine.portrait.mouth_frame import MouthFrame
from engine.portrait.mouth_layers import Tones, mouth_layers, shown_teeth
from engine.portrait.patches import (
    LAYERS,
    TEARS,
    Rectangle,
    rectangle_around,
)
from engine.portrait.readings import parting_share
from engine.portrait.skin import Skin
from engine.portrait.smile_shading import SmileShading
from engine.portrait.tears import (
    BASE_NODE_CM,
    eye_textures,
    lid_constants,
    node_grid,
    node_step_px,
    patch_constants,
    patch_rectangle,
    tear_alphas,
)
from engine.portrait.toning import Toning
from engine.portrait.triangles import normals_to_viewer
from engine.portrait.white import eye_white, skin_tone, white_of_light
from engine.types import FaceMesh, Floats, HeadPose, Image

CHIN = 152
# Lower teeth are farther from the jaw's joint than the mesh's chin, and nearer to its height: they go back half as far.
# A third looks better from aside, since lips that are stretched wide don't hug the teeth as real ones do.
JAW_PER_CHIN = np.array([1.13, 1.13, 0.35], np.float32)


@dataclass(frozen=True)
class FaceAssets:
    """What is known of all faces."""

    basis: ExpressionBasis
    canonical_cm: Floats  # (468, 3) the canonical face
    triangles: NDArray[np.integer]  # (898, 3) of its points
    skin: Skin
    mouth: MouthInterior
    smile: SmileShading

    @classmethod
    def load(cls, bundle: Bundle) -> FaceAssets:
        with np.load(bundle.path("expression_basis.npz")) as arrays:
            basis_cm = np.ascontiguousarray(arrays["displacements_cm"][:, : top.FACE_POINTS])
            basis = ExpressionBasis(basis_cm, arrays["parted_cm"])
        mouth = MouthInterior.load(bundle.path("mouth_interior.npz"))
        canonical = CanonicalFace.load(bundle)
        smile = SmileShading.load(bundle.path("smile_shading.npz"))
        return cls(basis, canonical.points_cm, canonical.triangles, Skin.of(canonical.triangles), mouth, smile)


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


def moving_face(
    crop_image: Image, mesh_px: Floats, pose: HeadPose, readings: Floats, assets: FaceAssets, free: Floats | None
) -> FaceShape:
    """How this face moves, as it is seen from where the photo's camera was; free (468,), where something covers it."""
    face_cm = to_head_frame(mesh_px[: top.FACE_POINTS], pose)
    together = shared_motion(face_cm, assets.triangles, pose.rotation)
    moves = rising(assets.basis.displacements_cm, crop_image, mesh_px, pose.scale_px)
    moves *= motion_from_aside(face_cm, pose.rotation)[:, None]
    basis = replace(assets.basis, displacements_cm=moves)
    free = free_of_nose(face_cm, pose.rotation) * (1 if free is None else free)
    shape = face_shape(face_cm, readings, basis, assets.skin, pose.rotation, together, free)
    return replace(shape, basis_cm=parting_share(pose.scale_px)[:, None, None] * shape.basis_cm)


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
    shape = moving_face(crop_image, mesh_px, pose, mesh.blendshapes, assets, cover.free)
    folds = fold_map(assets.canonical_cm, mesh_px, pose.scale_px, crop.width, crop.height, assets.smile)
    folds = cover.beside(folds)
    nodes = node_grid(Rectangle(0, 0, crop.width, crop.height), max(4, node_step_px(BASE_NODE_CM, pose.scale_px)))
    field = Interpolation(points.positions_px, list(LAYERS.values()))
    face_px = mesh_px[: top.FACE_POINTS]
    normals = normals_to_viewer(face_px, assets.triangles)
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
            textures = eye_textures(tear, crop_image, aperture, mesh_px, tones, pose.scale_px, rectangle)
            bare = cover.beside(1 - person.hair)
            constants |= lid_constants(tear, crop_image, mesh_px, tones, bare, rectangle, pose.scale_px)
            shade = np.array([LID_SHADE, LID_SHADE, 0], np.float32)
        constants |= patch_constants(tear, alphas, textures, shade, field, rectangle, crop, pose.scale_px)
    behind, alpha = hide(), matte[..., None]
    colour = crop_image.astype(np.float32) - (1 - alpha) * behind.astype(np.float32)
    layers = np.concatenate([colour, alpha, folds[..., None]], 2).transpose(2, 0, 1)
    constants["source"] = np.ascontiguousarray(layers[None], np.float32)
    for array in constants.values():
        array.flags.writeable = False  # so that whoever keeps them needs no copies
    return Portrait(crop, points, shape, patches, field, mouth, glasses, light, pose.rotation, constants, behind)
