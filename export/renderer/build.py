"""Exports the trained mouth network, compares it with ONNX Runtime, and times it.

python -m export.renderer.build --checkpoint checkpoint.pt --out mouth.onnx
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from export.renderer.evaluate import load
from export.renderer.graph import INPUTS, MouthGraph, example_inputs
from export.renderer.network import MouthNet, flop_per_frame

OPSET = 20
TOLERANCE = 1.5  # of 255: both round, and may do so to different sides
FRAMES = 8  # of a batch, when it is timed
RUNS = 12


def export_onnx(network: MouthNet, path: Path) -> None:
    """Writes the graph for any number of frames and any size of the patch."""
    inputs = example_inputs(2)
    size = {0: "frames", 2: "patch_h", 3: "patch_w"}
    axes = dict.fromkeys(("interior", "inside", "parts"), size)
    axes |= {name: {0: "frames", 1: "patch_h", 2: "patch_w"} for name in ("patch", "finished")}
    axes |= {name: {0: "frames"} for name in ("to_patch", "style")}
    torch.onnx.export(
        MouthGraph(network).eval(),
        tuple(inputs.values()),
        str(path),
        input_names=list(INPUTS),
        output_names=["finished"],
        dynamic_axes=axes,
        opset_version=OPSET,
        dynamo=False,
    )


def session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def difference(network: MouthNet, path: Path, frames: int, height: int, width: int) -> float:
    """The largest difference between torch and ONNX Runtime, of 255."""
    inputs = example_inputs(frames, height, width)
    with torch.no_grad():
        expected = MouthGraph(network).eval()(**inputs).numpy().astype(np.int16)
    found = session(path, 1).run(None, {name: value.numpy() for name, value in inputs.items()})[0]
    return float(np.abs(found - expected).max())


def milliseconds_per_frame(path: Path, threads: int) -> float:
    """Median over a few runs of a batch."""
    inputs = {name: value.numpy() for name, value in example_inputs(FRAMES).items()}
    runner, took = session(path, threads), []
    for _ in range(RUNS):
        started = time.perf_counter()
        runner.run(None, inputs)
        took.append(time.perf_counter() - started)
    return 1000 * float(np.median(took)) / FRAMES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    network, _, step = load(options.checkpoint)
    export_onnx(network, options.out)
    apart = max(difference(network, options.out, *size) for size in ((1, 150, 170), (5, 201, 233)))
    if apart > TOLERANCE:
        raise SystemExit(f"ONNX Runtime differs from torch by {apart:.2g}, more than {TOLERANCE}.")
    size = options.out.stat().st_size / 1e6
    print(f"step {step}: {size:.1f} MB, {flop_per_frame() / 1e9:.2f} GFLOP a frame")
    print(f"differs from torch by {apart:.0f} of 255")
    print(f"{milliseconds_per_frame(options.out, options.threads):.1f} ms a frame on {options.threads} threads")


if __name__ == "__main__":
    main()
