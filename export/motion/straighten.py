"""Straightens the flow of a trained motion network, so that two steps carry noise where many would.

    python -m export.motion.straighten --corpus corpus.npz --checkpoint checkpoint.pt --out FOLDER [--minutes 9]

Reflow (Liu et al., Flow Straight and Fast, ICLR 2023) together with distillation: for what clips of the corpus were
asked, pairs of noise and of what the trained network makes of it in many steps. Learnt are the straight ways between
the two, and what `FLOW_STEPS` steps arrive at. Blinks stay as they are. Writes pairs.npz once and a checkpoint.pt that
`export.motion.build` takes; goes on from both when started again.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from export.motion.build import FLOW_STEPS
from export.motion.corpus import LENGTHS_KNOTS
from export.motion.network import MotionModel, ScoreField, flow
from export.motion.train import Clips, about, read_corpus, save_checkpoint

TEACHER_STEPS = 12
PAIRS, HELD_OUT = 2300, 48  # of each length
AT_ONCE = 50  # pairs
BATCH = 48  # clips of 84 knots, or as much of other lengths
WAYS_SHARE = 0.4  # of the steps, that learn ways; the others learn where few steps arrive
LEARNING_RATE, WARM_UP_STEPS, DECAY_STEPS = 4e-4, 200, 6000
MEAN_DECAY = 0.998  # of the running mean of weights, which is what ships


def running_mean(checkpoint: Path) -> torch.optim.swa_utils.AveragedModel:
    mean = torch.optim.swa_utils.AveragedModel(
        MotionModel(), multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(MEAN_DECAY)
    )
    mean.load_state_dict(torch.load(checkpoint, map_location="cpu")["mean"])
    return mean


@torch.no_grad()
def write_pairs(field: ScoreField, clips: Clips, path: Path, pairs: int) -> None:
    """Noise and where the field carries it, (pairs, C, K) of each length, for the corpus's last clips."""
    stored = {}
    generator = torch.Generator().manual_seed(17)
    for knots, told in clips.items():
        count, channels = min(pairs, len(told["scores"])), told["scores"].shape[2]
        noise = torch.randn(count, channels, knots, generator=generator).half().float()
        asked, own = wishes(told, torch.arange(len(told["scores"]) - count, len(told["scores"])))
        parts = zip(*(values.split(AT_ONCE) for values in (noise, asked, own)), strict=True)
        ends = torch.cat([flow(field, *part, TEACHER_STEPS) for part in parts])
        stored[f"noise_{knots}"], stored[f"ends_{knots}"] = noise.half().numpy(), ends.half().numpy()
    np.savez(path, **stored)


def wishes(clips: dict[str, Tensor], rows: Tensor) -> tuple[Tensor, Tensor]:
    """What clips were asked at each knot (F, 9, K), and what is told of their faces (F, 65)."""
    part = {name: values[rows].float() for name, values in clips.items()}
    return part["asked"].transpose(1, 2), about(part["style"], part["own"], part["pose"])


class Straightener:
    """The network, the running mean of its weights, its optimiser, the pairs and where it has got to."""

    def __init__(self, corpus: Path, checkpoint: Path, out: Path, pairs: int = PAIRS) -> None:
        self.clips, self.out, self.step = read_corpus(corpus), out, 0
        self.mean = running_mean(checkpoint)
        self.model = MotionModel()
        self.model.load_state_dict(self.mean.module.state_dict())
        if not (out / "pairs.npz").exists():
            write_pairs(self.model.field, self.clips, out / "pairs.npz", pairs)
        with np.load(out / "pairs.npz") as stored:
            self.pairs = {
                knots: tuple(torch.from_numpy(stored[f"{name}_{knots}"]) for name in ("noise", "ends"))
                for knots in LENGTHS_KNOTS
            }
        self.optimiser = torch.optim.AdamW(self.model.field.parameters(), LEARNING_RATE, betas=(0.9, 0.98))
        if (out / "checkpoint.pt").exists():
            state = torch.load(out / "checkpoint.pt", map_location="cpu")
            for name in ("model", "mean", "optimiser"):
                getattr(self, name).load_state_dict(state[name])
            self.step = state["step"]

    def loss(self, field: ScoreField, knots: int, rows: Tensor, generator: torch.Generator | None) -> Tensor:
        """Of the velocity on straight ways, at times that the generator draws; without one, of where steps arrive."""
        noise, ends = (values[rows].float() for values in self.pairs[knots])
        clips = self.clips[knots]
        asked, told = wishes(clips, rows + len(clips["scores"]) - len(self.pairs[knots][0]))
        with torch.autocast("cpu", torch.bfloat16):
            if generator is None:
                return (flow(field, noise, asked, told, FLOW_STEPS).float() - ends).square().mean()
            at = torch.rand(len(noise), generator=generator)
            mixed = noise + at[:, None, None] * (ends - noise)
            return (field(mixed, at, asked, told).float() - (ends - noise)).square().mean()

    def rate(self) -> float:
        warm = min(1.0, (self.step + 1) / WARM_UP_STEPS)
        return LEARNING_RATE * warm * (0.02 + 0.49 * (1 + math.cos(math.pi * min(1.0, self.step / DECAY_STEPS))))

    def learn(self) -> None:
        generator = torch.Generator().manual_seed(7_000_003 + self.step)
        knots = LENGTHS_KNOTS[int(torch.randint(len(LENGTHS_KNOTS), (1,), generator=generator))]
        ways = bool(torch.rand(1, generator=generator) < WAYS_SHARE)
        count = len(self.pairs[knots][0])
        first = min(HELD_OUT, count // 2)
        rows = torch.randint(first, count, (max(8, BATCH * 84 // knots),), generator=generator)
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate()
        loss = self.loss(self.model.field, knots, rows, generator if ways else None)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.field.parameters(), 1.0)
        self.optimiser.step()
        self.mean.update_parameters(self.model)
        self.step += 1

    @torch.no_grad()
    def held_out(self) -> float:
        """Mean square error of where the running mean's few steps arrive, on pairs that are never learnt from."""
        rows = {knots: torch.arange(min(HELD_OUT, len(ends) // 2)) for knots, (_, ends) in self.pairs.items()}
        return float(np.mean([float(self.loss(self.mean.module.field, knots, rows[knots], None)) for knots in rows]))

    def save(self) -> None:
        save_checkpoint(self.out, self.step, model=self.model, mean=self.mean, optimiser=self.optimiser)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path, required=True, help="of export.motion.train")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=9.0)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    stop = time.monotonic() + 60 * options.minutes
    straightener = Straightener(options.corpus, options.checkpoint, options.out)
    while time.monotonic() < stop:
        straightener.learn()
        if straightener.step % 250 == 0:
            print(straightener.step, f"{straightener.held_out():.5f}", flush=True)
            straightener.save()
    straightener.save()


if __name__ == "__main__":
    main()
