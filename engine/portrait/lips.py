"""Where an open mouth's lower lip ends in the photo: the mesh's own line often lies on a full lip's inner side."""

from __future__ import annotations

import cv2
import numpy as np

from engine.types import Floats, Image

DEEPEST_CM = 0.3  # that the mesh lies on a lip
DEEPEST_SHARE = 0.6  # of what the mesh has between the lips
LEAST_CM = 0.04
MESH_EDGE_CM = 0.04  # where it doesn't, it lies this much on the teeth, which must not go with the lip
OUTER_CM = (0.06, 0.2)  # below the mesh's line, where the lip is for certain
STEP_CM = 0.02
ALIKE = 0.38  # of a lip's distance from teeth and from the dark, in CIELAB, is still lip
SPARE_PX = 8  # around what is read: blurring looks there
EDGE_PX = 1.0  # over which lip and teeth mix in the photo: what goes with the lip must not have a white rim
FOLLOWED = 0.08  # by which what counts as lip comes nearer to what was found at each step: its inner side is paler
TEETH, DARK = 0.75, 0.05  # quantiles of lightness between the lips


def end_of_lower_lip(image: Image, upper: Floats, lower: Floats, px_per_cm: float) -> Floats:
    """The lower contour (m, 2), moved up to where the lip ends; both contours face each other, point by point."""
    across = upper - lower
    gap_px = np.linalg.norm(across, axis=1)
    inwards = px_per_cm * across / np.maximum(gap_px, 1e-6)[:, None]  # a centimetre
    part, corner = around_contours(image, np.concatenate([upper, lower]), 2 * OUTER_CM[1] * px_per_cm + SPARE_PX)
    lab, upper, lower = lab_of(part, max(0.5, STEP_CM * px_per_cm)), upper - corner, lower - corner
    teeth, dark = between_lips(lab, lower, across)
    outer_cm = -np.linspace(*OUTER_CM, 5)
    lip = cv2.blur(read(lab, lower[:, None] + outer_cm[None, :, None] * inwards[:, None]).mean(1), (1, 9))  # (m, 3)
    apart = ALIKE * np.minimum(np.linalg.norm(teeth - lip, axis=1), np.linalg.norm(dark - lip, axis=1))
    deep_cm: Floats = np.zeros(len(lower), np.float32)
    is_lip = np.ones(len(lower), bool)
    for step_cm in np.arange(STEP_CM / 2, DEEPEST_CM, STEP_CM):
        found = read(lab, lower + step_cm * inwards)
        is_lip &= np.linalg.norm(found - lip, axis=1) < apart
        deep_cm = deep_cm + STEP_CM * is_lip
        lip = lip + FOLLOWED * (found - lip)
    deep_cm = calmed(np.minimum(deep_cm, DEEPEST_SHARE * gap_px / px_per_cm))
    bow = np.sin(np.linspace(0, np.pi, len(lower)))
    inside_cm = np.where(deep_cm < LEAST_CM, -MESH_EDGE_CM * bow, deep_cm - EDGE_PX / px_per_cm)
    return np.asarray(corner + lower + inside_cm[:, None] * inwards, np.float32)


def around_contours(image: Image, contours: Floats, spare_px: float) -> tuple[Image, Floats]:
    """The part of a picture that holds contours (m, 2) and so much around them, and where its corner (2,) is."""
    end = np.array(image.shape[1::-1])
    x0, y0 = np.clip(np.floor(contours.min(0) - spare_px), 0, end - 1).astype(int)
    x1, y1 = np.clip(np.ceil(contours.max(0) + spare_px) + 1, [x0 + 1, y0 + 1], end).astype(int)
    return image[y0:y1, x0:x1], np.array([x0, y0], np.float32)


def lab_of(image: Image, blur_px: float) -> Floats:
    """A picture's CIELAB (h, w, 3)."""
    soft = cv2.GaussianBlur(image, (0, 0), blur_px).astype(np.float32) / 255
    return np.asarray(cv2.cvtColor(soft, cv2.COLOR_RGB2LAB), np.float32)


def between_lips(lab: Floats, lower: Floats, across: Floats) -> tuple[Floats, Floats]:
    """What is bright and what is dark (3,) between contours (m, 2), where they are far apart."""
    gap = np.linalg.norm(across, axis=1)
    wide = gap > 0.5 * gap.max()
    share = np.linspace(0.1, 0.9, 12)[None, :, None]
    found = read(lab, lower[wide][:, None] + share * across[wide][:, None]).reshape(-1, 3)
    low, high = np.quantile(found[:, 0], [DARK, TEETH])
    return found[found[:, 0] >= high].mean(0), found[found[:, 0] <= low].mean(0)


def read(picture: Floats, places: Floats) -> Floats:
    """picture (h, w, 3) at places (..., 2)."""
    x, y = (np.ascontiguousarray(places[..., axis], np.float32).reshape(len(places), -1) for axis in (0, 1))
    found = cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found.reshape(*places.shape[:-1], 3), np.float32)


def calmed(depths: Floats, around: int = 4) -> Floats:
    """The medians of each value's neighbours, smoothed; 0 beyond the ends."""
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(depths, around), 2 * around + 1)
    return np.asarray(cv2.blur(np.median(windows, 1)[:, None], (1, 2 * around - 1))[:, 0])
