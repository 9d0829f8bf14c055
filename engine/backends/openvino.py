"""OpenVINO on the CPU, in float32 as ONNX Runtime computes. Its package is an extra, imported with the backend."""

from __future__ import annotations

import logging
import re
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from engine.backends.base import Array
from engine.backends.onnx_file import tensor_specs
from engine.backends.validate import check_arrays, free_inputs
from engine.errors import BackendError, MissingExtraError
from engine.sentences import one_line
from engine.types import TensorSpec

log = logging.getLogger("engine")

DEVICE = "CPU"
# Without the hint OpenVINO takes float16 or bfloat16 where the processor is faster with them.
SETTINGS = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}


class OpenVinoBackend:
    """Opens ONNX files on the CPU. Raises MissingExtraError without the package `openvino`."""

    name = "openvino"
    device = "the CPU"

    def __init__(self) -> None:
        try:
            self._openvino = _import_openvino()
        except ImportError as error:
            raise MissingExtraError(
                "The backend 'openvino' needs a package that can't be imported; pip install 'mien-engine[openvino]'."
            ) from error
        self._core = self._openvino.Core()
        # Core's own reader would try a broken file as every other format as well, and print what those say.
        self._reader = self._openvino.frontend.FrontEndManager().load_by_framework("onnx")

    def rest(self) -> None:
        """Does nothing: what a network keeps is what all its runs need."""

    def open(self, model: Path) -> OpenVinoRunner:
        """Raises BackendError where the file can't be loaded, or would run elsewhere than on the CPU."""
        try:
            network = self._core.compile_model(self._reader.convert(self._reader.load(str(model))), DEVICE, SETTINGS)
            devices = list(network.get_property("EXECUTION_DEVICES"))
        except Exception as error:  # its errors share no base class of their own
            raise BackendError(f"OpenVINO can't load {model}: {_reason(error)}.") from error
        if devices != [DEVICE]:
            raise BackendError(f"OpenVINO runs {model.name} on {devices} instead of the CPU.")
        inputs, outputs = tensor_specs(model)
        if not outputs:  # as in an empty file, to which OpenVINO doesn't object
            raise BackendError(f"OpenVINO can't load {model}: it isn't an ONNX file with outputs.")
        log.debug("opened %s with OpenVINO %s", model.name, self._openvino.__version__)
        return OpenVinoRunner(model.name, self._openvino.Tensor, network, (inputs, outputs), {})


class OpenVinoRunner:
    """One compiled network. Each runner has a request of its own, in which the bound inputs are set once."""

    def __init__(
        self,
        model: str,
        tensor: Any,
        network: Any,
        specs: tuple[dict[str, TensorSpec], dict[str, TensorSpec]],
        bound: dict[str, Any],
    ) -> None:
        self._model = model
        self._tensor = tensor
        self._network = network
        self._specs = specs
        self._bound = bound
        self._inputs = free_inputs(specs[0], bound)
        self._request: Any = None
        self._lock = threading.Lock()  # a request runs one call at a time

    @property
    def inputs(self) -> Mapping[str, TensorSpec]:
        """The inputs that aren't bound."""
        return self._inputs

    @property
    def outputs(self) -> Mapping[str, TensorSpec]:
        """All outputs."""
        return self._specs[1]

    def bind(self, **constants: Array) -> OpenVinoRunner:
        """See `Runner.bind`. The arrays are copied: changing them later changes nothing."""
        network = self._open_network()
        check_arrays(self._model, self._inputs, constants, complete=False)
        values = {name: self._shared(np.array(array, order="C")) for name, array in constants.items()}
        return OpenVinoRunner(self._model, self._tensor, network, self._specs, {**self._bound, **values})

    def __call__(self, **arrays: Array) -> dict[str, Array]:
        """See `Runner.__call__`."""
        self._open_network()
        check_arrays(self._model, self._inputs, arrays, complete=True)
        values = {name: self._shared(np.require(array, requirements=["C", "W"])) for name, array in arrays.items()}
        with self._lock:
            try:
                request = self._opened_request()
                for name, value in values.items():
                    request.set_tensor(name, value)
                request.infer()
                # The request's own memory is written anew by the next call.
                return {name: np.array(request.get_tensor(name).data) for name in self.outputs}
            except Exception as error:  # its errors share no base class of their own
                raise BackendError(f"OpenVINO failed in {self._model}: {_reason(error)}.") from error

    def close(self) -> None:
        """See `Runner.close`. Other runners of the same network, bound from this one or before it, go on."""
        with self._lock:
            self._network = self._request = None
            self._bound = {}

    def _open_network(self) -> Any:
        if self._network is None:
            raise BackendError(f"{self._model} was closed; open it again.")
        return self._network

    def _opened_request(self) -> Any:
        if self._request is None:
            self._request = self._open_network().create_infer_request()
            for name, value in self._bound.items():
                self._request.set_tensor(name, value)
        return self._request

    def _shared(self, array: Array) -> Any:
        """A tensor over the array's own memory, which has to be contiguous and writeable."""
        return self._tensor(array, shared_memory=True)


def _import_openvino() -> Any:
    """OpenVINO without its telemetry, which would write to the home folder and call its makers at every import.

    It does without that package where it isn't installed, and None says so to Python's import.
    """
    telemetry = "openvino_telemetry"
    hidden = telemetry not in sys.modules
    if hidden:
        sys.modules[telemetry] = None  # type: ignore[assignment]
    try:
        import openvino  # type: ignore[import-not-found, import-untyped, unused-ignore]
    finally:
        if hidden:
            del sys.modules[telemetry]
    return openvino


def _reason(error: Exception) -> str:
    """Without the places in OpenVINO's own source, which stand in front."""
    return one_line(re.sub(r"Exception from \S+:\s", "", str(error)))
