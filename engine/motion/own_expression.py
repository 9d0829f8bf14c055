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
    That share of the photo's expression isn't taken out. But where it smiles, and shall not, all of it is: squinting
    eyes would keep half of the smile in anger.
    """
    wanted = motion.blendshapes.max(0)
    fits = np.where(np.minimum(own, wanted) > CLEARLY_SHOWN, np.minimum(own, wanted), 0)
    if not fits.any():
        return motion
    smile_goes = own[SMILES].max() > CLEARLY_SHOWN and not fits[SMILES].any()
    stays = 0.0 if smile_goes else fits.sum() / own.sum()
    release = motion.release * (1 - stays)
    left = (1 - release[:, None]) * own
    shared = np.maximum(motion.blendshapes, own) - left
    blendshapes = np.where(fits > 0, shared, motion.blendshapes)
    return replace(motion, blendshapes=blendshapes.astype(np.float32), release=release.astype(np.float32))
