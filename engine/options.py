"""What `Engine` is asked for: checked, and made into what the stages take."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Mapping
from numbers import Integral
from typing import Any, Literal, TypeGuard

import numpy as np

from engine.checks import NO_NUMBERS, number, whole_number
from engine.errors import FaceIndexError, OptionError, UnknownEmotionError
from engine.faces import FoundFaces
from engine.motion.script import Script, Wanted
from engine.motion.track import FPS, Motion
from engine.sentences import shown

SECONDS = (2.0, 10.0)
DEFAULT_SECONDS = 4.0
INTENSITY = (0.0, 1.5)
SEED_LIMIT = 2**63

Part = Wanted | Motion  # of one face
PerFace = Mapping[int, Any]  # of Part, which no type checker finds out from a literal where a mix is allowed as well
Faces = Literal["all"] | Collection[int]


def per_face(emotion: Part | PerFace) -> TypeGuard[PerFace]:
    """Whether it is a mapping of faces' numbers; one of emotions' names is a mix for everybody."""
    return isinstance(emotion, Mapping) and any(isinstance(key, Integral) for key in emotion)


def clip_seconds(emotion: Part | PerFace, seconds: float | None) -> float:
    """The clip's length: as asked, else that of the motions that were given, else 4 seconds.

    Raises OptionError for a length that can't be made, and where motions are shorter, or of several lengths.
    """
    parts: Iterable[Any] = emotion.values() if per_face(emotion) else [emotion]
    lengths = sorted({part.seconds for part in parts if isinstance(part, Motion)})
    if seconds is not None or not lengths:
        wanted = DEFAULT_SECONDS if seconds is None else number("seconds", seconds, *SECONDS)
        if lengths and round(wanted * FPS) > round(lengths[0] * FPS):
            raise OptionError(f"seconds is {wanted:g}, but the motion lasts {lengths[0]:.4g}; ask for that at most.")
        return wanted
    if len(lengths) > 1:
        raise OptionError(
            f"The motions last {' and '.join(f'{length:.4g}' for length in lengths)} seconds; "
            "say with seconds how many of them to play."
        )
    (length,) = lengths
    if length > SECONDS[1]:
        raise OptionError(
            f"The motion lasts {length:.4g} seconds; say with seconds how many of them to play, {SECONDS[1]:g} at most."
        )
    if length < SECONDS[0]:
        raise OptionError(f"The motion lasts {length:.4g} seconds; a clip has {SECONDS[0]:g} at least, make it longer.")
    return length


def read_emotion(emotion: Part | PerFace, seconds: float) -> Script | Motion | dict[int, Script | Motion]:
    """What everybody shall do, or what each face shall; raises UnknownEmotionError, MotionError or OptionError.

    Of a motion, as much as the clip shows, in a copy that is checked: its arrays may have been edited.
    """
    frames = round(seconds * FPS)
    if isinstance(emotion, Motion):
        return emotion[:frames]
    if not per_face(emotion):
        if isinstance(emotion, Mapping) and not emotion:
            raise UnknownEmotionError("No face was given an emotion; name at least one, as in {0: 'joy'}.")
        if isinstance(emotion, Mapping) and all(isinstance(key, str) and key.isdecimal() for key in emotion):
            raise OptionError("Faces are named by whole numbers, not by text; make the keys int, as in {0: 'joy'}.")
        return Script.parse(emotion, seconds)  # type: ignore[arg-type]
    for key in emotion:
        if not isinstance(key, Integral) or isinstance(key, NO_NUMBERS) or key < 0:
            raise OptionError(
                f"{shown(key)} is not the number of a face; give faces numbers, and each a mix of its own."
            )
    return {
        int(face): part[:frames] if isinstance(part, Motion) else Script.parse(part, seconds)
        for face, part in emotion.items()
    }


def check_loop(loop: bool) -> None:
    """Raises OptionError: text such as "no" would count as yes."""
    if not isinstance(loop, (bool, np.bool_)):
        raise OptionError(f"loop must be True or False, not {shown(loop)}.")


def drawn_seed(seed: int | None) -> int:
    """The seed itself, or a new one; raises OptionError."""
    return secrets.randbits(32) if seed is None else whole_number("seed", seed, 0, SEED_LIMIT - 1)


def chosen_faces(found: FoundFaces, named: Iterable[int], faces: Faces) -> list[int]:
    """The numbers of the faces that move, of those that can.

    named: Faces that were given an emotion. Raises FaceIndexError for one that isn't there, can't move or isn't asked.
    """
    able = [i for i, mesh in enumerate(found.meshes) if mesh is not None]
    asked = asked_faces(faces)
    for i in [*asked, *named]:
        obstacle = found.obstacle(i)
        if obstacle is not None:
            raise FaceIndexError(f"Face {i} {obstacle} and can't be animated; leave it out.")
        if asked and i not in asked:
            raise FaceIndexError(
                f"Face {i} was given an emotion, but faces leaves it out; add it there, or drop either."
            )
    return asked or able


def asked_faces(faces: Faces) -> list[int]:
    """The numbers themselves, none for "all"; raises FaceIndexError for anything else."""
    if isinstance(faces, str) and faces == "all":
        return []
    asked = [] if isinstance(faces, (str, bytes)) or not isinstance(faces, Collection) else list(faces)
    if not asked or not all(isinstance(i, Integral) and not isinstance(i, NO_NUMBERS) for i in asked):
        raise FaceIndexError(f"faces is {shown(faces)}; give 'all' or the numbers of faces, as in [0, 2].")
    return [int(i) for i in asked]
