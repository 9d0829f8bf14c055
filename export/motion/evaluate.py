"""Simulated clips as the network's last layer plays them, to compare the network with what it was trained on."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import torch

from engine.motion.track import FPS, Motion
from export.motion.captured import CapturedMotion
from export.motion.corpus import fit_matrix, knots_for
from export.motion.performer import DETAILS, Performer
from export.motion.score import Scale, blink_events, frames_of, written
from export.motion.simulator import simulate
from export.motion.style import STYLE_SIZE, Style


@cache
def captured_in(folder: Path) -> CapturedMotion:
    return CapturedMotion.read(sorted(folder.glob("*.csv")))


def simulated_motions(emotion: str, clips: int, seconds: float, captured: Path) -> list[Motion]:
    """Of faces that show nothing in their photo and look straight ahead."""
    rng = np.random.default_rng(1)
    knots = knots_for(seconds)
    steps = [(0.0, {} if emotion == "neutral" else {emotion: 1.0})]
    scores, blinks, leads = [], [], []
    for _ in range(clips):
        style = Style.of(rng.normal(size=STYLE_SIZE), np.zeros(52))
        played = simulate(steps, seconds, frames_of(knots), style, np.zeros(3), captured_in(captured), rng)
        scores.append(written(played, fit_matrix(knots)))
        blinks.append(blink_events(played, knots))
        leads.append(style.left_lead_seconds)
    scale = Scale.of(np.concatenate([shapes for shapes, _ in scores]), np.concatenate([others for _, others in scores]))
    standard = np.stack([scale.standard(shapes, others) for shapes, others in scores])
    with torch.inference_mode():
        tracks = Performer(scale)(
            torch.tensor(standard, dtype=torch.float32).transpose(1, 2),
            torch.tensor(np.stack(blinks), dtype=torch.float32),
            torch.randn(clips, DETAILS, knots, generator=torch.Generator().manual_seed(1)),
            torch.ones(clips),
            torch.full((clips,), seconds),
            torch.tensor(leads, dtype=torch.float32),
        )
    frames = round(seconds * FPS)
    return [Motion(*(track[i, :frames].numpy() for track in tracks)) for i in range(clips)]
