"""Writes the trained mouth network as mouth.onnx, compares it with ONNX Runtime, and times it.

python -m export.renderer.build --checkpoint checkpoint.pt --weights engine/weights
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from export.manifest import write_manifest_row
from export.onnx_file import OPSET, save, store_as_half, tidy
from export.renderer.evaluate import load
from export.renderer.frame import CHANNELS, HEIGHT, STYLE_SIZE, WIDTH
from export.renderer.network import MouthNet, StylesSeen, flop_per_frame

TOLERANCE = 1.0  # of 255: weights are stored in half precision
FRAMES = 8  # of a batch, when it is timed
RUNS = 12
WINDOW = (64, 128)  # of a smile
TRAINING_DATA = (
    "open mouths in portraits of the Face Research Lab London Set and the Canada set of webmorphR.stim (DeBruine and "
    "Jones; CC BY 4.0), of synthetic people (faker-js/assets-person-portrait; CC0), of US officials (CivilServiceUSA; "
    "MIT, mostly public domain), and of US Presidential Innovation Fellows and the US Digital Corps (CC0)"
)


class MouthGraph(nn.Module):
    """The network with styles counted from the usual one: a standard normal is a person's."""

    mean: Tensor
    spread: Tensor

    def __init__(self, network: MouthNet, styles: StylesSeen) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", styles.mean)
        self.register_buffer("spread", styles.spread().T)

    def forward(self, crop: Tensor, style: Tensor) -> Tensor:
        found: Tensor = self.network(crop, self.mean + style @ self.spread)
        return found


def example_inputs(frames: int, height: int, width: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    crop = torch.rand(frames, CHANNELS, height, width, generator=generator)
    crop[:, :3] = 2 * crop[:, :3] - 1
    return {"crop": crop, "style": torch.randn(frames, STYLE_SIZE, generator=generator)}


def export_onnx(network: MouthGraph, path: Path) -> None:
    """Writes the graph for any number of frames, and for windows whose sides are multiples of 8."""
    inputs = example_inputs(2, HEIGHT, WIDTH)
    size = {0: "frames", 2: "height", 3: "width"}
    torch.onnx.export(
        network,
        tuple(inputs.values()),
        str(path),
        input_names=list(inputs),
        output_names=["mouth"],
        dynamic_axes={"crop": size, "style": {0: "frames"}, "mouth": size},
        opset_version=OPSET,
        dynamo=False,
    )
    save(store_as_half(tidy(onnx.load(path)), lossless_only=False), path)


def session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def difference(network: MouthGraph, path: Path, frames: int, height: int, width: int) -> float:
    """The largest difference between torch and ONNX Runtime, of 255."""
    inputs = example_inputs(frames, height, width)
    with torch.no_grad():
        expected = network(**inputs).numpy()
    found = session(path, 1).run(None, {name: value.numpy() for name, value in inputs.items()})[0]
    assert isinstance(found, np.ndarray)
    return 127.5 * float(np.abs(found - expected).max())


def milliseconds_per_frame(path: Path, threads: int) -> float:
    """Median over a few runs of a batch."""
    inputs = {name: value.numpy() for name, value in example_inputs(FRAMES, *WINDOW).items()}
    runner, took = session(path, threads), []
    for _ in range(RUNS):
        started = time.perf_counter()
        runner.run(None, inputs)
        took.append(time.perf_counter() - started)
    return 1000 * float(np.median(took)) / FRAMES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--weights", type=Path, default=Path("engine/weights"))
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    trained, _, styles, step = load(options.checkpoint)
    network = MouthGraph(trained, styles).eval()
    path = options.weights / "mouth.onnx"
    export_onnx(network, path)
    apart = max(difference(network, path, *size) for size in ((1, HEIGHT, WIDTH), (3, 48, 112)))
    if apart > TOLERANCE:
        raise SystemExit(f"ONNX Runtime differs from torch by {apart:.2g} of 255, more than {TOLERANCE}.")
    write_manifest_row(
        options.weights,
        file="mouth.onnx",
        network="mouth network: a U-Net that redraws the inside of mouths",
        source="this project, export/renderer",
        licence="Apache-2.0",
        training_data=TRAINING_DATA,
    )
    print(f"step {step}: {path.stat().st_size / 1e6:.1f} MB, {flop_per_frame() / 1e9:.2f} GFLOP for a whole frame")
    print(f"differs from torch by {apart:.2f} of 255")
    taken = milliseconds_per_frame(path, options.threads)
    print(f"{taken:.1f} ms a frame of {WINDOW[1]}x{WINDOW[0]} on {options.threads} threads")


if __name__ == "__main__":
    main()
