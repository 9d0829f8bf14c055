"""Exports the trained motion network and the layer that plays its scores as one graph.

python -m export.motion.build --corpus corpus.npz --checkpoint checkpoint.pt --weights engine/weights
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from engine.mesh import BLENDSHAPES
from export.manifest import write_manifest_row
from export.motion.blinks import CHANCES, draw_blinks
from export.motion.corpus import NAMES
from export.motion.facts import SINCE_TRAINED
from export.motion.hold import Drift
from export.motion.network import MotionModel, flow
from export.motion.performer import DETAILS, Performer, within_quiet_ends
from export.motion.score import CHANNELS, KNOT_FPS, SHAPE_CHANNELS, Scale
from export.motion.style import LEAD, LEAD_SECONDS, MOST_UNUSUAL, STYLE_SIZE
from export.motion.train import about
from export.onnx_file import save, store_as_half, tidy

FLOW_STEPS = 2
BREADTH = 1.06  # of the noise that heads and eyes start from: the network's lose that much of their spread
LINGERS_KNOTS = 5.0  # for how long an emotion still says how strong muscles are, once another is asked for
BLINK_ODDS = 0.91  # of those learnt: scores that are generated bring more blinks than simulated ones
INPUTS = ("noise", "emotions", "intensity", "seconds", "style", "own", "pose_deg")
OUTPUTS = ("blendshapes", "release", "rotation_deg", "shift_cm", "gaze_deg", "body_cm")


class MotionNetwork(nn.Module):
    """Noise and wishes -> tracks, for all faces of a photo at once."""

    def __init__(self, model: MotionModel, scale: Scale, steps: int = FLOW_STEPS) -> None:
        super().__init__()
        self.model, self.performer, self.drift, self.steps = model, Performer(scale), Drift(), steps
        breadth = torch.ones(CHANNELS, 1)
        breadth[SHAPE_CHANNELS:] = BREADTH
        self.register_buffer("breadth", breadth)
        self.register_buffer("since_trained", since_trained(), persistent=False)
        self.register_buffer("calmer", torch.tensor([[math.log(BLINK_ODDS)], [0.0]]))  # whether; how deep

    def forward(
        self,
        noise: Tensor,
        emotions: Tensor,
        intensity: Tensor,
        seconds: Tensor,
        style: Tensor,
        own: Tensor,
        pose: Tensor,
    ) -> list[Tensor]:
        """noise (F, 47, K) standard normal; emotions (F, 6, K) weights; intensity, seconds (F,); style (F, 10) standard
        normal; own (F, 52) the photo's readings; pose (F, 3) of the photo's head, degrees. K is a multiple of 4, knot k
        is at (k - 1) / 15 s. -> OUTPUTS, with 4 (K - 3) frames; see `Performer`.
        """
        time = ((torch.arange(noise.shape[2], dtype=noise.dtype) - 1) / KNOT_FPS)[None]
        clip = seconds[:, None]
        clock = torch.stack([0 * clip + time / 5 - 1, (clip - time) / 5 - 1, 2 * time / clip - 1], 1)
        started, details, chances = noise.split([CHANNELS, DETAILS, CHANCES], 1)
        wishes = torch.cat([emotions, clock], 1)
        score = flow(self.model.field, self.breadth * started, wishes, about(style, own, pose), self.steps)
        odds = self.model.blinks(score, wishes, style) + self.calmer
        blinks = draw_blinks(odds, chances, within_quiet_ends(time[0], seconds))
        asked = (emotions.flatten(1).amax(1) > 0).to(noise.dtype)  # a neutral face keeps the photo's expression
        lead = LEAD_SECONDS * style[:, LEAD].clamp(-MOST_UNUSUAL, MOST_UNUSUAL)
        shapes, *others = self.performer(score, blinks, details, intensity * asked, seconds, lead)
        return [shapes * self.factors(emotions, details), *others]

    def factors(self, emotions: Tensor, details: Tensor) -> Tensor:
        """By how much each blendshape is stronger (F, T, 52) than the network was trained to give, by what is, or was
        last, asked: emotions (F, 6, K); and by how it drifts: details (F, 3, K), which blinks hardly use."""
        place = torch.arange(emotions.shape[2], dtype=emotions.dtype)
        apart = place[:, None] - place[None]
        felt = emotions @ torch.where(apart >= 0, torch.exp(-apart.clamp(min=0) / LINGERS_KNOTS), 0.0).t()
        share = felt / felt.sum(1, keepdim=True).clamp(min=1e-6)
        changed = 1 + (share.transpose(1, 2) @ (self.since_trained - 1)).transpose(1, 2)
        return self.performer.splined(changed * self.drift(details, share)).transpose(1, 2)


def since_trained() -> Tensor:
    """(6, 52) factors of `SINCE_TRAINED`."""
    factors = torch.ones(len(NAMES), len(BLENDSHAPES))
    for emotion, changed in SINCE_TRAINED.items():
        for muscle, factor in changed.items():
            for column, name in enumerate(BLENDSHAPES):
                if name.removesuffix("Left").removesuffix("Right") == muscle:
                    factors[NAMES.index(emotion), column] = factor
    return factors


def example_inputs(faces: int = 2, knots: int = 36) -> dict[str, Tensor]:
    values = (
        torch.randn(faces, CHANNELS + DETAILS + CHANCES, knots, generator=torch.Generator().manual_seed(0)),
        torch.zeros(faces, 6, knots),
        torch.ones(faces),
        torch.full((faces,), 2.0),
        torch.zeros(faces, STYLE_SIZE),
        torch.zeros(faces, 52),
        torch.zeros(faces, 3),
    )
    return dict(zip(INPUTS, values, strict=True))


def load(corpus: Path, checkpoint: Path) -> MotionNetwork:
    """The running mean of the trained weights, and the corpus's scale."""
    with np.load(corpus) as stored:
        scale = Scale(stored["axes"], stored["mean"], stored["spread"])
    averaged = torch.optim.swa_utils.AveragedModel(MotionModel())
    averaged.load_state_dict(torch.load(checkpoint, map_location="cpu")["mean"])
    model = averaged.module
    assert isinstance(model, MotionModel)
    return MotionNetwork(model, scale).eval()


def export_onnx(network: MotionNetwork, path: Path) -> None:
    """Writes the graph with any number of faces and knots, opset 20."""
    inputs = example_inputs()
    axes = {name: {0: "faces", 2: "knots"} if inputs[name].ndim == 3 else {0: "faces"} for name in INPUTS}
    torch.onnx.export(
        network,
        tuple(inputs.values()),
        str(path),
        input_names=list(INPUTS),
        output_names=list(OUTPUTS),
        dynamic_axes=axes | {name: {0: "faces", 1: "frames"} for name in OUTPUTS},
        opset_version=20,
        dynamo=False,
    )


def ship(network: MotionNetwork, weights: Path) -> None:
    """Writes motion.onnx and its row of the manifest."""
    path = weights / "motion.onnx"
    export_onnx(network, path)
    save(store_as_half(tidy(onnx.load(path)), lossless_only=False), path)
    write_manifest_row(
        weights,
        file="motion.onnx",
        network="motion generator: flow matching over time, and the layer that plays its scores",
        source="this project, export/motion",
        licence="Apache-2.0",
        training_data="clips simulated from published figures; statistics of Live Link Face curves by alex_rom (MIT)",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--weights", type=Path, default=Path("engine/weights"))
    options = parser.parse_args()
    ship(load(options.corpus, options.checkpoint), options.weights)


if __name__ == "__main__":
    main()
