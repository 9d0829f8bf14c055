"""How near the network's mouths come to photographed ones, beside the drawn interior alone.

    python -m export.renderer.evaluate --checkpoint checkpoint.pt --lpips lpips_alex_v0.1.pt pairs.npz dev.npz

Only people who were never trained on are measured. Every mouth is drawn in the usual style, which is a fair guess, and
in the style that the encoder reads off the photo, which says how much the style can carry.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from export.renderer.augment import Batch, Chance, plain_batch
from export.renderer.corpus import Pairs
from export.renderer.frame import INSIDE, SHOWN, STYLE_SIZE
from export.renderer.losses import equivariance_loss
from export.renderer.network import MouthNet, StyleEncoder, StylesSeen, finished
from export.renderer.perceptual import Lpips

AT_ONCE = 16


def load(checkpoint: Path) -> tuple[MouthNet, StyleEncoder, StylesSeen, int]:
    """The running mean of the weights, the encoder of styles, those that it has found, and the step."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    network, encoder, styles = MouthNet(), StyleEncoder(), StylesSeen()
    network.load_state_dict(state["mean"])
    encoder.load_state_dict(state["encoder"])
    styles.load_state_dict(state["styles"])
    return network.eval(), encoder.eval(), styles.eval(), int(state["step"])


def distances(made: Tensor, batch: Batch, lpips: Lpips) -> Tensor:
    """Of each picture (N, 4): difference of colour inside the mouth (0-255), LPIPS weighted by the inside, LPIPS of the
    whole frame, and how much sharper than the photo it is (logarithm of the ratio of Laplacians)."""
    inside = batch.crop[:, INSIDE]
    area = inside.sum((1, 2, 3))
    colour = 127.5 * ((made - batch.target).abs().mean(1, keepdim=True) * inside).sum((1, 2, 3)) / area
    everywhere = torch.ones_like(inside)
    near, whole = lpips(made, batch.target, inside), lpips(made, batch.target, everywhere)
    sharp = [laplacian(picture, inside) for picture in (made, batch.target)]
    return torch.stack([colour, near, whole, torch.log(sharp[0] / sharp[1])], 1)


def laplacian(picture: Tensor, inside: Tensor) -> Tensor:
    """Mean size of the second difference inside the mouth (N,)."""
    grey = picture.mean(1, keepdim=True)
    second = F.conv2d(grey, grey.new_tensor([[0, -1, 0], [-1, 4, -1], [0, -1, 0]])[None, None])
    weight = inside[..., 1:-1, 1:-1] ** 4
    return (second.abs() * weight).sum((1, 2, 3)) / weight.sum((1, 2, 3)).clamp(min=1) + 1e-4


@torch.no_grad()
def report(network: MouthNet, encoder: StyleEncoder, styles: StylesSeen, pairs: Pairs, lpips: Lpips) -> list[str]:
    """Lines of a table: mean over the pairs of people who aren't trained on."""
    rows = torch.from_numpy(pairs.validation_rows())
    found: dict[str, list[Tensor]] = {"drawn interior": [], "network, usual style": [], "network, photo's style": []}
    swims = []
    for part in rows.split(AT_ONCE):
        batch = plain_batch({name: layer[part] for name, layer in pairs.layers.items()})
        usual = styles(torch.zeros(len(part), STYLE_SIZE))
        style, _ = encoder(batch.target, batch.weight)
        usual_style, photos_style = network(batch.crop, usual), network(batch.crop, style)
        made = (batch.crop[:, SHOWN], finished(batch.crop, usual_style), finished(batch.crop, photos_style))
        for values, picture in zip(found.values(), made, strict=True):
            values.append(distances(picture, batch, lpips))
        chance = Chance(len(part), torch.Generator().manual_seed(0), torch.device("cpu"))
        swims.append(127.5 * float(equivariance_loss(network, batch.crop, usual, usual_style, chance)))
    lines = [f"{pairs.split}: {len(rows)} photos", f"{'':24s} colour  LPIPS in  LPIPS all  sharpness"]
    for name, values in found.items():
        colour, near, whole, sharp = torch.cat(values).mean(0).tolist()
        lines.append(f"{name:24s} {colour:6.2f}  {near:8.4f}  {whole:9.4f}  {sharp:+9.3f}")
    return [*lines, f"moved by a few pixels, the result differs by {sum(swims) / len(swims):.2f} of 255"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", type=Path, nargs="+")
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--lpips", type=Path, required=True)
    options = parser.parse_args()
    network, encoder, styles, step = load(options.checkpoint)
    print(f"step {step}")
    for path in options.pairs:
        print("\n".join(report(network, encoder, styles, Pairs.read(path), Lpips(options.lpips))), flush=True)


if __name__ == "__main__":
    main()
