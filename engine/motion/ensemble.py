"""Who of a photo's people shows an emotion when: they answer one another, rather than all at once.

People who all come to the same emotion at the same moment, and leave it at the same moment, look like puppets on one
string, however much their faces differ (docs/adr/0010).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from engine.motion.script import Script

FADED = 0.2  # of an emotion, for those who came early, once others have it


def in_turn(scripts: Mapping[int, Script], seconds: float, seed: int) -> dict[int, Script]:
    """The scripts of all faces of a photo, so that neighbours don't show what they show in step.

    Faces that are asked for one emotion or mix for the whole clip come early and fade, or come late, in turn; the seed
    says who begins. One face alone, neutral faces and timelines stay as they are.
    """
    free = sorted(face for face, script in scripts.items() if len(script.steps) == 1 and script.steps[0][1])
    if len(free) < 2:
        return dict(scripts)
    first = int(np.random.default_rng(seed).integers(2))
    turns = {face: late if (i + first) % 2 else early for i, face in enumerate(free)}
    return {face: turns[face](script, seconds) if face in turns else script for face, script in scripts.items()}


def early(script: Script, seconds: float) -> Script:
    """At once; from the middle of the clip on the emotion fades, for it has been answered."""
    ((_, mix),) = script.steps
    faded = {emotion: FADED * strength for emotion, strength in mix.items()}
    return Script(((0.0, mix), (0.55 * seconds - 0.24, faded)))


def late(script: Script, seconds: float) -> Script:
    """After about a quarter of the clip, and then to its end."""
    ((_, mix),) = script.steps
    return Script(((0.0, {}), (0.19 * seconds + 0.22, mix)))
