"""Thousands of simulated clips, as standard scores with what was asked for.

python -m export.motion.corpus --motion FOLDER --readings readings.npz --out corpus.npz [--clips 24000]
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np

from engine.types import Floats
from export.motion.captured import CapturedMotion
from export.motion.facts import PERFORMED
from export.motion.score import EXTRA_KNOTS, KNOT_FPS, Scale, blink_events, frames_of, spline_matrix, written
from export.motion.simulator import Steps, simulate
from export.motion.style import STYLE_SIZE, Style

NAMES = tuple(name for name, emotion in PERFORMED.items() if emotion.units)
KNOT_MULTIPLE = 4  # the network halves the time axis twice
TOLD = ("blinks", "asked", "style", "own", "pose")  # kept as they are
LENGTHS_KNOTS = (36, 52, 68, 84, 108, 132, 156)  # clips are drawn up to one of these
KINDS = {"one": 0.66, "neutral": 0.08, "mix": 0.11, "timeline": 0.15}


def knots_for(seconds: float) -> int:
    """The smallest number of knots, a multiple of 4, that covers the clip."""
    needed = int(np.ceil(seconds * KNOT_FPS)) + EXTRA_KNOTS
    return -(-needed // KNOT_MULTIPLE) * KNOT_MULTIPLE


def draw_weights(rng: np.random.Generator, kind: str) -> Mapping[str, float]:
    if kind == "neutral":
        return {}
    if kind == "one":
        return {str(rng.choice(NAMES)): 1.0}
    a, b = rng.choice(NAMES, 2, replace=False)
    share = float(rng.uniform(0.2, 0.8))
    return {str(a): share, str(b): float(rng.uniform(0.5, 1.0)) * (1 - share)}


def draw_steps(rng: np.random.Generator, seconds: float) -> Steps:
    kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
    if kind != "timeline":
        return [(0.0, draw_weights(rng, kind))]
    count = int(rng.integers(2, 2 + min(3, int(seconds // 1.5))))
    inner = np.sort(rng.uniform(0.7, seconds - 0.9, count - 1))
    starts = [0.0, *(float(at) for i, at in enumerate(inner) if i == 0 or at - inner[i - 1] > 0.7)]
    kinds = rng.choice(["one", "one", "one", "neutral", "mix"], len(starts))
    return [(start, draw_weights(rng, str(each))) for start, each in zip(starts, kinds, strict=True)]


def asked(steps: Steps, seconds: float, knots: int) -> Floats:
    """(knots, 9): weights of the six emotions, then time, time left and share of the clip."""
    at = (np.arange(knots) - 1) / KNOT_FPS
    wanted = np.zeros((knots, len(NAMES) + 3))
    for start, weights in steps:
        wanted[at >= start - 1e-9, : len(NAMES)] = [weights.get(name, 0.0) for name in NAMES]
    wanted[0, : len(NAMES)] = wanted[1, : len(NAMES)]
    wanted[:, len(NAMES) :] = np.stack([at / 5 - 1, (seconds - at) / 5 - 1, 2 * at / seconds - 1], 1)
    return wanted


@cache
def fit_matrix(knots: int) -> Floats:
    return np.asarray(np.linalg.pinv(spline_matrix(knots)))


def draw_batch(seed: int, clips: int, knots: int, motion: Path, readings: Path) -> dict[str, Floats]:
    """Clips that need `knots` knots."""
    captured = CapturedMotion.read(sorted(motion.glob("*.csv")))
    photos = np.load(readings)
    rng = np.random.default_rng([seed, knots])
    shortest = max(2.0, (knots - EXTRA_KNOTS - 22) / KNOT_FPS)
    rows: dict[str, list[Floats]] = {name: [] for name in ("shapes", "others", *TOLD)}
    for _ in range(clips):
        seconds = float(rng.uniform(shortest, min(10.0, (knots - EXTRA_KNOTS) / KNOT_FPS)))
        steps, z = draw_steps(rng, seconds), rng.normal(size=STYLE_SIZE)
        photo = int(rng.integers(len(photos["blendshapes"])))
        own, pose = photos["blendshapes"][photo], photos["pose_deg"][photo]
        played = simulate(steps, seconds, frames_of(knots), Style.of(z, own), pose, captured, rng)
        shapes, others = written(played, fit_matrix(knots))
        depths = blink_events(played, knots)[2]
        values = (shapes, others, depths, asked(steps, seconds, knots), z, own, pose)
        for name, value in zip(rows, values, strict=True):
            rows[name].append(value.astype(np.float32))
    return {name: np.stack(values) for name, values in rows.items()}


def build(motion: Path, readings: Path, out: Path, *, clips: int, seed: int, processes: int | None = None) -> None:
    """Writes the corpus: scores and what was asked for, by the number of knots, and the scale of the scores."""
    each = clips // len(LENGTHS_KNOTS)
    if processes == 1:
        batches = [draw_batch(seed, each, knots, motion, readings) for knots in LENGTHS_KNOTS]
    else:
        with ProcessPoolExecutor(processes) as pool:
            jobs = [pool.submit(draw_batch, seed, each, knots, motion, readings) for knots in LENGTHS_KNOTS]
            batches = [job.result() for job in jobs]
    scale = Scale.of(
        np.concatenate([batch["shapes"].reshape(-1, 52) for batch in batches]),
        np.concatenate([batch["others"].reshape(-1, batch["others"].shape[-1]) for batch in batches]),
    )
    kept: dict[str, Floats] = {"axes": scale.axes, "mean": scale.mean, "spread": scale.spread}
    for knots, batch in zip(LENGTHS_KNOTS, batches, strict=True):
        kept[f"scores_{knots}"] = scale.standard(batch["shapes"], batch["others"]).astype(np.float16)
        kept |= {f"{name}_{knots}": batch[name].astype(np.float16) for name in TOLD}
    np.savez(out, **kept)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--motion", type=Path, required=True, help="folder of captured curves (CSV)")
    parser.add_argument("--readings", type=Path, required=True, help="what the landmarker reads on training photos")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=24000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    build(options.motion, options.readings, options.out, clips=options.clips, seed=options.seed)


if __name__ == "__main__":
    main()
