"""The inside of the mouth: teeth, gums and tongue as a mesh in the canonical face's frame.

From ICT-FaceKit's light model (USC ICT, MIT). engine draws it once a photo, at the photo's own head pose. The artist
made the lower front teeth nearly as wide as the upper ones, which looks like a guard; people's are narrower.

    python -m export.teeth --face3d DIR --weights engine/weights
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from export.basis import canonical_points, ict_to_canonical
from export.manifest import write_manifest_row

Floats = NDArray[np.float64]
GUMS_AND_TONGUE, TEETH = range(14062, 17039), range(17039, 21451)
JAW_MOVES_CM = 0.6  # what jawOpen moves by more than this belongs to the lower jaw
# Lower central and lateral incisor and canine: 5.0, 5.5 and 7.0 mm, where the upper central one has 8.5 (Nelson,
# Wheeler's Dental Anatomy, table 1-1) and here 9.1.
LOWER_FRONT_CM = (0.54, 0.59, 0.75)
WITH_TEETH_CM = (0.5, 0.9)  # gums this near to the arch go along with its teeth, those farther away less, or stay
CROWN_CM = 0.6  # of its height, measured from a tooth's edge
ARCH_STEP_CM = 0.005


def mouth_interior(face3d: Path) -> dict[str, np.ndarray]:
    """vertices_cm (V, 3), triangles (T, 3), is_tooth (V,), is_lower (V,), and to_next_tooth_cm (V,), large on gums."""
    ict = np.load(face3d / "ict_face_light.npz")
    scale, rotation, shift = ict_to_canonical(face3d)
    first, last = GUMS_AND_TONGUE.start, TEETH.stop
    vertices = ict["vertices"][first:last] @ rotation.T * scale + shift
    triangles = ict["triangles"]
    inside = ((triangles >= first) & (triangles < last)).all(1)
    jaw_open = ict["expressions"][list(ict["expression_names"]).index("jawOpen"), first:last].astype(np.float32)
    index = np.arange(first, last)
    is_tooth, is_lower = index >= TEETH.start, np.linalg.norm(jaw_open, axis=1) > JAW_MOVES_CM
    within = triangles[inside] - first
    part = parts(within, len(index))
    vertices[is_lower] = slimmed(vertices[is_lower], is_tooth[is_lower], part[is_lower])
    return {
        "vertices_cm": vertices.astype(np.float16),
        "triangles": within.astype(np.uint16),
        "is_tooth": is_tooth,
        "is_lower": is_lower,
        "to_next_tooth_cm": to_next_tooth(vertices, is_tooth, part).astype(np.float16),
        "lip_line_cm": canonical_points(face3d)[[13, 14]].mean(0).astype(np.float32),
    }


def parts(triangles: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Of each vertex the number of the piece that its triangles belong to; every tooth is one -> (count,)."""
    edges = triangles.ravel(), np.roll(triangles, 1, axis=1).ravel()
    found: NDArray[np.int64] = connected_components(coo_array((np.ones(triangles.size), edges), (count, count)))[1]
    return found


def to_next_tooth(vertices: Floats, is_tooth: NDArray[np.bool_], part: NDArray[np.int64]) -> Floats:
    """From each vertex of a tooth to the nearest one of another -> (V,), infinite elsewhere."""
    apart = np.full(len(vertices), np.inf)
    for tooth in np.unique(part[is_tooth]):
        here = part == tooth
        apart[here] = KDTree(vertices[is_tooth & ~here]).query(vertices[here])[0]
    return apart


def slimmed(lower: Floats, is_tooth: NDArray[np.bool_], part: NDArray[np.int64]) -> Floats:
    """The lower jaw's vertices (n, 3): front teeth as wide as LOWER_FRONT_CM, those behind moved up to them.

    Everything slides along the arch through the teeth's middles and keeps its distance from it.
    """
    middles = np.array([middle_of(lower[part == tooth]) for tooth in np.unique(part[is_tooth])])
    middles = middles[np.argsort(np.arctan2(middles[:, 0], -middles[:, 1]))]  # from right to left
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(middles, axis=0), axis=1))])
    at_tooth = length - length[-1] / 2
    arch = CubicSpline(at_tooth, middles)
    steps = np.arange(at_tooth[0], at_tooth[-1], ARCH_STEP_CM)

    along = steps[KDTree(arch(steps)).query(lower[:, [0, 2]])[1]]
    beyond, aside = in_frame(arch, along, lower[:, [0, 2]])
    place = along + beyond
    ours = at_tooth[len(at_tooth) // 2 :]
    edges = np.concatenate([[0], (ours[:3] + ours[1:4]) / 2, [ours[-1] + 1]])
    wanted = np.concatenate([[0], np.cumsum(LOWER_FRONT_CM)])
    wanted = np.append(wanted, edges[-1] - edges[3] + wanted[-1])
    share = np.clip((WITH_TEETH_CM[1] - np.abs(aside)) / np.ptp(WITH_TEETH_CM), 0, 1)
    share[is_tooth] = 1
    moved = place + share * (np.sign(place) * np.interp(np.abs(place), edges, wanted) - place)

    on_arch = np.clip(moved, steps[0], steps[-1])
    tangent, normal = frame(arch, on_arch)
    result = lower.copy()
    result[:, [0, 2]] = arch(on_arch) + (moved - on_arch)[:, None] * tangent + aside[:, None] * normal
    return result


def middle_of(tooth: Floats) -> Floats:
    """The middle (2,) of its crown as seen from above: x and z."""
    crown = tooth[tooth[:, 1] < tooth[:, 1].min() + CROWN_CM][:, [0, 2]]
    return np.asarray((crown.min(0) + crown.max(0)) / 2)


def frame(arch: CubicSpline, along: Floats) -> tuple[Floats, Floats]:
    """Unit tangents and normals (n, 2) of the arch at lengths (n,)."""
    tangent = arch(along, 1)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    return tangent, np.stack([-tangent[:, 1], tangent[:, 0]], 1)


def in_frame(arch: CubicSpline, along: Floats, points: Floats) -> tuple[Floats, Floats]:
    """Points (n, 2) from the arch at lengths (n,): how far along its tangents and its normals."""
    away = points - arch(along)
    tangent, normal = frame(arch, along)
    return (away * tangent).sum(1), (away * normal).sum(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--face3d", type=Path, required=True)
    parser.add_argument("--weights", type=Path, default=Path("engine/weights"))
    options = parser.parse_args()
    np.savez_compressed(options.weights / "mouth_interior.npz", **mouth_interior(options.face3d))
    write_manifest_row(
        options.weights,
        file="mouth_interior.npz",
        network="mesh of teeth, gums and tongue",
        source="cut from ICT-FaceKit (light model), USC Institute for Creative Technologies",
        licence="MIT",
        training_data="none (artist-made shape)",
    )


if __name__ == "__main__":
    main()
