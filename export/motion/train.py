"""Trains the motion network on the corpus; goes on from its checkpoint when started again.

    python -m export.motion.train --corpus corpus.npz --out FOLDER [--minutes 9] [--batch 64]

Writes checkpoint.pt (network, its running mean, optimiser, step) and losses.csv: step, the losses of score and blinks,
and those on held-out clips. Runs on a GPU where there is one.
"""

from __future__ import annotations

import argparse
import csv
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engine.types import Floats
from export.motion.blinks import blink_loss
from export.motion.corpus import LENGTHS_KNOTS, TOLD
from export.motion.network import MotionModel

LEARNING_RATE, WARM_UP_STEPS, DECAY_STEPS = 1e-3, 300, 24000
MEAN_DECAY = 0.999  # of the running mean of weights, which is what ships
POSE_SCALE = 20.0  # degrees
BLINKS_BLUR = 0.3  # noise on the scores by which blinks are learnt: generated ones are never quite like simulated ones
CLIPS_HELD_OUT = 64  # per length, for the validation loss
Clips = dict[int, dict[str, Tensor]]  # by number of knots


def about(style: Tensor, own: Tensor, pose_deg: Tensor) -> Tensor:
    """What the network is told of a face, (F, 10 + 52 + 3)."""
    return torch.cat([style, 2 * own, (pose_deg / POSE_SCALE).clamp(-2, 2)], 1)


def read_corpus(path: Path) -> Clips:
    with np.load(path) as stored:
        return {
            knots: {name: torch.from_numpy(stored[f"{name}_{knots}"]) for name in ("scores", *TOLD)}
            for knots in LENGTHS_KNOTS
        }


def save_checkpoint(out: Path, step: int, **parts: torch.nn.Module | torch.optim.Optimizer) -> None:
    """Writes checkpoint.pt, all of it or none."""
    torch.save({name: part.state_dict() for name, part in parts.items()} | {"step": step}, out / "partial.pt")
    (out / "partial.pt").replace(out / "checkpoint.pt")


@dataclass(frozen=True)
class Batch:
    """F clips of K knots."""

    scores: Tensor  # (F, C, K)
    depths: Tensor  # (F, K) of the blinks that start at each knot, else 0
    asked: Tensor  # (F, 9, K)
    style: Tensor  # (F, 10)
    told: Tensor  # (F, 65)


def batch_of(clips: dict[str, Tensor], rows: Tensor, device: torch.device) -> Batch:
    part = {name: values[rows].to(device).float() for name, values in clips.items()}
    told = about(part["style"], part["own"], part["pose"])
    scores, asked = (part[name].transpose(1, 2) for name in ("scores", "asked"))
    return Batch(scores, part["blinks"], asked, part["style"], told)


def losses_of(model: torch.nn.Module, batch: Batch, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Of the score and of the blinks; they share no weights."""
    blurred = batch.scores + BLINKS_BLUR * torch.randn(batch.scores.shape, generator=generator).to(batch.scores.device)
    blinks = blink_loss(model.blinks(blurred, batch.asked, batch.style), batch.depths)
    return flow_loss(model.field, batch, generator), blinks


def flow_loss(field: torch.nn.Module, batch: Batch, generator: torch.Generator) -> Tensor:
    """Mean square error of the velocity between noise and score, at random flow times."""
    scores, device = batch.scores, batch.scores.device
    noise = torch.randn(scores.shape, generator=generator).to(device)
    at = torch.sigmoid(0.9 * torch.randn(len(scores), generator=generator) + 0.2).to(device)
    mixed = (1 - at[:, None, None]) * noise + at[:, None, None] * scores
    with torch.autocast(device.type, torch.bfloat16):
        velocity = field(mixed, at, batch.asked, batch.told)
    found: Tensor = (velocity.float() - (scores - noise)).square().mean()
    return found


class Trainer:
    """The network, the running mean of its weights, its optimiser and where it has got to."""

    def __init__(self, corpus: Path, out: Path, batch: int, seed: int) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.manual_seed(seed)
        self.clips, self.out, self.batch, self.seed, self.step = read_corpus(corpus), out, batch, seed, 0
        self.model = MotionModel().to(self.device)
        self.mean = torch.optim.swa_utils.AveragedModel(
            self.model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(MEAN_DECAY)
        )
        self.optimiser = torch.optim.AdamW(self.model.parameters(), LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.01)
        if (out / "checkpoint.pt").exists():
            stored = torch.load(out / "checkpoint.pt", map_location=self.device)
            for name in ("model", "mean", "optimiser"):
                getattr(self, name).load_state_dict(stored[name])
            self.step = stored["step"]

    def rate(self) -> float:
        warm = min(1.0, (self.step + 1) / WARM_UP_STEPS)
        return LEARNING_RATE * warm * (0.05 + 0.475 * (1 + math.cos(math.pi * min(1.0, self.step / DECAY_STEPS))))

    def learn(self) -> Floats:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.step)
        knots = LENGTHS_KNOTS[int(torch.randint(len(LENGTHS_KNOTS), (1,), generator=generator))]
        size = max(8, self.batch * 84 // knots)
        rows = torch.randint(CLIPS_HELD_OUT, len(self.clips[knots]["scores"]), (size,), generator=generator)
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate()
        parts = losses_of(self.model, batch_of(self.clips[knots], rows, self.device), generator)
        self.optimiser.zero_grad()
        torch.stack(parts).sum().backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.mean.update_parameters(self.model)
        self.step += 1
        return np.array([float(part.detach()) for part in parts])

    @torch.no_grad()
    def held_out(self) -> Floats:
        """Losses of the running mean on clips that are never learnt from."""
        losses = []
        for clips in self.clips.values():
            rows = torch.arange(CLIPS_HELD_OUT)
            batch = batch_of(clips, rows, self.device)
            found = losses_of(self.mean.module, batch, torch.Generator().manual_seed(0))
            losses.append([float(part) for part in found])
        return np.mean(losses, 0)

    def save(self) -> None:
        save_checkpoint(self.out, self.step, model=self.model, mean=self.mean, optimiser=self.optimiser)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(options.corpus, options.out, options.batch, options.seed)
    stop, losses = time.monotonic() + 60 * options.minutes, []
    with (options.out / "losses.csv").open("a", newline="") as stream:
        while time.monotonic() < stop:
            losses.append(trainer.learn())
            if trainer.step % 250 == 0:
                found = np.concatenate([np.mean(losses[-250:], 0), trainer.held_out()])
                row = (trainer.step, *(f"{loss:.5f}" for loss in found))
                csv.writer(stream).writerow(row)
                stream.flush()
                print(*row, flush=True)
                trainer.save()
    trainer.save()


if __name__ == "__main__":
    main()
