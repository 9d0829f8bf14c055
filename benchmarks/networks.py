"""Each network in each backend that is installed: milliseconds a run, on what a clip of the sample gives it.

python -m benchmarks.networks [--runs 10] [--side 1024] [--no-compile] [--results FOLDER]

The other backends' results are compared with ONNX Runtime's before they are timed. Our own networks are also run by
torch, from the modules that they were exported from (the mouth's in floating point), where torch is installed; what
torch compiles takes minutes and comes last.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np

from benchmarks.child import EMOTION, SEED
from benchmarks.record import RESULTS, arguments, spread, timed, write
from benchmarks.subject import SIDE_PX, portrait_photo
from engine import Engine
from engine.backends import open_backend
from engine.backends.base import Array
from engine.backends.onnx_runtime import OnnxRuntimeRunner
from engine.bundle import Bundle
from engine.errors import BackendError, MissingExtraError

BACKENDS = ("onnxruntime", "openvino")
LOOSE, LOOSE_INTEGERS = 1e-2, 0.1  # of the largest number that a network gives; integers are rounded elsewhere
OWN = {"mouth_int8.onnx": "mouth.onnx", "motion.onnx": "motion.onnx"}  # and what torch has of them
FRAMES = 90


def calls_of_a_clip(side_px: int) -> dict[str, dict[str, Array]]:
    """The inputs of the largest run of each network, by its file, while a clip is made with ONNX Runtime."""
    largest: dict[str, dict[str, Array]] = {}
    original = OnnxRuntimeRunner.__call__

    def noting(self: OnnxRuntimeRunner, **arrays: Array) -> dict[str, Array]:
        before = largest.get(self._model, {})
        if sum(array.size for array in arrays.values()) > sum(array.size for array in before.values()):
            largest[self._model] = {name: np.array(array) for name, array in arrays.items()}
        return original(self, **arrays)

    OnnxRuntimeRunner.__call__ = noting  # type: ignore[method-assign]
    try:
        video = Engine("onnxruntime").animate(portrait_photo(side_px), EMOTION, seconds=2, seed=SEED)
        for _ in islice(video.frames(), FRAMES):
            pass
    finally:
        OnnxRuntimeRunner.__call__ = original  # type: ignore[method-assign]
    largest.pop("warp.onnx", None)  # its constants are bound; benchmarks.kernels has it
    return largest


def torch_run(model: str, bundle: Bundle, *, compiled: bool) -> Callable[..., dict[str, Array]] | None:
    """Runs one of our own networks by torch; None for others, whose originals don't ship, and without torch."""
    if model not in OWN or any(importlib.util.find_spec(name) is None for name in ("torch", "onnx")):
        return None
    import torch

    from export import shipped

    opened = {"mouth.onnx": shipped.mouth, "motion.onnx": shipped.motion}[OWN[model]]
    module, exported = opened(bundle.path(OWN[model])), open_backend(BACKENDS[0]).open(bundle.path(model))
    called = torch.compile(module) if compiled else module

    def run(**arrays: Array) -> dict[str, Array]:
        with torch.inference_mode():
            found = called(*(torch.from_numpy(arrays[name]) for name in exported.inputs))
        results = found if isinstance(found, list | tuple) else [found]
        return {name: tensor.numpy() for name, tensor in zip(exported.outputs, results, strict=True)}

    return run


def check_alike(name: str, model: str, given: dict[str, Array], expected: dict[str, Array]) -> None:
    bound = LOOSE_INTEGERS if model.endswith("_int8.onnx") else LOOSE
    for output, value in expected.items():
        apart = float(np.abs(given[output] - value).max()) / max(float(np.abs(value).max()), 1e-6)
        assert apart < bound, f"{name} computes {output} of {model} unlike {BACKENDS[0]}, by {apart:.3f}"


def measure(runs: int, side_px: int, results: Path = RESULTS, *, compiled: bool = True) -> Path:
    """Writes the JSON: first without what torch compiles, then with it."""
    calls, bundle = calls_of_a_clip(side_px), Bundle.default()
    found: dict[str, dict[str, object]] = {model: {} for model in calls}
    expected: dict[str, dict[str, Array]] = {}
    for name in BACKENDS:
        try:
            backend = open_backend(name)
        except (BackendError, MissingExtraError) as error:
            print(f"{name} is left out: {error}")
            continue
        for model, arrays in calls.items():
            runner = backend.open(bundle.path(model))
            given = runner(**arrays)
            check_alike(name, model, given, expected.setdefault(model, given))
            found[model][f"{name}_ms"] = spread(timed(lambda run=runner, given=arrays: run(**given), runs))
            runner.close()
    for model, arrays in calls.items():
        found[model]["inputs"] = {name: list(array.shape) for name, array in arrays.items()}
    settings = {"photo": [side_px, side_px], "emotion": EMOTION}
    for name in ("torch", "torch_compile") if compiled else ("torch",):
        for model, arrays in calls.items():
            run = torch_run(model, bundle, compiled=name == "torch_compile")
            if run is None:
                continue
            try:
                given = run(**arrays)
            except Exception as error:  # torch's compiler has errors of many kinds, and so have the compilers it calls
                print(f"{name} is left out for {model}: {str(error).splitlines()[0]}")
                continue
            file = OWN[model]  # integers are farther from floating point than two runtimes from each other
            check_alike(name, file, given, open_backend(BACKENDS[0]).open(bundle.path(file))(**arrays))
            found[model][f"{name}_ms"] = spread(timed(lambda run=run, given=arrays: run(**given), runs))
        written = write("networks", settings, dict(found), results)
    return written


def main() -> None:
    options = arguments(__doc__, runs=10, side=SIDE_PX, no_compile=False)
    measure(options.runs, options.side, options.results, compiled=not options.no_compile)


if __name__ == "__main__":
    main()
