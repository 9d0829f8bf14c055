"""The tree of errors. Every message is one sentence: what was wrong, and what to do about it.

MienError
├── InputError (ValueError)     what the caller passed can't be animated
│   ├── ImageError              not there, not an image, truncated, too large, animated
│   ├── NoFaceError             no face was found, or none large enough
│   ├── FaceIndexError          a face was named that the photo doesn't have
│   ├── UnknownEmotionError     not one of `engine.EMOTIONS`
│   ├── MotionError             not there, not a motion, or arrays that don't fit each other
│   └── OptionError             seconds, intensity, seed, a mix, a timeline, max_side out of range
├── OutputError (OSError)       a file can't be written where it should go
├── BackendError (RuntimeError) unknown backend, or one that failed
├── MissingExtraError (ImportError)  an optional package is needed; says the pip line
└── BundleError (RuntimeError)  weights are missing or damaged
"""

from __future__ import annotations


class MienError(Exception):
    """Base of all errors that this package raises on purpose."""


class InputError(MienError, ValueError):
    """What the caller passed can't be animated."""


class ImageError(InputError):
    """The image can't be read."""


class NoFaceError(InputError):
    """No face that can be animated was found."""


class FaceIndexError(InputError, IndexError):
    """A face was named that the photo doesn't have."""


class UnknownEmotionError(InputError):
    """The emotion isn't one of `engine.EMOTIONS`."""


class MotionError(InputError):
    """A motion's arrays don't fit each other, or its file can't be read."""


class OptionError(InputError):
    """An option is out of its range."""


class OutputError(MienError, OSError):
    """A clip, picture or motion can't be written where it should go."""


class BackendError(MienError, RuntimeError):
    """The backend is unknown, or failed."""


class MissingExtraError(MienError, ImportError):
    """An optional package is missing; the message has the pip line."""


class BundleError(MienError, RuntimeError):
    """Weights are missing or damaged."""
