"""Where the photo already shows part of the wanted expression: it is kept, rather than taken out and done again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine.mesh import BLENDSHAPES
from engine.motion.track import Motion
from engine.types import Floats

CLEARLY_SHOWN = 0.35  # of a blendshape; less may be misread
SMILES = [BLENDSHAPES.index(f"mouthSmile{side}") for side in ("Left", "Right")]


def keep_what_fits(motion: Motion, own: Floats) -> Motion:
    """The motion for a face whose photo shows the blendshapes own (52,): a smile never shrinks on its way to joy.

    Of blendshapes that the motion's apex has as well, the face shows the larger of what it had and what it shall have.
    A smile that fits stays the photo's own: that share of the photo's expression isn't taken out. Where none is wanted
    all of it is, or squinting eyes would keep half of a smile in anger.
    """
    wanted = motion.blendshapes.max(0)
    fits = np.where(np.minimum(own, wanted) > CLEARLY_SHOWN, np.minimum(own, wanted), 0)
    if not fits.any():
        return motion
    stays = fits.sum() / own.sum() if fits[SMILES].any() else 0.0
    release = motion.release * (1 - stays)
    left = (1 - release[:, None]) * own
    shared = np.maximum(motion.blendshapes, own) - left
    blendshapes = np.where(fits > 0, shared, motion.blendshapes)
    return replace(motion, blendshapes=blendshapes.astype(np.float32), release=release.astype(np.float32))
