"""How far the exported files are from the original networks, run in the originals' own runtimes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from PIL import Image

from engine.samples import SAMPLES, sample_photo
from export import inpainter, mtcnn

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Row:
    """The largest difference in one output over the test inputs, in that output's own unit."""

    network: str
    output: str
    difference: float
    unit: str
    original: str  # runtime that the original ran in
    bytes: int


UNITS = {"points": "px", "score": "probability", "classes": "probability", "presence": "probability"}


def compare(name: str, original: Path, exported: Path) -> list[Row]:
    """Runs both on the same two inputs (photos for MediaPipe's networks, else noise), the exported file in one go."""
    rng = np.random.default_rng(7)
    runtime, run, inputs = _original(name, original, rng)
    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    results = dict(zip(names, session.run(None, inputs), strict=True))
    count = len(next(iter(inputs.values())))
    rows = []
    for output, reference in run(inputs).items():
        found = results[output]
        assert len(found) == count, f"{name}: '{output}' lost the batch"
        unit = UNITS.get(output, "0 to 1" if name in ("blendshapes", "inpaint") else "window sizes")
        if name == "onet" and output == "points":
            unit = "window sizes"
        difference = float(np.abs(found.reshape(reference.shape) - reference).max())
        rows.append(Row(name, output, difference, unit, runtime, exported.stat().st_size))
    return rows


def table(rows: list[Row]) -> str:
    """The rows as a Markdown table."""
    lines = ["| file | MB | output | largest difference | unit | original ran in |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {row.network}.onnx | {row.bytes / 1e6:.2f} | {row.output} | {row.difference:.1e} | {row.unit} "
        f"| {row.original} |"
        for row in rows
    ]
    return "\n".join(lines)


def _original(
    name: str, path: Path, rng: np.random.Generator
) -> tuple[str, Callable[[Arrays], Arrays], Arrays]:  # fmt: skip
    if name in mtcnn.NETWORKS:
        side = {"pnet": 96, "rnet": 24, "onet": 48}[name]
        return "torch", lambda inputs: _run_torch(name, path, inputs), {"image": _images(rng, side) * 2 - 1}
    if name == "inpaint":
        mask = np.zeros((2, 1, inpainter.SIDE, inpainter.SIDE), np.float32)
        mask[:, :, 100:300, 150:400] = 1
        inputs = {"image": _images(rng, inpainter.SIDE), "mask": mask}
        return "ONNX Runtime", lambda inputs: _run_generator(path, inputs), inputs
    if name == "blendshapes":
        points = rng.random((2, 146, 2), dtype=np.float32) * 200
        return "TFLite", lambda inputs: _run_tflite(path, inputs, _name_blendshapes), {"points": points}
    namer = _name_mesh if name == "mesh" else _name_segment
    return "TFLite", lambda inputs: _run_tflite(path, inputs, namer), {"image": _photos(256)}


def _images(rng: np.random.Generator, side: int) -> np.ndarray:
    """(2, 3, side, side) 0 to 1: coarse noise, enlarged, with fine noise on top."""
    coarse = torch.from_numpy(rng.random((2, 3, 8, 8), dtype=np.float32))
    smooth = torch.nn.functional.interpolate(coarse, (side, side), mode="bicubic").numpy()
    noisy: np.ndarray = np.clip(smooth + 0.05 * rng.standard_normal(smooth.shape, dtype=np.float32), 0, 1)
    return noisy


def _photos(side: int) -> np.ndarray:
    """(2, 3, side, side) 0 to 1: the two sample portraits."""
    pictures = [Image.open(sample_photo(name)).convert("RGB").resize((side, side)) for name in SAMPLES[:2]]
    photos: np.ndarray = np.stack([np.asarray(picture, np.float32).transpose(2, 0, 1) for picture in pictures]) / 255
    return photos


def _run_torch(name: str, path: Path, inputs: Arrays) -> Arrays:
    with torch.no_grad():
        results = mtcnn.load(name, path)(torch.from_numpy(inputs["image"]))
    return {key: value.numpy() for key, value in zip(("score", "offsets", "points"), results, strict=False)}


def _run_generator(path: Path, inputs: Arrays) -> Arrays:
    """The generator inside the published pipeline, in fp32, one image at a time."""
    pieces = []
    model = inpainter.cut_generator(path)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    for image, mask in zip(inputs["image"], inputs["mask"], strict=True):
        known = 1 - mask
        stacked = np.concatenate([known - np.float32(0.5), (image * 2 - 1) * known])[None]
        pieces.append(session.run(None, {inpainter.GENERATOR_INPUT: stacked})[0])
    return {"filled": np.clip(np.concatenate(pieces) / 2 + np.float32(0.5), 0, 1)}


def _run_tflite(path: Path, inputs: Arrays, name_outputs: Callable[[list[np.ndarray]], Arrays]) -> Arrays:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    results = []
    for item in next(iter(inputs.values())):
        value = item.transpose(1, 2, 0) if item.ndim == 3 else item
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], np.ascontiguousarray(value[None]))
        interpreter.invoke()
        outputs = [interpreter.get_tensor(output["index"]) for output in interpreter.get_output_details()]
        results.append(name_outputs(outputs))
    return {key: np.stack([result[key] for result in results]) for key in results[0]}


def _name_mesh(outputs: list[np.ndarray]) -> Arrays:
    return {"points": outputs[0].reshape(478, 3), "presence": 1 / (1 + np.exp(-outputs[1].reshape(())))}


def _name_blendshapes(outputs: list[np.ndarray]) -> Arrays:
    return {"readings": outputs[0].reshape(52)}


def _name_segment(outputs: list[np.ndarray]) -> Arrays:
    logits = outputs[0][0].transpose(2, 0, 1)
    powers = np.exp(logits - logits.max(axis=0))
    return {"classes": powers / powers.sum(axis=0)}
