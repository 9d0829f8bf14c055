"""Motion: what one face does over a clip, 60 times a second."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields

import numpy as np

from engine.errors import MotionError
from engine.mesh_layout import BLENDSHAPES
from engine.motion import files
from engine.sentences import shown
from engine.types import Floats

FPS = files.FPS
# The columns of blendshapes that show an expression, rather than that a face is alive.
EXPRESSION = [i for i, name in enumerate(BLENDSHAPES) if not name.startswith(("_neutral", "eyeBlink", "eyeLook"))]
WIDTHS = {"blendshapes": 52, "release": None, "rotation_deg": 3, "shift_cm": 3, "gaze_deg": 4, "body_cm": 3}
# Beyond, all that is drawn is a smear: percents were given instead of shares, or pixels instead of centimetres.
LARGEST = {"blendshapes": 5, "release": 2, "rotation_deg": 90, "shift_cm": 50, "gaze_deg": 90, "body_cm": 50}


@dataclass(frozen=True, eq=False)
class Motion:
    """Tracks of T frames. All zero is the photo as it is. Slicing gives a Motion of those frames.

    The arrays are float32 copies of what is given. They may be edited in place, as in motion.gaze_deg[:] = 0;
    `dataclasses.replace` exchanges one. Angles and shifts are in the head's own frame: x to the picture's right, y
    down, z away from the viewer.

    Raises MotionError if the tracks aren't of one length and of their widths, or have numbers beyond `LARGEST`.
    """

    blendshapes: Floats  # (T, 52) weights in the order of engine.mesh.BLENDSHAPES; above 1 exaggerates
    release: Floats  # (T,) share of the photo's own expression that is taken out
    rotation_deg: (
        Floats  # (T, 3) pitch (down is positive), yaw (to the picture's right), roll (clockwise in the picture)
    )
    shift_cm: Floats  # (T, 3) of the head
    gaze_deg: Floats  # (T, 4) right eye's x (to the picture's right) and y (down), then the left eye's
    body_cm: Floats  # (T, 3) of shoulders and chest

    def __post_init__(self) -> None:
        tracks = {name: as_track(name, getattr(self, name)) for name in WIDTHS}
        frames = len(np.atleast_1d(tracks["blendshapes"]))
        for name, width in WIDTHS.items():
            track, shape = tracks[name], (frames,) if width is None else (frames, width)
            if track.shape != shape:
                raise MotionError(
                    f"The motion's {name} has the shape {track.shape}; make it {shape}, as the blendshapes need it."
                )
            object.__setattr__(self, name, track)

    def __repr__(self) -> str:
        return f"<Motion of {len(self)} frames, {self.seconds:g} s>"

    def __len__(self) -> int:
        return len(self.release)

    def __getitem__(self, frames: slice) -> Motion:
        if not isinstance(frames, slice):
            raise MotionError(f"A motion is cut by a slice, as in motion[:240], not by {shown(frames)}.")
        return Motion(**{name: track[frames] for name, track in self.tracks().items()})

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self) / FPS

    def tracks(self) -> dict[str, Floats]:
        """The arrays themselves, by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a file, which appears only when it is complete.

        path: ends in .npz (everything) or .csv (Live Link Face: blendshapes and the angles of head and eyes, without
            release, shift_cm and body_cm; see `engine.motion.live_link`).

        Raises OutputError if it can't be written, MotionError if its arrays no longer fit.
        """
        files.write(path, self[:].tracks())  # a copy, checked again: arrays may have been edited

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Motion:
        """Reads a file that `save` wrote, or a capture of a phone (Live Link Face CSV, any frame rate).

        A CSV says the whole expression: its release is 1 throughout, shift_cm and body_cm are 0.

        Raises MotionError if there is no such file, or no motion in it.
        """
        return cls(**files.read(path, tuple(WIDTHS)))


def as_track(name: str, values: object) -> Floats:
    """A copy of one of the tracks; raises MotionError for what isn't numbers, or none that can be meant."""
    try:
        found = np.asarray(values)
    except ValueError:  # lists of several lengths
        found = np.empty(0, object)
    if found.dtype.kind not in "biuf":
        raise MotionError(f"The motion's {name} is not an array of numbers; replace it.")
    found = found.astype(np.float64)  # of the least whole numbers there is no absolute one
    if not np.isfinite(found).all():
        raise MotionError(f"The motion's {name} has numbers that aren't finite; replace them.")
    largest = float(np.abs(found).max(initial=0))
    if largest > LARGEST[name]:
        raise MotionError(f"The motion's {name} goes up to {largest:g}; keep it within {LARGEST[name]}.")
    return np.array(found, np.float32)
