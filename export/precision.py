"""How far every network is from itself, run elsewhere or in 16 bits: a table of runtimes, which fails over a bound.

    python -m export.precision [--sources DIR] [--results DIR] [--half DIR]

The inputs are what the networks are given while a sample photo is animated; the measure is ONNX Runtime in float32.
Compared with it: torch (where --sources holds the originals, as in export.build), OpenVINO, float16 with its roundings
in ONNX Runtime, and TensorRT, TensorRT-RTX and CUDA where they are installed and there is a GPU.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from unittest import mock

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from engine import Engine
from engine.backends import BACKENDS, Backend, Runner, open_backend
from engine.backends.half import in_half
from engine.backends.onnx_runtime import OnnxRuntimeBackend
from engine.errors import BackendError, MissingExtraError
from engine.samples import sample_photo

WEIGHTS = Path(__file__).parent.parent / "engine" / "weights"
RESULTS = Path(__file__).parent.parent / "benchmarks" / "results"
FRAMES = 60  # the smile is there by then
SPLITTER = 2.0**13 + 1  # Dekker 1971: leaves the 11 leading bits of a float32, which float16 has

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Bound:
    """What an output may be off by: at most and in the mean, in its own unit; for pictures also the least PSNR."""

    largest: float
    mean: float
    psnr_db: float = 0.0


@dataclass(frozen=True)
class Row:
    """One output of one network in one runtime, against ONNX Runtime in float32."""

    network: str
    output: str
    runtime: str
    largest: float
    mean: float
    psnr_db: float | None  # of pictures; None where there is no difference, or no picture
    allowed: Bound

    @property
    def within(self) -> bool:
        sharp = self.psnr_db is None or self.psnr_db >= self.allowed.psnr_db
        return self.largest <= self.allowed.largest and self.mean <= self.allowed.mean and sharp


# float32 anywhere differs by the order of sums; places are px of a crop, the rest shares of 1 or grey levels.
SINGLE = {"points": Bound(2e-3, 2e-4), "frames": Bound(255, 0.01, 55), "filled": Bound(1e-3, 1e-4, 55)}
SINGLE["classes"] = Bound(0.01, 2e-4)  # torch has the original's weights, the file rounds them to float16
SINGLE_ELSE = Bound(1e-3, 1e-4)
HALF = {"points": Bound(0.5, 0.1), "frames": Bound(255, 0.2, 45), "filled": Bound(0.2, 5e-3, 45)}
HALF_ELSE = Bound(0.1, 5e-3)


class Recorder:
    """A backend that keeps the most that each network is given at once, and the last of as much."""

    name = "recorder"
    device = "the CPU"

    def __init__(self) -> None:
        self._backend = OnnxRuntimeBackend()
        self.given: dict[str, Arrays] = {}

    def open(self, model: Path) -> Runner:
        return _Recording(self._backend.open(model), self.given.setdefault(model.name, {}), {})

    def rest(self) -> None:
        self._backend.rest()


class _Recording:
    def __init__(self, runner: Runner, given: Arrays, bound: Arrays) -> None:
        self._runner, self._given, self._bound = runner, given, bound
        self.inputs, self.outputs, self.close = runner.inputs, runner.outputs, runner.close

    def bind(self, **constants: np.ndarray) -> _Recording:
        return _Recording(self._runner.bind(**constants), self._given, {**self._bound, **constants})

    def __call__(self, **arrays: np.ndarray) -> Arrays:
        known = sum(self._given[name].size for name in arrays) if self._given else 0
        if sum(array.size for array in arrays.values()) >= known:
            self._given.update({name: np.array(array) for name, array in {**self._bound, **arrays}.items()})
        return self._runner(**arrays)


def recorded_inputs() -> dict[str, Arrays]:
    """What every network is given while a sample photo is animated, by file name."""
    recorder = Recorder()
    with mock.patch("engine.api.open_backend", return_value=recorder):
        video = Engine(max_side=512).animate(sample_photo("astronaut"), "joy", seconds=2, seed=1)
        list(islice(video.frames(), FRAMES))
    return {name: given for name, given in recorder.given.items() if given}


def rounded(model: bytes) -> onnx.ModelProto:
    """A float16 graph in float32 arithmetic, every float16 tensor rounded to float16's 11 bits.

    CPUs have no float16 layers, and ONNX Runtime leaves out the casts that would round between those that it emulates.
    """
    network = onnx.shape_inference.infer_shapes(onnx.load_from_string(model))
    graph = network.graph
    halves = {v.name for v in graph.value_info if v.type.tensor_type.elem_type == TensorProto.FLOAT16}
    del graph.value_info[:]
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT16:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name))
    graph.initializer.append(numpy_helper.from_array(np.float32(SPLITTER), "splitter"))
    nodes = []
    for node in graph.node:
        if node.op_type == "Cast" and node.attribute[0].i == TensorProto.FLOAT16:
            node.attribute[0].i = TensorProto.FLOAT
        nodes.append(node)
        name = node.output[0]
        if name in halves:
            node.output[0] = f"{name}.exact"
            nodes += [
                helper.make_node("Mul", [f"{name}.exact", "splitter"], [f"{name}.large"]),
                helper.make_node("Sub", [f"{name}.large", f"{name}.exact"], [f"{name}.rest"]),
                helper.make_node("Sub", [f"{name}.large", f"{name}.rest"], [name]),
            ]
    del graph.node[:]
    graph.node.extend(nodes)
    return network


class RoundedHalf:
    """float16 as a GPU computes it, on the CPU."""

    name = "float16, emulated"
    device = "the CPU"

    def open(self, model: Path) -> Runner:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / model.name
            onnx.save(rounded(in_half(model)), path)
            return OnnxRuntimeBackend(optimize=False).open(path)

    def rest(self) -> None:
        """Keeps nothing."""


class TorchOriginals:
    """The modules that were exported, with the weights of the originals in `sources`, or for the project's own networks
    with those that ship. Its runners only run."""

    name = "torch"
    device = "the CPU"

    def __init__(self, sources: Path) -> None:
        self._sources = sources

    def open(self, model: Path) -> Runner:
        """Raises BackendError where the network's module can't be had."""
        import torch

        from export import landmarker, mtcnn, segmenter, shipped, warp
        from export.sources import extract

        modules: dict[str, Callable[[Path], torch.nn.Module]] = {
            **{name: lambda path, name=name: mtcnn.load(name, path) for name in mtcnn.NETWORKS},  # type: ignore[misc]
            "mesh": landmarker.Mesh,
            "blendshapes": landmarker.Blendshapes,
            "segment": segmenter.Segmenter,
        }
        tensors = OnnxRuntimeBackend().open(model)
        own: dict[str, Callable[[Path], torch.nn.Module]] = {
            "warp": lambda _: warp.LayeredWarp().eval(),
            "mouth": shipped.mouth,
            "motion": shipped.motion,
        }
        if model.stem in own:
            return _TorchRunner(own[model.stem](model), tensors)
        if model.stem not in modules:
            raise BackendError(f"{model.name} has no module in torch.")
        with tempfile.TemporaryDirectory() as folder:
            return _TorchRunner(modules[model.stem](extract(model.stem, self._sources, Path(folder))).eval(), tensors)

    def rest(self) -> None:
        """Keeps nothing."""


class _TorchRunner:
    """A module whose tensors are called and ordered as in the exported file."""

    def __init__(self, module: Callable[..., object], exported: Runner) -> None:
        self._module, self.inputs, self.outputs = module, exported.inputs, exported.outputs

    def __call__(self, **arrays: np.ndarray) -> Arrays:
        import torch

        with torch.no_grad():
            found = self._module(*(torch.from_numpy(arrays[name]) for name in self.inputs))
        results = found if isinstance(found, list | tuple) else [found]
        return {name: tensor.numpy() for name, tensor in zip(self.outputs, results, strict=True)}


def runtimes(sources: Path | None) -> Iterator[Backend]:
    """All that can be had here; those of GPUs in both precisions."""
    yield RoundedHalf()
    if sources is not None:
        yield TorchOriginals(sources)
    for name in BACKENDS:
        if name in ("auto", "onnxruntime"):
            continue
        try:
            yield open_backend(name)
            if name.startswith("tensorrt"):
                yield open_backend(name, half=False)
        except (BackendError, MissingExtraError) as error:
            print(f"left out: {error}", file=sys.stderr)


def compare(backend: Backend, model: Path, inputs: Arrays, expected: Arrays) -> list[Row]:
    """The rows of one network in one runtime."""
    half = "float16" in backend.name or "float16" in backend.device
    known, other = (HALF, HALF_ELSE) if half else (SINGLE, SINGLE_ELSE)
    found = backend.open(model)(**inputs)
    rows = []
    for output, reference in expected.items():
        off = np.abs(found[output].reshape(reference.shape).astype(np.float64) - reference)
        peak = 255.0 if reference.dtype == np.uint8 else 1.0 if output == "filled" else None
        square = float(np.mean(off**2))
        psnr = float(10 * np.log10(peak**2 / square)) if peak is not None and square else None
        kind = "frames" if reference.dtype == np.uint8 else output
        allowed = known.get(kind, other)
        rows.append(Row(model.stem, output, f"{backend.name} on {backend.device}", float(off.max()), float(off.mean()),
                        psnr, allowed))  # fmt: skip
    return rows


def measure(weights: Path, sources: Path | None) -> list[Row]:
    """All rows of all networks that a clip needs."""
    rows: list[Row] = []
    single = OnnxRuntimeBackend()
    given = {weights / name: inputs for name, inputs in sorted(recorded_inputs().items())}
    expected = {model: single.open(model)(**inputs) for model, inputs in given.items()}
    for backend in runtimes(sources):
        for model, inputs in given.items():
            try:
                rows += compare(backend, model, inputs, expected[model])
            except BackendError as error:
                print(f"left out: {error}", file=sys.stderr)
    return sorted(rows, key=lambda row: (row.network, row.output, row.runtime))


def table(rows: list[Row]) -> str:
    """The rows as a Markdown table."""
    lines = ["| network | output | runtime | largest | mean | PSNR | |", "|---|---|---|---:|---:|---:|---|"]
    for row in rows:
        psnr = "" if row.psnr_db is None else f"{row.psnr_db:.1f} dB"
        verdict = "" if row.within else "over the bound"
        figures = f"{row.largest:.1e} | {row.mean:.1e} | {psnr} | {verdict}"
        lines.append(f"| {row.network} | {row.output} | {row.runtime} | {figures} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--sources", type=Path, help="folder of the packages that hold the originals")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where precision.json and precision.md go")
    parser.add_argument("--half", type=Path, help="folder to write the networks in 16 bits to as well")
    options = parser.parse_args()
    if options.half:
        options.half.mkdir(parents=True, exist_ok=True)
        for model in sorted(options.weights.glob("*.onnx")):
            (options.half / model.name).write_bytes(in_half(model))
    rows = measure(options.weights, options.sources)
    options.results.mkdir(parents=True, exist_ok=True)
    record = [{**asdict(row), "within": row.within} for row in rows]
    (options.results / "precision.json").write_text(json.dumps(record, indent=2) + "\n")
    (options.results / "precision.md").write_text(table(rows) + "\n")
    print(table(rows))
    if not all(row.within for row in rows):
        sys.exit("Some outputs are over their bounds.")


if __name__ == "__main__":
    main()
