"""Where the photo already shows part of the wanted expression: it is kept, rather than taken out and done again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine.motion.track import Motion
from engine.types import Floats

CLEARLY_SHOWN = 0.35  # of a blendshape; less may be misread


def keep_what_fits(motion: Motion, own: Floats) -> Motion:
    """The motion for a face whose photo shows the blendshapes own (52,): a smile never shrinks on its way to joy.

    Of the photo's expression that part stays which the motion's apex has as well; of those blendshapes the face then
    shows the larger of what it had and what it shall have.
    """
    wanted = motion.blendshapes.max(0)
    fits = np.where(np.minimum(own, wanted) > CLEARLY_SHOWN, np.minimum(own, wanted), 0)
    if not fits.any():
        return motion
    release = motion.release * (1 - fits.sum() / own.sum())
    left = (1 - release[:, None]) * own
    shared = np.maximum(motion.blendshapes, own) - left
    blendshapes = np.where(fits > 0, shared, motion.blendshapes)
    return replace(motion, blendshapes=blendshapes.astype(np.float32), release=release.astype(np.float32))
