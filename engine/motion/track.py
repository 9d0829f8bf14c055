"""Motion: what one face does over a clip, 60 times a second."""

from __future__ import annotations

from dataclasses import dataclass, fields

from engine.types import Floats

FPS = 60


@dataclass(frozen=True)
class Motion:
    """Tracks of T frames. All zero is the photo as it is. Slicing gives a Motion of those frames.

    Angles and shifts are in the head's own frame: x to the picture's right, y down, z away from the viewer.
    """

    blendshapes: Floats  # (T, 52) weights in the order of engine.mesh.BLENDSHAPES; above 1 exaggerates
    release: Floats  # (T,) share of the photo's own expression that is taken out
    rotation_deg: (
        Floats  # (T, 3) pitch (down is positive), yaw (to the picture's right), roll (clockwise in the picture)
    )
    shift_cm: Floats  # (T, 3) of the head
    gaze_deg: Floats  # (T, 4) right eye's x (to the picture's right) and y (down), then the left eye's
    body_cm: Floats  # (T, 3) of shoulders and chest

    def __len__(self) -> int:
        return len(self.release)

    def __getitem__(self, frames: slice) -> Motion:
        return Motion(*(getattr(self, field.name)[frames] for field in fields(self)))
