"""Mien's grid_sample as a plugin of TensorRT, beside TensorRT's own: what decides which of them is used."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from benchmarks.gpu_kernels import HALF_ERROR, SINGLE_ERROR, SIZES, milliseconds
from engine.backends.plans import network_flags, new_logger
from engine.backends.plugin import register
from engine.cuda.arrays import DeviceArray
from engine.cuda.kernels import Kernels
from engine.errors import BackendError
from kernels import reference

SMALL = {"5d": ((1, 11, 5, 6, 7), (2, 3, 4, 5, 3)), "4d": ((1, 11, 6, 7), (2, 4, 5, 2))}


def samplers(kernels: Kernels, trt: Any) -> dict[str, Any]:
    """Milliseconds of both at each size and type; raises AssertionError where the plugin isn't right.

    trt: `tensorrt`.
    """
    found: dict[str, Any] = {}
    logger = new_logger(trt)
    for (name, (image_shape, grid_shape)), half in product(SIZES.items(), (False, True)):
        label = f"{name} {'float16' if half else 'float32'}"
        found[f"{label} error"] = plugin_error(kernels, trt, logger, SMALL[name], half)
        for plugin in (False, True):
            run, _ = sampler(kernels, trt, logger, random_inputs(image_shape, grid_shape, half), plugin=plugin)
            found[f"{label} {'plugin' if plugin else 'stock'} ms"] = milliseconds(kernels, run)
    return found


def plugin_error(kernels: Kernels, trt: Any, logger: Any, shapes: tuple[Any, Any], half: bool) -> float:
    """The largest, against the definition."""
    image, grid = inputs = random_inputs(*shapes, half)
    run, out = sampler(kernels, trt, logger, inputs, plugin=True)
    run()
    expected = reference.grid_sample(image, grid, "bilinear", "zeros", False)
    error = float(np.abs(out.read(kernels.stream).astype(np.float64) - expected).max())
    assert error < (HALF_ERROR if half else SINGLE_ERROR), f"the plugin is off by {error:.1e}"
    return error


def random_inputs(
    image_shape: tuple[int, ...], grid_shape: tuple[int, ...], half: bool
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    image = rng.uniform(-3, 3, image_shape).astype(np.float16 if half else np.float32)
    return image, rng.uniform(-1.1, 1.1, grid_shape).astype(np.float32)


def sampler(
    kernels: Kernels, trt: Any, logger: Any, inputs: tuple[np.ndarray, np.ndarray], *, plugin: bool
) -> tuple[Any, DeviceArray]:
    """What starts an engine of one sampler, and where its result goes."""
    image, grid = inputs
    plan = sampler_plan(trt, logger, image.shape, grid.shape, image.dtype == np.float16, plugin=plugin)
    engine = trt.Runtime(logger).deserialize_cuda_engine(plan)
    context = engine.create_execution_context()
    out = DeviceArray.empty(kernels.device, (len(grid), image.shape[1], *grid.shape[1:-1]), image.dtype)
    placed = {name: DeviceArray.of(kernels.device, array, kernels.stream) for name, array in
              (("image", image), ("grid", grid))}  # fmt: skip
    for name, array in (placed | {"out": out}).items():
        context.set_tensor_address(name, array.address)

    def run(_: object = (engine, placed)) -> None:  # which must live as long
        assert context.execute_async_v3(int(kernels.stream.handle))

    return run, out


def sampler_plan(
    trt: Any, logger: Any, image_shape: tuple[int, ...], grid_shape: tuple[int, ...], half: bool, *, plugin: bool
) -> bytes:
    """A plan of one bilinear sampler of a picture for a whole batch.

    TensorRT's own wants a copy of the picture for each grid, and its type for both.
    """
    builder = trt.Builder(logger)
    network = builder.create_network(network_flags(trt))
    image = network.add_input("image", trt.float16 if half else trt.float32, image_shape)
    grid = network.add_input("grid", trt.float32, grid_shape)
    if plugin:
        layer = network.add_plugin(register(trt)(image, grid, mode=0, padding=0, align=0), aot=True)
    else:
        rest = len(image_shape) - 1
        copies = network.add_slice(image, [0] * (rest + 1), (grid_shape[0], *image_shape[1:]), [0] + [1] * rest)
        places = network.add_cast(grid, trt.float16).get_output(0) if half else grid
        layer = network.add_grid_sample(copies.get_output(0), places)
        layer.sample_mode = trt.SampleMode.FILL
    layer.get_output(0).name = "out"
    network.mark_output(layer.get_output(0))
    config = builder.create_builder_config()
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise BackendError(f"{trt.__name__} can't build a sampler: {logger.last_error}.")
    return bytes(plan)
