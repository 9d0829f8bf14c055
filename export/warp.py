"""The warp and everything drawn with it, as one graph: fields in, finished pixels of one face's crop out.

Three patches (two eyes, mouth), where skin tears and shows what lies behind, are laid over one smooth warp of the
whole crop. See `LayeredWarp.forward` for the tensors. Positions are crop pixels, (x, y), and always float32.

    python -m export.warp --weights engine/weights
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from export.manifest import write_manifest_row

PATCHES = ("eye_right", "eye_left", "mouth")
EVERY_PATCH = (
    "box", "functions", "upper", "lower", "skin_alpha", "feather", "textures", "shade", "shade_step", "affine",
    "opacity",
)  # fmt: skip
PATCH_INPUTS = {
    "eye_right": (*EVERY_PATCH, "lid_changes", "lid_shares", "behind"),
    "eye_left": (*EVERY_PATCH, "lid_changes", "lid_shares", "behind"),
    "mouth": (*EVERY_PATCH, "behind"),
}
TEXTURES = {"eye_right": 3, "eye_left": 3, "mouth": 4}  # what each patch shows behind the skin
DAMPING = 0.03  # of the least squares; 1 is the slope of a field at rest
SHADE_STEPS = range(-4, 5)  # to each side, at which shade looks for skin
LID_CHANGES = 2  # of the upper lid's colours: as it shuts, and as the brow rises
KNOWN_MARGIN = 0.1  # of a patch's height, along which its own field is led over into the smooth one

Box = Tensor | tuple[int, int, int, int]  # x0 y0 x1 y1


def lattice(box: Box, height: int, width: int) -> Tensor:
    """height x width positions, evenly over box (x0, y0, x1, y1), its edges included -> (height, width, 2)."""
    y = torch.arange(height, dtype=torch.float32) / (height - 1)
    x = torch.arange(width, dtype=torch.float32) / (width - 1)
    x, y = box[0] + x * (box[2] - box[0]), box[1] + y * (box[3] - box[1])
    return torch.stack([x[None, :].expand(height, width), y[:, None].expand(height, width)], -1)


def sample(image: Tensor, positions: Tensor, box: Box, mode: str = "bilinear") -> Tensor:
    """image (N, C, h, w) spread over `box`, read at positions (N, H, W, 2) -> (N, C, H, W)."""
    x = 2 * (positions[..., 0] - box[0]) / (box[2] - box[0]) - 1
    y = 2 * (positions[..., 1] - box[1]) / (box[3] - box[1]) - 1
    return F.grid_sample(image, torch.stack([x, y], -1), mode, "border", align_corners=True)


def sample_shared(image: Tensor, positions: Tensor, box: Box, mode: str = "bilinear") -> Tensor:
    """`sample` of one image (1, C, h, w) for all frames (T, H, W, 2) at once, without T copies of it."""
    frames, height, width, _ = positions.shape
    found = sample(image, positions.reshape(1, frames * height, width, 2), box, mode)
    return found.reshape(-1, frames, height, width).transpose(0, 1)


def sample_person(source: Tensor, positions: Tensor) -> Tensor:
    """The source (1, 5, h, w) at positions (T, H, W, 2) in its pixels -> (T, 5, H, W).

    Its picture is mixed from sixteen pixels (Keys 1981): four blur hair and pores as soon as they move. Its folds are
    soft.
    """
    box = outer_box(source)
    inside = torch.stack([positions[..., 0].clamp(0, box[2]), positions[..., 1].clamp(0, box[3])], -1)
    picture = sample_shared(source[:, :4], inside, box, "bicubic")
    return torch.cat([picture, sample_shared(source[:, 4:], positions, box)], 1)


def outer_box(image: Tensor) -> Box:
    """(x0, y0, x1, y1) of the centres of an image's outer pixels, in its own pixels."""
    return 0, 0, image.shape[3] - 1, image.shape[2] - 1


def half_inverse(box: Box) -> Tensor:
    """(2,) that takes lengths in pixels to lengths in the units of a sampling grid."""
    return torch.stack([2 / torch.as_tensor(box[2] - box[0]).float(), 2 / torch.as_tensor(box[3] - box[1]).float()])


def enlarge(field: Tensor, height: int, width: int) -> Tensor:
    return F.interpolate(field, size=(height, width), mode="bilinear", align_corners=True)


def slope(field: Tensor, axis: int) -> Tensor:
    """Difference to the next node along an axis, taken in the middle -> the field's shape."""
    pad = (1, 1, 0, 0) if axis == 3 else (0, 0, 1, 1)
    wide = F.pad(field, pad, mode="replicate")
    count = field.shape[axis]
    return (wide.narrow(axis, 2, count) - wide.narrow(axis, 0, count)) / 2


def newton_step(offset: Tensor, found: Tensor, reach: Tensor | float) -> Tensor:
    """The step (T, 2, h, w) that would bring offset + D to 0, in damped least squares (Levenberg 1944, Marquardt 1963).

    found (T, 6, h, w): D, d(x + D)/dx and d(x + D)/dy at the offset's place. No step is longer than `reach`. Where the
    field folds and has no inverse, the damping makes it a short step downhill.
    """
    moved_x, moved_y, a, c, b, d = found.split(1, 1)
    offset_x, offset_y = offset.split(1, 1)
    x, y = offset_x + moved_x, offset_y + moved_y
    right_x, right_y = a * x + c * y, b * x + d * y
    xx, xy, yy = a * a + c * c + DAMPING, a * b + c * d, b * b + d * d + DAMPING
    step = torch.cat([yy * right_x - xy * right_y, xx * right_y - xy * right_x], 1) / (xx * yy - xy * xy)
    return step * (reach / torch.sqrt((step * step).sum(1, keepdim=True)).clamp(min=reach))


def known_share(places: Tensor, box: Tensor, crop: Box) -> Tensor:
    """How far a patch's own field is to be trusted for what comes from places (T, h, w, 2) -> (T, 1, h, w).

    Not beyond the patch's box, where it isn't known, but for sides that are the crop's own.
    """
    margin = KNOWN_MARGIN * (box[3] - box[1])
    inner = torch.cat([box[:2] > 0, box[2:] < torch.stack([torch.as_tensor(side).float() for side in crop[2:]])])
    near = torch.cat([places - box[:2], box[2:] - places], 3)
    t = (torch.where(inner, near, margin).amin(3) / margin).clamp(0, 1)
    return (t * t * (3 - 2 * t))[:, None]


def shaded(found: Tensor, tint: Tensor, shading: Tensor) -> Tensor:
    """The person (T, 4, h, w) from the source's five channels (T, 5, h, w); shading (T, 2, h, w) is folds and light."""
    dark = shading[:, :1] * found[:, 4:] * tint[:, None, None]
    gain = (1 - dark) * (1 + shading[:, 1:])
    return torch.cat([found[:, :3] * gain, found[:, 3:4]], 1)


def mean_around(covered: Tensor, step: Tensor) -> Tensor:
    """The mean of (T, 1, h, w) over 9 x 9 places around each, `step` (1,) pixels apart; beyond the border as on it."""
    for axis in (2, 3):
        size = covered.shape[axis]
        at = torch.arange(size)
        places = [(at + torch.round(k * step).long()).clamp(0, size - 1) for k in SHADE_STEPS]
        covered = torch.stack([covered.index_select(axis, place) for place in places]).mean(0)
    return covered


def as_bytes(picture: Tensor) -> Tensor:
    """(T, C, h, w), 0-255 -> uint8 (T, h, w, C)."""
    return torch.round(picture.permute(0, 2, 3, 1)).clamp(0, 255).to(torch.uint8)


def over(drawn: Tensor, behind: Tensor) -> Tensor:
    """Premultiplied (T, 4, h, w) over uint8 (1 or T, h, w, 3) -> uint8 (T, h, w, 3)."""
    colour, alpha = drawn[:, :3].permute(0, 2, 3, 1), drawn[:, 3:].permute(0, 2, 3, 1)
    return torch.round(colour + (1 - alpha) * behind.float()).clamp(0, 255).to(torch.uint8)


class LayeredWarp(nn.Module):
    """Inverts smooth displacement fields by iteration and samples the photo's layers through them.

    For an output position p the source x solves x + D(x) = p. Newton's method finds it in a few steps where skin is
    stretched to several times its length, as under an open mouth, and the usual fixed point iteration swings about.
    """

    def __init__(self, iterations: int = 10) -> None:
        super().__init__()
        self.iterations = iterations

    def source_offsets(self, functions: Tensor, coefficients: Tensor, box: Box) -> Tensor:
        """functions (gh, gw, F), coefficients (T, F, 2) -> where each node comes from, less the node (T, 2, gh, gw).

        Works in the units of a sampling grid, in which the box reaches from -1 to 1.
        """
        height, width, count = functions.shape
        field = torch.matmul(functions.reshape(-1, count), coefficients * half_inverse(box))  # (T, gh * gw, 2)
        field = field.transpose(1, 2).reshape(-1, 2, height, width)
        along_x, along_y = slope(field, 3) * ((width - 1) / 2), slope(field, 2) * ((height - 1) / 2)
        known = torch.cat([field, along_x[:, :1] + 1, along_x[:, 1:], along_y[:, :1], along_y[:, 1:] + 1], 1)
        nodes = lattice((-1, -1, 1, 1), height, width).permute(2, 0, 1)
        reach = 2 / (width - 1)  # a step ends at the next node: beyond, slopes are others
        offset = -field
        for _ in range(self.iterations):
            grid = (nodes + offset).permute(0, 2, 3, 1)
            found = F.grid_sample(known, grid, "bilinear", "border", align_corners=True)
            offset = offset - newton_step(offset, found, reach)
        return offset / half_inverse(box)[:, None, None]

    def interior(self, pixels: Tensor, covered: Tensor, inputs: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """What lies behind the skin, back to front: textures (K, 4, h, w) premultiplied, the first one opaque.

        affine (T, K, 2, 3) takes output pixels to texture pixels; shade (K,) darkens a texture where skin is near, as
        `mean_around` says by steps of shade_step (1,) pixels; opacity (T, K) lets a texture vanish. The last texture is
        the photo's own; what is drawn shows through it.

        -> the interior (T, 4, h, w), and as much of it as is drawn: premultiplied, alpha 0-255
        """
        textures, shade, shade_step, affine, opacity = inputs
        box = outer_box(textures)
        near = mean_around(covered, shade_step)
        colour = torch.zeros_like(covered).expand(-1, 3, -1, -1)
        drawn, through = colour, torch.ones_like(covered)
        for k in range(textures.shape[0]):
            at = torch.matmul(pixels, affine[:, k, None, :, :2].transpose(-1, -2)) + affine[:, k, None, None, :, 2]
            layer = sample_shared(textures[k : k + 1], at, box) * opacity[:, k, None, None, None]
            drawn, through = colour, 1 - layer[:, 3:]
            colour = layer[:, :3] * (1 - shade[k] * near) + through * colour
        shown = (1 - covered) * through
        return torch.cat([colour, torch.ones_like(covered)], 1), torch.cat([shown * drawn, 255 * shown], 1)

    def patch(self, source: Tensor, tint: Tensor, base: Tensor, inputs: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """One place where skin tears: two skin layers over the interior -> (T, 4, h, w), and the interior's share that
        is drawn (T, 4, h, w), as in `interior`."""
        box, functions, upper, lower, skin_alpha, feather = inputs[:6]
        textures, shade, shade_step, affine, opacity = inputs[6:11]
        height, width = skin_alpha.shape[2], skin_alpha.shape[3]
        pixels = lattice(box, height, width).expand(upper.shape[0], -1, -1, -1)
        smooth, shading = sample(base, pixels, outer_box(source)).split([2, 2], 1)
        share = feather * known_share(pixels + smooth.permute(0, 2, 3, 1), box, outer_box(source))
        layers = []
        for coefficients, alpha, of_lid in ((upper, skin_alpha[:, :1], inputs[11:]), (lower, skin_alpha[:, 1:], ())):
            offset = enlarge(self.source_offsets(functions, coefficients, box), height, width)
            positions = pixels + (smooth + share * (offset - smooth)).permute(0, 2, 3, 1)
            found = sample_person(source, positions)
            for k in range(LID_CHANGES if of_lid else 0):
                changes, shares = of_lid
                change = shares[:, k, None, None, None] * sample_shared(changes[k : k + 1], positions, box)
                found = torch.cat([found[:, :3] + change, found[:, 3:]], 1)
            layers.append((shaded(found, tint, shading), sample_shared(alpha, positions, box)))
        (colour_u, alpha_u), (colour_l, alpha_l) = layers
        covered = (alpha_u + alpha_l).clamp(max=1)
        behind_upper = alpha_l * (1 - alpha_u)  # the upper layer lies over the lower where they overlap
        skin = (colour_u * alpha_u + colour_l * behind_upper) / (alpha_u + behind_upper).clamp(min=1e-6)
        interior, drawn = self.interior(pixels, covered, (textures, shade, shade_step, affine, opacity))
        return covered * skin + (1 - covered) * interior, drawn

    def forward(
        self,
        base_coefficients: Tensor,
        folds: Tensor,
        light: Tensor,
        behind: Tensor,
        source: Tensor,
        base_functions: Tensor,
        fold_regions: Tensor,
        fold_tint: Tensor,
        light_maps: Tensor,
        *patches: Tensor,
    ) -> list[Tensor]:
        """Draws T frames of one face's crop, and of its three patches, over what is behind the person.

        base_coefficients (T, F, 2) what the functions are multiplied by to give the smooth field, pixels
        folds (T, R)             how strongly the skin of each region folds
        light (T, L)             how the terms of light on the turning head have changed
        behind (1 or T, h, w, 3) uint8, the picture without this person
        source (1, 5, h, w)      the person, premultiplied RGB 0-255, alpha 0-1, and how much folds darken the skin
        base_functions (gh, gw, F) `Interpolation.functions` at the crop's nodes
        fold_regions (R, gh, gw) where the regions are
        fold_tint (3,)           how much of that darkness each colour takes
        light_maps (L, gh, gw)   what each term adds to the gain of colours
        and for each of PATCHES
        box (4,)                 x0 y0 x1 y1 of its outer pixels' centres
        functions (ph, pw, F)    the same at its nodes;  upper, lower (T, F, 2) coefficients of its two skin layers
        skin_alpha (1, 2, h, w)  of the layers, in the photo;  feather (1, 1, h, w) 0 at the patch's border
        textures (K, 4, h, w)    premultiplied;  shade (K,);  shade_step (1,);  affine (T, K, 2, 3);  opacity (T, K)
        and for the eyes, lid_changes (2, 3, h, w) what the colours of the upper layer change by in the photo as it
        shuts, and as the brow rises, and lid_shares (T, 2), how much of each there is
        patch_behind (1 or T, h, w, 3) uint8
        -> the crop's frames (T, h, w, 3) uint8, then those of each patch; last, of the mouth's, how much of each pixel
        is drawn and not photographed (T, h, w, 4) uint8: premultiplied
        """
        offset = self.source_offsets(base_functions, base_coefficients, outer_box(source))
        nodes = lattice(outer_box(source), base_functions.shape[0], base_functions.shape[1])
        # Both are known in the photo and move with the skin.
        shading = torch.stack([torch.tensordot(folds, fold_regions, 1), torch.tensordot(light, light_maps, 1)], 1)
        shading = sample(shading, nodes + offset.permute(0, 2, 3, 1), outer_box(source))
        coarse = torch.cat([offset, shading], 1)
        height, width = source.shape[2], source.shape[3]
        fine, fine_shading = enlarge(coarse, height, width).split([2, 2], 1)
        positions = lattice(outer_box(source), height, width) + fine.permute(0, 2, 3, 1)
        person = shaded(sample_person(source, positions), fold_tint, fine_shading)
        frames = [over(person, behind)]
        rest = list(patches)
        for name in PATCHES:
            inputs, rest = rest[: len(PATCH_INPUTS[name])], rest[len(PATCH_INPUTS[name]) :]
            drawn, inside = self.patch(source, fold_tint, coarse, inputs[:-1])
            frames.append(over(drawn, inputs[-1]))
        return [*frames, as_bytes(inside)]  # of the last one, the mouth


def example_inputs(frames: int = 2, functions: int = 9) -> dict[str, Tensor]:
    """Tensors of the right ranks, with sizes that differ wherever the graph lets them."""
    inputs = {
        "base_coefficients": torch.zeros(frames, functions, 2),
        "folds": torch.zeros(frames, 7),
        "light": torch.zeros(frames, 8),
        "behind": torch.zeros(1, 65, 74, 3, dtype=torch.uint8),
        "source": torch.zeros(1, 5, 65, 74),
        "base_functions": torch.zeros(11, 12, functions),
        "fold_regions": torch.zeros(7, 11, 12),
        "fold_tint": torch.ones(3),
        "light_maps": torch.zeros(8, 11, 12),
    }
    for i, name in enumerate(PATCHES):
        height, width, nodes_y, nodes_x = 20 + i, 26 + i, 6 + i, 14 + i
        inputs[f"{name}_box"] = torch.tensor([3.0, 4.0, 3.0 + width - 1, 4.0 + height - 1])
        inputs[f"{name}_functions"] = torch.zeros(nodes_y, nodes_x, functions)
        inputs[f"{name}_upper"] = torch.zeros(frames, functions, 2)
        inputs[f"{name}_lower"] = torch.zeros(frames, functions, 2)
        inputs[f"{name}_skin_alpha"] = torch.zeros(1, 2, height, width)
        inputs[f"{name}_feather"] = torch.zeros(1, 1, height, width)
        inputs[f"{name}_textures"] = torch.zeros(TEXTURES[name], 4, height, width)
        inputs[f"{name}_shade"] = torch.zeros(TEXTURES[name])
        inputs[f"{name}_shade_step"] = torch.ones(1)
        inputs[f"{name}_affine"] = torch.zeros(frames, TEXTURES[name], 2, 3)
        inputs[f"{name}_opacity"] = torch.ones(frames, TEXTURES[name])
        if "lid_changes" in PATCH_INPUTS[name]:
            inputs[f"{name}_lid_changes"] = torch.zeros(LID_CHANGES, 3, height, width)
            inputs[f"{name}_lid_shares"] = torch.zeros(frames, LID_CHANGES)
        inputs[f"{name}_behind"] = torch.zeros(1, height, width, 3, dtype=torch.uint8)
    return inputs


def dynamic_shapes(inputs: dict[str, Tensor]) -> list[dict[int, str]]:
    """Names for the dimensions that differ from photo to photo and from clip to clip."""
    shared = {
        "base_coefficients": {0: "frames", 1: "functions"},
        "folds": {0: "frames", 1: "regions"},
        "light": {0: "frames", 1: "terms"},
        "behind": {0: "backs", 1: "crop_h", 2: "crop_w"},
    }
    shared |= {"source": {2: "crop_h", 3: "crop_w"}}
    shared |= {"base_functions": {0: "nodes_h", 1: "nodes_w", 2: "functions"}}
    shared |= {"fold_regions": {0: "regions", 1: "nodes_h", 2: "nodes_w"}}
    shared |= {"fold_tint": {}}
    shared |= {"light_maps": {0: "terms", 1: "nodes_h", 2: "nodes_w"}}
    for p in PATCHES:
        size, nodes = {2: f"{p}_h", 3: f"{p}_w"}, {0: f"{p}_nodes_h", 1: f"{p}_nodes_w", 2: "functions"}
        shared |= {f"{p}_box": {}, f"{p}_shade": {}, f"{p}_shade_step": {}, f"{p}_functions": nodes}
        shared |= {f"{p}_{side}": {0: "frames", 1: "functions"} for side in ("upper", "lower")}
        shared |= {f"{p}_skin_alpha": size, f"{p}_feather": size, f"{p}_textures": size}
        shared |= {f"{p}_affine": {0: "frames"}, f"{p}_opacity": {0: "frames"}}
        if "lid_changes" in PATCH_INPUTS[p]:
            shared |= {f"{p}_lid_changes": size, f"{p}_lid_shares": {0: "frames"}}
        shared |= {f"{p}_behind": {0: f"{p}_backs", 1: f"{p}_h", 2: f"{p}_w"}}
    return [shared[name] for name in inputs]


def export_onnx(path: Path) -> None:
    """Writes the graph with every size dynamic, opset 20."""
    inputs = example_inputs()
    names, shapes = list(inputs), dynamic_shapes(inputs)
    torch.onnx.export(
        LayeredWarp().eval(),
        tuple(inputs.values()),
        str(path),
        input_names=names,
        output_names=["frames", *(f"{p}_frames" for p in PATCHES), "mouth_inside"],
        dynamic_axes={name: axes for name, axes in zip(names, shapes, strict=True) if axes},
        opset_version=20,
        dynamo=False,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, default=Path("engine/weights"))
    options = parser.parse_args()
    export_onnx(options.weights / "warp.onnx")
    write_manifest_row(
        options.weights,
        file="warp.onnx",
        network="layered warp (no trained weights)",
        source="this project, export/warp.py",
        licence="Apache-2.0",
        training_data="none",
    )


if __name__ == "__main__":
    main()
