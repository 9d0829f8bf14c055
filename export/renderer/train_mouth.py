"""Trains the mouth network; goes on from its checkpoint when started again.

    python -m export.renderer.train_mouth --portraits DIR --pairs pairs.npz --out FOLDER --minutes 9
        [--lpips lpips_alex_v0.1.pt] [--look dev.npz] [--batch 12] [--threads 1]

Pairs are made from the portraits first if their file isn't there (see `pairs`). FOLDER gets checkpoint.pt,
losses.csv and losses.png, and samples_*.png: input, result with the usual style, result with a random style, photo; of
people who are never trained on. `--look` adds such a sheet of another split's pairs, to look at and nothing else.
Runs in bfloat16 on a GPU where there is one, else on the CPU.
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path

import numpy as np
import torch

from export.renderer.augment import Batch, plain_batch
from export.renderer.corpus import Pairs
from export.renderer.frame import SHOWN, STYLE_SIZE
from export.renderer.network import MouthNet, StylesSeen, finished
from export.renderer.sheets import contact_sheet, loss_plot, write_png
from export.renderer.trainer import NAMES, Trainer

BATCHES = {"cpu": 12, "cuda": 64}
LOGGED_STEPS = 25
SAMPLED_PEOPLE = 36
SHEETS_MINUTES = 2.0
SMOOTHED = 8  # logged rows


def sampled_batch(pairs: Pairs, count: int, device: torch.device) -> Batch:
    """The first rows of as many different people as there are who aren't trained on, at most `count`."""
    rows = pairs.validation_rows()
    _, first = np.unique(pairs.people[rows], return_index=True)
    chosen = torch.from_numpy(rows[np.sort(first)[:count]])
    return plain_batch({name: layer[chosen].to(device) for name, layer in pairs.layers.items()})


@torch.no_grad()
def sheet(network: MouthNet, styles: StylesSeen, batch: Batch) -> np.ndarray:
    """Input, result, result in another style, photo."""
    device = batch.crop.device
    other = torch.randn(len(batch.crop), STYLE_SIZE, generator=torch.Generator().manual_seed(5)).to(device)
    made = [finished(batch.crop, network(batch.crop, styles(normal))) for normal in (torch.zeros_like(other), other)]
    return contact_sheet([batch.crop[:, SHOWN], *made, batch.target], across=2, enlarged=2)


def write_sheets(trainer: Trainer, look: Pairs | None, out: Path) -> None:
    for name, pairs in (("held_out", trainer.pairs), ("look", look)):
        if pairs is not None and len(pairs.validation_rows()):
            batch = sampled_batch(pairs, SAMPLED_PEOPLE, trainer.device)
            write_png(out / f"samples_{name}.png", sheet(trainer.mean, trainer.styles, batch))
    series = np.genfromtxt(out / "losses.csv", delimiter=",", names=True)
    if series.size > SMOOTHED:
        kernel = np.ones(SMOOTHED) / SMOOTHED
        smooth = [np.convolve(series[name], kernel, "valid") for name in NAMES if name in (series.dtype.names or ())]
        write_png(out / "losses.png", loss_plot(np.stack(smooth, 1)))


def start_log(log: Path, step: int) -> None:
    """Leaves the rows up to a checkpoint's step: a run that was broken off had got further."""
    rows = log.read_text().splitlines()[1:] if log.exists() else []
    kept = [row for row in rows if int(row.split(",")[0]) <= step]
    log.write_text("\n".join([",".join(("step", "seconds", *NAMES)), *kept]) + "\n")


def train(trainer: Trainer, out: Path, minutes: float, look: Pairs | None) -> None:
    """Until the minutes are over; a checkpoint and sheets every few minutes and at the end."""
    stop, next_sheets = time.monotonic() + 60 * minutes, time.monotonic() + 60 * SHEETS_MINUTES
    log, waiting = out / "losses.csv", []
    start_log(log, trainer.step)
    started = time.monotonic()
    with log.open("a", newline="") as stream:
        while time.monotonic() < stop:
            waiting.append(trainer.learn())
            if trainer.step % LOGGED_STEPS == 0:
                means = [np.mean([row.get(name, np.nan) for row in waiting]) for name in NAMES]
                row = [trainer.step, f"{time.monotonic() - started:.0f}", *(f"{mean:.4f}" for mean in means)]
                csv.writer(stream, lineterminator="\n").writerow(row)
                stream.flush()
                print(*row, flush=True)
                waiting = []
            if time.monotonic() > next_sheets:
                next_sheets = time.monotonic() + 60 * SHEETS_MINUTES
                trainer.save(out / "checkpoint.pt")
                write_sheets(trainer, look, out)
    trainer.save(out / "checkpoint.pt")
    write_sheets(trainer, look, out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--portraits", type=Path, help="only needed while the file of pairs isn't there")
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--look", type=Path)
    parser.add_argument("--lpips", type=Path, help="weights of LPIPS; without them that loss is left out")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, help="of the CPU; all of them if not given")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    if not options.pairs.exists():
        if options.portraits is None:
            parser.error(f"{options.pairs} isn't there; give --portraits to make it")
        from export.renderer.pairs import write_pairs  # needs the engine, which a machine for training may not have

        write_pairs(options.portraits, "train", options.pairs)
    options.out.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    batch = options.batch or BATCHES[device.type]
    trainer = Trainer(Pairs.read(options.pairs), options.lpips, batch=batch, seed=options.seed, device=device)
    if (options.out / "checkpoint.pt").exists():
        trainer.resume(options.out / "checkpoint.pt")
    print(f"{len(trainer.rows)} pairs to train on, from step {trainer.step}, {device.type}, batch {batch}", flush=True)
    look = Pairs.read(options.look) if options.look else None
    train(trainer, options.out, options.minutes, look)


if __name__ == "__main__":
    main()
