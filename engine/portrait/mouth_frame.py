"""The picture of a mouth that the mouth network sees, and what the drawn mouth is made of in it.

The picture is upright, 18 pixels a centimetre, and fixed to the skull: upper teeth are at the same pixels whatever lips
and jaw do, so that the same teeth come out in every frame. export/renderer/frame.py has the network's side of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from engine.portrait.mouth import MouthInterior, behind_teeth
from engine.portrait.own_teeth import OwnTeeth
from engine.portrait.patches import Rectangle
from engine.portrait.toning import Toning
from engine.portrait.triangles import rasterise
from engine.types import Floats, HeadPose

PX_PER_CM = 18.0
HEIGHT, WIDTH = 96, 160
SAMPLING = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
LIP_LINE_Y = 30  # row at which the closed lips would meet


@dataclass(frozen=True)
class MouthFrame:
    """One face's mouth in the network's picture, the head at rest and the jaw closed.

    The jaws are (96, 160, 3): shares of teeth, and of gums and tongue, and their sum.
    """

    to_patch: Floats  # (2, 3) pixels of the picture -> of the mouth's patch
    upper: Floats
    lower: Floats
    own: Floats  # (96, 160) where the photo's own teeth are kept
    toning: Toning  # of the photo

    @property
    def patch_px(self) -> float:
        """How many of the patch's pixels are as wide as one of the picture's."""
        return float(np.linalg.norm(self.to_patch[:, 0]))


def picture_in_patch(lip_line_px: Floats, pose: HeadPose, rectangle: Rectangle) -> Floats:
    """`MouthFrame.to_patch` (2, 3); lip_line_px (3,) is where closed lips' middle would be, in the crop."""
    angle, scale = np.arctan2(pose.rotation[1, 0], pose.rotation[0, 0]), pose.scale_px / PX_PER_CM
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = np.array([(WIDTH - 1) / 2, LIP_LINE_Y])
    place = lip_line_px[:2] - [rectangle.x0, rectangle.y0] - turn @ middle
    return np.concatenate([turn, place[:, None]], 1).astype(np.float32)


def in_picture(patch: Floats, to_patch: Floats) -> Floats:
    """What of a picture of the mouth's patch (h, w[, c]) lies in the network's -> (96, 160[, c])."""
    size = WIDTH, HEIGHT
    found = cv2.warpAffine(patch, to_patch, size, flags=SAMPLING, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found, np.float32)


def in_patch(share: Floats, to_patch: Floats, shape: tuple[int, ...]) -> Floats:
    """A share (96, 160) of the network's picture in the mouth's patch -> (h, w)."""
    height, width = shape
    found = cv2.warpAffine(share, to_patch, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found, np.float32)


def mouth_frame(
    mesh: MouthInterior,
    vertices_px: Floats,
    to_patch: Floats,
    rectangle: Rectangle,
    teeth: OwnTeeth,
    toning: Toning,
) -> MouthFrame:
    """vertices_px (V, 3) of the mesh in the crop; to_patch (2, 3) from `picture_in_patch`."""
    local = np.array(vertices_px)
    in_patch = vertices_px[:, :2] - [rectangle.x0, rectangle.y0] - to_patch[:, 2]
    local[:, :2] = in_patch @ np.linalg.inv(to_patch[:, :2]).T
    kinds = np.stack([mesh.is_tooth, ~mesh.is_tooth, np.zeros_like(mesh.is_tooth)], 1).astype(np.float32)
    is_lower = mesh.is_lower[mesh.triangles]
    upper, lower = (
        rasterise(local, kinds, mesh.triangles[chosen], Rectangle(0, 0, WIDTH, HEIGHT))[..., [0, 1, 3]]
        for chosen in (~is_lower.any(1) & ~behind_teeth(mesh), is_lower.all(1))
    )
    kept, above = (in_picture(share, to_patch) for share in (teeth.kept, teeth.above))
    return MouthFrame(to_patch, upper * np.maximum(above, kept)[..., None], lower, kept, toning)
