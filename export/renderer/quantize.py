"""Writes the mouth network with 8-bit integers, for CPUs: mouth_int8.onnx.

    python -m export.renderer.quantize --pairs pairs.npz --weights engine/weights

Ranges are those of mouths that were trained on. Weights keep to 7 bits: the 16-bit sums of CPUs without dot products of
bytes would overflow, and the picture would depend on the machine. Printed: PSNR inside mouths of other people, against
the network in floating point, and the time of both.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static

from engine.types import Floats
from export.manifest import write_manifest_row
from export.onnx_file import save, tidy
from export.renderer.augment import plain_batch
from export.renderer.build import TRAINING_DATA, milliseconds_per_frame, session
from export.renderer.corpus import Pairs
from export.renderer.frame import INSIDE, SHOWN, STYLE_SIZE

CALIBRATED_ON, AT_ONCE = 96, 8
LEAST_PSNR_DB = 44.0


class Calibration(CalibrationDataReader):  # type: ignore[misc]
    """Batches of crops with styles of people."""

    def __init__(self, crops: Floats) -> None:
        self._batches = self._drawn(crops)

    def get_next(self) -> dict[str, Floats] | None:
        return next(self._batches, None)

    @staticmethod
    def _drawn(crops: Floats) -> Iterator[dict[str, Floats]]:
        rng = np.random.default_rng(0)
        for start in range(0, len(crops), AT_ONCE):
            part = crops[start : start + AT_ONCE]
            yield {"crop": part, "style": rng.normal(0, 0.5, (len(part), STYLE_SIZE)).astype(np.float32)}


def crops_of(pairs: Pairs, rows: NDArray[np.intp]) -> Floats:
    chosen = torch.from_numpy(rows)
    return np.asarray(plain_batch({name: layer[chosen] for name, layer in pairs.layers.items()}).crop.numpy())


def in_floating_point(path: Path, folder: Path) -> Path:
    """The network with its constants worked out, as the quantiser wants it."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(folder / "plain.onnx")
    onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return folder / "plain.onnx"


def quantise(path: Path, crops: Floats) -> onnx.ModelProto:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        quantize_static(
            str(in_floating_point(path, folder)),
            str(folder / "int8.onnx"),
            Calibration(crops),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=["Conv"],
            calibrate_method=CalibrationMethod.Percentile,
        )
        model = tidy(onnx.load(folder / "int8.onnx"))
    plain = [entry for entry in model.opset_import if entry.domain == ""]
    del model.opset_import[:]  # the quantiser names sets that it doesn't use
    model.opset_import.extend(plain)
    return model


def psnr_db(first: Path, second: Path, crops: Floats) -> float:
    """Of the finished picture where the inside of the mouth shows."""
    sessions = [session(path, 1) for path in (first, second)]
    inputs = {"crop": crops, "style": np.zeros((len(crops), STYLE_SIZE), np.float32)}
    inside = crops[:, INSIDE]
    pictures = []
    for network in sessions:
        found = np.asarray(network.run(None, inputs)[0])
        pictures.append(crops[:, SHOWN] + found[:, 3:] * inside * (found[:, :3] - crops[:, SHOWN]))
    apart = 127.5 * (pictures[0] - pictures[1])[np.broadcast_to(inside > 0.5, pictures[0].shape)]
    return float(10 * np.log10(255**2 / np.mean(apart**2)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--weights", type=Path, default=Path("engine/weights"))
    options = parser.parse_args()
    pairs = Pairs.read(options.pairs)
    rows = np.random.default_rng(0).choice(pairs.training_rows(), CALIBRATED_ON, replace=False)
    exact, small = options.weights / "mouth.onnx", options.weights / "mouth_int8.onnx"
    save(quantise(exact, crops_of(pairs, rows)), small)
    found = psnr_db(exact, small, crops_of(pairs, pairs.validation_rows()))
    if found < LEAST_PSNR_DB:
        raise SystemExit(f"The integers are {found:.1f} dB from floating point, less than {LEAST_PSNR_DB}.")
    write_manifest_row(
        options.weights,
        file=small.name,
        network="mouth network in 8-bit integers, for CPUs",
        source="this project, export/renderer",
        licence="Apache-2.0",
        training_data=TRAINING_DATA,
    )
    slow, fast = (milliseconds_per_frame(path, 1) for path in (exact, small))
    print(f"{found:.1f} dB; {fast:.1f} ms a frame on one thread instead of {slow:.1f}")


if __name__ == "__main__":
    main()
