"""How one person moves, whatever the emotion: the global noise of the motion network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from engine.mesh import BLENDSHAPES
from engine.types import Floats

STYLE_SIZE = 10
MOST_UNUSUAL = 2.2  # standard deviations
SLOWNESS, LEAD, LEISURE = 0, 3, 9  # which of the numbers says what
LEAD_SECONDS = 0.028  # standard deviation over people
SIDES = tuple(
    (BLENDSHAPES.index(f"{name}Left"), BLENDSHAPES.index(f"{name}Right")) for name in ("mouthSmile", "browOuterUp")
)
EXPRESSIVE = tuple(i for i, name in enumerate(BLENDSHAPES) if not name.startswith(("_", "eyeBlink", "eyeLook")))


@dataclass(frozen=True)
class Style:
    """One person's habits, from ten standard normal numbers."""

    slowness: float  # of everything
    expressivity: float
    left_more: float  # share by which the left side moves further
    left_lead_seconds: float  # played by the network's last layer, not written into scores
    head_mobility: float
    turn: float  # which way the head likes to turn, about -1 to 1
    tilt: float
    restlessness: float  # of gaze and lids
    reaction: float  # 0 to 1, how late expressions start
    leisure: float  # 0 to 1, how slow their onsets are for the emotion

    @classmethod
    def of(cls, z: Floats, own: Floats) -> Style:
        """z (10,), own (52,): the photo's readings. A lopsided smile stays one; a strong expression is left slowly."""
        z = np.clip(z, -MOST_UNUSUAL, MOST_UNUSUAL)
        shown = float(np.clip(own[list(EXPRESSIVE)].sum() / 4, 0, 1))
        lopsided = float(np.clip(np.mean([own[left] - own[right] for left, right in SIDES]), -0.3, 0.3))
        return cls(
            slowness=float(np.exp(0.14 * z[SLOWNESS])) * (1 + 0.25 * shown),
            expressivity=float(np.exp(0.09 * z[1])),
            left_more=float(0.03 + 0.04 * z[2] + 0.25 * lopsided),
            left_lead_seconds=float(LEAD_SECONDS * z[LEAD]),
            head_mobility=float(np.exp(0.25 * z[4])),
            turn=float(np.tanh(z[5])),
            tilt=float(np.tanh(z[6])),
            restlessness=float(np.exp(0.12 * z[7])),
            reaction=float(ndtr(z[8])),
            leisure=float(ndtr(z[LEISURE])),
        )
