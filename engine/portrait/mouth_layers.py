"""The inside of one photo's mouth: the teeth that it shows, and drawn ones where it shows none."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from engine.portrait import topology as top
from engine.portrait.expression import FaceShape
from engine.portrait.mouth import DEPTH_SHADE, FRONT_TEETH_CM, MouthInterior, mouth_textures, placed_vertices
from engine.portrait.mouth_frame import (
    HEIGHT,
    LIP_LINE_Y,
    PX_PER_CM,
    WIDTH,
    MouthFrame,
    in_patch,
    in_picture,
    mouth_frame,
    picture_in_patch,
)
from engine.portrait.own_teeth import OwnTeeth, own_teeth
from engine.portrait.patches import Rectangle
from engine.portrait.shade import unshaded
from engine.portrait.teeth_above import grown
from engine.portrait.teeth_rows import in_rows, lowered
from engine.portrait.toning import Toning
from engine.types import Floats, HeadPose, Image

FINER_FROM = 28.0  # pixels a centimetre
UPPER_TEETH_SHOW_CM = 0.25  # below where closed lips meet, at most: people at rest show so much of them, if any
MOST_LOWER_CM = 0.7


@dataclass(frozen=True)
class Tones:
    """The colours of a photo that what is drawn into it has to fit."""

    skin: Floats  # (3,) 0-255
    white: Floats  # (3,) 0-255, what white looks like in the photo's light
    toning: Toning


def shown_teeth(
    image: Image, aperture: Floats, shape: FaceShape, pose: HeadPose, skin: Floats, rectangle: Rectangle
) -> tuple[OwnTeeth, FaceShape]:
    """The photo's own teeth, and the face with lips that meet where these say.

    image, of the crop; aperture (h, w) is 1 where it shows the inside of the mouth, in the rectangle; skin (3,) is its
    tone.
    """
    photo = image[rectangle.slices].astype(np.float32)
    to_patch = picture_in_patch(lip_line_px(shape, pose), pose, rectangle)
    teeth = in_rows(own_teeth(photo, aperture, skin, pose.scale_px), photo, aperture, to_patch)
    edge_cm = edge_below_lip_line_cm(teeth, to_patch)
    lower_cm = float(np.clip(edge_cm - UPPER_TEETH_SHOW_CM, 0, MOST_LOWER_CM))
    release = shape.release_cm.copy()
    release[:, 1] += lower_cm * shape.near_mouth
    return teeth, replace(shape, release_cm=release)


def edge_below_lip_line_cm(teeth: OwnTeeth, to_patch: Floats) -> float:
    """How far below where closed lips would meet the photo's upper front teeth end; 0 where they hardly show."""
    middle, half = WIDTH // 2, round(FRONT_TEETH_CM * PX_PER_CM)
    kept = in_picture(teeth.kept, to_patch)[:, middle - half : middle + half] > 0.5
    columns = kept.any(0)
    if columns.mean() < 0.5:
        return 0.0
    ends = HEIGHT - kept[::-1, columns].argmax(0)
    return float(np.median(ends) - LIP_LINE_Y) / PX_PER_CM


def mouth_layers(
    image: Image,
    aperture: Floats,
    teeth: OwnTeeth,
    mesh: MouthInterior,
    shape: FaceShape,
    pose: HeadPose,
    jaw_px: Floats,
    tones: Tones,
    rectangle: Rectangle,
) -> tuple[Floats, MouthFrame]:
    """What `mouth_textures` gives (4, 4, h, w), and what the mouth network has to know.

    image and aperture as in `shown_teeth`, which gives teeth and shape; jaw_px (2,) is how far the photo's jaw is open.
    """
    mesh = mesh.finer if pose.scale_px > FINER_FROM else mesh
    photo = image[rectangle.slices].astype(np.float32)
    lips_px = lip_line_px(shape, pose)
    to_patch = picture_in_patch(lips_px, pose, rectangle)
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


def lip_line_px(shape: FaceShape, pose: HeadPose) -> Floats:
    """The same in the crop (3,)."""
    return np.asarray(pose.origin_px + pose.scale_px * pose.rotation @ lip_line_cm(shape), np.float32)


def mouth_width_cm(shape: FaceShape) -> float:
    """When the face shows nothing."""
    neutral = shape.rest_cm + shape.release_cm
    return float(np.linalg.norm(neutral[top.LIP_LEFT_END] - neutral[top.LIP_RIGHT_END]))
