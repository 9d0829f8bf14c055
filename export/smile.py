"""Corrects the expression basis by how real people smile: pairs of photos of one person, neutral and smiling.

The artist's smile lifts all of the lower face, chin included; real ones draw the corners up and aside and leave the
chin where it is. What the basis says of a pair's smile is taken off the way that the mesh's points really go, and the
rest is laid to two causes by least squares: the smile itself, and how far it parts the lips.

    python -m export.basis --face3d FOLDER
    python -m export.smile --portraits DIR

DIR holds portraits and index.csv with the columns file, person, split and expression ("neutral" and "smile"). Only rows
of the split `train` are learnt from; the error on those of `dev` is printed. Run it on a basis fresh from export.basis.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine import Engine
from engine.bundle import Bundle
from engine.mesh import CanonicalFace
from engine.portrait import topology as top
from engine.portrait.control_points import to_head_frame
from engine.portrait.lip_shape import LIPS, length_cm, parting_cm, thickness_cm
from engine.portrait.readings import SMILES, own_expression
from engine.types import FaceMesh, Floats
from export.basis import FACE_POINTS, mirror_index, similarity
from export.manifest import write_manifest_row
from export.renderer.pairs import rows_of

# Corners of the eyes, nose, forehead, and the face's edge beside the eyes: no smile moves them.
STILL = (33, 133, 263, 362, 168, 6, 197, 195, 10, 151, 9, 8, 70, 300, 127, 356, 234, 454)
RIDGE = 0.3
BASIS = "expression_basis.npz"


@dataclass(frozen=True)
class Pairs:
    """n people of one split."""

    neutral_cm: Floats  # (n, 468, 3) in the head's frame, laid over the smiling face
    smiling_cm: Floats  # (n, 468, 3)
    shown: Floats  # (n, 52) what the smiling photo shows more than the neutral one

    @classmethod
    def read(cls, portraits: Path, split: str) -> Pairs:
        engine = Engine()
        both = [
            (face_of(engine, neutral), face_of(engine, smile)) for neutral, smile in files_of_pairs(portraits, split)
        ]
        smiling = [in_head_frame(smile) for _, smile in both]
        neutral = [laid_over(goal, in_head_frame(mesh)) for goal, (mesh, _) in zip(smiling, both, strict=True)]
        shown = [own_expression(smile.blendshapes) - own_expression(mesh.blendshapes) for mesh, smile in both]
        return cls(np.array(neutral), np.array(smiling), np.array(shown))


def files_of_pairs(portraits: Path, split: str) -> list[tuple[Path, Path]]:
    """The neutral and the smiling photo of everybody who has both."""
    people: dict[str, dict[str, Path]] = {}
    for row in rows_of(portraits, split):
        people.setdefault(row["person"], {})[row["expression"]] = portraits / row["file"]
    return [(files["neutral"], files["smile"]) for files in people.values() if {"neutral", "smile"} <= files.keys()]


def face_of(engine: Engine, photo: Path) -> FaceMesh:
    mesh = engine.find_faces(photo).meshes[0]
    assert mesh is not None, f"{photo} has no face that is large enough"
    return mesh


def in_head_frame(mesh: FaceMesh) -> Floats:
    return np.asarray(to_head_frame(mesh.points_px[:FACE_POINTS], mesh.pose))


def laid_over(goal: Floats, points: Floats) -> Floats:
    """Points (468, 3) turned and shifted so that what stays still in a smile lies on the goal's."""
    still = list(STILL)
    _, rotation, _ = similarity(points[still], goal[still])
    return (points - points[still].mean(0)) @ rotation.T + goal[still].mean(0)


def causes(pairs: Pairs, basis_cm: Floats) -> tuple[Floats, Floats]:
    """(n, 2): how much of a smile there is, and how far apart it brings the lips; and what the basis says of it all."""
    said = np.tensordot(pairs.shown, basis_cm, 1)
    others = said - np.tensordot(pairs.shown[:, SMILES], basis_cm[SMILES], 1)
    parted = parting_cm(pairs.smiling_cm - others) - parting_cm(pairs.neutral_cm)
    return np.stack([pairs.shown[:, SMILES].mean(1), parted], 1), said


def fitted(pairs: Pairs, basis_cm: Floats, across: np.ndarray) -> Floats:
    """What a smile of 1 on both sides lacks, and what comes with lips that are 1 cm apart: (2, 468, 3)."""
    strength, said = causes(pairs, basis_cm)
    left = pairs.smiling_cm - pairs.neutral_cm - said
    both_ways = np.concatenate([left, left[:, across] * [-1, 1, 1]]).reshape(2 * len(left), -1)
    twice = np.concatenate([strength, strength])
    found = np.linalg.solve(twice.T @ twice + RIDGE * np.eye(2), twice.T @ both_ways)
    return np.asarray(found.reshape(2, FACE_POINTS, 3))


def corrected(basis_cm: Floats, lack_cm: Floats) -> Floats:
    """The basis (52, 468, 3) with both smiles corrected, each by its share of the movement of a point."""
    sizes = np.linalg.norm(basis_cm[SMILES], axis=2) + 1e-3
    result = basis_cm.copy()
    result[SMILES] += (sizes / sizes.sum(0))[..., None] * lack_cm
    return result


def mouth_error_cm(pairs: Pairs, moved_cm: Floats) -> float:
    """RMS of what is left of the lips' way in the picture's plane."""
    lips = list({*top.UPPER_LIP, *top.UPPER_LIP_OUTER, *top.LOWER_LIP, *top.LOWER_LIP_OUTER, *top.MOUTH_CORNERS})
    left = (pairs.smiling_cm - pairs.neutral_cm - moved_cm)[:, lips, :2]
    return float(np.sqrt((left**2).mean()))


def thinner(pairs: Pairs) -> tuple[float, float]:
    """The powers of how much longer lips get by which they get thinner, upper and lower, by least squares."""
    powers = []
    for edge, border in LIPS:
        longer = np.log(length_cm(pairs.smiling_cm[:, edge]) / length_cm(pairs.neutral_cm[:, edge]))
        thicker = thickness_cm(pairs.smiling_cm, edge, border) / thickness_cm(pairs.neutral_cm, edge, border)
        powers.append(-float(longer @ np.log(thicker) / (longer @ longer)))
    return powers[0], powers[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--portraits", type=Path, required=True)
    parser.add_argument("--weights", type=Path, default=Path("engine/weights"))
    options = parser.parse_args()
    with np.load(options.weights / BASIS) as stored:
        if stored["parted_cm"].any():
            raise SystemExit(f"{BASIS} is corrected already; run export.basis first.")
        basis_cm = stored["displacements_cm"].astype(np.float64)
    across = mirror_index(CanonicalFace.load(Bundle.default()).points_cm[:FACE_POINTS])
    learnt, held_out = (Pairs.read(options.portraits, split) for split in ("train", "dev"))
    lack_cm, parted_cm = fitted(learnt, basis_cm[:, :FACE_POINTS], across)
    for name, pairs in (("train", learnt), ("dev", held_out)):
        strength, said = causes(pairs, basis_cm[:, :FACE_POINTS])
        better = said + np.tensordot(strength, np.stack([lack_cm, parted_cm]), 1)
        errors = (mouth_error_cm(pairs, moved) for moved in (np.zeros_like(said), said, better))
        print(name, len(pairs.shown), "still, basis, corrected: " + ", ".join(f"{error:.3f} cm" for error in errors))
        print("  lips are thinner by the power of their length: {:.2f} (upper), {:.2f} (lower)".format(*thinner(pairs)))
    basis_cm[:, :FACE_POINTS] = corrected(basis_cm[:, :FACE_POINTS], lack_cm)
    np.savez_compressed(
        options.weights / BASIS, displacements_cm=basis_cm.astype(np.float32), parted_cm=parted_cm.astype(np.float32)
    )
    write_manifest_row(
        options.weights,
        file=BASIS,
        network="52 blendshapes as displacements of the 478-point mesh",
        source="computed from ICT-FaceKit (light model), USC Institute for Creative Technologies; smiles corrected by "
        "this project, export/smile.py",
        licence="MIT",
        training_data="artist-made shapes; smiles: 52 people of the Face Research Lab London Set (DeBruine and Jones; "
        "CC BY 4.0)",
    )


if __name__ == "__main__":
    main()
