"""What the kernels compute, in NumPy and float64, as plainly as possible: their definition for tests/test_kernels.py.

`grid_sample` is torch's, with one addition: a single image serves a whole batch of grids. NaN counts as a place that is
outside with "zeros", else as the first pixel. `layered_warp` is `LayeredWarp` of export/warp.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Bytes = NDArray[np.uint8]

MODES = ("bilinear", "nearest", "bicubic")
PADDINGS = ("zeros", "border", "reflection")
CUBIC = -0.75  # the free parameter of Keys' kernel (1981)
DAMPING = 0.03
KNOWN_MARGIN = 0.1
PATCHES = ("eye_right", "eye_left", "mouth")
# Rows: luma, blue and red difference of BT.709 in limited range, from RGB 0-255.
BT709 = np.array(
    [[0.2126, 0.7152, 0.0722], [-0.2126 / 1.8556, -0.7152 / 1.8556, 0.5], [0.5, -0.7152 / 1.5748, -0.0722 / 1.5748]]
)
BT709_SCALE, BT709_OFFSET = np.array([219, 224, 224]) / 255, np.array([16, 128, 128])


def grid_sample(image: Array, grid: Array, mode: str, padding: str, align_corners: bool) -> Array:
    """image (N or 1, C, H, W) or (N or 1, C, D, H, W) read at grid (N, ..., 2 or 3) -> (N, C, ...).

    The grid's last axis holds x, y and z of -1 to 1: the image's outer pixels' centres with align_corners, else edges.
    """
    axes, grid = grid.shape[-1], grid.astype(np.float64)
    if mode not in MODES or padding not in PADDINGS or (mode == "bicubic" and axes == 3):
        raise ValueError(f"no {mode} with {padding} in {axes}-D")
    taps = []
    for axis in range(axes):  # x, y, z: the image's last axis first
        size = image.shape[-1 - axis]
        at = (grid[..., axis] + 1) / 2 * (size - 1) if align_corners else ((grid[..., axis] + 1) * size - 1) / 2
        taps.append(axis_taps(at, size, mode, padding, align_corners))
    out = np.zeros((len(grid), image.shape[1], *grid.shape[1:-1]))
    for n in range(len(grid)):
        source = image[n if len(image) > 1 else 0].astype(np.float64)
        for choice in np.ndindex(*(len(indices) for indices, _ in taps)):
            index = tuple(taps[axis][0][choice[axis]][n] for axis in reversed(range(axes)))
            weight = np.prod([taps[axis][1][choice[axis]][n] for axis in range(axes)], axis=0)
            out[n] += source[(slice(None), *index)] * weight
    return out


def axis_taps(
    at: Array, size: int, mode: str, padding: str, align_corners: bool
) -> tuple[list[NDArray[np.intp]], list[Array]]:
    """Which pixels along an axis a place is mixed from, and by which shares; shares of pixels outside are 0."""
    if mode != "bicubic":
        at = padded(at, size, padding, align_corners)
    at = np.where(np.isnan(at), -9.0 if padding == "zeros" else 0.0, at)
    if mode == "nearest":
        places, shares = [np.rint(at)], [np.ones_like(at)]
    elif mode == "bilinear":
        low, share = np.floor(at), at - np.floor(at)
        places, shares = [low, low + 1], [1 - share, share]
    else:
        low, share = np.floor(at), at - np.floor(at)
        places = [padded(low + i, size, padding, align_corners) for i in (-1, 0, 1, 2)]
        shares = [cubic(share + 1), cubic(share), cubic(1 - share), cubic(2 - share)]
    inside = [(place >= 0) & (place <= size - 1) for place in places]
    return (
        [np.where(ok, place, 0).astype(np.intp) for place, ok in zip(places, inside, strict=True)],
        [np.where(ok, share, 0) for share, ok in zip(shares, inside, strict=True)],
    )


def padded(at: Array, size: int, padding: str, align_corners: bool) -> Array:
    """Places in pixels, moved inside by the padding."""
    if padding == "zeros":
        return at
    if padding == "reflection":
        low, span = (0.0, size - 1.0) if align_corners else (-0.5, float(size))
        with np.errstate(invalid="ignore"):
            away = np.abs(at - low) % (2 * span) if span > 0 else np.zeros_like(at)
        at = np.minimum(away, 2 * span - away) + low
    return np.clip(np.where(np.isnan(at), 0, at), 0, size - 1)


def cubic(distance: Array) -> Array:
    near = ((CUBIC + 2) * distance - (CUBIC + 3)) * distance**2 + 1
    far = CUBIC * (((distance - 5) * distance + 8) * distance - 4)
    return np.where(distance <= 1, near, far)


def composite(plate: Bytes, crops: Sequence[tuple[Array, int, int]]) -> Bytes:
    """Premultiplied crops (T, h, w, 4) at their (x0, y0) over plate (H, W, 3), the first one lowest -> (T, H, W, 3)."""
    frames = np.repeat(plate[None].astype(np.float64), len(crops[0][0]), 0)
    for crop, x0, y0 in crops:
        below = frames[:, y0 : y0 + crop.shape[1], x0 : x0 + crop.shape[2]]
        below[:] = crop[..., :3] + (1 - crop[..., 3:]) * below
    return np.rint(np.clip(frames, 0, 255)).astype(np.uint8)


def composite_nv12(plate: Bytes, crops: Sequence[tuple[Array, int, int]]) -> tuple[Bytes, Bytes]:
    """`composite`, as NV12 of BT.709 in limited range: luma (T, H, W), and colour (T, H / 2, W / 2, 2), a mean of four.

    Height and width are even. Colour is computed from the frames' bytes.
    """
    frames = composite(plate, crops).astype(np.float64)
    values = (frames @ BT709.T) * BT709_SCALE + BT709_OFFSET
    count, height, width = frames.shape[:3]
    colour = values[..., 1:].reshape(count, height // 2, 2, width // 2, 2, 2).mean((2, 4))
    return np.rint(values[..., 0]).astype(np.uint8), np.rint(colour).astype(np.uint8)


def layered_warp(inputs: Mapping[str, NDArray[np.generic]]) -> dict[str, Bytes]:
    """The tensors of `LayeredWarp.forward`, by name -> the crop's frames, those of each patch, the mouth's inside."""
    given = {name: array.astype(np.float64) for name, array in inputs.items()}
    source = given["source"]
    height, width = source.shape[2:]
    box = np.array([0, 0, width - 1, height - 1])
    offset = source_offsets(given["base_functions"], given["base_coefficients"], box)
    folds = np.tensordot(given["folds"], given["fold_regions"], 1)
    shading = np.stack([folds, np.tensordot(given["light"], given["light_maps"], 1)], 1)
    nodes = lattice(box, *given["base_functions"].shape[:2])
    shading = sample(shading, nodes + offset.transpose(0, 2, 3, 1), box)
    coarse = np.concatenate([offset, shading], 1)
    pixels = np.broadcast_to(lattice(box, height, width), (len(offset), height, width, 2))
    fine = sample(coarse, pixels, box)
    tint = given["fold_tint"]
    drawn = shaded(person(source, pixels + fine[:, :2].transpose(0, 2, 3, 1), box), tint, fine[:, 2:])
    frames = {"frames": over(drawn, given["behind"])}
    for name in PATCHES:
        own = {key.removeprefix(f"{name}_"): value for key, value in given.items() if key.startswith(name)}
        drawn, inside = patch(source, tint, coarse, own)
        frames[f"{name}_frames"] = over(drawn, own["behind"])
    return frames | {"mouth_inside": np.rint(inside).astype(np.uint8).transpose(0, 2, 3, 1)}  # the mouth is last


def lattice(box: Array, height: int, width: int) -> Array:
    x = box[0] + np.arange(width) / (width - 1) * (box[2] - box[0])
    y = box[1] + np.arange(height) / (height - 1) * (box[3] - box[1])
    return np.stack(np.meshgrid(x, y), -1)


def sample(image: Array, positions: Array, box: Array) -> Array:
    """image (T or 1, C, h, w) spread over `box`, read at positions (T, H, W, 2) -> (T, C, H, W)."""
    grid = 2 * (positions - box[:2]) / (box[2:] - box[:2]) - 1
    return grid_sample(image, grid, "bilinear", "border", align_corners=True)


def person(source: Array, positions: Array, box: Array) -> Array:
    """The source (1, 5, h, w) read at positions: its picture from sixteen pixels each, its folds from four."""
    inside = np.clip(np.where(np.isnan(positions), box[:2], positions), box[:2], box[2:])
    grid = 2 * (inside - box[:2]) / (box[2:] - box[:2]) - 1
    picture = grid_sample(source[:, :4], grid, "bicubic", "border", align_corners=True)
    return np.concatenate([picture, sample(source[:, 4:], positions, box)], 1)


def shaded(found: Array, tint: Array, shading: Array) -> Array:
    dark = shading[:, :1] * found[:, 4:] * tint[:, None, None]
    gain = (1 - dark) * (1 + shading[:, 1:])
    return np.concatenate([found[:, :3] * gain, found[:, 3:4]], 1)


def over(drawn: Array, behind: Array) -> Bytes:
    colour, alpha = drawn[:, :3].transpose(0, 2, 3, 1), drawn[:, 3:].transpose(0, 2, 3, 1)
    return np.rint(np.clip(colour + (1 - alpha) * behind, 0, 255)).astype(np.uint8)


def slope(field: Array, axis: int) -> Array:
    pads = [(0, 0)] * 4
    pads[axis] = (1, 1)
    wide, count = np.pad(field, pads, mode="edge"), field.shape[axis]
    return (np.take(wide, range(2, count + 2), axis) - np.take(wide, range(count), axis)) / 2


def source_offsets(functions: Array, coefficients: Array, box: Array) -> Array:
    """Where each node (gh, gw) comes from, less the node: ten steps of Newton's method, damped -> (T, 2, gh, gw)."""
    height, width, count = functions.shape
    half_inverse = 2 / (box[2:] - box[:2])
    field = functions.reshape(-1, count) @ (coefficients * half_inverse)
    field = field.transpose(0, 2, 1).reshape(-1, 2, height, width)
    along_x, along_y = slope(field, 3) * (width - 1) / 2, slope(field, 2) * (height - 1) / 2
    known = np.concatenate([field, along_x[:, :1] + 1, along_x[:, 1:], along_y[:, :1], along_y[:, 1:] + 1], 1)
    units, reach = np.array([-1.0, -1, 1, 1]), 2 / (width - 1)
    nodes, offset = lattice(units, height, width).transpose(2, 0, 1), -field
    for _ in range(10):
        found = sample(known, (nodes + offset).transpose(0, 2, 3, 1), units)
        moved, (a, c, b, d) = found[:, :2], found[:, 2:].transpose(1, 0, 2, 3)
        x, y = (offset + moved).transpose(1, 0, 2, 3)
        right_x, right_y = a * x + c * y, b * x + d * y
        xx, xy, yy = a * a + c * c + DAMPING, a * b + c * d, b * b + d * d + DAMPING
        step = np.stack([yy * right_x - xy * right_y, xx * right_y - xy * right_x], 1) / (xx * yy - xy * xy)[:, None]
        offset = offset - step * (reach / np.maximum(np.linalg.norm(step, axis=1, keepdims=True), reach))
    return offset / half_inverse[:, None, None]


def patch(source: Array, tint: Array, base: Array, own: Mapping[str, Array]) -> tuple[Array, Array]:
    """Two skin layers over the interior -> (T, 4, h, w), and the interior's share that is drawn, alpha 0-255."""
    box, height, width = own["box"], *own["skin_alpha"].shape[2:]
    crop = np.array([0, 0, source.shape[3] - 1, source.shape[2] - 1])
    pixels = np.broadcast_to(lattice(box, height, width), (len(base), height, width, 2))
    smooth, shading = np.split(sample(base, pixels, crop), [2], 1)
    share = own["feather"] * known_share(pixels + smooth.transpose(0, 2, 3, 1), box, crop)
    layers = []
    for coefficients, alpha in ((own["upper"], own["skin_alpha"][:, :1]), (own["lower"], own["skin_alpha"][:, 1:])):
        offset = sample(source_offsets(own["functions"], coefficients, box), pixels, box)
        positions = pixels + (smooth + share * (offset - smooth)).transpose(0, 2, 3, 1)
        found = person(source, positions, crop)
        if "lid_changes" in own and not layers:  # the upper one
            for change, amount in zip(own["lid_changes"], own["lid_shares"].T, strict=True):
                found[:, :3] += amount[:, None, None, None] * sample(change[None], positions, box)
        layers.append((shaded(found, tint, shading), sample(alpha, positions, box)))
    (colour_upper, upper), (colour_lower, lower) = layers
    covered, beneath = np.minimum(upper + lower, 1), lower * (1 - upper)
    skin = (colour_upper * upper + colour_lower * beneath) / np.maximum(upper + beneath, 1e-6)
    drawn, below, through = interior(pixels, covered, own)
    shown = (1 - covered) * through
    return covered * skin + (1 - covered) * drawn, np.concatenate([shown * below, 255 * shown], 1)


def known_share(places: Array, box: Array, crop: Array) -> Array:
    """How far a patch's own field is to be trusted for what comes from places (T, h, w, 2): not beyond its box, where
    it isn't known, but for sides that are the crop's own -> (T, 1, h, w)."""
    margin = KNOWN_MARGIN * (box[3] - box[1])
    inner = np.concatenate([box[:2] > crop[:2], box[2:] < crop[2:]])
    near = np.concatenate([places - box[:2], box[2:] - places], 3)
    t = np.clip(np.where(inner, near, margin).min(3) / margin, 0, 1)
    return np.asarray((t * t * (3 - 2 * t))[:, None])


def interior(pixels: Array, covered: Array, own: Mapping[str, Array]) -> tuple[Array, Array, Array]:
    """All textures (T, 4, h, w), those below the last one (T, 3, h, w), and how much of them it lets through."""
    textures, height, width = own["textures"], *covered.shape[2:]
    steps = np.rint(np.arange(-4, 5) * own["shade_step"]).astype(int)
    rows, columns = (np.clip(np.arange(size)[:, None] + steps, 0, size - 1) for size in (height, width))
    near = covered[:, :, rows].mean(3)[..., columns].mean(4)
    colour = np.zeros((len(covered), 3, height, width))
    for k, texture in enumerate(textures):
        affine = own["affine"][:, k]
        at = np.einsum("tij,tyxj->tyxi", affine[..., :2], pixels) + affine[:, None, None, :, 2]
        outer = np.array([0, 0, textures.shape[3] - 1, textures.shape[2] - 1])
        layer = sample(texture[None], at, outer) * own["opacity"][:, k, None, None, None]
        below, through = colour, 1 - layer[:, 3:]
        colour = layer[:, :3] * (1 - own["shade"][k] * near) + through * colour
    return np.concatenate([colour, np.ones_like(covered)], 1), below, through
