"""How the photo holds the head, as angles."""

from __future__ import annotations

import numpy as np

from engine.types import Floats, HeadPose


def pose_degrees(pose: HeadPose) -> Floats:
    """(3,) pitch (down is positive), yaw (to the picture's right) and roll (clockwise), as in `Motion`."""
    r = pose.rotation.astype(np.float64)  # roll after yaw after pitch; the face looks along -z
    pitch, roll = np.arctan2(r[2, 1], r[2, 2]), np.arctan2(r[1, 0], r[0, 0])
    yaw = np.arcsin(np.clip(r[2, 0], -1, 1))
    return np.asarray(np.degrees([pitch, yaw, roll]))
