"""Who of a photo's people shows an emotion when: they answer one another, rather than all at once.

People who all come to the same emotion at the same moment, and leave it at the same moment, look like puppets on one
string, however much their faces differ (docs/adr/0010).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from engine.motion.script import Script
from engine.motion.track import EXPRESSION, Motion
from engine.types import Floats

FADED = 0.2  # of an emotion, for those who came early, once others have it
EARLY, LATE = 0.14, 0.20  # of the clip: within how much of it those come who share a turn,
EARLY_S, LATE_S = 0.7, 1.0  # or within that many seconds of long clips
IN_STEP = 0.28  # correlation from which on two people seem to move together
MOVES = 0.02  # SD of a blendshape, or of an angle in degrees, that counts
FRAMES_APART = 4  # of those compared, for speed; what they show in common is slower than that
ATTEMPTS = 20


def in_turn(scripts: Mapping[int, Script], seconds: float, seed: int) -> dict[int, Script]:
    """The scripts of all faces of a photo, so that neighbours don't show what they show in step.

    Faces that are asked for one emotion or mix for the whole clip come early and fade, or come late, in turn; the seed
    says who begins, and in which order those who share a turn come to it. One face alone, neutral faces and timelines
    stay as they are.
    """
    free = sorted(face for face, script in scripts.items() if len(script.steps) == 1 and script.steps[0][1])
    if len(free) < 2:
        return dict(scripts)
    rng = np.random.default_rng(seed)
    first = int(rng.integers(2))
    played = dict(scripts)
    for turn, faces in ((early, free[first::2]), (late, free[1 - first :: 2])):
        for face, place in zip(faces, rng.permutation(places(len(faces))), strict=True):
            played[face] = turn(scripts[face], seconds, float(place))
    return played


def places(count: int) -> Floats:
    """Where in their turn those come who share it, 0 to 1, evenly."""
    return (np.arange(count) + 0.5) / count


def early(script: Script, seconds: float, place: float) -> Script:
    """At once, or soon; from the middle of the clip on the emotion fades, for it has been answered."""
    ((_, mix),) = script.steps
    faded = {emotion: FADED * strength for emotion, strength in mix.items()}
    comes = min(EARLY * seconds, EARLY_S) * place
    return Script(((0.0, {}), (comes, mix), (0.55 * seconds - 0.24, faded)))


def late(script: Script, seconds: float, place: float) -> Script:
    """After about a quarter of the clip, and then to its end."""
    ((_, mix),) = script.steps
    comes = 0.19 * seconds + 0.22 + min(LATE * seconds, LATE_S) * (place - 0.5)
    return Script(((0.0, {}), (comes, mix)))


def out_of_step(
    motions: Mapping[int, Motion], faces: Sequence[int], perform: Callable[[Sequence[int], int], dict[int, Motion]]
) -> dict[int, Motion]:
    """The motions, but that chance has put no two neighbours in step.

    A face is drawn again while it moves too much like the one before or after it, and kept if it moves less like them:
    now every other face, now those between, `ATTEMPTS` times at most.

    Args:
        motions: Of all faces, as first drawn.
        faces: Those of them that may be drawn again, from left to right.
        perform: Motions of some of the faces; its second argument tells one drawing from the next.
    """
    found = dict(motions)
    beside = {face: (*faces[max(0, i - 1) : i], *faces[i + 1 : i + 2]) for i, face in enumerate(faces)}

    def likeness(face: int, motion: Motion) -> float:
        return max((in_step(motion, found[other]) for other in beside[face]), default=-1.0)

    for attempt in range(1, ATTEMPTS + 1):
        alike = {face: most for face in faces[attempt % 2 :: 2] if (most := likeness(face, found[face])) > IN_STEP}
        if not alike:
            break
        drawn = perform(list(alike), attempt)
        found |= {face: motion for face, motion in drawn.items() if likeness(face, motion) < alike[face]}
    return found


def in_step(a: Motion, b: Motion) -> float:
    """How far two people move together, -1 to 1: the most of what their expressions, their strength and heads say."""
    a, b = a[::FRAMES_APART], b[::FRAMES_APART]
    shapes = a.blendshapes[:, EXPRESSION], b.blendshapes[:, EXPRESSION]
    levels = [np.abs(shape).sum(1, keepdims=True) for shape in shapes]
    return max(correlation(*shapes), correlation(*levels), correlation(a.rotation_deg, b.rotation_deg))


def correlation(a: Floats, b: Floats) -> float:
    """Of two tracks (T, C), the mean over the columns that move in both; -1 if none does."""
    a, b = a - a.mean(0), b - b.mean(0)
    spread = a.std(0), b.std(0)
    moving = (spread[0] > MOVES) & (spread[1] > MOVES)
    if not moving.any():
        return -1.0
    return float(((a * b).mean(0)[moving] / (spread[0] * spread[1])[moving]).mean())
