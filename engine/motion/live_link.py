"""Motion as comma-separated values, as the app Live Link Face writes them (ARKit's face capture).

A row has a timecode hh:mm:ss:ff, 52 blendshapes from 0 to 1, and yaw, pitch and roll of head and eyes in radians.
Neither Apple nor Epic documents the angles' signs. We take those that captured files show for eyes, where EyeLookIn
and its like tell what is meant, also for heads: yaw is positive to the person's right, pitch down, roll to the person's
left. Some recordings (a phone held sideways) have other ones.

What gets lost: `release`, `shift_cm` and `body_cm`, and MediaPipe's `_neutral`. TongueOut, which `Motion` hasn't, and
the eyes' roll are written as 0 and not read.
"""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.errors import MotionError
from engine.mesh_layout import BLENDSHAPES
from engine.types import Floats

# fmt: off
SHAPES = (
    "EyeBlinkLeft", "EyeLookDownLeft", "EyeLookInLeft", "EyeLookOutLeft", "EyeLookUpLeft", "EyeSquintLeft",
    "EyeWideLeft", "EyeBlinkRight", "EyeLookDownRight", "EyeLookInRight", "EyeLookOutRight", "EyeLookUpRight",
    "EyeSquintRight", "EyeWideRight", "JawForward", "JawRight", "JawLeft", "JawOpen", "MouthClose", "MouthFunnel",
    "MouthPucker", "MouthRight", "MouthLeft", "MouthSmileLeft", "MouthSmileRight", "MouthFrownLeft", "MouthFrownRight",
    "MouthDimpleLeft", "MouthDimpleRight", "MouthStretchLeft", "MouthStretchRight", "MouthRollLower", "MouthRollUpper",
    "MouthShrugLower", "MouthShrugUpper", "MouthPressLeft", "MouthPressRight", "MouthLowerDownLeft",
    "MouthLowerDownRight", "MouthUpperUpLeft", "MouthUpperUpRight", "BrowDownLeft", "BrowDownRight", "BrowInnerUp",
    "BrowOuterUpLeft", "BrowOuterUpRight", "CheekPuff", "CheekSquintLeft", "CheekSquintRight", "NoseSneerLeft",
    "NoseSneerRight", "TongueOut",
)
# fmt: on
HEAD = {"HeadYaw": -1.0, "HeadPitch": 1.0, "HeadRoll": 1.0}  # sign in a `Motion`, which has pitch, yaw, roll
HEAD_COLUMNS = (1, 0, 2)  # of rotation_deg
EYES = {"RightEyeYaw": -1.0, "RightEyePitch": 1.0, "LeftEyeYaw": -1.0, "LeftEyePitch": 1.0}  # as gaze_deg
ANGLES = tuple(f"{part}{angle}" for part in ("Head", "LeftEye", "RightEye") for angle in ("Yaw", "Pitch", "Roll"))
COLUMNS = (*SHAPES, *ANGLES)
HEADER = ("Timecode", "BlendShapeCount", *COLUMNS)
EYE_RANGE_DEG = 34.0  # how far an eye has turned where EyeLookIn and its like are 1, from captured files
NONE = ("", "nan")  # in place of a number
LONGEST_SECONDS = 3600  # that are read
FRAME_RATES = (24, 25, 30, 48, 50, 60, 120)  # that cameras have
MISCOUNTED = 0.08  # of such a rate: frames of it were lost
_log = logging.getLogger("engine")
OF_SHAPE = {name.lower(): i for i, name in enumerate(BLENDSHAPES)}


def to_csv(tracks: Mapping[str, Floats], fps: int) -> str:
    """The tracks of a `Motion` as the text of a file."""
    frames = len(tracks["blendshapes"])
    values: dict[str, Floats] = dict.fromkeys(COLUMNS, np.zeros(frames))
    for name in SHAPES:
        if name.lower() in OF_SHAPE:
            values[name] = tracks["blendshapes"][:, OF_SHAPE[name.lower()]]
    for (name, sign), column in zip(HEAD.items(), HEAD_COLUMNS, strict=True):
        values[name] = sign * np.radians(tracks["rotation_deg"][:, column].astype(np.float64))
    for column, (name, sign) in enumerate(EYES.items()):
        values[name] = sign * np.radians(tracks["gaze_deg"][:, column].astype(np.float64))
    table = np.stack([values[name] for name in COLUMNS], 1) + 0.0  # no negative zeros
    lines = [",".join(HEADER)]
    for i, row in enumerate(table):
        seconds, frame = divmod(i, fps)
        timecode = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}:{frame:02}.000"
        lines.append(",".join([timecode, str(len(COLUMNS)), *(f"{value:.10f}" for value in row)]))
    return "\n".join(lines) + "\n"


def from_csv(text: str, name: str, fps: int) -> dict[str, Floats]:
    """The text of a file as the tracks of a `Motion`, resampled to fps frames a second.

    Columns may come in any order and case; those that are missing count as 0. Where the eyes' angles are missing or 0
    throughout, EyeLookIn and its like say them. Rows without numbers (no face was seen) are bridged. Files without
    timecodes have fps rows a second.

    Raises MotionError, which calls the file by its name, if it has no column of a blendshape or no rows, or something
    that isn't a number.
    """
    header, rows = _table(text)
    known = {title.strip().lower(): i for i, title in enumerate(header)}
    missing = [shape for shape in OF_SHAPE if shape not in known and not shape.startswith("_")]
    if not OF_SHAPE.keys() & known.keys():
        raise MotionError(f"The motion file '{name}' has no blendshape columns; give one as Live Link Face writes it.")
    if missing:
        _log.warning("The motion file '%s' has no columns for %s; they count as 0.", name, ", ".join(missing))
    numbers = [i for title, i in known.items() if title in {column.lower() for column in COLUMNS}]
    whole = [row for row in rows if len(row) >= len(header)]
    rows = [row for row in whole if not any(row[i].strip().lower() in NONE for i in numbers)]
    if not rows:
        raise MotionError(f"The motion file '{name}' has no rows with numbers; record it again.")
    try:
        values = np.array([[float(row[i]) for i in numbers] for row in rows])
        timecodes = [row[known["timecode"]] for row in rows] if "timecode" in known else []
        times = _seconds(timecodes) if timecodes else np.arange(len(rows)) / fps
    except ValueError as error:
        raise MotionError(f"The motion file '{name}' has something that isn't a number ({error}); mend it.") from None
    if len(times) > 1 and times[-1] == times[0]:
        raise MotionError(f"The timecodes of the motion file '{name}' stand still; leave them out, or mend them.")
    if times[-1] - times[0] > LONGEST_SECONDS:
        raise MotionError(f"The motion file '{name}' is of over {LONGEST_SECONDS // 60} minutes; cut out a part of it.")
    frames = int((times[-1] - times[0]) * fps + 0.01) + 1
    wanted = times[0] + np.arange(frames) / fps
    columns = {header[i].strip().lower(): np.interp(wanted, times, values[:, at]) for at, i in enumerate(numbers)}
    return _tracks(columns, frames)


def _table(text: str) -> tuple[Sequence[str], list[Sequence[str]]]:
    rows: list[Sequence[str]] = [row for row in csv.reader(io.StringIO(text)) if row]
    return (rows[0], rows[1:]) if rows else ((), [])


def _seconds(timecodes: Sequence[str]) -> NDArray[np.float64]:
    """Timecodes hh:mm:ss:ff -> increasing seconds (n,); the frames that make up a second are counted."""
    parts = np.array([[float(part) for part in code.replace(";", ":").split(":")] for code in timecodes])
    if parts.ndim != 2 or parts.shape[1] != 4 or not np.isfinite(parts).all():
        raise ValueError(f"timecode '{timecodes[0]}'")
    whole, frame = parts[:, :3] @ [3600, 60, 1], parts[:, 3]
    step = np.median(np.diff(frame)) if len(frame) > 1 else 1.0
    next_second = np.diff(whole) == 1
    rate = 60.0
    if next_second.any():
        counted = np.median((frame[:-1] - frame[1:])[next_second]) + step
        known = min(FRAME_RATES, key=lambda rate: abs(rate - counted))
        rate = known if abs(known - counted) < MISCOUNTED * known else counted
    times = whole + frame / rate
    times += 86400 * np.concatenate([[0], np.cumsum(np.diff(times) < -43200)])  # past midnight
    return np.maximum.accumulate(times)


def _tracks(columns: Mapping[str, Floats], frames: int) -> dict[str, Floats]:
    zero = np.zeros(frames)
    shapes = np.stack([columns.get(name.lower(), zero) for name in BLENDSHAPES], 1)
    rotation = np.zeros((frames, 3))
    for (name, sign), column in zip(HEAD.items(), HEAD_COLUMNS, strict=True):
        rotation[:, column] = sign * np.degrees(columns.get(name.lower(), zero))
    gaze: Floats = np.stack([sign * np.degrees(columns.get(name.lower(), zero)) for name, sign in EYES.items()], 1)
    if not gaze.any():
        gaze = _gaze_of_shapes(shapes)
    none = np.zeros((frames, 3))
    return {
        "blendshapes": shapes,
        "release": np.ones(frames),
        "rotation_deg": rotation,
        "shift_cm": none,
        "gaze_deg": gaze,
        "body_cm": none,
    }


def _gaze_of_shapes(shapes: Floats) -> Floats:
    """gaze_deg (T, 4) from EyeLookIn and its like. In is towards the nose, for the right eye the picture's right."""

    def shape(name: str) -> Floats:
        return shapes[:, BLENDSHAPES.index(name)]

    turned = [
        shape("eyeLookInRight") - shape("eyeLookOutRight"),
        shape("eyeLookDownRight") - shape("eyeLookUpRight"),
        shape("eyeLookOutLeft") - shape("eyeLookInLeft"),
        shape("eyeLookDownLeft") - shape("eyeLookUpLeft"),
    ]
    return EYE_RANGE_DEG * np.stack(turned, 1)
