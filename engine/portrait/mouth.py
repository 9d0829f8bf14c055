"""The inside of the mouth: what the photo shows of it, over teeth, gums and tongue drawn from a mesh.

Four layers, back to front: the dark of the mouth; the lower jaw; the upper teeth, fixed to the skull, where they aren't
seen in the photo those of a mesh; and all of the photo's own pixels between parted lips, while these stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.portrait.own_teeth import OwnTeeth, continued, continued_below, tone
from engine.portrait.patches import Rectangle
from engine.portrait.toning import Toning
from engine.portrait.triangles import normals, rasterise, rounder
from engine.types import Floats, HeadPose

TOOTH_HEIGHT_CM = 1.0
FRONT_TEETH_CM = 0.4  # to each side
BEHIND_TONGUE_CM = 2.4  # behind the nearest teeth: what is left of lower ones if a head looks aside
MOLARS_CM = 3.0  # behind the front teeth; in the dark there
CANONICAL_MOUTH_CM = 4.91
UPPER_TEETH_LENGTH = 1.3  # the mesh's gums come down far; most smiles show none
TEETH_BELOW_LIP_LINE_CM = 0.15  # more than in the mesh: parted lips usually show the upper teeth's edge
TEETH_TILT_DEG, TONGUE_TILT_DEG = 6.0, 14.0  # of the lower jaw, half and wide open: closed, it is out of sight
TONGUE_SOFT_CM = 0.15
FADING_CM, LOWER_FADING_CM, TONGUE_FADING_CM = 1.5, 0.9, 4.0  # behind the front teeth, in which half the light is lost
BETWEEN_TEETH, BETWEEN_TEETH_CM = 0.4, 0.12  # lower teeth are this much darker where they touch
GROOVE, GROOVE_CM = 0.1, 0.2  # the tongue is this much darker along its middle
BLUSH = np.array([1.0, 1.5, 1.6])  # light that comes back from deep in a mouth is red; half as much on tongue and teeth
DEPTH_SHADE = 0.2  # teeth and gums are this much darker where all around is skin
TONGUE_SHADE = 0.5  # likewise the tongue
TOOTH, LOWER_TOOTH = np.array([0.93, 0.90, 0.83]), np.array([0.97, 0.95, 0.90])  # of which the network draws hardly any
GUM, TONGUE = np.array([0.52, 0.25, 0.24]), np.array([0.80, 0.46, 0.50])
CORAL = np.array([0.78, 0.50, 0.48])  # gums beside teeth that the photo shows, which the network doesn't paint
INSIDE_TEETH_CM, GUMS_CM = 0.15, 0.1  # of the arch of the lower teeth begins the tongue; over which gums lead to it
TONGUE_FADES_CM = (1.2, 3.4)  # behind the front teeth, into the dark
DARK, DEEP, CHEEKS_CM = np.array([0.20, 0.07, 0.06]), 0.45, 2.4  # of the throat, and what of it is left in the middle
FAR_CHEEK, FAR_CHEEK_CM = np.array([0.42, 0.17, 0.15]), 1.6  # what is seen beside the teeth of a head that looks aside


@dataclass(frozen=True)
class MouthInterior:
    """The mesh of weights/mouth_interior.npz, in the canonical face's frame."""

    vertices_cm: Floats  # (V, 3)
    triangles: NDArray[np.int64]  # (T, 3)
    is_tooth: NDArray[np.bool_]  # (V,)
    is_lower: NDArray[np.bool_]  # (V,)
    to_next_tooth_cm: Floats  # (V,) from a tooth; infinite on gums and tongue
    lip_line_cm: Floats  # (3,) where closed lips meet, in the middle

    @classmethod
    def load(cls, path: Path) -> MouthInterior:
        with np.load(path) as arrays:
            return cls(
                arrays["vertices_cm"].astype(np.float32),
                arrays["triangles"].astype(np.int64),
                arrays["is_tooth"],
                arrays["is_lower"],
                arrays["to_next_tooth_cm"].astype(np.float32),
                arrays["lip_line_cm"],
            )

    @cached_property
    def finer(self) -> MouthInterior:
        """The same with four triangles for each, for faces so large that corners would show."""
        vertices_cm, triangles, ends = rounder(self.vertices_cm, self.triangles)
        to_next_tooth_cm = self.to_next_tooth_cm[ends].mean(1)
        return replace(
            self,
            vertices_cm=vertices_cm,
            triangles=triangles,
            is_tooth=np.concatenate([self.is_tooth, self.is_tooth[ends].all(1)]),
            is_lower=np.concatenate([self.is_lower, self.is_lower[ends].all(1)]),
            to_next_tooth_cm=np.concatenate([self.to_next_tooth_cm, to_next_tooth_cm]),
        )


def shaded(mesh: MouthInterior, vertices_px: Floats, px_per_cm: float) -> Floats:
    """Colour of each vertex for white light from above and before the face, 0-1 -> (V, 3).

    Deeper in the mouth less light arrives: first on the lower teeth, which lie in the lips' shade, last on the tongue,
    which lies open to it from above.
    """
    normal = normals(vertices_px, mesh.triangles)
    normal *= np.sign((normal * [0, 0, -1]).sum(1, keepdims=True)) + (normal[:, 2:] == 0)
    light = np.array([0.0, -0.45, -0.9]) / np.hypot(0.45, 0.9)
    diffuse = np.clip(normal @ light, 0, 1)
    gloss = np.clip(normal @ (light + [0, 0, -1]) / np.linalg.norm(light + [0, 0, -1]), 0, 1) ** 40
    depth_cm = (vertices_px[:, 2] - vertices_px[mesh.is_tooth, 2].min()) / px_per_cm
    tongue = tongue_share(mesh)
    fading = np.clip((TONGUE_FADES_CM[1] - depth_cm) / np.ptp(TONGUE_FADES_CM), 0, 1)
    lower_tooth = mesh.is_tooth & mesh.is_lower
    behind_cm = np.clip(depth_cm - 0.6, 0, None)
    half_cm = np.where(lower_tooth, LOWER_FADING_CM, FADING_CM)
    reach = (1 - tongue) * 0.5 ** (behind_cm / half_cm) + tongue * fading * 0.5 ** (behind_cm / TONGUE_FADING_CM)
    groove = GROOVE * np.exp(-((mesh.vertices_cm[:, 0] / GROOVE_CM) ** 2))
    touching = np.clip(1 - mesh.to_next_tooth_cm / BETWEEN_TEETH_CM, 0, 1)
    reach *= 1 - groove * tongue - BETWEEN_TEETH * touching * lower_tooth
    blush = 1 + (BLUSH - 1) * (1 - 0.5 * np.maximum(tongue, mesh.is_tooth)[:, None])
    tooth = np.where(mesh.is_lower[:, None], LOWER_TOOTH, TOOTH)
    albedo = np.where(mesh.is_tooth[:, None], tooth, GUM + tongue[:, None] * (TONGUE - GUM))
    bright = (0.72 + 0.33 * diffuse)[:, None] * albedo + np.where(mesh.is_tooth, 0.10, 0.05)[:, None] * gloss[:, None]
    return np.asarray(bright * reach[:, None] ** blush, np.float32)


def tongue_share(mesh: MouthInterior) -> Floats:
    """1 where a vertex (V,) is the tongue's, inside the arch of the teeth, 0 elsewhere; gums lead over into it."""
    teeth = mesh.vertices_cm[mesh.is_tooth & mesh.is_lower]
    arch = np.polynomial.Polynomial.fit(np.abs(teeth[:, 0]), teeth[:, 2], 3)
    across, depth = np.abs(mesh.vertices_cm[:, 0]), mesh.vertices_cm[:, 2]
    inside_cm = (depth - arch(across)) / np.hypot(1, arch.deriv()(across))
    beside = (arch.domain[1] - across) / GUMS_CM
    inside = np.minimum((inside_cm - INSIDE_TEETH_CM) / GUMS_CM, beside)
    return np.asarray(np.where(mesh.is_lower & ~mesh.is_tooth, np.clip(inside, 0, 1), 0), np.float32)


def softened(layer: Floats, softness_px: float) -> Floats:
    """A layer (h, w, 4), premultiplied, of triangles of one colour each: these go over into each other, and it fades
    towards its outline."""
    soft = np.asarray(cv2.GaussianBlur(layer, (0, 0), softness_px), np.float32)
    alpha = layer[..., 3:] * np.clip(2 * soft[..., 3:] - 1, 0, 1)
    return np.concatenate([soft[..., :3] / np.maximum(soft[..., 3:], 1e-6) * alpha, alpha], 2)


def placed_vertices(mesh: MouthInterior, pose: HeadPose, lip_line_px: Floats, width_cm: float) -> Floats:
    """The mesh (V, 3) in pixels at the pose of the photo's head, jaw closed.

    lip_line_px (3,) is where the closed lips' middle would be, width_cm the width of the mouth when it shows nothing.
    """
    width_ratio = np.clip(width_cm / CANONICAL_MOUTH_CM, 0.85, 1.15)
    shape = (mesh.vertices_cm - mesh.lip_line_cm) * [width_ratio, 1, 1]
    edge = shape[mesh.is_tooth & ~mesh.is_lower, 1].max()
    upper_y = shape[~mesh.is_lower, 1]
    shape[~mesh.is_lower, 1] = edge + UPPER_TEETH_LENGTH * (upper_y - edge) + TEETH_BELOW_LIP_LINE_CM
    of_jaw = TEETH_TILT_DEG + (TONGUE_TILT_DEG - TEETH_TILT_DEG) * tongue_share(mesh)
    tilt_deg = np.where(mesh.is_lower, of_jaw, 0)
    shape = tilted(shape, shape[mesh.is_tooth & mesh.is_lower], np.radians(tilt_deg))
    return np.asarray(lip_line_px + pose.scale_px * shape @ pose.rotation.T, np.float32)


def tilted(shape_cm: Floats, teeth_cm: Floats, angles: Floats) -> Floats:
    """Points (n, 3) of the lower jaw turned by angles (n,) as an open one is, about the edge of its front teeth."""
    front = teeth_cm[teeth_cm[:, 2] < teeth_cm[:, 2].min() + 0.5]
    x, y, z = (shape_cm - [0, front[:, 1].min(), front[:, 2].min()]).T
    sine, cosine = np.sin(angles), np.cos(angles)
    turned = np.stack([x, cosine * y - sine * z, sine * y + cosine * z], 1)
    return np.asarray(turned + [0, front[:, 1].min(), front[:, 2].min()])


def mouth_textures(
    photo: Floats,
    aperture: Floats,
    own: Floats,
    teeth: OwnTeeth,
    white: Floats,
    toning: Toning,
    mesh: MouthInterior,
    vertices_px: Floats,
    px_per_cm: float,
    rectangle: Rectangle,
    jaw_px: Floats,
) -> Floats:
    """The four layers -> (4, 4, h, w) premultiplied, of the rectangle's size.

    photo and own (h, w, 3), 0-255: the mouth's patch, and with what is known of the photo's teeth, unshaded; aperture
    (h, w) is 1 where the photo shows the inside of the mouth; white (3,) is what white looks like in the photo's light,
    0-255; jaw_px (2,) is how far the photo's jaw is open.
    """
    shown = (aperture > 0).astype(np.float32)[..., None]
    is_tongue = (tongue_share(mesh)[mesh.triangles] > 0).any(1)
    depth_cm = (vertices_px[:, 2] - vertices_px[mesh.is_tooth, 2].min()) / px_per_cm
    before_tongue = depth_cm[mesh.triangles].max(1) < BEHIND_TONGUE_CM
    lower = mesh.triangles[mesh.is_lower[mesh.triangles].all(1) & ~is_tongue & before_tongue]
    upper = mesh.triangles[~mesh.is_lower[mesh.triangles].any(1) & ~behind_teeth(mesh)]
    behind = throat(white, front_and_middle_px(mesh, vertices_px) - rectangle.x0, px_per_cm, rectangle)
    lit = shaded(mesh, vertices_px, px_per_cm) * white
    if teeth.kept.any():
        lit[~mesh.is_tooth & ~mesh.is_lower] *= CORAL / GUM
    at = np.clip(np.rint(vertices_px[:, 0] - rectangle.x0).astype(int), 0, rectangle.width - 1)
    seen = np.maximum(lit, behind[0, at, :3])  # what fades into the dark doesn't stand out from it
    colours, behind[..., :3] = toning.applied(seen), toning.applied(behind[..., :3])
    if teeth.kept.any():
        upper_teeth = upper[mesh.is_tooth[upper].all(1)]
        colours[mesh.is_tooth] *= tone(own, teeth, rasterise(vertices_px, colours, upper_teeth, rectangle))
    tongue = rasterise(vertices_px, colours, mesh.triangles[is_tongue], rectangle)
    tongue = softened(tongue, TONGUE_SOFT_CM * px_per_cm)
    layers = [
        tongue + (1 - tongue[..., 3:]) * behind,
        continued_below(own, teeth, rasterise(vertices_px, colours, lower, rectangle), jaw_px),
        continued(own, teeth, rasterise(vertices_px, colours, upper, rectangle)),
        shown * np.concatenate([photo, shown], 2),
    ]
    return np.ascontiguousarray(np.stack(layers).transpose(0, 3, 1, 2), np.float32)


def throat(white: Floats, teeth_px: Floats, px_per_cm: float, rectangle: Rectangle) -> Floats:
    """The dark behind it all (h, w, 4): cheeks catch some light, the middle hardly any.

    teeth_px: x of the front teeth and of the middle of all. They differ where a head looks aside: then the inside of
    the farther cheek is seen past the front teeth.
    """
    front, middle = teeth_px / px_per_cm
    x = np.arange(rectangle.width) / px_per_cm
    aside = np.clip(np.abs(x - middle) / CHEEKS_CM, 0, 1) ** 2
    far = np.clip(np.abs(middle - front), 0, 1) * np.clip((front - x) * np.sign(middle - front) / FAR_CHEEK_CM, 0, 1)
    colour = (DEEP + (1 - DEEP) * aside)[:, None] * (DARK + far[:, None] * (FAR_CHEEK - DARK)) * white
    row = np.concatenate([colour, np.ones((rectangle.width, 1))], 1)
    return np.tile(row.astype(np.float32), (rectangle.height, 1, 1))


def front_and_middle_px(mesh: MouthInterior, vertices_px: Floats) -> Floats:
    """x of the front teeth, and of the middle of all teeth."""
    in_front = np.abs(mesh.vertices_cm[mesh.is_tooth, 0]) < FRONT_TEETH_CM
    x = vertices_px[mesh.is_tooth, 0]
    return np.array([x[in_front].mean(), x.mean()])


def behind_teeth(mesh: MouthInterior) -> NDArray[np.bool_]:
    """Triangles (T,) of the throat, palate and molars, which would hang below the upper teeth like a curtain."""
    is_gum = ~mesh.is_tooth[mesh.triangles].any(1)
    depth_cm = mesh.vertices_cm[:, 2] - mesh.vertices_cm[mesh.is_tooth, 2].min()
    edge = mesh.vertices_cm[mesh.is_tooth & ~mesh.is_lower, 1].max()
    low = mesh.vertices_cm[mesh.triangles, 1].max(1) > edge - TOOTH_HEIGHT_CM / 2
    return np.asarray((is_gum & low) | (depth_cm[mesh.triangles].min(1) > MOLARS_CM))
