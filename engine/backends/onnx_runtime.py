"""ONNX Runtime on the CPU, the backend that is always there, and on NVIDIA GPUs, where its other package is."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from engine.backends.base import Array
from engine.backends.profiles import batch_size, cut, parts
from engine.backends.validate import check_arrays, free_inputs
from engine.cuda.arrays import DeviceArray
from engine.cuda.device import OutOfDeviceMemoryError, Stream
from engine.errors import BackendError, MissingExtraError
from engine.types import TensorSpec

# Else the import writes files into the home folder and may report to its makers; a value that is there already stays.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime  # type: ignore[import-untyped]

log = logging.getLogger("engine")

PROVIDER = "CPUExecutionProvider"
NO_MEMORY = "Failed to allocate memory"  # in what its arenas say
CUDA = "CUDAExecutionProvider"
# Between 8-bit convolutions they transpose arrays of floats, and round them twice: a ninth of the mouth network's time.
UNHELPFUL = ("NhwcTransformer", "QDQPropagationTransformer")
ELEMENT_TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
}

# A file of one node, y = x: the shared pool of memory is given back only by a session, after a run.
IDENTITY = (
    b'\x08\x08:7\n\x10\n\x01x\x12\x01y"\x08Identity\x12\x01gZ\x0f\n\x01x\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01'
    b"b\x0f\n\x01y\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01B\x04\n\x00\x10\r"
)


class OnnxRuntimeBackend:
    """Opens ONNX files on the CPU.

    Args:
        threads: How many threads one network may use; 0 leaves it to ONNX Runtime, which takes one a core.
        optimize: Whether it may rewrite the network; without, every node is computed as the file says.
    """

    name = "onnxruntime"
    device = "the CPU"
    providers: Sequence[Any] = (PROVIDER,)
    place = "cpu"  # of bound inputs

    def __init__(self, threads: int = 0, *, optimize: bool = True) -> None:
        self._threads, self._optimize = threads, optimize

    def open(self, model: Path) -> OnnxRuntimeRunner:
        """Raises BackendError where the file can't be loaded, or would run elsewhere than it should."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        if not self._optimize:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 3  # errors only: its warnings are about its own optimiser
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # cores are wanted by others meanwhile
        options.enable_mem_pattern = False  # sizes differ from photo to photo: patterns would only pile up
        options.enable_mem_reuse = False  # planning it takes 8 s for the warp's nodes, and saves 1 % of the memory
        # In the file's order, in which what branches off is used up early: inpainting takes a fifth less memory.
        options.execution_order = onnxruntime.ExecutionOrder.PRIORITY_BASED
        _share_memory()
        options.add_session_config_entry("session.use_env_allocators", "1")
        try:
            session = onnxruntime.InferenceSession(
                model, options, providers=list(self.providers), disabled_optimizers=list(UNHELPFUL)
            )
        except Exception as error:  # its errors share no base class of their own
            raise BackendError(f"ONNX Runtime can't load {model}: {error}") from error
        wanted = [provider if isinstance(provider, str) else provider[0] for provider in self.providers]
        if session.get_providers() != wanted:
            raise BackendError(f"ONNX Runtime runs {model.name} on {session.get_providers()} instead of {wanted}.")
        log.debug("opened %s with ONNX Runtime %s on %s", model.name, onnxruntime.__version__, self.device)
        return OnnxRuntimeRunner(model.name, session, {}, self.place)

    def rest(self) -> None:
        """Gives back what of the pool no run is using."""
        options = onnxruntime.RunOptions()
        options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        _identity().run(["y"], {"x": np.zeros(1, np.float32)}, options)


class CudaBackend(OnnxRuntimeBackend):
    """Opens ONNX files on the first NVIDIA GPU, in float32. What works out shapes stays on the CPU.

    Raises MissingExtraError where the installed ONNX Runtime is the CPU's.
    """

    name = "cuda"
    device = "the first NVIDIA GPU, float32"
    # TF32 would round positions to 11 bits.
    providers = ((CUDA, {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}), PROVIDER)
    place = "cuda"

    def __init__(self) -> None:
        super().__init__()
        if not has_cuda():
            raise MissingExtraError(
                "The backend 'cuda' needs ONNX Runtime for GPUs instead of the CPU's; "
                "pip uninstall onnxruntime, then pip install 'onnxruntime-gpu>=1.31,<2'."
            )


def has_cuda() -> bool:
    """Whether the installed ONNX Runtime is the one for GPUs."""
    return CUDA in onnxruntime.get_available_providers()


class OnnxRuntimeRunner:
    """One session; bound inputs are kept as OrtValues, so that they are wrapped once and never copied again."""

    def __init__(self, model: str, session: Any, bound: dict[str, Any], place: str) -> None:
        self._model = model
        self._session = session
        self._place = place
        self._bound = bound
        self._inputs = free_inputs(_specs(session.get_inputs()), bound)
        self._outputs = _specs(session.get_outputs())

    @property
    def inputs(self) -> Mapping[str, TensorSpec]:
        """The inputs that aren't bound."""
        return self._inputs

    @property
    def outputs(self) -> Mapping[str, TensorSpec]:
        """All outputs."""
        return self._outputs

    def bind(self, **constants: Array) -> OnnxRuntimeRunner:
        """See `Runner.bind`. The arrays are copied: changing them later changes nothing."""
        session = self._open_session()
        check_arrays(self._model, self._inputs, constants, complete=False)
        # OrtValue reads the array's own memory, so each gets a private copy that is contiguous.
        values = {name: _ort_value(np.array(array, order="C"), self._place) for name, array in constants.items()}
        return OnnxRuntimeRunner(self._model, session, {**self._bound, **values}, self._place)

    def __call__(self, **arrays: Array) -> dict[str, Array]:
        """See `Runner.__call__`. What a GPU's memory doesn't hold at once goes in parts."""
        check_arrays(self._model, self._inputs, arrays, complete=True)
        try:
            return self._run(arrays)
        except OutOfDeviceMemoryError:
            return self._in_parts(arrays)

    def _in_parts(self, arrays: Mapping[str, Array]) -> dict[str, Array]:
        """Half of the batch at a time, or half of that, until the memory holds it."""
        most = size = batch_size(self._inputs, arrays)
        while most > 1:
            most //= 2
            log.warning("%s runs out of GPU memory with a batch of %d; %d now.", self._model, size, most)
            try:
                return self._joined([self._run(cut(self._inputs, arrays, *part)) for part in parts(size, most)])
            except OutOfDeviceMemoryError:
                continue
        raise OutOfDeviceMemoryError(
            f"The GPU hasn't enough memory for {self._model}; close other programs, or use a smaller photo."
        )

    def _run(self, arrays: Mapping[str, Array]) -> dict[str, Array]:
        session = self._open_session()
        values = {name: _ort_value(np.require(array, requirements="C"), "cpu") for name, array in arrays.items()}
        try:
            results = session.run_with_ort_values(list(self._outputs), {**self._bound, **values})
        except Exception as error:  # its errors share no base class of their own
            raise self._failure(error, on_gpu=self._place != "cpu") from error
        return {name: value.numpy() for name, value in zip(self._outputs, results, strict=True)}

    def _joined(self, done: Sequence[dict[str, Array]]) -> dict[str, Array]:
        whole = {name for name, spec in self._outputs.items() if not spec.shape or isinstance(spec.shape[0], int)}
        return {
            name: done[0][name] if name in whole else np.concatenate([part[name] for part in done])
            for name in self._outputs
        }

    def _failure(self, error: Exception, *, on_gpu: bool) -> BackendError:
        no_memory = on_gpu and NO_MEMORY in str(error)
        return (OutOfDeviceMemoryError if no_memory else BackendError)(f"ONNX Runtime failed in {self._model}: {error}")

    def on_device(self, inputs: Mapping[str, DeviceArray], outputs: Mapping[str, DeviceArray], stream: Stream) -> None:
        """See `DeviceRunner.on_device`. Waits for the stream, and for the network.

        Raises OutOfDeviceMemoryError where a smaller batch may fit.
        """
        binding = self._open_session().io_binding()
        given: dict[str, Any] = dict(inputs)  # device arrays have types and shapes as NumPy's
        check_arrays(self._model, self._inputs, given, complete=True)
        for name, value in self._bound.items():
            binding.bind_ortvalue_input(name, value)
        for bind, arrays in ((binding.bind_input, inputs), (binding.bind_output, outputs)):
            for name, array in arrays.items():
                bind(name, self._place, 0, array.dtype, list(array.shape), array.address)
        stream.wait()
        try:
            self._session.run_with_iobinding(binding)
        except Exception as error:  # its errors share no base class of their own
            raise self._failure(error, on_gpu=True) from error
        binding.synchronize_outputs()

    def close(self) -> None:
        """See `Runner.close`. Other runners of the same network, bound from this one or before it, go on."""
        self._session = None
        self._bound = {}

    def _open_session(self) -> Any:
        if self._session is None:
            raise BackendError(f"{self._model} was closed; open it again.")
        return self._session


@cache
def _share_memory() -> None:
    """One pool of memory for all sessions, which grows by what is asked for rather than by powers of two.

    Measured on a photo of 1024x1024: 1.0 GB at the peak rather than 1.3 GB, at the same speed.
    """
    place = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    as_requested = onnxruntime.OrtArenaCfg({"arena_extend_strategy": 1})
    onnxruntime.create_and_register_allocator(place, as_requested)


@cache
def _identity() -> Any:
    _share_memory()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.use_env_allocators", "1")
    return onnxruntime.InferenceSession(IDENTITY, options, providers=[PROVIDER])


def _ort_value(array: Array, place: str) -> Any:
    return onnxruntime.OrtValue.ortvalue_from_numpy(array, place, 0)


def _specs(arguments: list[Any]) -> dict[str, TensorSpec]:
    specs = {}
    for argument in arguments:
        if argument.type not in ELEMENT_TYPES:
            raise BackendError(f"'{argument.name}' is a {argument.type}, which this backend doesn't pass.")
        shape = tuple(size if isinstance(size, int) else str(size) for size in argument.shape)
        specs[argument.name] = TensorSpec(argument.name, np.dtype(ELEMENT_TYPES[argument.type]), shape)
    return specs
