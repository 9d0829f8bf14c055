"""A photo's mouth in the network's frame, and what the engine would draw between its lips if it saw nothing of it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from engine.portrait import topology as top
from engine.portrait.control_points import to_head_frame
from engine.portrait.expression import FaceShape, face_shape
from engine.portrait.mouth import DARK, behind_teeth, placed_vertices, shaded
from engine.portrait.mouth_layers import lip_line_cm, mouth_width_cm
from engine.portrait.patches import TEARS, Rectangle, contour, skin_alphas
from engine.portrait.portrait import CHIN, JAW_PER_CHIN, FaceAssets
from engine.portrait.tears import CLOSED_LIPS_CM, EDGE_SOFTNESS_CM
from engine.portrait.triangles import rasterise
from engine.portrait.white import eye_white, skin_tone, white_of_light
from engine.types import FaceMesh, Floats, HeadPose, Image
from export.renderer.frame import LIP_LINE_Y, MARGIN_PX, PX_PER_CM, STORED_HEIGHT, STORED_WIDTH

STORED = Rectangle(0, 0, STORED_WIDTH, STORED_HEIGHT)
MOUTH = next(tear for tear in TEARS if tear.name == "mouth")


@dataclass(frozen=True)
class MouthView:
    """A photo's mouth in the stored picture."""

    photo: Image  # (120, 184, 3)
    mesh_px: Floats  # (478, 3) in the stored picture
    pose: HeadPose  # likewise; its scale is PX_PER_CM
    shape: FaceShape
    photo_px_per_cm: float
    white: Floats  # (3,) what white looks like in the photo's light, 0-255


@dataclass(frozen=True)
class DrawnMouth:
    """What the engine would draw between the lips, as layers of the stored picture, and where the lips part.

    Layers are premultiplied (120, 184, 5): RGB 0-255, alpha 0-1, and the share of teeth 0-1.
    """

    inside: Floats  # (120, 184), 1 where the inside of the mouth shows
    upper: Floats
    lower: Floats  # where the photo's jaw is
    dark: Floats  # (3,) 0-255


def view_of_mouth(photo: Image, mesh: FaceMesh, assets: FaceAssets) -> MouthView:
    """The stored picture of one face: turned upright, 18 pixels per centimetre."""
    face_cm = to_head_frame(mesh.points_px[: top.FACE_POINTS], mesh.pose)
    shape = face_shape(face_cm, mesh.blendshapes, assets.basis, assets.skin, mesh.pose.rotation)
    lips_px = mesh.pose.origin_px + mesh.pose.scale_px * mesh.pose.rotation @ lip_line_cm(shape)
    angle = np.arctan2(mesh.pose.rotation[1, 0], mesh.pose.rotation[0, 0])
    zoom = PX_PER_CM / mesh.pose.scale_px
    turn = np.array([[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    place = np.array([(STORED.width - 1) / 2, LIP_LINE_Y + MARGIN_PX, 0]) - zoom * turn @ lips_px

    def moved(points: Floats) -> Floats:
        return (zoom * points @ turn.T + place).astype(np.float32)

    white = white_of_light(skin_tone(photo, mesh.points_px), eye_white(photo, mesh.points_px))
    matrix = np.concatenate([zoom * turn[:2, :2], place[:2, None]], 1)
    if zoom < 1:  # a photo that is made smaller would alias
        photo = cv2.GaussianBlur(photo, (0, 0), 0.5 * np.sqrt(1 / zoom**2 - 1) + 1e-3)
    upright = cv2.warpAffine(
        photo, matrix, (STORED.width, STORED.height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    pose = HeadPose((turn @ mesh.pose.rotation).astype(np.float32), PX_PER_CM, moved(mesh.pose.origin_px))
    places, px_per_cm = moved(mesh.points_px), float(mesh.pose.scale_px)
    return MouthView(upright.astype(np.uint8), places, pose, shape, px_per_cm, white)


def lips_apart(view: MouthView) -> Floats:
    """How far the inside of the mouth shows, 0 to 1 -> (120, 184); nothing where the lips are closed."""
    upper, lower = (contour(view.mesh_px, MOUTH.ends, between) for between in (MOUTH.upper, MOUTH.lower))
    if float(np.linalg.norm(lower - upper, axis=1).max()) < CLOSED_LIPS_CM * PX_PER_CM:
        return np.zeros((STORED.height, STORED.width), np.float32)
    alphas = skin_alphas(upper, lower, STORED, max(1.0, EDGE_SOFTNESS_CM * PX_PER_CM))
    return np.asarray(np.clip(1 - alphas.sum(0), 0, 1), np.float32)


def drawn_mouth(view: MouthView, assets: FaceAssets) -> DrawnMouth:
    """The drawn interior of a photo's mouth at the opening that the photo shows, and nothing of the photo's own.

    The tongue goes with the jaw here; the engine has it go down less, and darker in a mouth that is hardly open.
    """
    mesh = assets.mouth
    lips_px = view.pose.origin_px + PX_PER_CM * view.pose.rotation @ lip_line_cm(view.shape)
    vertices = placed_vertices(mesh, view.pose, lips_px, mouth_width_cm(view.shape))
    colours = shaded(mesh, vertices, PX_PER_CM) * view.white
    teeth = np.repeat(mesh.is_tooth[:, None].astype(np.float32), 3, 1)
    jaw_px = -PX_PER_CM * view.pose.rotation @ (JAW_PER_CHIN * view.shape.release_cm[CHIN])
    opened = (vertices + jaw_px).astype(np.float32)
    is_lower = mesh.is_lower[mesh.triangles]
    upper, lower = ~is_lower.any(1) & ~behind_teeth(mesh), is_lower.all(1)

    def layer(places: Floats, chosen: np.ndarray) -> Floats:
        triangles = mesh.triangles[chosen]
        share = rasterise(places, teeth, triangles, STORED)[..., :1]
        return np.concatenate([rasterise(places, colours, triangles, STORED), share], 2)

    return DrawnMouth(
        lips_apart(view), layer(vertices, upper), layer(opened, lower), (DARK * view.white).astype(np.float32)
    )
