"""The far side of a turned face: its points crowd at the edge of what is seen, where they have to move as one.

Half a centimetre of the picture holds points of cheek, jaw and corner of the mouth there, and hidden ones behind them.
Each with an expression of its own would make the cheek's outline wavy.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.portrait import topology as top
from engine.portrait.triangles import normals_to_viewer
from engine.types import Floats

FACING = (0.15, 0.4)  # cosines between the viewer and a point's normal: at the edge or hidden, and plainly seen
TURNED = (0.1, 0.3)  # by which the cosine has to be less than if the head looked at the viewer
NEAR_CM = 0.7  # in the picture, over which points share their motion
BESIDE_CM = (0.8, 2.0)  # of lips and lids: within, points keep their own motion, and beyond they share it
PROFILE = (0.75, 0.85)  # cosines of the head's turn: further aside, the far side is hidden and left alone
# Sines of the head's turn aside, from which on mouths move less, and least. The mesh knows the far half of lips badly
# from there: teeth came through what was drawn of it.
FROM_ASIDE, LEAST_MOTION = (0.45, 0.62), 0.6
NOSE_TIP, ABOVE_LIP_CM = 4, 0.8
# Of the same sines, those from which on the far eye is moved less, and not at all: the nose begins to hide it, and the
# mesh has its lids where they aren't.
FROM_BESIDE_NOSE = (0.58, 0.66)
AROUND_EYE_CM = (0.7, 1.4)  # within, points are the eye's
EYES = (*top.UPPER_LID_RIGHT, *top.LOWER_LID_RIGHT), (*top.UPPER_LID_LEFT, *top.LOWER_LID_LEFT)
OWN_MOTION = (
    *top.UPPER_LIP, *top.UPPER_LIP_OUTER, *top.LOWER_LIP, *top.LOWER_LIP_OUTER,
    *top.UPPER_LID_RIGHT, *top.LOWER_LID_RIGHT, *top.UPPER_LID_LEFT, *top.LOWER_LID_LEFT,
)  # fmt: skip


def shared_motion(points_cm: Floats, triangles: NDArray[np.integer], rotation: Floats) -> Floats | None:
    """What each of the points (468, 3) takes of the others' motion -> (468, 468), rows sum up to 1.

    points_cm are in the head's frame, rotation (3, 3) takes it to the photo's. None if the head isn't turned aside.
    """
    normals = normals_to_viewer(points_cm, triangles)
    facing, ahead = -(normals @ rotation.T)[:, 2], -normals[:, 2]
    crowded = np.clip((FACING[1] - facing) / np.ptp(FACING), 0, 1)
    crowded *= np.clip((ahead - facing - TURNED[0]) / np.ptp(TURNED), 0, 1)
    crowded *= np.clip((rotation[2, 2] - PROFILE[0]) / np.ptp(PROFILE), 0, 1)
    beside = np.linalg.norm(points_cm[:, None] - points_cm[None, list(OWN_MOTION)], axis=2).min(1)
    crowded *= np.clip((beside - BESIDE_CM[0]) / np.ptp(BESIDE_CM), 0, 1)
    if not crowded.any():
        return None
    seen = points_cm @ rotation[:2].T
    apart = np.linalg.norm(seen[:, None] - seen[None], axis=2)
    near = np.exp(-0.5 * (apart / NEAR_CM) ** 2) * (1 - crowded) + 1e-12
    near /= near.sum(1, keepdims=True)
    return np.asarray(np.diag(1 - crowded) + crowded[:, None] * near, np.float32)


def motion_from_aside(points_cm: Floats, rotation: Floats) -> Floats:
    """The share of their motion that points (468, 3) make, in the head's frame; rotation as above -> (468,)."""
    aside = float(np.clip((abs(rotation[0, 2]) - FROM_ASIDE[0]) / np.ptp(FROM_ASIDE), 0, 1))
    below_nose = np.clip(points_cm[:, 1] - points_cm[NOSE_TIP, 1] + ABOVE_LIP_CM, 0, 1)
    return np.asarray(1 - (1 - LEAST_MOTION) * aside * below_nose, np.float32)


def free_of_nose(points_cm: Floats, rotation: Floats) -> Floats:
    """How far points (468, 3) may move, in the head's frame: not those of an eye that the nose half hides -> (468,)."""
    aside = float(np.clip((abs(rotation[0, 2]) - FROM_BESIDE_NOSE[0]) / np.ptp(FROM_BESIDE_NOSE), 0, 1))
    far_eye = points_cm[list(EYES[0] if rotation[0, 2] > 0 else EYES[1])]
    apart_cm = np.linalg.norm(points_cm[:, None] - far_eye[None], axis=2).min(1)
    return np.asarray(1 - aside * np.clip((AROUND_EYE_CM[1] - apart_cm) / np.ptp(AROUND_EYE_CM), 0, 1), np.float32)
