"""The expression basis: what each of the 52 blendshapes does to the 478 points of the mesh.

The shapes come from ICT-FaceKit's light model (USC ICT, MIT). Each point of the mesh is tied to one triangle of that
model's face; its displacement is read there and turned into the frame of the canonical face (x right, y down, z away
from the viewer, centimetres).

    python -m export.basis --face3d DIR --weights engine/weights
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import numpy as np

from engine.mesh import BLENDSHAPES
from export.manifest import write_manifest_row

POINTS, FACE_POINTS = 478, 468
# From the right corner to the middle: outer edge, two rows of the lip's red, inner edge, and the skin below.
LOWER_LIP_RINGS = (
    (61, 146, 91, 181, 84, 17),
    (76, 77, 90, 180, 85, 16),
    (62, 96, 89, 179, 86, 15),
    (78, 95, 88, 178, 87, 14),
)
DRAWN_DOWN = (("jawOpen",), ("mouthLowerDownLeft", "mouthLowerDownRight"))  # what draws it, on both sides together
ARC_SHARE = 0.85
FLIP_Y_AND_Z = np.diag([1.0, -1.0, -1.0])


def tied_points(per_vertex: np.ndarray, tie: dict[str, np.ndarray]) -> np.ndarray:
    """Values on ICT's vertices (..., V, 3) -> values on the mesh's points (..., 468, 3)."""
    corners = per_vertex[..., tie["tri"], :].astype(np.float64)  # (..., 468, 3, 3)
    return (corners * tie["bary"][:, :, None]).sum(-2)


def similarity(source: np.ndarray, target: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Scale, rotation and shift that bring source onto target in the least squares (Umeyama 1991)."""
    s, t = source - source.mean(0), target - target.mean(0)
    u, sigma, vt = np.linalg.svd(s.T @ t)
    sign = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    scale, rotation = float((sigma * np.diag(sign)).sum() / (s**2).sum()), (u @ sign @ vt).T
    return scale, rotation, target.mean(0) - scale * rotation @ source.mean(0)


def canonical_points(face3d: Path) -> np.ndarray:
    """The canonical face's (468, 3), x right, y down, z away from the viewer, centimetres."""
    lines = (face3d / "canonical_face_model.obj").read_text().splitlines()
    points = np.array([[float(v) for v in line.split()[1:4]] for line in lines if line.startswith("v ")])
    return points @ FLIP_Y_AND_Z


def ict_to_canonical(face3d: Path) -> tuple[float, np.ndarray, np.ndarray]:
    """Scale, rotation and shift from ICT's frame (y up, z to the viewer) to the canonical face's."""
    ict, tie = np.load(face3d / "ict_face_light.npz"), dict(np.load(face3d / "mp468_to_ict.npz"))
    ours = tied_points(ict["vertices"], tie) @ FLIP_Y_AND_Z
    scale, rotation, shift = similarity(ours, canonical_points(face3d))
    return scale, rotation @ FLIP_Y_AND_Z, shift


def mirror_index(canonical: np.ndarray) -> np.ndarray:
    """For each point of the symmetric canonical face, the point across the middle."""
    mirrored = canonical * [-1, 1, 1]
    return np.linalg.norm(mirrored[:, None] - canonical[None], axis=2).argmin(1)


def ict_names(blendshape: str) -> list[str]:
    """ARKit's name -> ICT's: browDownLeft -> browDown_L; browInnerUp -> its two halves."""
    if blendshape in ("browInnerUp", "cheekPuff"):
        return [blendshape + "_L", blendshape + "_R"]
    if blendshape in ("jawLeft", "jawRight", "mouthLeft", "mouthRight"):
        return [blendshape]
    return [re.sub("(Left|Right)$", lambda m: "_" + m[0][0], blendshape)]


def other_side(blendshape: str) -> str:
    return re.sub("Left|Right", lambda m: "Right" if m[0] == "Left" else "Left", blendshape)


def basis_on_mesh(face3d: Path) -> np.ndarray:
    """Displacements (52, 478, 3) in the canonical face's frame, symmetric left to right."""
    ict, tie = np.load(face3d / "ict_face_light.npz"), dict(np.load(face3d / "mp468_to_ict.npz"))
    canonical = canonical_points(face3d)
    scale, rotation, _ = ict_to_canonical(face3d)
    to_canonical = scale * rotation
    moves = dict(zip(ict["expression_names"], tied_points(ict["expressions"], tie), strict=True))
    basis = np.zeros((len(BLENDSHAPES), POINTS, 3))
    for i, name in enumerate(BLENDSHAPES[1:], start=1):
        basis[i, :FACE_POINTS] = sum(moves[n] for n in ict_names(name)) @ to_canonical.T
    across = mirror_index(canonical)
    opposite = [BLENDSHAPES.index(other_side(name)) for name in BLENDSHAPES]
    mirrored = basis[opposite][:, across] * [-1, 1, 1]
    basis[:, :FACE_POINTS] = (basis[:, :FACE_POINTS] + mirrored) / 2
    round_lower_lip(basis, canonical, across)
    return basis.astype(np.float32)


def round_lower_lip(basis: np.ndarray, canonical: np.ndarray, across: np.ndarray) -> None:
    """Lets the lower lip hang in an arc when it is drawn down. The tie to ICT's lips gives it the shape of a V.

    across is `mirror_index`, which takes the rings to the other side.
    """
    for names in DRAWN_DOWN:
        shapes = [BLENDSHAPES.index(name) for name in names]
        whole = basis[shapes].sum(0)
        sizes = np.linalg.norm(basis[shapes], axis=2, keepdims=True) + 1e-6
        added = np.zeros_like(whole)
        for ring in (*LOWER_LIP_RINGS, *across[np.array(LOWER_LIP_RINGS)]):
            points = list(ring)
            side, middle = whole[points[0]], whole[points[-1]]
            along = np.abs(canonical[points, 0]) / np.abs(canonical[points[0], 0])
            arc = side + (middle - side) * np.sqrt(np.clip(1 - along[:, None] ** 2, 0, 1))
            added[points] = ARC_SHARE * (arc - whole[points])
        basis[shapes] += sizes / sizes.sum(0) * added


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--face3d", type=Path, required=True)
    parser.add_argument("--weights", type=Path, default=Path("engine/weights"))
    options = parser.parse_args()
    np.savez_compressed(
        options.weights / "expression_basis.npz",
        displacements_cm=basis_on_mesh(options.face3d),
        parted_cm=np.zeros((FACE_POINTS, 3), np.float32),  # see export.smile, which comes next
    )
    write_manifest_row(
        options.weights,
        file="expression_basis.npz",
        network="52 blendshapes as displacements of the 478-point mesh",
        source="computed from ICT-FaceKit (light model), USC Institute for Creative Technologies",
        licence="MIT",
        training_data="none (artist-made shapes)",
    )


if __name__ == "__main__":
    main()
