"""Motion -> the numbers that the warp graph takes per frame: coefficients of fields, eyeballs, jaw."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine.motion.track import Motion
from engine.portrait import topology as top
from engine.portrait.control_points import PIVOT_CM, smoothstep
from engine.portrait.folds import fold_strengths
from engine.portrait.patches import LAYERS
from engine.portrait.portrait import CHIN, JAW_PER_CHIN, Portrait
from engine.types import Floats

# The tongue is nearer to the joint and goes down less. It is drawn as it lies in a mouth that is open by 2 cm; in one
# that is hardly open it lies this much lower, behind the teeth.
TONGUE_PER_JAW, TONGUE_DOWN_CM = 0.72, np.array([0, 0.52, 0], np.float32)
WIDE_CM, LIGHT_BEHIND_TEETH = 1.6, 0.3  # how far the jaw goes down until all light gets in, and what gets in before
EYEBALL_RADIUS_CM = 1.2
OWN_MOUTH_CM = 0.12  # once lips have moved this far, only the teeth are left of what the photo shows between them
OWN_EYE_CM = 0.09  # once lids or iris have moved this far, the completed eye has replaced the photo's own
LIPS = (*top.UPPER_LIP_INNER, *top.LOWER_LIP_INNER)
SHUT = (0.2, 0.65)  # of how far lids close: from when on they look shut, and by when
RISEN_CM = (0.15, 0.8)  # of a brow above the lid: from when on the skin between looks drawn out, and by when
EYES = (
    ("eye_right", top.EYE_ENDS_RIGHT, top.UPPER_LID_RIGHT, top.LOWER_LID_RIGHT),
    ("eye_left", top.EYE_ENDS_LEFT, top.UPPER_LID_LEFT, top.LOWER_LID_LEFT),
)
BROWS = ((top.BROW_RIGHT, top.UPPER_RING_RIGHT), (top.BROW_LEFT, top.UPPER_RING_LEFT))


def rotations(angles_deg: Floats) -> Floats:
    """Pitch, yaw, roll (T, 3) -> matrices (T, 3, 3), roll after yaw after pitch, axes as in `Motion`."""
    pitch, yaw, roll = np.radians(angles_deg.astype(np.float64)).T
    zero, one = np.zeros_like(pitch), np.ones_like(pitch)

    def matrix(*rows: np.ndarray) -> np.ndarray:
        return np.stack(rows, -1).reshape(-1, 3, 3)

    # The face looks along -z: pitching down carries the nose from -z towards +y, yaw carries it towards +x.
    x = matrix(one, zero, zero, zero, np.cos(pitch), -np.sin(pitch), zero, np.sin(pitch), np.cos(pitch))
    y = matrix(np.cos(yaw), zero, -np.sin(yaw), zero, one, zero, np.sin(yaw), zero, np.cos(yaw))
    z = matrix(np.cos(roll), -np.sin(roll), zero, np.sin(roll), np.cos(roll), zero, zero, zero, one)
    return np.asarray(z @ y @ x, np.float32)


def control_displacement_px(portrait: Portrait, motion: Motion, expression_cm: Floats) -> Floats:
    """(T, n, 2): expression and rigid motion of the head, less and less down the neck, and the body's own."""
    points = portrait.points
    local = np.broadcast_to(points.positions_cm, (len(motion), *points.positions_cm.shape)).copy()
    local[:, : top.FACE_POINTS] += expression_cm
    local[:, top.FACE_POINTS :] += points.oval_share @ expression_cm[:, list(top.FACE_OVAL)]
    turned = (local - PIVOT_CM) @ rotations(motion.rotation_deg).transpose(0, 2, 1) + PIVOT_CM
    head = turned - points.positions_cm + motion.shift_cm[:, None]
    moved = points.head_weight[:, None] * head + points.body_weight[:, None] * motion.body_cm[:, None]
    return np.asarray(moved @ points.cm_to_px.T, np.float32)


def as_far_as_free(portrait: Portrait, motion: Motion) -> Motion:
    """The motion, with as much of the head's as a head has room for that the photo cuts."""
    if portrait.freedom == 1:
        return motion
    turned, shifted = portrait.freedom * motion.rotation_deg, portrait.freedom * motion.shift_cm
    return replace(motion, rotation_deg=turned, shift_cm=shifted, body_cm=portrait.freedom * motion.body_cm)


def turned_in_photo(portrait: Portrait, motion: Motion) -> Floats:
    """The head's turns (T, 3, 3) in the photo's frame."""
    pose = portrait.pose_rotation
    return np.asarray(pose @ rotations(motion.rotation_deg) @ pose.T)


def rigid_px(portrait: Portrait, motion: Motion, centre_cm: Floats) -> tuple[Floats, Floats]:
    """The head's turn as an affine map of the picture: matrices (T, 2, 2), and the shift (T, 2) of one point."""
    turn = rotations(motion.rotation_deg)
    to_px = portrait.points.cm_to_px
    scale = portrait.points.px_per_cm
    in_picture = to_px @ turn @ to_px.T / scale**2  # of points in the picture's plane through the centre
    moved = (centre_cm - PIVOT_CM) @ turn.transpose(0, 2, 1) + PIVOT_CM - centre_cm + motion.shift_cm
    return np.asarray(in_picture, np.float32), np.asarray(moved @ to_px.T, np.float32)


def texture_affine(matrix: Floats, centre_px: Floats, shift_px: Floats, origin_px: tuple[int, int]) -> Floats:
    """Output pixel -> texture pixel, inverse of: turn around centre, then shift -> (T, 2, 3)."""
    inverse = np.linalg.inv(matrix)
    offset = centre_px - np.einsum("tij,tj->ti", inverse, centre_px + shift_px) - np.array(origin_px, np.float32)
    return np.concatenate([inverse, offset[..., None]], 2).astype(np.float32)


def eye_inputs(portrait: Portrait, motion: Motion, eye: int, expression_cm: Floats) -> dict[str, Floats]:
    """Affines (T, 3, 2, 3) and opacities (T, 3) of the white, the iris and the photo's own eye, and `lid_shares`."""
    name, ends, upper, lower = EYES[eye]
    points, box = portrait.points, portrait.patches[name]
    centre_px = points.positions_px[list(ends)].mean(0)
    matrix, shift = rigid_px(portrait, motion, portrait.shape.rest_cm[list(ends)].mean(0))
    gaze = np.radians(motion.gaze_deg[:, 2 * eye : 2 * eye + 2])
    looked_cm = EYEBALL_RADIUS_CM * np.concatenate([np.sin(gaze), np.zeros((len(gaze), 1))], 1)
    looked = (looked_cm @ points.cm_to_px.T).astype(np.float32)
    white = texture_affine(matrix, centre_px, shift, (box.x0, box.y0))
    iris = texture_affine(matrix, centre_px, shift + looked, (box.x0, box.y0))
    lids_px = np.linalg.norm(expression_cm[:, [*upper, *lower]] @ points.cm_to_px.T, axis=2).max(1)
    moved = lids_px + np.linalg.norm(looked, axis=1)
    ones = np.ones_like(moved)
    opacity = np.stack([ones, ones, np.clip(1 - moved / (OWN_EYE_CM * points.px_per_cm), 0, 1)], 1)
    return {
        f"{name}_affine": np.stack([white, iris, white], 1),
        f"{name}_opacity": opacity.astype(np.float32),
        f"{name}_lid_shares": portrait.shape.free_lids[eye] * lid_shares(portrait.shape.rest_cm, expression_cm, eye),
    }


def lid_shares(rest_cm: Floats, expression_cm: Floats, eye: int) -> Floats:
    """How far an upper lid looks as it does when it is shut, or else below a raised brow -> (T, 2)."""
    _, _, upper, lower = EYES[eye]
    at_rest_cm = rest_cm[list(lower)] - rest_cm[list(upper)]
    now_cm = at_rest_cm + expression_cm[:, list(lower)] - expression_cm[:, list(upper)]
    open_cm = max(float(np.linalg.norm(at_rest_cm, axis=1).mean()), 1e-3)
    shut = smoothstep(*SHUT, 1 - np.linalg.norm(now_cm, axis=2).mean(1) / open_cm)
    brow, ring = (expression_cm[:, list(points), 1].mean(1) for points in BROWS[eye])
    return np.stack([shut, (1 - shut) * smoothstep(*RISEN_CM, ring - brow)], 1).astype(np.float32)


def mouth_inputs(portrait: Portrait, motion: Motion, expression_cm: Floats) -> dict[str, Floats]:
    """Affines (T, 4, 2, 3) and opacities (T, 4) of the dark with the tongue, lower teeth, upper teeth, and the photo's
    own mouth."""
    shape, box = portrait.shape, portrait.patches["mouth"]
    centre_cm = shape.rest_cm[[13, 14]].mean(0)
    centre_px = portrait.points.positions_px[[13, 14]].mean(0)
    matrix, shift = rigid_px(portrait, motion, centre_cm)
    jaw_cm = JAW_PER_CHIN * (expression_cm[:, CHIN] - shape.release_cm[CHIN])
    jaw = (jaw_cm @ portrait.points.cm_to_px.T).astype(np.float32)
    skull = texture_affine(matrix, centre_px, shift, (box.x0, box.y0))
    lower = texture_affine(matrix, centre_px, shift + jaw, (box.x0, box.y0))
    tongue = ((TONGUE_PER_JAW * jaw_cm + TONGUE_DOWN_CM) @ portrait.points.cm_to_px.T).astype(np.float32)
    behind = texture_affine(matrix, centre_px, shift + tongue, (box.x0, box.y0))
    opacity = np.ones((len(motion), 4), np.float32)
    opacity[:, 0] = np.clip(jaw_cm[:, 1] / WIDE_CM, LIGHT_BEHIND_TEETH, 1)  # no light, as nothing is behind it
    lips_cm = np.linalg.norm(expression_cm[:, list(LIPS)], axis=2).max(1)
    opacity[:, 3] = np.clip(1 - lips_cm / OWN_MOUTH_CM, 0, 1)
    return {"mouth_affine": np.stack([behind, lower, skull, skull], 1), "mouth_opacity": opacity}


def frame_inputs(portrait: Portrait, motion: Motion) -> dict[str, Floats]:
    """Everything of the warp graph that changes from frame to frame."""
    expression = portrait.shape.displacement_cm(motion.blendshapes, motion.release)
    displacement = control_displacement_px(portrait, motion, expression)
    fields = portrait.interpolation.coefficients(displacement)
    return {
        **dict(zip(("base_coefficients", *LAYERS), fields, strict=True)),
        "folds": fold_strengths(motion.blendshapes, motion.release[:, None] * portrait.shape.own),
        "light": portrait.light.change(turned_in_photo(portrait, motion)),
        **eye_inputs(portrait, motion, 0, expression),
        **eye_inputs(portrait, motion, 1, expression),
        **mouth_inputs(portrait, motion, expression),
    }
