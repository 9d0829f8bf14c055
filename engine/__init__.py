"""Mien brings the people in a still photo to life: `Engine().animate("photo.jpg", "fear").save("fear.mp4")`."""

from __future__ import annotations

from engine.api import Engine, PortraitSet
from engine.errors import (
    BackendError,
    BundleError,
    FaceIndexError,
    ImageError,
    InputError,
    MienError,
    MissingExtraError,
    MotionError,
    NoFaceError,
    OptionError,
    OutputError,
    UnknownEmotionError,
)
from engine.faces import FoundFaces
from engine.media.video import Video
from engine.motion.emotions import EMOTIONS
from engine.motion.track import Motion
from engine.types import Box, Face, FaceMesh, HeadPose

__version__ = "0.1.0"

__all__ = [
    "EMOTIONS",
    "BackendError",
    "Box",
    "BundleError",
    "Engine",
    "Face",
    "FaceIndexError",
    "FaceMesh",
    "FoundFaces",
    "HeadPose",
    "ImageError",
    "InputError",
    "MienError",
    "MissingExtraError",
    "Motion",
    "MotionError",
    "NoFaceError",
    "OptionError",
    "OutputError",
    "PortraitSet",
    "UnknownEmotionError",
    "Video",
    "__version__",
]
