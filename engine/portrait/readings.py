"""What a photo's readings say of the expression that it shows, and what a face of its size can show."""

from __future__ import annotations

import numpy as np

from engine.mesh import BLENDSHAPES
from engine.types import Floats

PARTING = ("jawOpen", "mouthLowerDown", "mouthUpperUp", "mouthFunnel")  # lips
FINE_PX_PER_CM, LEAST_PARTING = (3.0, 6.0), 0.35  # of a face whose lips part hardly, or as far as they should

# What the blendshape net reads on faces that show nothing: nine in ten of 52 neutral people have less. Smiles count
# from their mean on, as slight ones are seen.
READ_ON_NEUTRAL = 0.25
READ_ON_NEUTRAL_TOO = {
    "mouthSmile": 0.06, "mouthShrugLower": 0.6, "mouthPucker": 0.45, "eyeSquint": 0.35, "browDown": 0.35
}  # fmt: skip
SMILES, UPPER_LIPS = ([i for i, b in enumerate(BLENDSHAPES) if b.startswith(n)] for n in ("mouthSmile", "mouthUpperUp"))
# Lids and gaze are the motion's own business, and their readings say little on stills.
NOT_RELEASED = ("_neutral", "eyeBlink", "eyeLook", "eyeWide", "jawForward", "jawLeft", "jawRight", "mouthRoll")


def own_expression(readings: Floats) -> Floats:
    """The part of the readings (52,) that is taken out when another expression comes."""
    kept = np.array([not name.startswith(NOT_RELEASED) for name in BLENDSHAPES])
    usual = np.array([
        next((read for name, read in READ_ON_NEUTRAL_TOO.items() if blendshape.startswith(name)), READ_ON_NEUTRAL)
        for blendshape in BLENDSHAPES
    ])  # fmt: skip
    strength = np.clip((readings - usual) / (1 - usual), 0, 1)
    strength[UPPER_LIPS] = np.maximum(strength[UPPER_LIPS] - strength[SMILES], 0)  # smiles raise them as well
    return np.where(kept, strength, 0).astype(np.float32)


def parting_share(px_per_cm: float) -> Floats:
    """How much of each blendshape (52,) a face of this size shows.

    Of mouths of ten or twenty pixels the mesh is off by some of them: an open one stood below the photo's own.
    """
    fine = float(np.clip((px_per_cm - FINE_PX_PER_CM[0]) / np.ptp(FINE_PX_PER_CM), 0, 1))
    least = np.where([name.startswith(PARTING) for name in BLENDSHAPES], LEAST_PARTING, 1.0)
    return np.asarray(least + fine * (1 - least), np.float32)
