"""Corrects what a trained motion network does otherwise than the clips that it was trained on.

    python -m export.motion.correct --corpus corpus.npz --network motion.onnx --out FOLDER [--minutes 9]

The flow averages a little: expressions come more slowly than it was told, and seeds are nearer to each other (`python
-m benchmarks.motion`). Both can be undone from outside: it is told of quicker people, and what makes one of its clips
differ from others that were asked the same is enlarged. The network learns to give, from the same noise, clips that
were made so. It has to be done once, to a network that wasn't corrected yet. Takes from the corpus only what was
asked. Writes checkpoint.pt, from which it goes on when started again, and motion.onnx with its row of a manifest.
"""

from __future__ import annotations

import argparse
import copy
import math
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from export import shipped
from export.motion.build import MotionNetwork, ship
from export.motion.corpus import LENGTHS_KNOTS, NAMES
from export.motion.network import flow
from export.motion.score import CHANNELS, SHAPE_CHANNELS
from export.motion.straighten import wishes
from export.motion.style import LEISURE, SLOWNESS
from export.motion.train import read_corpus, save_checkpoint

QUICKER = {SLOWNESS: 1.2, LEISURE: 1.0}  # standard deviations of people
WIDER = {"joy": 1.05, "fear": 1.09, "anger": 1.1, "sadness": 0.97, "disgust": 1.07, "surprise": 1.14}
SLOW_KNOTS = 9  # what is slower is enlarged: faster changes have their size
ALIKE = 4  # clips of one wish, whose mean is what they have in common
BATCH = 12  # wishes of 84 knots, or as many of other lengths
LEARNING_RATE, WARM_UP_STEPS, DECAY_STEPS = 2e-4, 50, 1500
MEAN_DECAY = 0.99  # of the running mean of weights, which is what ships


def enlarged(scores: Tensor, asked: Tensor) -> Tensor:
    """Clips (F, C, K), `ALIKE` of each wish one after the other, whose shapes differ more, as `WIDER` says."""
    weights = asked[:, : len(NAMES)].transpose(1, 2)
    more = weights @ torch.tensor([WIDER[name] - 1 for name in NAMES]) / weights.sum(2).clamp(min=1)
    shapes, others = scores.split([SHAPE_CHANNELS, CHANNELS - SHAPE_CHANNELS], 1)
    groups = shapes.unflatten(0, (-1, ALIKE))
    apart = (groups - groups.mean(1, keepdim=True)).flatten(0, 1)
    return torch.cat([shapes + slow(more[:, None]) * slow(apart), others], 1)


def slow(tracks: Tensor) -> Tensor:
    """Means over `SLOW_KNOTS`, (F, C, K)."""
    return F.avg_pool1d(F.pad(tracks, (SLOW_KNOTS // 2, SLOW_KNOTS // 2), mode="replicate"), SLOW_KNOTS, 1)


class Corrector:
    """The network as it was and as it becomes, the running mean of its weights, its optimiser, and where it is."""

    def __init__(self, corpus: Path, network: Path, out: Path) -> None:
        self.clips, self.out, self.step = read_corpus(corpus), out, 0
        self.before = shipped.motion(network)
        self.field = copy.deepcopy(self.before.model.field)
        self.mean = torch.optim.swa_utils.AveragedModel(
            self.field, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(MEAN_DECAY)
        )
        self.optimiser = torch.optim.AdamW(self.field.parameters(), LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.0)
        if (out / "checkpoint.pt").exists():
            state = torch.load(out / "checkpoint.pt", map_location="cpu")
            for name in ("field", "mean", "optimiser"):
                getattr(self, name).load_state_dict(state[name])
            self.step = state["step"]

    @torch.no_grad()
    def examples(self, knots: int, rows: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Noise (F, C, K), what is asked (F, 9, K) and told (F, 65), and the corrected clips (F, C, K)."""
        asked, told = (part.repeat_interleave(ALIKE, 0) for part in wishes(self.clips[knots], rows))
        noise = self.before.breadth * torch.randn(len(asked), CHANNELS, knots, generator=generator)
        quicker = told.clone()
        for place, much in QUICKER.items():
            quicker[:, place] -= much
        clips = flow(self.before.model.field, noise, asked, quicker, self.before.steps)
        return noise, asked, told, enlarged(clips, asked)

    def learn(self) -> float:
        generator = torch.Generator().manual_seed(9_000_011 + self.step)
        knots = LENGTHS_KNOTS[int(torch.randint(len(LENGTHS_KNOTS), (1,), generator=generator))]
        count = max(2, BATCH * 84 // knots)
        rows = torch.randint(len(self.clips[knots]["scores"]), (count,), generator=generator)
        noise, asked, told, wanted = self.examples(knots, rows, generator)
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate()
        with torch.autocast("cpu", torch.bfloat16):
            found = flow(self.field, noise, asked, told, self.before.steps)
        loss = (found.float() - wanted).square().mean()
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.field.parameters(), 1.0)
        self.optimiser.step()
        self.mean.update_parameters(self.field)
        self.step += 1
        return float(loss.detach())

    def rate(self) -> float:
        warm = min(1.0, (self.step + 1) / WARM_UP_STEPS)
        return LEARNING_RATE * warm * (0.02 + 0.49 * (1 + math.cos(math.pi * min(1.0, self.step / DECAY_STEPS))))

    def corrected(self) -> MotionNetwork:
        """The network with the running mean of the weights."""
        network = copy.deepcopy(self.before)
        network.model.field.load_state_dict(self.mean.module.state_dict())
        return network

    def save(self) -> None:
        save_checkpoint(self.out, self.step, field=self.field, mean=self.mean, optimiser=self.optimiser)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--network", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=9.0)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    stop, losses = time.monotonic() + 60 * options.minutes, []
    corrector = Corrector(options.corpus, options.network, options.out)
    while time.monotonic() < stop:
        losses.append(corrector.learn())
        if corrector.step % 100 == 0:
            print(corrector.step, f"{sum(losses[-100:]) / 100:.5f}", flush=True)
            corrector.save()
    corrector.save()
    ship(corrector.corrected(), options.out)


if __name__ == "__main__":
    main()
