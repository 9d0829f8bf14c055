"""Photographs to try things with. Where they come from is said in NOTICE."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from engine.errors import ImageError

SAMPLES: Final = ("astronaut", "grace_hopper")


def sample_photo(name: str = "astronaut") -> Path:
    """The path of a portrait that comes with the package. Raises ImageError for another name than those in SAMPLES."""
    if name not in SAMPLES:
        raise ImageError(f"There is no sample photo {name!r}; choose one of {', '.join(SAMPLES)}.")
    return Path(__file__).with_name(f"{name}.jpg")
