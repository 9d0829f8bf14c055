"""What a backend is: something that opens an ONNX file as a `Runner`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from engine.cuda.arrays import DeviceArray
from engine.cuda.device import Stream
from engine.types import TensorSpec

Array = NDArray[Any]
Arrays = dict[str, NDArray[np.generic]]


class Runner(Protocol):
    """One network, ready to run. Tensors go by name, never by position."""

    @property
    def inputs(self) -> Mapping[str, TensorSpec]: ...

    @property
    def outputs(self) -> Mapping[str, TensorSpec]: ...

    def bind(self, **constants: Array) -> Runner:
        """A runner of the same network with some inputs fixed, moved to the device once.

        Raises BackendError for an unknown name, a wrong element type or a shape that doesn't fit.
        """

    def __call__(self, **arrays: Array) -> dict[str, Array]:
        """Runs the network on the inputs that aren't bound; returns every output by name.

        Raises BackendError for a missing or unknown name, a wrong element type or a shape that doesn't fit.
        """

    def close(self) -> None:
        """Frees what the runner holds; calling it again does nothing, running it after that raises BackendError."""


@runtime_checkable
class DeviceRunner(Runner, Protocol):
    """A network that also runs on arrays which are in a GPU's memory already."""

    def on_device(self, inputs: Mapping[str, DeviceArray], outputs: Mapping[str, DeviceArray], stream: Stream) -> None:
        """Runs the network on the inputs that aren't bound, and writes every output, all of them contiguous.

        The stream: what it holds so far is done before, and what it gets from now on after.
        """


class Backend(Protocol):
    """Opens ONNX files."""

    @property
    def name(self) -> str: ...

    @property
    def device(self) -> str:
        """Where its networks run, in words."""

    def open(self, model: Path) -> Runner: ...

    def rest(self) -> None:
        """Gives back memory that networks keep for their next runs, where that is much."""
