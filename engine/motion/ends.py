"""How clips start from the photo, and how they come back to it."""

from __future__ import annotations

import numpy as np

from engine.mesh_layout import BLENDSHAPES
from engine.motion.track import FPS, Motion
from engine.types import Floats

LEAD_IN_SECONDS = 0.3
WAY_BACK_SECONDS = 1.0
LONGEST_WAY_BACK = 0.4  # of the clip, where that is less
EYES_BACK_SECONDS = 0.08  # a jump of the eyes, not a drift
BLINKS = [i for i, name in enumerate(BLENDSHAPES) if name.startswith("eyeBlink")]
EYES = [i for i, name in enumerate(BLENDSHAPES) if name.startswith(("eyeBlink", "eyeLook"))]
LOOKS = tuple(
    (BLENDSHAPES.index(f"eyeLook{one}{side}"), BLENDSHAPES.index(f"eyeLook{other}{side}"))
    for one, other in (("Down", "Up"), ("In", "Out"))
    for side in ("Left", "Right")
)


def minimum_jerk(u: Floats) -> Floats:
    """From 0 at u = 0 to 1 at u = 1, starting and ending at rest (Flash and Hogan 1985)."""
    u = np.clip(u, 0, 1)
    return np.asarray(u**3 * (10 - 15 * u + 6 * u**2))


def starting_at_photo(motion: Motion) -> Motion:
    """The motion with a first frame of zeros, which is the photo exactly; one that has it stays as it is.

    Where head, body and eyes are counts from the first frame on, in which they are where the photo has them. The
    expression, and with it the release of the photo's own, comes within the first 0.3 seconds.
    """
    tracks = motion.tracks()
    if not any(track[0].any() for track in tracks.values()):
        return motion
    come = minimum_jerk(np.arange(len(motion)) / (LEAD_IN_SECONDS * FPS))
    shapes = motion.blendshapes.copy()
    for one, other in LOOKS:
        look = shapes[:, one] - shapes[:, other]
        look = look - look[0]
        shapes[:, one], shapes[:, other] = np.maximum(look, 0), np.maximum(-look, 0)
    moved = {name: track - track[0] for name, track in tracks.items()}
    return Motion(**moved | {"blendshapes": come[:, None] * shapes, "release": come * motion.release})


def looped(motion: Motion) -> Motion:
    """The motion with a way back at its end: frame T, which isn't drawn, would be the photo, as frame 0 is.

    Everything eases back within the last second. Eyes jump back at once, at a moment when the lids are open, and rest
    from then on, so that no blink is cut short.
    """
    frames = len(motion)
    back = min(WAY_BACK_SECONDS * FPS, LONGEST_WAY_BACK * frames)
    left = 1 - minimum_jerk((np.arange(frames) - (frames - back)) / back)
    eyes_left = _eyes_left(motion, round(frames - back))
    tracks = {name: (left * track.T).T for name, track in motion.tracks().items()}
    tracks["blendshapes"][:, EYES] = eyes_left[:, None] * motion.blendshapes[:, EYES]
    tracks["gaze_deg"] = eyes_left[:, None] * motion.gaze_deg
    return Motion(**tracks)


def _eyes_left(motion: Motion, first: int) -> Floats:
    """(T,) from 1 to 0, in the last jump after frame `first` during which the lids are as open as they get there."""
    jump = round(EYES_BACK_SECONDS * FPS)
    closed = np.lib.stride_tricks.sliding_window_view(motion.blendshapes[first:, BLINKS].sum(1), jump + 1).max(1)
    last = first + int(np.flatnonzero(closed <= closed.min() + 0.01)[-1])
    return 1 - minimum_jerk((np.arange(len(motion)) - last) / jump)
