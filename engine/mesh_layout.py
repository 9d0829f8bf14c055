"""Which point and which reading is which in MediaPipe's networks: names, subsets, and left against right."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.types import Floats

# In the order of the network; "left" is the person's left. The first is what is left when nothing else is shown.
BLENDSHAPES = (
    "_neutral",
    "browDownLeft",
    "browDownRight",
    "browInnerUp",
    "browOuterUpLeft",
    "browOuterUpRight",
    "cheekPuff",
    "cheekSquintLeft",
    "cheekSquintRight",
    "eyeBlinkLeft",
    "eyeBlinkRight",
    "eyeLookDownLeft",
    "eyeLookDownRight",
    "eyeLookInLeft",
    "eyeLookInRight",
    "eyeLookOutLeft",
    "eyeLookOutRight",
    "eyeLookUpLeft",
    "eyeLookUpRight",
    "eyeSquintLeft",
    "eyeSquintRight",
    "eyeWideLeft",
    "eyeWideRight",
    "jawForward",
    "jawLeft",
    "jawOpen",
    "jawRight",
    "mouthClose",
    "mouthDimpleLeft",
    "mouthDimpleRight",
    "mouthFrownLeft",
    "mouthFrownRight",
    "mouthFunnel",
    "mouthLeft",
    "mouthLowerDownLeft",
    "mouthLowerDownRight",
    "mouthPressLeft",
    "mouthPressRight",
    "mouthPucker",
    "mouthRight",
    "mouthRollLower",
    "mouthRollUpper",
    "mouthShrugLower",
    "mouthShrugUpper",
    "mouthSmileLeft",
    "mouthSmileRight",
    "mouthStretchLeft",
    "mouthStretchRight",
    "mouthUpperUpLeft",
    "mouthUpperUpRight",
    "noseSneerLeft",
    "noseSneerRight",
)


def _mirrored_name(name: str) -> str:
    for side, other in (("Left", "Right"), ("Right", "Left")):
        if name.endswith(side):
            return name.removesuffix(side) + other
    return name


MIRRORED_BLENDSHAPES = tuple(BLENDSHAPES.index(_mirrored_name(name)) for name in BLENDSHAPES)

# fmt: off
# The points that the blendshape network reads (kLandmarksSubsetIdxs).
BLENDSHAPE_POINTS = (
    0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65, 66, 67, 70, 78, 80,
    81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136, 144, 145, 146, 148, 149, 150, 152, 153,
    154, 155, 157, 158, 159, 160, 161, 162, 163, 168, 172, 173, 176, 178, 181, 185, 191, 195, 197, 234, 246, 249, 251,
    263, 267, 269, 270, 276, 282, 283, 284, 285, 288, 291, 293, 295, 296, 297, 300, 308, 310, 311, 312, 314, 317, 318,
    321, 323, 324, 332, 334, 336, 338, 356, 361, 362, 365, 373, 374, 375, 377, 378, 379, 380, 381, 382, 384, 385, 386,
    387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466, 468, 469, 470, 471, 472, 473, 474, 475, 476, 477,
)
# fmt: on

# Point -> weight, from MediaPipe's face geometry; those that jaw and smile move (136, 147, 205, their twins) are out.
POSE_POINTS = {
    4: 0.0709,
    6: 0.0321,
    10: 0.0084,
    33: 0.0587,
    54: 0.0077,
    67: 0.0091,
    117: 0.0098,
    119: 0.0146,
    121: 0.0186,
    127: 0.0052,
    129: 0.1206,
    132: 0.0056,
    133: 0.0533,
    143: 0.0148,
    198: 0.0255,
    263: 0.0587,
    284: 0.0077,
    297: 0.0091,
    346: 0.0098,
    348: 0.0146,
    350: 0.0186,
    356: 0.0052,
    358: 0.1206,
    361: 0.0056,
    362: 0.0533,
    372: 0.0148,
    420: 0.0255,
}

# Of the person's right and left iris: centre, then right, top, left and bottom of the right one in the picture.
MIRRORED_IRISES = ((468, 473), (469, 476), (470, 475), (471, 474), (472, 477))


def mirrored_points(canonical: Floats) -> NDArray[np.intp]:
    """(478,): for each point the one that takes its place in a mirror.

    Args:
        canonical: (468, 3) the canonical face, symmetric about x = 0.
    """
    flipped = canonical * np.array([-1, 1, 1], np.float32)
    distances = np.square(canonical[:, None] - flipped[None]).sum(axis=2)
    mirror = np.concatenate([distances.argmin(axis=1), np.arange(468, 478)])
    for right, left in MIRRORED_IRISES:
        mirror[right], mirror[left] = left, right
    return mirror
