"""Each network in each backend that is installed: milliseconds a run, on what a clip of the sample gives it.

python -m benchmarks.networks [--runs 10] [--side 1024] [--results FOLDER]

The other backends' results are compared with ONNX Runtime's before they are timed.
"""

from __future__ import annotations

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


def measure(runs: int, side_px: int, results: Path = RESULTS) -> Path:
    """Writes the JSON."""
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
            for output, value in expected.setdefault(model, given).items():
                apart = float(np.abs(given[output] - value).max()) / max(float(np.abs(value).max()), 1e-6)
                bound = LOOSE_INTEGERS if model.endswith("_int8.onnx") else LOOSE
                assert apart < bound, f"{name} computes {output} of {model} unlike {BACKENDS[0]}, by {apart:.3f}"
            found[model][f"{name}_ms"] = spread(timed(lambda run=runner, given=arrays: run(**given), runs))
            runner.close()
    for model, arrays in calls.items():
        found[model]["inputs"] = {name: list(array.shape) for name, array in arrays.items()}
    return write("networks", {"photo": [side_px, side_px], "emotion": EMOTION}, dict(found), results)


def main() -> None:
    options = arguments(__doc__, runs=10, side=SIDE_PX)
    measure(options.runs, options.side, options.results)


if __name__ == "__main__":
    main()
