"""What `engine` exports is a promise: a name that goes away or comes up here is a change that users see."""

from __future__ import annotations

import importlib.metadata
import inspect
import tomllib
from pathlib import Path

import engine
from engine import errors

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


def test_emotions() -> None:
    assert set(engine.EMOTIONS) == {"joy", "fear", "anger", "sadness", "disgust", "surprise", "neutral"}


def test_one_version() -> None:
    with (Path(__file__).parents[1] / "pyproject.toml").open("rb") as file:
        assert engine.__version__ == tomllib.load(file)["project"]["version"]
    assert engine.__version__ == importlib.metadata.version("mien-engine")
