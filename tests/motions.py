"""Motions for tests: what the generator gives, every track at random, and how two are compared."""

from __future__ import annotations

from functools import cache

import numpy as np

from engine import Motion
from engine.motion.generator import NOTHING_SHOWN, MotionGenerator, Shown
from engine.motion.script import Script, Wanted
from tests.perception import backend, bundle


@cache
def generator() -> MotionGenerator:
    return MotionGenerator(backend().open(bundle().path("motion.onnx")))


def perform(wanted: Wanted, seconds: float, intensity: float, seed: int, face: int) -> Motion:
    """What a face does that shows nothing in its photo."""
    script = Script.parse(wanted, seconds)
    made = generator().generate({face: script}, {face: NOTHING_SHOWN}, seconds=seconds, intensity=intensity, seed=seed)
    return made[face]


def perform_together(
    wanted: Wanted, seconds: float, seed: int, faces: int, *, intensity: float = 1.0, shown: Shown = NOTHING_SHOWN
) -> list[Motion]:
    """What the faces of one photo do that are all asked for the same, and show the same in it."""
    scripts = dict.fromkeys(range(faces), Script.parse(wanted, seconds))
    all_shown = dict.fromkeys(scripts, shown)
    return list(generator().generate(scripts, all_shown, seconds=seconds, intensity=intensity, seed=seed).values())


def random_motion(frames: int = 240, seed: int = 0) -> Motion:
    """Every track moves, from the first frame on."""
    rng = np.random.default_rng(seed)
    return Motion(
        blendshapes=rng.uniform(0, 1, (frames, 52)),
        release=rng.uniform(0, 1, frames),
        rotation_deg=rng.normal(0, 5, (frames, 3)),
        shift_cm=rng.normal(0, 1, (frames, 3)),
        gaze_deg=rng.normal(0, 5, (frames, 4)),
        body_cm=rng.normal(0, 1, (frames, 3)),
    )


def same(a: Motion, b: Motion) -> bool:
    return all(np.array_equal(track, b.tracks()[name]) for name, track in a.tracks().items())
