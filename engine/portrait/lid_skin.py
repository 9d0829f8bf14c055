"""What upper lids look like shut, and under raised brows: the skin that they unfold isn't in a photo of open eyes.

A closing lid draws out what lies between an open eye and its brow to three times its height, and so does a brow that
rises. Lashes that stand up there, hairs of low brows and the shade of deep sockets became spikes and dark patches. What
is darker than the lid's own skin is brought to its tone meanwhile; creases, which are lighter, stay, and below brows
lashes as well. The line where lids meet is dark: glints of the eye that go with the upper one's edge are brought to the
tone of lashes.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from engine.portrait import topology as top
from engine.portrait.control_points import smoothstep
from engine.portrait.lips import read
from engine.portrait.patches import Rectangle, Tear, contour
from engine.portrait.triangles import rasterise
from engine.types import Floats, Image

# From the picture's left to its right, as in `Tear`: above the lid, where skin stays when it closes, and below the eye.
ABOVE = {"eye_right": top.ABOVE_LID_RIGHT, "eye_left": top.ABOVE_LID_LEFT[::-1]}
BELOW = {"eye_right": top.LOWER_RING_RIGHT, "eye_left": top.LOWER_RING_LEFT}
STEPS = 24  # from the lid's edge up
BARE_CM, BRIGHTER_SHARE = 0.12, 0.4  # above lashes' roots, the brighter part of what shows is skin
LEAST_CM = 0.25  # of height, in which that can be told
EVENED = 5.0  # of the contours' points, over which a lid's tone is even
LEAST_OF_BELOW = 0.85  # of the brightness of the skin below the eye: sockets are dark, shut lids stand out of them
UPPER_SHADE, EDGE_SHADE = (0.5, 0.95, 0.14), (0.0, 0.3, 0.06)  # between which shares of the way up, and how dark
DARKER = (0.08, 0.28)  # by such shares than the lid's skin: what is brought to its tone, from nothing of it to all
ENDS_CM = 0.35  # from an eye's corners inwards, over which that begins
LASHES_CM, LASHES_END_CM = (-0.14, 0.1), (0.02, 0.09)  # above the lid's edge: where their tone is looked for and given
DARKEST_SHARE, BRIGHTER = 0.3, (0.03, 0.2)  # of what is there is lashes; by such shares brighter than these is eye


class Change(NamedTuple):
    """What of the dark above a lid becomes skin."""

    blur_cm: float  # narrower than this stays
    begins_cm: tuple[float, float]  # above the lid's edge: nothing yet, and all
    ends: tuple[float, float]  # shares of the way up: all, and nothing any more


SHUT = Change(0.04, (0.08, 0.2), (0.8, 1.0))
RISEN = Change(0.12, (0.25, 0.45), (0.95, 1.0))


def lid_changes(
    image: Image, mesh_px: Floats, tear: Tear, px_per_cm: float, tint: Floats, rectangle: Rectangle
) -> Floats:
    """What an upper lid's colours change by, where the photo has them: when it is shut, and when the brow is raised
    -> (2, h, w, 3), of the rectangle.

    image is the crop (RGB), mesh (478, 3) in its pixels; tint (3,) is how much of a shade each colour takes.
    """
    photo = image[rectangle.slices].astype(np.float32)
    soft = softened(photo, SHUT.blur_cm * px_per_cm)
    corner = np.array([rectangle.x0, rectangle.y0], np.float32)
    lid, above, below = (
        contour(mesh_px, tear.ends, between) - corner for between in (tear.upper, ABOVE[tear.name], BELOW[tear.name])
    )
    up = np.linspace(0, 1, STEPS, dtype=np.float32)[:, None]
    height_cm = up * np.linalg.norm(above - lid, axis=1) / px_per_cm
    tone = lid_tone(read(soft, lid + up[..., None] * (above - lid)), height_cm, read(soft, below[None])[0])
    shade = UPPER_SHADE[2] * smoothstep(*UPPER_SHADE[:2], up) + EDGE_SHADE[2] * (1 - smoothstep(*EDGE_SHADE[:2], up))
    lids = tone * (1 - shade[..., None] * tint)
    inwards = smoothstep(0, ENDS_CM, from_ends(lid) / px_per_cm)
    found = np.empty((2, *photo.shape), np.float32)
    for change, kind in zip(found, (SHUT, RISEN), strict=True):
        share = inwards * smoothstep(*kind.begins_cm, height_cm) * (1 - smoothstep(*kind.ends, up))
        spread = spread_between(lid, above, np.concatenate([lids, share[..., None]], 2), rectangle)
        seen = softened(photo, kind.blur_cm * px_per_cm)
        darker = 1 - seen.mean(2) / np.maximum(spread[..., :3].mean(2), 1)
        change[:] = (spread[..., 3] * smoothstep(*DARKER, darker))[..., None] * (spread[..., :3] - photo)
    found[0] += lash_line_change(photo, soft, lid, above, px_per_cm)
    return found


def from_ends(contour_px: Floats) -> Floats:
    """How far each point of a contour (m, 2) is along it from the nearer end -> (m,)."""
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(contour_px, axis=0), axis=1))])
    return np.asarray(np.minimum(along, along[-1] - along), np.float32)


def softened(photo: Floats, blur_px: float) -> Floats:
    return np.asarray(cv2.GaussianBlur(photo, (0, 0), max(0.5, blur_px)), np.float32)


def lash_line_change(photo: Floats, soft: Floats, lid: Floats, above: Floats, px_per_cm: float) -> Floats:
    """What a shut lid's edge changes by; photo, as it is and softened (h, w, 3), contours (m, 2) in its pixels."""
    upwards = (above - lid) / np.maximum(np.linalg.norm(above - lid, axis=1, keepdims=True), 1)
    bow = np.sin(np.linspace(0, np.pi, len(lid), dtype=np.float32))[:, None]
    low, high = (lid + bow * reach_cm * px_per_cm * upwards for reach_cm in LASHES_CM)
    up = np.linspace(0, 1, STEPS, dtype=np.float32)[:, None]
    strip = read(soft, low + up[..., None] * (high - low))
    brightness = strip.mean(2)
    lashes = brightness <= np.quantile(brightness, DARKEST_SHARE, axis=0)
    tone = evened((strip * lashes[..., None]).sum(0) / lashes.sum(0)[:, None])
    height_cm = LASHES_CM[0] + up * (LASHES_CM[1] - LASHES_CM[0])
    share = np.broadcast_to(1 - smoothstep(*LASHES_END_CM, height_cm), brightness.shape)
    texture = np.concatenate([np.broadcast_to(tone, strip.shape), share[..., None]], 2)
    spread = spread_between(low, high, texture, Rectangle(0, 0, photo.shape[1], photo.shape[0]))
    brighter = soft.mean(2) / np.maximum(spread[..., :3].mean(2), 1) - 1
    return np.asarray((spread[..., 3] * smoothstep(*BRIGHTER, brighter))[..., None] * (spread[..., :3] - photo))


def lid_tone(strip: Floats, height_cm: Floats, below: Floats) -> Floats:
    """A lid's own skin (m, 3), from what is above its edge (n, m, 3), n steps up, and the skin below the eye (m, 3)."""
    below = evened(below)
    wide = np.flatnonzero(height_cm[-1] > LEAST_CM)
    if not len(wide):
        return below
    brightness = np.where(height_cm > BARE_CM, strip.mean(2), -1)
    skin = brightness >= np.quantile(brightness, 1 - BRIGHTER_SHARE, axis=0)
    found = (strip * skin[..., None]).sum(0) / skin.sum(0)[:, None]
    across = np.arange(len(found))
    tone = evened(np.stack([np.interp(across, wide, channel[wide]) for channel in found.T], 1))
    missing = below.mean(1) - tone.mean(1)
    share = np.clip((LEAST_OF_BELOW * below.mean(1) - tone.mean(1)) / np.maximum(missing, 1), 0, 1)
    return np.asarray(tone + share[:, None] * (below - tone), np.float32)


def evened(tones: Floats) -> Floats:
    """(m, 3), smoothed."""
    column = np.ascontiguousarray(tones[:, None], np.float32)
    return np.asarray(cv2.GaussianBlur(column, (1, 0), 0.01, sigmaY=EVENED, borderType=cv2.BORDER_REPLICATE)[:, 0])


def spread_between(lower: Floats, upper: Floats, texture: Floats, rectangle: Rectangle) -> Floats:
    """A texture (n, m, 4) over what lies between two contours (m, 2), its fourth channel 0 outside -> (h, w, 4)."""
    count, steps = len(lower), len(texture)
    across, zero = np.arange(count, dtype=np.float32), np.zeros(count, np.float32)
    places = np.concatenate([np.column_stack([lower, zero]), np.column_stack([upper, zero])]).astype(np.float32)
    coordinates = np.concatenate([np.stack([across, zero + k, zero], 1) for k in (0, steps - 1)])
    at = np.arange(count - 1)
    quads = np.concatenate([np.stack([at, at + 1, at + count], 1), np.stack([at + 1, at + 1 + count, at + count], 1)])
    found = rasterise(places, coordinates, quads, Rectangle(0, 0, rectangle.width, rectangle.height))
    inside = found[..., 3]
    x, y = (np.ascontiguousarray(found[..., axis] / np.maximum(inside, 1e-6)) for axis in (0, 1))
    spread = cv2.remap(np.asarray(texture, np.float32), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(np.concatenate([spread[..., :3], (inside * spread[..., 3])[..., None]], 2), np.float32)
