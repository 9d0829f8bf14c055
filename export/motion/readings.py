"""What the landmarker reads on training photos: blendshapes and head poses that the motion network meets as its input.

python -m export.motion.readings --portraits FOLDER --out readings.npz
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np

import engine
from engine.motion.own_pose import pose_degrees


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--portraits", type=Path, required=True, help="folder with index.csv; only split `train` is read"
    )
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    with (options.portraits / "index.csv").open(newline="") as stream:
        files = [row["file"] for row in csv.DictReader(stream) if row["split"] == "train"]
    finder = engine.Engine()
    blendshapes, poses = [], []
    for file in files:
        try:
            mesh = next(mesh for mesh in finder.find_faces(options.portraits / file).meshes if mesh is not None)
        except (engine.NoFaceError, StopIteration):
            continue
        blendshapes.append(mesh.blendshapes)
        poses.append(pose_degrees(mesh.pose))
    np.savez(options.out, blendshapes=np.array(blendshapes), pose_deg=np.array(poses))


if __name__ == "__main__":
    main()
