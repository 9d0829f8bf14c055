"""The inside of one photo's mouth: the teeth that it shows, and drawn ones where it shows none."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from engine.portrait import topology as top
from engine.portrait.expression import FaceShape
from engine.portrait.mouth import DEPTH_SHADE, MouthInterior, mouth_textures, placed_vertices
from engine.portrait.mouth_frame import MouthFrame, in_patch, in_picture, mouth_frame, picture_in_patch
from engine.portrait.own_teeth import own_teeth
from engine.portrait.patches import Rectangle
from engine.portrait.shade import unshaded
from engine.portrait.teeth_above import grown
from engine.portrait.teeth_rows import in_rows, lowered
from engine.portrait.toning import Toning
from engine.types import Floats, HeadPose, Image

FINER_FROM = 28.0  # pixels a centimetre


@dataclass(frozen=True)
class Tones:
    """The colours of a photo that what is drawn into it has to fit."""

    skin: Floats  # (3,) 0-255
    white: Floats  # (3,) 0-255, what white looks like in the photo's light
    toning: Toning


def mouth_layers(
    image: Image,
    aperture: Floats,
    mesh: MouthInterior,
    shape: FaceShape,
    pose: HeadPose,
    jaw_px: Floats,
    tones: Tones,
    rectangle: Rectangle,
) -> tuple[Floats, MouthFrame]:
    """What `mouth_textures` gives (4, 4, h, w), and what the mouth network has to know.

    image, of the crop; aperture (h, w) is 1 where it shows the inside of the mouth, in the rectangle; jaw_px (2,) is
    how far the photo's jaw is open.
    """
    mesh = mesh.finer if pose.scale_px > FINER_FROM else mesh
    photo = image[rectangle.slices].astype(np.float32)
    lips_px = (pose.origin_px + pose.scale_px * pose.rotation @ lip_line_cm(shape)).astype(np.float32)
    to_patch = picture_in_patch(lips_px, pose, rectangle)
    teeth = in_rows(own_teeth(photo, aperture, tones.skin, pose.scale_px), photo, aperture, to_patch)
    vertices_px = placed_vertices(mesh, pose, lips_px, mouth_width_cm(shape))
    vertices_px = lowered(mesh, vertices_px, teeth, pose, to_patch, rectangle)
    frame = mouth_frame(mesh, vertices_px, to_patch, rectangle, teeth, tones.toning)
    crowns = in_patch(frame.upper[..., 0], to_patch, aperture.shape)
    own, teeth = grown(unshaded(photo, aperture, DEPTH_SHADE, pose.scale_px), teeth, crowns, to_patch, pose.scale_px)
    textures = mouth_textures(
        photo, aperture, own, teeth, tones.white, tones.toning, mesh, vertices_px, pose.scale_px, rectangle, jaw_px
    )
    return textures, replace(frame, own=in_picture(teeth.kept, to_patch))


def lip_line_cm(shape: FaceShape) -> Floats:
    """Where the closed lips' middle would be, in the head's frame (3,)."""
    return np.asarray((shape.rest_cm + shape.release_cm)[[13, 14]].mean(0))


def mouth_width_cm(shape: FaceShape) -> float:
    """When the face shows nothing."""
    neutral = shape.rest_cm + shape.release_cm
    return float(np.linalg.norm(neutral[top.LIP_LEFT_END] - neutral[top.LIP_RIGHT_END]))
