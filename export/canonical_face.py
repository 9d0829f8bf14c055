"""MediaPipe's canonical face (468 points and triangles, Apache-2.0) in the axes of `engine.types.HeadPose`."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np

from export.manifest import write_manifest_row

FILE = "canonical_face.npz"


def read_obj(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Points (468, 3) float32 in centimetres and triangles (n, 3) int32.

    The file has y up and z towards the viewer; here y points down and z away, as in the photo. That is half a turn
    about x, so the triangles keep their sense.
    """
    lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    points = np.array([line[1:4] for line in lines if line[:1] == ["v"]], np.float32)
    corners = [[part.split("/")[0] for part in line[1:4]] for line in lines if line[:1] == ["f"]]
    return points * np.float32([1, -1, -1]), np.array(corners, np.int32) - 1


def write_canonical_face(obj: Path, weights: Path) -> None:
    """Writes canonical_face.npz (points, triangles) into `weights` and its row into the manifest."""
    points, triangles = read_obj(obj)
    write_npz(weights / FILE, points=points, triangles=triangles)
    write_manifest_row(
        weights,
        FILE,
        network="no network: the canonical face, 468 points in centimetres and its triangles",
        source="MediaPipe face geometry (Google), github.com/google-ai-edge/mediapipe; canonical_face_model.obj",
        licence="Apache-2.0",
        training_data="none",
    )


def write_npz(path: Path, **arrays: np.ndarray) -> None:
    """np.savez_compressed without the time of day, so that the same arrays give the same bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, np.ascontiguousarray(array), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content.getvalue())
