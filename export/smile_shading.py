"""Learns how smiles shade skin: pairs of photos of one person, neutral and smiling.

Both photos are read at the same places of the mesh, and what the smiling one is darker by is laid to the smile by least
squares. Folds lie elsewhere in everybody, so their mean is soft; light came from the front and from above.

    python -m export.smile_shading --portraits DIR

DIR holds portraits and index.csv with the columns file, person, split and expression ("neutral" and "smile"). Only rows
of the split `train` are learnt from.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from engine import Engine
from engine.bundle import Bundle
from engine.mesh import CanonicalFace
from engine.portrait import topology as top
from engine.types import FaceMesh, Floats, Image
from export.manifest import write_manifest_row
from export.smile import SMILES, files_of_pairs

FILE = "smile_shading.npz"
STEP_CM, TOP_CM, BOTTOM_CM, HALF_CM = 0.08, -4.4, 8.4, 6.4
PORES_CM = 0.07  # finer than folds: what is smaller is not the smile's
BLACK = 0.02  # of white: below, ratios are noise
STRONGEST = 0.8  # logarithm: beyond, it is hair or a shadow that moved
UNMOVED_CM = ((-3.0, 3.0), (-6.5, -4.5))  # x and y of the forehead, by which two photos are made equally bright
NOSTRILS = (1, 2, 97, 326, 98, 327, 48, 278, 4, 94, 19, 115, 344)
MARGIN_CM = {"eyes": 0.12, "lips": 0.2, "nostrils": 0.35}
FADE_CM = 0.25
EDGE_CM = 1.2  # from the face's outline inwards, over which the map begins


@dataclass(frozen=True)
class CanonicalGrid:
    """Where the places of a grid lie on the mesh."""

    corners: NDArray[np.int64]  # (h, w, 3) points of the triangle
    weights: Floats  # (h, w, 3) of them; 0 beyond the face

    @classmethod
    def over(cls, face: CanonicalFace, x_cm: Floats, y_cm: Floats) -> CanonicalGrid:
        shape = len(y_cm), len(x_cm)
        corners, weights = np.zeros((*shape, 3), np.int64), np.zeros((*shape, 3), np.float32)
        places = np.stack([*np.meshgrid(x_cm, y_cm), np.ones(shape)], -1)
        nearest = np.full(shape, np.inf)
        for triangle in face.triangles:
            points = face.points_cm[triangle]
            flat = np.concatenate([points[:, :2], np.ones((3, 1))], 1)
            if abs(np.linalg.det(flat)) < 1e-6:
                continue
            shares = places @ np.linalg.inv(flat)
            depth = shares @ points[:, 2]
            inside = (shares > -1e-6).all(-1) & (depth < nearest)
            corners[inside], weights[inside], nearest[inside] = triangle, shares[inside], depth[inside]
        return cls(corners, weights)

    def read(self, photo: Image, mesh: FaceMesh) -> Floats:
        """The photo's colours at the grid's places (h, w, 3), 0 to 1, without what is finer than PORES_CM."""
        at = (self.weights[..., None] * mesh.points_px[self.corners, :2]).sum(2).astype(np.float32)
        soft = cv2.GaussianBlur(photo.astype(np.float32) / 255, (0, 0), PORES_CM * mesh.pose.scale_px)
        return np.asarray(cv2.remap(soft, at[..., 0], at[..., 1], cv2.INTER_LINEAR), np.float32)


def changes(portraits: Path) -> tuple[Floats, Floats]:
    """Of n pairs the smiles' readings (n,), and the logarithm of what each place got brighter by (n, h, w, 3)."""
    half = np.arange(0, HALF_CM, STEP_CM)
    face = CanonicalFace.load(Bundle.default())
    grid = CanonicalGrid.over(face, np.concatenate([-half[:0:-1], half]), np.arange(TOP_CM, BOTTOM_CM, STEP_CM))
    reference = CanonicalGrid.over(face, *(np.arange(*span, STEP_CM) for span in UNMOVED_CM))
    engine, strength, brighter = Engine(), [], []
    for neutral_file, smiling_file in files_of_pairs(portraits, "train"):
        found = [engine.find_faces(file) for file in (smiling_file, neutral_file)]
        meshes = [each.meshes[0] for each in found]
        assert meshes[0] is not None and meshes[1] is not None
        smiling, neutral = (
            np.log(grid.read(each.photo, mesh) + BLACK)
            - np.median(np.log(reference.read(each.photo, mesh) + BLACK), axis=(0, 1))
            for each, mesh in zip(found, meshes, strict=True)
            if mesh is not None
        )
        read = [mesh.blendshapes[SMILES].mean() for mesh in meshes if mesh is not None]
        strength.append(read[0] - read[1])
        brighter.append(np.clip(smiling - neutral, -STRONGEST, STRONGEST))
    return np.array(strength), np.array(brighter)


def skin_alone(points_cm: Floats) -> Floats:
    """(h, w) of the half face: 1 on skin that no eye, lip or nostril moves over, soft at their borders."""
    height, width = round((BOTTOM_CM - TOP_CM) / STEP_CM), round(HALF_CM / STEP_CM)
    places = ((points_cm[:, :2] - [0, TOP_CM]) / STEP_CM).astype(np.float32)
    lips = (*top.MOUTH_CORNERS, *top.UPPER_LIP, *top.UPPER_LIP_OUTER, *top.LOWER_LIP, *top.LOWER_LIP_OUTER)
    kept = np.ones((height, width), np.uint8)
    for name, index in (
        ("eyes", (*top.UPPER_RING_LEFT, *top.LOWER_LID_LEFT, *top.EYE_ENDS_LEFT)),
        ("lips", lips),
        ("nostrils", NOSTRILS),
    ):
        hull = cv2.convexHull(places[list(index)]).round().astype(np.int32)
        reach = 2 * round(MARGIN_CM[name] / STEP_CM) + 1
        part = cv2.fillConvexPoly(np.zeros_like(kept), hull, 1)
        kept[cv2.dilate(part, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))) > 0] = 0
    face = cv2.fillPoly(np.zeros_like(kept), [places[list(top.FACE_OVAL)].round().astype(np.int32)], 1)
    inwards = cv2.distanceTransform(cv2.copyMakeBorder(face, 0, 0, width, 0, cv2.BORDER_REFLECT), cv2.DIST_L2, 5)
    edge = np.clip(inwards[:, width:] * STEP_CM / EDGE_CM, 0, 1)
    upper = np.clip((np.arange(height) * STEP_CM)[:, None] / EDGE_CM, 0, 1)
    soft = cv2.GaussianBlur(kept.astype(np.float32), (0, 0), FADE_CM / STEP_CM, borderType=cv2.BORDER_REFLECT)
    return np.asarray(np.clip(2 * soft - 1, 0, 1) * edge * upper, np.float32)


def learnt(portraits: Path) -> Floats:
    """The darkness (h, w) that comes with a smile of 1, of half a face."""
    strength, brighter = changes(portraits)
    slope = np.tensordot(strength, brighter, 1).mean(-1) / (strength**2).sum()
    middle = slope.shape[1] // 2
    half = (slope[:, middle:] + slope[:, middle::-1]) / 2
    return np.asarray((1 - np.exp(half)) * skin_alone(CanonicalFace.load(Bundle.default()).points_cm), np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--portraits", type=Path, required=True)
    parser.add_argument("--weights", type=Path, default=Path("engine/weights"))
    options = parser.parse_args()
    darkness = learnt(options.portraits).astype(np.float16)
    np.savez_compressed(options.weights / FILE, darkness=darkness, top_cm=TOP_CM, step_cm=STEP_CM)
    write_manifest_row(
        options.weights,
        file=FILE,
        network="no network: how much darker or brighter skin is in a smile, a map of 80x160 places",
        source="this project, export/smile_shading.py",
        licence="Apache-2.0",
        training_data="52 people of the Face Research Lab London Set (DeBruine and Jones; CC BY 4.0)",
    )


if __name__ == "__main__":
    main()
