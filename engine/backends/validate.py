"""Checks arrays against a network's inputs, in one place, so that all backends refuse the same things alike."""

from __future__ import annotations

from collections.abc import Mapping

from engine.backends.base import Array
from engine.errors import BackendError
from engine.types import TensorSpec


def check_arrays(model: str, specs: Mapping[str, TensorSpec], arrays: Mapping[str, Array], *, complete: bool) -> None:
    """Compares `arrays` with `specs` by name, element type and shape.

    Args:
        model: What to call the network in a message.
        specs: The inputs that may be given.
        arrays: What was given.
        complete: Whether every input of `specs` has to be there.

    Raises BackendError, which names the input and what it should be. The same name of a dynamic dimension may stand
    for different sizes in different inputs: a bound constant of batch 1 can go with a batch of 8.
    """
    unknown = sorted(set(arrays) - set(specs))
    if unknown:
        raise BackendError(f"{model} has no free input '{unknown[0]}'; it takes {_names(specs)}.")
    missing = sorted(set(specs) - set(arrays))
    if complete and missing:
        raise BackendError(f"{model} needs the input '{missing[0]}'; it takes {_names(specs)}.")
    for name, array in arrays.items():
        spec = specs[name]
        if array.dtype != spec.dtype:
            raise BackendError(f"{model} takes '{name}' as {spec.dtype}, but it was given {array.dtype}.")
        if not _fits(spec.shape, array.shape):
            raise BackendError(f"{model} takes '{name}' of shape {_shape(spec.shape)}, but it was given {array.shape}.")


def free_inputs(specs: Mapping[str, TensorSpec], bound: Mapping[str, object]) -> dict[str, TensorSpec]:
    """The inputs that aren't bound, in their own order."""
    return {name: spec for name, spec in specs.items() if name not in bound}


def _fits(wanted: tuple[int | str, ...], found: tuple[int, ...]) -> bool:
    if len(wanted) != len(found):
        return False
    return all(isinstance(size, str) or size == actual for size, actual in zip(wanted, found, strict=True))


def _names(specs: Mapping[str, TensorSpec]) -> str:
    return ", ".join(f"'{name}'" for name in specs) or "no inputs"


def _shape(shape: tuple[int | str, ...]) -> str:
    return f"({', '.join(str(size) for size in shape)})"
