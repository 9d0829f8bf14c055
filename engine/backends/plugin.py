"""kernels/plugin.cu in TensorRT's place of GridSample: our kernel as PTX in the plan, and no Python when it runs.

It takes float16 features with a float32 grid, and one picture for a whole batch; TensorRT's own layer wants one type
and a copy for each. TensorRT's own stays the default until the plugin has been measured to be faster
(`python -m benchmarks.gpu`). TensorRT-RTX takes no plugins.
"""
# No `from __future__ import annotations` here: tensorrt.plugin reads the annotations of what is registered with it.

import importlib
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from engine.errors import BackendError

PTX = Path(__file__).parents[1] / "cuda" / "plugin.ptx"
MODES = ("bilinear", "nearest", "bicubic")  # by the number that the kernels know them by, as are paddings
THREADS, CHANNELS = 256, 8  # of a block and of a thread, in kernels/grid_sample.cuh

Size = Any  # of an axis: a number, or TensorRT's expression for one that isn't known yet


def sampler_launch(
    image: Sequence[Size], grid: Sequence[Size], mode: int, half: bool, ceil_div: Callable[[Size, int], Size]
) -> tuple[str, tuple[Size, Size, Size], list[Size]]:
    """The kernel for such shapes, its blocks, and the integers that it is given but for padding and align_corners."""
    axes = len(image) - 2
    flat = [1] * (3 - axes)
    out = list(grid[1:-1])
    places = out[0]
    for size in out[1:]:
        places = places * size
    name = f"grid_sample_plugin_{axes}d_{MODES[mode]}_{'f16' if half else 'f32'}"
    sizes = [image[0], image[1], *flat, *image[2:], grid[0], *flat, *out]
    return name, (ceil_div(places, THREADS), ceil_div(image[1], CHANNELS), grid[0]), sizes


def kernel_code() -> str:
    """The kernels as PTX; raises BackendError where they weren't compiled."""
    if not PTX.exists():
        raise BackendError("TensorRT's plugin isn't compiled; `make native` does it where there is nvcc.")
    return PTX.read_text()


@cache
def register(trt: Any) -> Any:
    """Makes the plugin known to TensorRT, once; returns what makes one: f(image, grid, mode=, padding=, align=).

    trt: `tensorrt`.

    Raises BackendError where the kernel wasn't compiled.
    """
    code = kernel_code()
    plugin: Any = importlib.import_module(f"{trt.__name__}.plugin")
    Description: Any = plugin.TensorDesc

    # Only when one is made does the creator go to TensorRT's registry, which needs a GPU.
    @plugin.register("mien::grid_sample", lazy_register=True)  # type: ignore[untyped-decorator]
    def describe(image: Description, grid: Description, mode: int, padding: int, align: int) -> Description:
        image_shape, grid_shape = image.shape_expr, grid.shape_expr
        out = (grid_shape[0], image_shape[1], *[grid_shape[axis] for axis in range(1, len(grid_shape) - 1)])
        return plugin.from_shape_expr(out, image.dtype)

    @plugin.aot_impl("mien::grid_sample")  # type: ignore[untyped-decorator]
    def compiled(
        image: Description, grid: Description, mode: int, padding: int, align: int,
        outputs: tuple[Description], tactic: int,
    ) -> tuple[str, str, plugin.KernelLaunchParams, plugin.SymExprs]:  # fmt: skip
        shapes = tuple(image.shape_expr), tuple(grid.shape_expr)
        name, blocks, sizes = sampler_launch(*shapes, mode, image.dtype == trt.float16, plugin.cdiv)
        launch = plugin.KernelLaunchParams()
        launch.grid_x, launch.grid_y, launch.grid_z = blocks
        launch.block_x = THREADS
        integers = [plugin.SymInt32(size) for size in (*sizes, padding, align)]
        return name, code, launch, plugin.SymIntExprs.from_tuple(tuple(integers))

    return plugin.op.mien.grid_sample


def replace_samplers(trt: Any, network: Any) -> int:
    """Puts the plugin in the place of every GridSample that it can stand in for; returns how many."""
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    found = [layer for layer in layers if layer.type == trt.LayerType.GRID_SAMPLE]
    replaced = 0
    for layer in found:
        layer.__class__ = trt.IGridSampleLayer  # TensorRT's own way down from ILayer
        if layer.get_input(1).dtype != trt.float32 or layer.get_input(0).dtype not in (trt.float32, trt.float16):
            continue
        take_over(network, layers, layer.get_output(0), add_sampler(trt, network, layer))
        replaced += 1
    return replaced


def add_sampler(trt: Any, network: Any, layer: Any) -> Any:
    """The output of a plugin that does what a GridSample does."""
    modes = trt.InterpolationMode.LINEAR, trt.InterpolationMode.NEAREST, trt.InterpolationMode.CUBIC
    paddings = trt.SampleMode.FILL, trt.SampleMode.CLAMP, trt.SampleMode.REFLECT
    sampler = register(trt)(
        layer.get_input(0),
        layer.get_input(1),
        mode=modes.index(layer.interpolation_mode),
        padding=paddings.index(layer.sample_mode),
        align=int(layer.align_corners),
    )
    return network.add_plugin(sampler, aot=True).get_output(0)


def take_over(network: Any, layers: Sequence[Any], old: Any, new: Any) -> None:
    """Lets everything read one tensor that has read the other."""
    for layer in layers:
        for index in range(layer.num_inputs):
            given = layer.get_input(index)
            if given is not None and given.name == old.name:
                layer.set_input(index, new)
    if old.is_network_output:
        name = old.name
        network.unmark_output(old)
        old.name, new.name = f"{name} before", name
        network.mark_output(new)
