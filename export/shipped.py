"""The project's own networks as torch modules again, from the files that ship: to compare, or to train further."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from export.motion.build import MotionNetwork
from export.motion.network import HEADS, MotionModel
from export.motion.score import CHANNELS, SHAPE_CHANNELS, Scale
from export.renderer.build import MouthGraph
from export.renderer.network import MouthNet, StylesSeen

BLENDSHAPES = 52
HALF = ".half"  # how store_as_half of export/onnx_file.py calls what it stores in 16 bits


def stored_weights(path: Path) -> dict[str, Tensor]:
    """All that an ONNX file stores, by the names that its module has for them, as float32."""
    tensors = onnx.load(path).graph.initializer
    return {
        tensor.name.removesuffix(HALF): torch.from_numpy(numpy_helper.to_array(tensor).astype(np.float32))
        for tensor in tensors
    }


def mouth(path: Path) -> MouthGraph:
    """mouth.onnx."""
    network = MouthGraph(MouthNet(), StylesSeen())
    network.load_state_dict(stored_weights(path))
    return network.eval()


def motion(path: Path) -> MotionNetwork:
    """motion.onnx. The exporter has lost the names of what it transposed; the flow meets those biases in order."""
    stored = stored_weights(path)
    nears = [tensor.flatten() for tensor in stored.values() if tensor.shape == (HEADS, 1, 1)]
    stored |= {f"model.field.look.{index}.near": near for index, near in enumerate(nears)}
    (axes,) = (tensor for tensor in stored.values() if tensor.shape == (BLENDSHAPES, SHAPE_CHANNELS))
    nothing = np.zeros(CHANNELS)
    network = MotionNetwork(MotionModel(), Scale(axes.T.numpy(), nothing, nothing))
    made = network.state_dict()
    missing, _ = network.load_state_dict({name: stored[name] for name in made.keys() & stored.keys()}, strict=False)
    learnt = {name for name in missing if not name.startswith("performer.")}
    assert not learnt, f"{path} doesn't store {learnt}"
    return network.eval()
