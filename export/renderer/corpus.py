"""The stored pairs, who of them is trained on, and which of them a step takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

LAYERS = ("photo", "inside", "upper", "lower", "dark")
LEAST_AGREEMENT = 0.4  # of drawn and photographed teeth; below, they are probably not what the mesh thinks
GROUP_WEIGHTS = {"officials": 0.35, "pif": 1.0, "usdc": 1.0, "canada": 1.0, "london": 1.5, "faker": 2.0}
TONES = 4  # quarters of the skin's brightness, each drawn equally often


@dataclass(frozen=True)
class Pairs:
    """Pairs in memory: the layers as uint8 tensors by name, and a row of facts for each."""

    layers: dict[str, Tensor]
    lower_edge: Tensor  # (n, 5) of the inside: c0 c1 c2 of row = c0 + c1 x + c2 x², the middle column, half the width
    people: NDArray[np.str_]
    groups: NDArray[np.str_]
    agreement: NDArray[np.float32]
    held_out: NDArray[np.bool_]
    split: str

    def __len__(self) -> int:
        return len(self.people)

    @classmethod
    def read(cls, path: Path) -> Pairs:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in LAYERS} | {"photo": unpacked(stored["photo"])}
            layers = {name: torch.from_numpy(array) for name, array in arrays.items()}
            edges = np.stack([lower_edge(inside) for inside in stored["inside"]])
            return cls(
                layers, torch.from_numpy(edges), stored["person"], stored["group"], stored["agreement"],
                stored["held_out"], str(stored["split"]),
            )  # fmt: skip

    def training_rows(self) -> NDArray[np.intp]:
        """Rows that may be learnt from. Raises ValueError for any split but train."""
        if self.split != "train":
            raise ValueError(f"These pairs are of the split '{self.split}'; only 'train' may be trained on.")
        return np.flatnonzero(~self.held_out & (self.agreement >= LEAST_AGREEMENT))

    def validation_rows(self) -> NDArray[np.intp]:
        """Rows of people who are never learnt from."""
        return np.flatnonzero(self.held_out | (self.split != "train"))

    def weights(self, rows: NDArray[np.intp]) -> Tensor:
        """How often each row is drawn: groups and skin tones evened out, people with many photos held back."""
        tone = np.array([skin_brightness(self.layers["photo"][i].numpy()) for i in rows])
        quarter = np.searchsorted(np.quantile(tone, np.arange(1, TONES) / TONES), tone)
        by_group = np.array([GROUP_WEIGHTS.get(group, 1.0) for group in self.groups[rows]])
        of_person = dict(zip(*np.unique(self.people[rows], return_counts=True), strict=True))
        weight = by_group / np.array([of_person[person] for person in self.people[rows]])
        for k in range(TONES):
            weight[quarter == k] /= max(weight[quarter == k].sum(), 1e-9)
        return torch.from_numpy(weight / weight.sum())


def packed(photos: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(n, h, w, 3) -> (n, 3, h, w) of differences, modulo 256: to the green value, then to the pixel on the left.

    Zipped they take half as much room, and a machine for training is a slow line away.
    """
    planes = photos.transpose(0, 3, 1, 2)
    planes = np.stack([planes[:, 1], planes[:, 0] - planes[:, 1], planes[:, 2] - planes[:, 1]], 1)
    return np.diff(planes, axis=3, prepend=np.uint8(0))


def unpacked(differences: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The inverse of `packed`."""
    green, red, blue = np.cumsum(differences, axis=3, dtype=np.uint8).transpose(1, 0, 2, 3)
    return np.stack([red + green, green, blue + green], 3)


def skin_brightness(photo: NDArray[np.uint8]) -> float:
    """Of a stored picture (h, w, 3): the median beside and below the mouth."""
    return float(np.median(photo[10:70, 30:-30].mean(2)))


def lower_edge(inside: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The lower lip's edge (5,) of a stored picture's mask (h, w), as in `Pairs.lower_edge`."""
    shown = inside > 127
    columns = np.flatnonzero(shown.any(0))
    if len(columns) < 4:
        return np.array([0, 0, 0, inside.shape[1] / 2, 1], np.float32)
    rows = shown.shape[0] - 1 - shown[::-1, columns].argmax(0)
    c2, c1, c0 = np.polyfit(columns, rows, 2)
    middle, half = (columns[0] + columns[-1]) / 2, (columns[-1] - columns[0]) / 2
    return np.array([c0, c1, c2, middle, half], np.float32)


def rows_of_step(rows: NDArray[np.intp], weights: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """The rows (size,) of one step, drawn by weight."""
    return torch.from_numpy(rows)[torch.multinomial(weights, size, replacement=True, generator=generator)]
