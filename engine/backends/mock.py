"""A backend that runs Python functions instead of networks: a test double that keeps the contract of the real ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from engine.backends.base import Array
from engine.backends.validate import check_arrays, free_inputs
from engine.errors import BackendError
from engine.types import TensorSpec


@dataclass(frozen=True)
class MockModel:
    """What stands in for one ONNX file: its tensors, and a function from all inputs to all outputs by name."""

    inputs: Sequence[TensorSpec]
    outputs: Sequence[TensorSpec]
    function: Callable[..., Mapping[str, Array]]


@dataclass(frozen=True)
class MockCall:
    """One run: the file's name and everything the function was given, bound inputs included."""

    model: str
    arrays: dict[str, Array] = field(repr=False)


class MockBackend:
    """Opens the given models by file name and records every run in `calls`."""

    name = "mock"
    device = "nowhere"

    def __init__(self, models: Mapping[str, MockModel]) -> None:
        self._models = dict(models)
        self.calls: list[MockCall] = []

    def rest(self) -> None:
        """Keeps nothing."""

    def open(self, model: Path) -> MockRunner:
        """Raises BackendError for a file name that wasn't given."""
        if model.name not in self._models:
            raise BackendError(f"The mock backend has no model '{model.name}'; it has {sorted(self._models)}.")
        return MockRunner(model.name, self._models[model.name], self.calls, {})


class MockRunner:
    """One model of the mock backend."""

    def __init__(self, name: str, model: MockModel, calls: list[MockCall], bound: dict[str, Array]) -> None:
        self._name = name
        self._model = model
        self._calls = calls
        self._bound = bound
        self._inputs = free_inputs({spec.name: spec for spec in model.inputs}, bound)
        self._outputs = {spec.name: spec for spec in model.outputs}
        self._closed = False

    @property
    def inputs(self) -> Mapping[str, TensorSpec]:
        """The inputs that aren't bound."""
        return self._inputs

    @property
    def outputs(self) -> Mapping[str, TensorSpec]:
        """All outputs."""
        return self._outputs

    def bind(self, **constants: Array) -> MockRunner:
        """See `Runner.bind`."""
        self._check_open()
        check_arrays(self._name, self._inputs, constants, complete=False)
        copies = {name: np.array(array) for name, array in constants.items()}
        return MockRunner(self._name, self._model, self._calls, {**self._bound, **copies})

    def __call__(self, **arrays: Array) -> dict[str, Array]:
        """See `Runner.__call__`. The function's results are checked against the outputs as well."""
        self._check_open()
        check_arrays(self._name, self._inputs, arrays, complete=True)
        given = {**self._bound, **arrays}
        self._calls.append(MockCall(self._name, given))
        results = self._model.function(**given)
        check_arrays(f"The caller of {self._name}", self._outputs, results, complete=True)
        return {name: results[name] for name in self._outputs}

    def close(self) -> None:
        """See `Runner.close`."""
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise BackendError(f"{self._name} was closed; open it again.")
