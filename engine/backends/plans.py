"""TensorRT's plans: an ONNX graph compiled for one GPU, which takes long, and is kept in the cache.

Both TensorRT and TensorRT-RTX have these functions; `trt` is the one or the other's module.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Mapping
from typing import Any

from engine.backends.plugin import replace_samplers
from engine.backends.profiles import profile_count, shape_ranges
from engine.errors import BackendError
from engine.sentences import one_line
from engine.types import TensorSpec

log = logging.getLogger("engine")

SAY_EVERY_S = 10.0  # while building


def plan_key(name: str, graph: bytes, specs: Mapping[str, TensorSpec], *made_for: str) -> str:
    """Names everything that a plan depends on: graph, ranges of sizes, and the GPU and versions of `made_for`."""
    profiles = range(profile_count(name))
    ranges = {spec.name: [shape_ranges(name, spec, index) for index in profiles] for spec in specs.values()}
    about = json.dumps([hashlib.sha256(graph).hexdigest(), ranges, *made_for], sort_keys=True)
    return hashlib.sha256(about.encode()).hexdigest()[:32]


def build_plan(
    trt: Any,
    logger: Any,
    name: str,
    graph: bytes,
    specs: Mapping[str, TensorSpec],
    *,
    timings: bytes | None = None,
    plugin: bool = False,
) -> tuple[bytes, bytes]:
    """Compiles a graph; returns the plan and what the builder has learned about timings.

    Args:
        trt: `tensorrt` or `tensorrt_rtx`.
        logger: What `new_logger` returned for it.
        name: Of the file, for messages.
        graph: An ONNX file's contents.
        specs: Its inputs.
        timings: What an earlier build has learned, to build faster; TensorRT-RTX measures nothing.
        plugin: Puts Mien's own kernel in the place of TensorRT's GridSample.

    Raises BackendError where the graph can't be parsed or built.
    """
    builder = trt.Builder(logger)
    network = builder.create_network(network_flags(trt))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(graph):
        errors = [parser.get_error(i).desc() for i in range(parser.num_errors)]
        raise BackendError(f"{trt.__name__} can't read {name}: {one_line(errors[0]) if errors else 'no reason given'}.")
    if plugin:
        log.info("%d samplers of %s are Mien's own", replace_samplers(trt, network), name)
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)  # which would round what the file has in float32 to 11 bits
    for index in range(profile_count(name)):
        profile = builder.create_optimization_profile()
        for spec in specs.values():
            if any(isinstance(size, str) for size in spec.shape):
                profile.set_shape(spec.name, *shape_ranges(name, spec, index))
        config.add_optimization_profile(profile)
    config.progress_monitor = _progress(trt, name)
    measures = trt.__name__ == "tensorrt"
    if measures:
        config.set_timing_cache(config.create_timing_cache(timings or b""), False)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise BackendError(f"{trt.__name__} can't build {name}: {logger.last_error}.")
    return bytes(plan), bytes(config.get_timing_cache().serialize()) if measures else b""


def new_logger(trt: Any) -> Any:
    """A logger that hands messages on to Python's, and keeps the last error's for ours. One serves a whole process."""

    class Logger(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.last_error = "no reason given"

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
                self.last_error = one_line(message)
            log.debug("%s: %s", trt.__name__, message)

    return Logger()


def network_flags(trt: Any) -> int:
    """Strongly typed: the file's types are those computed in. TensorRT 11 knows nothing else and has no flag."""
    flag = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    return 0 if flag is None else 1 << int(flag)


def _progress(trt: Any, name: str) -> Any:
    """Says now and then how far the builder is."""

    class Progress(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self._steps: dict[str, int] = {}
            self._said = time.monotonic()

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            self._steps[phase_name] = num_steps

        def step_complete(self, phase_name: str, step: int) -> bool:
            now = time.monotonic()
            if now - self._said > SAY_EVERY_S:
                self._said = now
                log.warning("Building %s: %s, %d of %d.", name, phase_name, step + 1, self._steps.get(phase_name, 0))
            return True

        def phase_finish(self, phase_name: str) -> None:
            self._steps.pop(phase_name, None)

    return Progress()
