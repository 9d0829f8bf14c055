"""The eyeball behind the lids: a white without its iris, and the iris that slides over it.

Both are completed where lids hide them. Over them, while nothing moves, lie the photo's own pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.portrait import topology as top
from engine.portrait.patches import Rectangle
from engine.portrait.shade import unshaded
from engine.portrait.shut_eyes import unseen_iris
from engine.portrait.toning import Toning
from engine.types import Floats, Image

IRISES: Mapping[str, tuple[int, ...]] = {"eye_right": top.IRIS_RIGHT, "eye_left": top.IRIS_LEFT}
LID_SHADE = 0.7  # what is behind lids is this much darker where all around is skin
RIM_CM, RIM_PX = (0.05, 0.18), 2.0  # along the lids the photo is a mixture of eye and lashes; then it is the eye itself
RING = (1.1, 1.2)  # radii of the iris, between which the photo is a mixture of it and the white
SEEN = (0.05, 0.2)  # of an iris: from the latter on it is believed, up to the former it may as well be lashes
BINS = 24  # of colour, from an iris' centre to its rim
REDDEST = 1.08  # times as red as that, beside green and blue: what is redder between narrow lids is lid
WHITE = 0.85  # of what white looks like in the photo's light are the whites of eyes


@dataclass(frozen=True)
class Iris:
    centre_px: Floats  # (2,) in the crop
    radius_px: float


def iris_of(mesh_px: Floats, indices: tuple[int, ...]) -> Iris:
    """The iris from its centre and four rim points."""
    points = mesh_px[list(indices), :2]
    return Iris(points[0].astype(np.float32), float(np.linalg.norm(points[1:] - points[0], axis=1).mean()))


def refined(iris: Iris, image: Image, aperture: Floats, rectangle: Rectangle) -> Iris:
    """The circle nearby where brightness jumps most from inside to outside (Daugman's operator, 1993).

    Only the sides are looked at, which lids seldom hide; aperture (h, w) is of the rectangle's size.
    """
    sharp = cv2.cvtColor(image[rectangle.slices], cv2.COLOR_RGB2GRAY).astype(np.float32)
    grey = np.asarray(cv2.GaussianBlur(sharp, (0, 0), max(0.5, 0.06 * iris.radius_px)), np.float32)
    sides = np.radians(np.concatenate([np.arange(-40, 60, 5), np.arange(120, 220, 5)]))
    shifts, scales = np.linspace(-0.25, 0.25, 7) * iris.radius_px, np.linspace(0.72, 1.12, 17)
    dx, dy, scale = (a.ravel() for a in np.meshgrid(shifts, shifts / 2, scales, indexing="ij"))
    radius = scale * iris.radius_px
    start = iris.centre_px - [rectangle.x0, rectangle.y0]

    def ring(r: Floats, image: Floats) -> Floats:
        x = start[0] + dx[:, None] + r[:, None] * np.cos(sides)
        y = start[1] + dy[:, None] + r[:, None] * np.sin(sides)
        return np.asarray(cv2.remap(image, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR), np.float32)

    seen = ring(1.15 * radius, aperture) > 0.5
    jump = ((ring(1.12 * radius, grey) - ring(0.88 * radius, grey)) * seen).sum(1) / np.maximum(seen.sum(1), 6)
    jump = jump - 2.0 * (np.hypot(dx, 2 * dy) / iris.radius_px + 2 * np.abs(scale - 0.95))
    best = int(jump.argmax())
    centre = iris.centre_px + np.array([dx[best], dy[best]], np.float32)
    return Iris(centre.astype(np.float32), float(radius[best]))


def diffuse(image: Floats, known: NDArray[np.bool_]) -> Floats:
    """Fills what isn't known by a push-pull pyramid (Gortler et al. 1996): smooth, and cheap at any size."""
    weight = known.astype(np.float32)
    levels: list[tuple[Floats, Floats]] = [(image * weight[..., None], weight)]
    while min(levels[-1][1].shape) > 2:
        size = tuple(max(1, (n + 1) // 2) for n in levels[-1][1].shape[::-1])
        levels.append(tuple(cv2.resize(a, size, interpolation=cv2.INTER_AREA) for a in levels[-1]))  # type: ignore[arg-type]
    coarse, w = levels[-1]
    filled: Floats = coarse / np.maximum(w, 1e-6)[..., None]
    filled = np.where(w[..., None] > 0, filled, coarse.sum((0, 1)) / max(float(w.sum()), 1e-6))
    for colour, w in reversed(levels[:-1]):
        filled = np.asarray(cv2.resize(filled, w.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)
        trust = np.minimum(1, w)[..., None]
        filled = trust * colour / np.maximum(w, 1e-6)[..., None] + (1 - trust) * filled
    return np.asarray(filled, np.float32)


def radial_profile(image: Floats, seen: NDArray[np.bool_], radius: Floats) -> Floats:
    """Mean colour at each distance from the iris' centre, from the pixels that lids don't hide -> (h, w, 3).

    radius: (h, w) the distances, 1 at the iris' rim.
    """
    index = np.minimum((radius * BINS).astype(int), BINS - 1)
    count = np.bincount(index[seen], minlength=BINS).astype(np.float32)
    summed = np.stack([np.bincount(index[seen], image[..., c][seen], BINS) for c in range(3)], 1)
    known = count > 0
    profile = np.stack(
        [np.interp(np.arange(BINS), np.flatnonzero(known), summed[known, c] / count[known]) for c in range(3)], 1
    )
    smooth = cv2.GaussianBlur(profile.astype(np.float32)[:, None], (1, 5), 1)[:, 0]
    return np.asarray(smooth[index], np.float32)


def eyeball_textures(
    image: Image,
    aperture: Floats,
    iris: Iris,
    light_white: Floats,
    toning: Toning,
    px_per_cm: float,
    rectangle: Rectangle,
) -> Floats:
    """The white, the iris and the photo's own eye -> (3, 4, h, w) premultiplied, of the rectangle's size.

    The last has lashes and shadows of lids along its rim, right only while neither lids nor eye have moved.
    image is the crop (RGB); aperture (h, w) is 1 between the lids, of the rectangle's size; light_white (3,) is what
    white looks like in the photo's light, 0-255.
    """
    photo = image[rectangle.slices].astype(np.float32)
    eye = unshaded(photo, aperture, LID_SHADE, px_per_cm)
    opened = aperture > 0.5
    iris = refined(iris, image, aperture, rectangle) if opened.any() else iris
    y, x = np.mgrid[: rectangle.height, : rectangle.width].astype(np.float32)
    away = np.stack([x + rectangle.x0, y + rectangle.y0], 2) - iris.centre_px
    distance = np.hypot(away[..., 0], away[..., 1])
    edge = max(1.0, 0.12 * iris.radius_px)
    alpha = np.clip(0.5 - (distance - iris.radius_px) / edge, 0, 1)
    white_seen = opened & (distance > RING[1] * iris.radius_px)
    inner_px = cv2.distanceTransform(opened.astype(np.uint8), cv2.DIST_L2, 5)
    inner_cm = inner_px / px_per_cm
    clear = trimmed(white_seen & (inner_cm > RIM_CM[0]), eye)
    usual = np.broadcast_to(toning.applied(WHITE * light_white), eye.shape).astype(np.float32)
    white = diffuse(eye, clear) if clear.sum() >= 12 else usual
    tinge = redness(white, usual)
    white, seen = (paler(picture, usual, tinge) for picture in (white, eye))
    iris_seen = opened & (inner_cm > RIM_CM[0]) & (distance <= 0.95 * iris.radius_px)
    known = np.clip((iris_seen.sum() / (np.pi * iris.radius_px**2) - SEEN[0]) / (SEEN[1] - SEEN[0]), 0, 1)
    white = white + (1 - known * (1 - greyness(white, usual))) * (usual - white)
    colour = toning.applied(unseen_iris(away / iris.radius_px, light_white))
    if known > 0:
        colour += known * (radial_profile(eye, iris_seen, distance / iris.radius_px) - colour)
    whole = white + alpha[..., None] * (colour - white)
    own = cv2.GaussianBlur((opened & ~white_seen | clear).astype(np.float32), (0, 0), max(0.6, 0.1 * iris.radius_px))
    beyond_rim = np.minimum((inner_cm - RIM_CM[0]) / (RIM_CM[1] - RIM_CM[0]), (inner_px - 1) / RIM_PX)
    own = (known * own * np.clip(beyond_rim, 0, 1))[..., None]
    beyond_iris = np.clip((distance / iris.radius_px - RING[0]) / (RING[1] - RING[0]), 0, 1)[..., None]
    white = white + beyond_iris * own * (seen - white)
    whole = whole + own * (eye - whole)
    layer = np.concatenate([whole - (1 - alpha[..., None]) * white, alpha[..., None]], 2)
    back = np.concatenate([white, np.ones_like(alpha)[..., None]], 2)
    shown = (aperture > 0).astype(np.float32)[..., None]
    unmoved = np.concatenate([photo * shown, shown], 2)
    return np.ascontiguousarray(np.stack([back, layer, unmoved]).transpose(0, 3, 1, 2), np.float32)


def trimmed(seen: NDArray[np.bool_], eye: Floats) -> NDArray[np.bool_]:
    """Of the white that shows, the part without lashes and deep corners: not much darker than its median."""
    if not seen.any():
        return seen
    brightness = eye.mean(2)
    return np.asarray(seen & (brightness >= 0.75 * np.median(brightness[seen])))


def redness(white: Floats, usual: Floats) -> float:
    """How much of its colour a white (h, w, 3) has to give up, so as to be no redder than whites are, 0 to 1."""
    (red, *others), (usual_red, *usual_others) = white.mean((0, 1)), usual.mean((0, 1))
    beyond = red * sum(usual_others) / max(usual_red * sum(others), 1e-6) - 1
    return max(0.0, 1 - (REDDEST - 1) / max(float(beyond), 1e-6))


def paler(picture: Floats, usual: Floats, share: float) -> Floats:
    """The picture (h, w, 3) with some of its colour replaced by that of white, as bright as it was."""
    bright = picture.mean(2, keepdims=True) * usual / np.maximum(usual.mean(2, keepdims=True), 1)
    return np.asarray(picture + share * (bright - picture), np.float32)


def greyness(white: Floats, usual: Floats) -> float:
    """How far a white that was seen only in deep shade of lids must be replaced by the usual one, 0 to 1."""
    return float(np.clip((0.85 * usual.mean() - white.mean()) / (0.25 * usual.mean()), 0, 0.8))
