"""Control points of one head: the mesh, and a lattice over hair, neck and shoulders that moves along with it.

Positions are known twice: in crop pixels, and in centimetres in the head's own frame (that of the canonical face: x to
the picture's right, y down, z away from the viewer), where motion is worked out.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.portrait.topology import FACE_OVAL, FACE_POINTS
from engine.types import Floats, HeadPose

PIVOT_CM = np.array([0.0, 8.0, 5.0], np.float32)  # where neck and skull meet; heads turn around it
CHIN_Y_CM, SHOULDER_Y_CM = 8.5, 19.0
CROP_REACH_CM = (26.0, 26.0, 34.0)  # of what moves with a head: sideways, up and down from the middle of the face
LATTICE_STEP_CM = 3.0
EVEN_CM = 1.5
SKIN_REACH_CM = 3.5
SKULL_CENTER_CM, SKULL_RADII_CM = np.array([0.0, -3.0, 4.0]), np.array([8.5, 12.5, 9.0])


@dataclass(frozen=True)
class ControlPoints:
    """n points: first the 468 of the face, then the lattice."""

    positions_px: Floats  # (n, 2) in the crop
    positions_cm: Floats  # (n, 3) in the head's frame
    head_weight: Floats  # (n,) 1 where a point turns with the head
    body_weight: Floats  # (n,) 1 where a point moves with shoulders and breath
    oval_share: Floats  # (n - 468, 36) of the displacement of the face's edge that expression brings to the lattice
    cm_to_px: Floats  # (2, 3) takes a displacement in the head's frame to crop pixels

    @property
    def px_per_cm(self) -> float:
        return float(np.linalg.norm(self.cm_to_px, axis=1).mean())


def smoothstep(edge0: float, edge1: float, x: NDArray[np.floating]) -> NDArray[np.floating]:
    """0 before edge0, 1 after edge1 (or the other way round if edge1 is the smaller), smooth between."""
    t = np.clip((x - edge0) / (edge1 - edge0), 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def depth_cm(x: NDArray[np.floating], y: NDArray[np.floating]) -> NDArray[np.floating]:
    """z of a point of hair, neck or shoulders seen at (x, y): on an ellipsoid for a skull, else a little behind it."""
    inside = (
        1 - ((x - SKULL_CENTER_CM[0]) / SKULL_RADII_CM[0]) ** 2 - ((y - SKULL_CENTER_CM[1]) / SKULL_RADII_CM[1]) ** 2
    )
    return np.asarray(SKULL_CENTER_CM[2] - SKULL_RADII_CM[2] * np.sqrt(np.clip(inside, 0, 1)))


def to_head_frame(points_px: NDArray[np.floating], pose: HeadPose) -> NDArray[np.floating]:
    """(n, 3) pixels -> (n, 3) centimetres in the head's frame."""
    return (points_px - pose.origin_px) @ pose.rotation / pose.scale_px


def lattice_cm(pose: HeadPose, width: int, height: int) -> tuple[Floats, Floats]:
    """A lattice over a crop -> its points in pixels (m, 2) and in the head's frame (m, 3)."""
    step = LATTICE_STEP_CM * pose.scale_px
    columns, rows = max(3, round(width / step) + 1), max(3, round(height / step) + 1)
    x, y = np.meshgrid(np.linspace(0, width - 1, columns), np.linspace(0, height - 1, rows))
    flat = np.stack([x.ravel(), y.ravel(), np.full(x.size, pose.origin_px[2])], 1)
    guess = to_head_frame(flat, pose)
    z = depth_cm(guess[:, 0], guess[:, 1])
    # Depth shifts where a pixel lies in a turned head's frame; one correction is enough for the angles of portraits.
    moved = flat + np.outer(z * pose.scale_px, [0, 0, 1])
    return flat[:, :2].astype(np.float32), to_head_frame(moved, pose).astype(np.float32)


def border_weight(lattice_px: Floats, pose: HeadPose) -> Floats:
    """1 near the head, 0 where the crop may end within the person, so that no seam shows there."""
    x, y = ((lattice_px - pose.origin_px[:2]) / pose.scale_px).T
    left, up, down = CROP_REACH_CM
    return np.asarray(
        smoothstep(left - 1, 0.55 * left, np.abs(x))
        * smoothstep(1 - up, -0.7 * up, y)
        * smoothstep(down - 1, 0.65 * down, y)
    )


def even_depth(face_cm: Floats, around_cm: Floats, rotation: Floats) -> Floats:
    """The face's points (468, 3) with their depth, as the viewer sees it, evened out towards the face's edge.

    Where a cheek turns away from the viewer its depth falls so steeply that a turning head would fold the picture.
    """
    face, around = face_cm @ rotation.T, around_cm @ rotation.T
    points = np.concatenate([face, around])
    apart = np.linalg.norm(face[:, None, :2] - points[None, :, :2], axis=2)
    nearness = np.exp(-0.5 * (apart / EVEN_CM) ** 2)
    smooth = (nearness @ points[:, 2]) / nearness.sum(1)
    inside = np.linalg.norm(face[:, None, :2] - face[None, list(FACE_OVAL), :2], axis=2).min(1)
    face[:, 2] = smooth + smoothstep(1.0, 4.5, inside) * (face[:, 2] - smooth)
    return np.asarray(face @ rotation, np.float32)


def oval_share(around_cm: Floats, oval_cm: Floats) -> Floats:
    """How far lattice points (m, 3) go along with each point (36, 3) of the face's edge -> (m, 36).

    Skin of neck and scalp follows jaw and brows, less and less; else a falling chin would fold the picture below it.
    """
    apart = np.linalg.norm(around_cm[:, None, :2] - oval_cm[None, :, :2], axis=2)
    nearness = np.exp(-((apart - apart.min(1, keepdims=True)) ** 2) / 2)
    reach = np.exp(-((apart.min(1) / SKIN_REACH_CM) ** 2))
    return np.asarray(reach[:, None] * nearness / nearness.sum(1, keepdims=True), np.float32)


def near_face_depth(around_cm: Floats, oval_cm: Floats) -> Floats:
    """z of lattice points (m, 3), led over into that of the face's own edge, so that a turning cheek stays smooth."""
    apart = np.linalg.norm(around_cm[:, None, :2] - oval_cm[None, :, :2], axis=2)
    nearness = 1 / (apart + 0.3) ** 3
    edge = (nearness @ oval_cm[:, 2]) / nearness.sum(1)
    far = smoothstep(0.5, 6.0, apart.min(1))
    return np.asarray(edge + far * (around_cm[:, 2] - edge), np.float32)


def outside_face(lattice_px: Floats, face_px: Floats, margin_px: float) -> NDArray[np.bool_]:
    """Which lattice points are at least margin_px outside the face's oval."""
    oval = face_px[list(FACE_OVAL)].astype(np.float32)
    return np.array([cv2.pointPolygonTest(oval, (float(x), float(y)), True) < -margin_px for x, y in lattice_px], bool)


def control_points(mesh_px: Floats, pose: HeadPose, width: int, height: int) -> ControlPoints:
    """Mesh (478, 3) and pose, both in crop pixels -> the head's control points."""
    face_px = mesh_px[:FACE_POINTS]
    lattice_px, around_cm = lattice_cm(pose, width, height)
    keep = outside_face(lattice_px, face_px[:, :2], 0.6 * pose.scale_px)
    lattice_px, around_cm = lattice_px[keep], around_cm[keep]
    face_cm = to_head_frame(face_px, pose)
    around_cm[:, 2] = near_face_depth(around_cm, face_cm[list(FACE_OVAL)])
    face_cm = even_depth(face_cm, around_cm, pose.rotation)
    x, y = np.abs(around_cm[:, 0]), around_cm[:, 1]
    still = border_weight(lattice_px, pose)
    head = still * smoothstep(25, 14, x) * smoothstep(SHOULDER_Y_CM, CHIN_Y_CM, y)
    body = still * smoothstep(10, SHOULDER_Y_CM, y)
    ones = np.ones(FACE_POINTS)
    return ControlPoints(
        positions_px=np.concatenate([face_px[:, :2], lattice_px]).astype(np.float32),
        positions_cm=np.concatenate([face_cm, around_cm]).astype(np.float32),
        head_weight=np.concatenate([ones, head]).astype(np.float32),
        body_weight=np.concatenate([0 * ones, body]).astype(np.float32),
        oval_share=oval_share(around_cm, face_cm[list(FACE_OVAL)]),
        cm_to_px=(pose.scale_px * pose.rotation[:2]).astype(np.float32),
    )
