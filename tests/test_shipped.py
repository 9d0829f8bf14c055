"""The project's own networks can be had as torch modules from the files that ship, and are the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from engine.backends.onnx_runtime import OnnxRuntimeBackend  # noqa: E402
from engine.bundle import Bundle  # noqa: E402
from export import shipped  # noqa: E402
from export.motion import build as motion_build  # noqa: E402
from export.renderer import build as renderer_build  # noqa: E402

WEIGHTS = Bundle.default().folder


@pytest.mark.parametrize("name", ["mouth", "motion"])
def test_the_module_is_what_ships(name: str) -> None:
    path = WEIGHTS / f"{name}.onnx"
    network = shipped.mouth(path) if name == "mouth" else shipped.motion(path)
    inputs = (
        renderer_build.example_inputs(2, 32, 48) if name == "mouth" else motion_build.example_inputs(faces=3, knots=48)
    )
    with torch.no_grad():
        results = network(*inputs.values())
    found = results if isinstance(results, list) else [results]
    expected = OnnxRuntimeBackend().open(path)(**{key: value.numpy() for key, value in inputs.items()})
    for ours, (output, theirs) in zip(found, expected.items(), strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-4, err_msg=output)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    model = onnx.load(WEIGHTS / "motion.onnx")
    kept = [tensor for tensor in model.graph.initializer if not tensor.name.startswith("model.blinks")]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    onnx.save(model, tmp_path / "motion.onnx")
    with pytest.raises(AssertionError, match=r"doesn't store .*model\.blinks"):
        shipped.motion(tmp_path / "motion.onnx")
