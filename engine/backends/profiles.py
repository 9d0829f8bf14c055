"""Sizes of networks' dynamic dimensions: the ranges that plans are built for, and batches in parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from engine.backends.base import Array
from engine.errors import BackendError
from engine.types import TensorSpec

Range = tuple[int, int, int]  # the least, the one that a plan is tuned for, the most

BATCH = ("batch", "frames", "faces")  # first axes that can be cut: what comes out is cut in the same way
# By the end of a dimension's name; the first rule that fits.
RANGES: tuple[tuple[str, Range], ...] = (
    ("batch", (1, 60, 240)),
    ("frames", (1, 60, 240)),
    ("faces", (1, 1, 64)),
    ("knots", (32, 64, 156)),
    ("functions", (482, 770, 1003)),
    ("regions", (1, 12, 64)),
    ("terms", (1, 3, 16)),
    ("crop_h", (16, 512, 1920)),
    ("crop_w", (16, 512, 1920)),
    ("nodes_h", (2, 48, 320)),
    ("nodes_w", (2, 48, 320)),
    ("height", (12, 256, 1920)),
    ("width", (12, 256, 1920)),
    ("_h", (4, 128, 768)),
    ("_w", (4, 128, 768)),
)
# Where a network's own are others, for each of its profiles: the first one that holds the shapes is used. The warp's
# pictures are as large as photos, and no tensor may have 2**31 elements, so large ones go in small batches.
Rules = tuple[tuple[str, Range], ...]
OWN_RANGES: Mapping[str, tuple[Rules, ...]] = {
    "warp.onnx": (
        (
            *((f"crop_{side}", (16, 512, 768)) for side in "hw"),
            *((f"nodes_{side}", (2, 48, 128)) for side in "hw"),
            *((f"_{side}", (4, 128, 384)) for side in "hw"),
            ("backs", (1, 1, 240)),
        ),
        (("frames", (1, 8, 16)), ("backs", (1, 1, 16))),
    ),
    "mouth.onnx": ((("height", (8, 64, 96)), ("width", (8, 128, 160))),),
}


def profile_count(model: str) -> int:
    return len(OWN_RANGES.get(model, ((),)))


def size_range(model: str, name: str, profile: int = 0) -> Range:
    """Raises BackendError for a dimension that no rule names."""
    for ending, found in (*OWN_RANGES.get(model, ((),))[profile], *RANGES):
        if name.endswith(ending):
            return found
    raise BackendError(f"{model} has a dimension '{name}' without a range; add it to engine/backends/profiles.py.")


def shape_ranges(model: str, spec: TensorSpec, profile: int = 0) -> tuple[tuple[int, ...], ...]:
    """An input's smallest, usual and largest shape."""
    sizes = [size_range(model, size, profile) if isinstance(size, str) else (size,) * 3 for size in spec.shape]
    return tuple(tuple(size[which] for size in sizes) for which in range(3))


def fitting_profile(model: str, specs: Mapping[str, TensorSpec], shapes: Mapping[str, tuple[int, ...]]) -> int:
    """The first profile that holds such shapes, whatever their batch, which can be cut; the last one if none does."""
    for profile in range(profile_count(model) - 1):
        sizes = [
            (size_range(model, name, profile), size)
            for key, shape in shapes.items()
            for name, size in zip(specs[key].shape, shape, strict=True)
            if isinstance(name, str) and name not in BATCH and not name.endswith("backs")
        ]
        if all(least <= size <= most for (least, _, most), size in sizes):
            return profile
    return profile_count(model) - 1


def largest_batch(model: str, specs: Mapping[str, TensorSpec], profile: int = 0) -> int:
    """How many can go through a network at once; 1 where it has no batch."""
    names = [spec.shape[0] for spec in specs.values() if spec.shape and spec.shape[0] in BATCH]
    return size_range(model, str(names[0]), profile)[2] if names else 1


def batch_size(specs: Mapping[str, TensorSpec], arrays: Mapping[str, Array]) -> int:
    """The length of the first axis that is a batch; 1 where there is none."""
    return next((len(arrays[name]) for name, spec in specs.items() if name in arrays and _is_batch(spec)), 1)


def cut(specs: Mapping[str, TensorSpec], arrays: Mapping[str, Array], start: int, stop: int) -> dict[str, Array]:
    """Part of a batch; what isn't as long as the batch, as one picture behind all frames, stays whole."""
    return {
        name: array[start:stop] if _is_batch(specs[name]) or _is_long(specs[name], array) else array
        for name, array in arrays.items()
    }


def parts(size: int, most: int) -> Iterator[tuple[int, int]]:
    """Nearly equal parts of 0 to size, none longer than `most`: so that few sizes have to be prepared."""
    count = -(-size // most) if size else 1
    step = -(-size // count)
    return ((start, min(start + step, size)) for start in range(0, max(size, 1), max(step, 1)))


def _is_batch(spec: TensorSpec) -> bool:
    return bool(spec.shape) and spec.shape[0] in BATCH


def _is_long(spec: TensorSpec, array: Array) -> bool:
    """Whether it is one of the tensors that have one entry, or one for each of the batch, and has the latter."""
    return bool(spec.shape) and str(spec.shape[0]).endswith("backs") and len(array) > 1
