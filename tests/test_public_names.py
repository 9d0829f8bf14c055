"""What `engine` exports is a promise: a name that goes away or comes up here is a change that users see."""

from __future__ import annotations

import importlib.metadata
import inspect
import tomllib
from pathlib import Path

import engine
from engine import errors
from tests.clips import engine as engine_of_tests
from tests.clips import pair, small_photo

NAMES = {"EMOTIONS", "Engine", "FoundFaces", "Motion", "PortraitSet", "Video", "__version__"}
VALUES = {"Box", "Face", "FaceMesh", "HeadPose"}
ERRORS = {name for name, _ in inspect.getmembers(errors, inspect.isclass)}


def test_exported_names() -> None:
    assert set(engine.__all__) == NAMES | VALUES | ERRORS
    assert all(hasattr(engine, name) for name in engine.__all__)


def test_public_names_have_docstrings() -> None:
    for name in engine.__all__:
        item = getattr(engine, name)
        if inspect.isclass(item):
            assert item.__doc__, name
            for method_name, method in inspect.getmembers(item, inspect.isfunction):
                assert method_name.startswith("_") or method.__doc__, f"{name}.{method_name}"


def test_values_say_in_a_line_what_they_are() -> None:
    """At a prompt; their pixels would fill a thousand lines."""
    video = engine_of_tests().animate(pair(), "joy", seconds=2)
    assert repr(pair()) == "<PortraitSet of 580x320 pixels, 2 faces>"
    assert repr(engine_of_tests().find_faces(small_photo())) == "<FoundFaces of 320x320 pixels, 1 face>"
    assert repr(video) == "<Video of 580x320 pixels, 2 s>"
    assert repr(engine_of_tests().motion("joy", seconds=2.5)) == "<Motion of 150 frames, 2.5 s>"


def test_emotions() -> None:
    assert set(engine.EMOTIONS) == {"joy", "fear", "anger", "sadness", "disgust", "surprise", "neutral"}


def test_one_version() -> None:
    with (Path(__file__).parents[1] / "pyproject.toml").open("rb") as file:
        assert engine.__version__ == tomllib.load(file)["project"]["version"]
    assert engine.__version__ == importlib.metadata.version("mien-engine")
