"""All errors are of one tree, and can be caught as what Python calls such an error."""

from __future__ import annotations

import inspect

import pytest

from engine import errors

TREE = {
    "InputError": ValueError,
    "ImageError": errors.InputError,
    "NoFaceError": errors.InputError,
    "FaceIndexError": IndexError,
    "UnknownEmotionError": errors.InputError,
    "MotionError": errors.InputError,
    "OptionError": errors.InputError,
    "OutputError": OSError,
    "BackendError": RuntimeError,
    "MissingExtraError": ImportError,
    "BundleError": RuntimeError,
}


@pytest.mark.parametrize("name", TREE)
def test_errors_are_of_the_tree(name: str) -> None:
    error = getattr(errors, name)
    assert issubclass(error, errors.MienError)
    assert issubclass(error, TREE[name])
    assert str(error("One sentence.")) == "One sentence."


def test_the_tree_is_whole_and_drawn() -> None:
    classes = {name for name, _ in inspect.getmembers(errors, inspect.isclass)}
    assert classes == TREE.keys() | {"MienError"}
    assert all(name in str(errors.__doc__) for name in classes)
