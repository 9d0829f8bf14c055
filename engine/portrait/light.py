"""Light: where it falls from, estimated once a photo, and how it changes on a head that turns.

A matt surface in distant light is as bright as a quadratic form of its normal (Ramamoorthi and Hanrahan 2001; Basri
and Jacobs 2003): level + slope . n + n . bend . n. The light stays with the room, so a head turned by R shows the
brightness of R n where it showed that of n. Normals are in the photo's frame: x to the right, y down, z away from the
viewer.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.portrait import topology as top
from engine.portrait.control_points import SKULL_CENTER_CM, SKULL_RADII_CM, depth_cm, smoothstep, to_head_frame
from engine.portrait.interpolation import distances
from engine.products import product
from engine.types import Floats, HeadPose, Image

GAMMA = 2.2
SOFT_CM = 0.25  # pores and stubble are no shading
SMOOTH_CM = 0.6  # of normals: light on a face is told at this scale
FACE_CM = 1.5  # within this distance of the mesh, normals are the mesh's
FADE_CM = (3.0, 0.0)  # outside of the face, where the change of light ends: hair and neck keep theirs
PRIOR = 0.001  # per point, against slopes and bends that spots of skin could pretend
BENDS_PRIOR = 1.0  # as much more for bends
ROUNDS = 4  # of leaving out what doesn't fit: brows, beards, shadows
DARKEST = 0.3  # of the mean: what is in the dark doesn't flare up
TERMS = 8  # without the level, which no turn changes
UNLIKE_SKIN_CM = 0.5  # around eyes, brows and mouth
LEFT_OUT = (
    *top.EYE_ENDS_RIGHT, *top.EYE_ENDS_LEFT, *top.UPPER_LID_RIGHT, *top.LOWER_LID_RIGHT, *top.UPPER_LID_LEFT,
    *top.LOWER_LID_LEFT, *top.BROW_RIGHT[1:], *top.BROW_LEFT[1:], *top.UPPER_LIP, *top.LOWER_LIP,
    *top.UPPER_LIP_OUTER, *top.LOWER_LIP_OUTER,
)  # fmt: skip


@dataclass(frozen=True)
class Light:
    """Brightness of skin by its normal, in linear light; the mean over the face is about 1."""

    level: float
    slope: Floats  # (3,)
    bend: Floats  # (3, 3) symmetric, trace 0

    def change(self, turned: Floats) -> Floats:
        """What turns (T, 3, 3) of the head, in the photo's frame, change of the terms: (T, 8)."""
        slope = self.slope @ turned - self.slope
        bend = turned.transpose(0, 2, 1) @ self.bend @ turned - self.bend
        return np.concatenate([slope, bend_terms(bend)], 1).astype(np.float32)

    def on(self, normals: Floats) -> Floats:
        """Brightness of normals (..., 3)."""
        return np.asarray(self.level + normals @ self.slope + np.einsum("...i,ij,...j", normals, self.bend, normals))


def bend_terms(bend: Floats) -> Floats:
    """(T, 3, 3) symmetric with trace 0 -> its five numbers (T, 5); `harmonics` has what they are multiplied by."""
    return np.stack([bend[:, 0, 0], bend[:, 1, 1], bend[:, 0, 1], bend[:, 0, 2], bend[:, 1, 2]], 1)


def harmonics(normals: Floats) -> Floats:
    """(..., 3) -> (..., 8): what slope and bend are multiplied by."""
    x, y, z = np.moveaxis(normals, -1, 0)
    return np.stack([x, y, z, x * x - z * z, y * y - z * z, 2 * x * y, 2 * x * z, 2 * y * z], -1)


def estimate_light(image: Image, mesh_px: Floats, normals: Floats, px_per_cm: float) -> Light:
    """From the face's skin: image (h, w, 3), mesh_px (468, 3) in it, its vertices' normals (468, 3)."""
    soft = cv2.GaussianBlur(image, (0, 0), max(0.8, SOFT_CM * px_per_cm)).astype(np.float32)
    x, y = mesh_px[:, None, 0].astype(np.float32), mesh_px[:, None, 1].astype(np.float32)
    colour = cv2.remap(soft, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).reshape(-1, 3)
    bright = (colour @ np.array([0.2126, 0.7152, 0.0722], np.float32) / 255) ** GAMMA
    apart = np.linalg.norm(mesh_px[:, None, :2] - mesh_px[None, list(LEFT_OUT), :2], axis=2).min(1)
    skin = (apart > UNLIKE_SKIN_CM * px_per_cm) & (normals[:, 2] < -0.25)
    bright, known = bright[skin] / max(float(np.median(bright[skin])), 1e-4), harmonics(normals[skin])
    terms = np.concatenate([np.ones((len(known), 1)), known], 1)
    prior = PRIOR * len(terms) * np.diag([0.0, *[1.0] * 3, *[BENDS_PRIOR] * 5])
    trust = np.ones(len(terms))
    for _ in range(ROUNDS):
        weighted = terms * trust[:, None]
        found = np.linalg.solve(weighted.T @ terms + prior, weighted.T @ bright)
        rest = np.abs(bright - terms @ found)
        trust = 1 / (1 + (rest / max(1.5 * float(np.median(rest)), 0.02)) ** 2)
    xx, yy, xy, xz, yz = found[4:]
    bend = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, -xx - yy]])
    return Light(float(found[0]), found[1:4], bend)


def light_maps(light: Light, nodes_px: NDArray[np.float64], mesh_px: Floats, normals: Floats, pose: HeadPose) -> Floats:
    """What each of the light's terms adds to the picture's gain at nodes (gh, gw, 2) -> (8, gh, gw)."""
    rows, columns = nodes_px.shape[:2]
    flat = nodes_px.reshape(-1, 2)
    weight = smoothstep(*FADE_CM, outside_cm(flat, mesh_px[list(top.FACE_OVAL), :2], pose.scale_px))
    maps = np.zeros((len(flat), TERMS), np.float32)
    lit = weight > 0
    blended = blended_normals(flat[lit], mesh_px, normals, pose)
    level = light.on(blended)
    maps[lit] = (weight[lit] / (GAMMA * np.maximum(level, DARKEST)))[:, None] * harmonics(blended)
    return np.ascontiguousarray(maps.T.reshape(TERMS, rows, columns))


def outside_cm(points_px: NDArray[np.float64], polygon_px: Floats, px_per_cm: float) -> NDArray[np.float64]:
    """How far points (n, 2) lie outside of a polygon (m, 2), 0 in it; beyond the fading's reach it may be less."""
    reach_px = FADE_CM[0] * px_per_cm
    found = np.full(len(points_px), FADE_CM[0])
    low, high = polygon_px.min(0) - reach_px, polygon_px.max(0) + reach_px
    near = np.flatnonzero(((points_px >= low) & (points_px <= high)).all(1))
    start_x, start_y = polygon_px.T.astype(np.float64)
    edge_x, edge_y = np.roll(start_x, -1) - start_x, np.roll(start_y, -1) - start_y
    x, y = points_px[near, :1] - start_x, points_px[near, 1:] - start_y  # (n, m) from each corner
    along = np.clip((x * edge_x + y * edge_y) / np.maximum(edge_x**2 + edge_y**2, 1e-12), 0, 1)
    apart = np.sqrt(((x - along * edge_x) ** 2 + (y - along * edge_y) ** 2).min(1))
    # A ray to the right crosses the outline an odd number of times from inside.
    meets = (y < 0) != (y < edge_y)
    crossed = meets & ((edge_x * y - edge_y * x > 0) == (edge_y > 0))
    found[near] = np.where(np.count_nonzero(crossed, 1) % 2, 0, apart / px_per_cm)
    return found


def blended_normals(
    points_px: NDArray[np.float64], mesh_px: Floats, normals: Floats, pose: HeadPose
) -> NDArray[np.floating]:
    """(n, 2) -> (n, 3): the mesh's on the face, the skull's away from it."""
    apart = distances(points_px, mesh_px[:, :2].astype(np.float64)) / pose.scale_px
    near = np.exp(-0.5 * (apart / SMOOTH_CM) ** 2)
    on_mesh = product(near, normals) / near.sum(1, keepdims=True).clip(1e-12)
    share = smoothstep(2 * FACE_CM, FACE_CM, apart.min(1))[:, None]
    blended = share * on_mesh + (1 - share) * skull_normals(points_px, pose)
    return np.asarray(blended / np.linalg.norm(blended, axis=1, keepdims=True).clip(1e-9))


def skull_normals(points_px: NDArray[np.float64], pose: HeadPose) -> NDArray[np.floating]:
    """(n, 2) -> (n, 3): of an ellipsoid around the head."""
    flat = np.concatenate([points_px, np.full((len(points_px), 1), pose.origin_px[2])], 1)
    places = to_head_frame(flat, pose)
    places[:, 2] = depth_cm(places[:, 0], places[:, 1])
    found = (places - SKULL_CENTER_CM) / SKULL_RADII_CM**2
    found /= np.linalg.norm(found, axis=1, keepdims=True).clip(1e-9)
    return np.asarray(found @ pose.rotation.T)
