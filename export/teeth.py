"""The inside of the mouth: teeth, gums and tongue as a mesh in the canonical face's frame.

From ICT-FaceKit's light model (USC ICT, MIT). engine draws it once a photo, at the photo's own head pose.

    python -m export.teeth --face3d DIR --weights engine/weights
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from export.basis import canonical_points, ict_to_canonical
from export.manifest import write_manifest_row

GUMS_AND_TONGUE, TEETH = range(14062, 17039), range(17039, 21451)
JAW_MOVES_CM = 0.6  # what jawOpen moves by more than this belongs to the lower jaw


def mouth_interior(face3d: Path) -> dict[str, np.ndarray]:
    """vertices_cm (V, 3), triangles (T, 3), is_tooth (V,) and is_lower (V,)."""
    ict = np.load(face3d / "ict_face_light.npz")
    scale, rotation, shift = ict_to_canonical(face3d)
    first, last = GUMS_AND_TONGUE.start, TEETH.stop
    vertices = ict["vertices"][first:last] @ rotation.T * scale + shift
    triangles = ict["triangles"]
    inside = ((triangles >= first) & (triangles < last)).all(1)
    jaw_open = ict["expressions"][list(ict["expression_names"]).index("jawOpen"), first:last].astype(np.float32)
    index = np.arange(first, last)
    return {
        "vertices_cm": vertices.astype(np.float16),
        "triangles": (triangles[inside] - first).astype(np.uint16),
        "is_tooth": index >= TEETH.start,
        "is_lower": np.linalg.norm(jaw_open, axis=1) > JAW_MOVES_CM,
        "lip_line_cm": canonical_points(face3d)[[13, 14]].mean(0).astype(np.float32),
    }


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
