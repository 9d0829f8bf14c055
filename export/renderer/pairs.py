"""Photos of open mouths -> one file of pairs: the photo's mouth, and what the engine would draw between its lips.

    python -m export.renderer.pairs --portraits DIR --split train --out pairs.npz

DIR holds square pictures of faces and index.csv with the columns file, group, person, split and mouth_open (the gap
between the lips over their width). More photos are more rows. Nothing but `--split train` may be trained on.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from engine.backends import open_backend
from engine.bundle import Bundle
from engine.detect import Detector
from engine.mesh import MeshFitter
from engine.portrait.portrait import FaceAssets
from engine.types import Floats, Image
from export.renderer.corpus import packed
from export.renderer.mouth_crop import drawn_mouth, view_of_mouth
from export.renderer.registration import registered

LEAST_OPEN = 0.05  # of index.csv; under it nothing shows between the lips
LEAST_INSIDE_PX = 120  # of the stored picture
HELD_OUT = 16  # one person in this many is kept from training, for validation


def is_held_out(person: str) -> bool:
    """The same people whatever else is in the corpus."""
    return int(hashlib.sha256(person.encode()).hexdigest(), 16) % HELD_OUT == 0


def rows_of(portraits: Path, split: str) -> list[dict[str, str]]:
    """The index's rows of one split, without those whose person is in another one as well."""
    with (portraits / "index.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    elsewhere = {row["person"] for row in rows if row["split"] != split}
    return [row for row in rows if row["split"] == split and row["person"] not in elsewhere]


def as_bytes(layer: Floats) -> Image:
    """(h, w, 5) RGB 0-255 and two shares 0-1 -> uint8."""
    scaled = layer * np.array([1, 1, 1, 255, 255], np.float32)
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def read_rgb(path: Path) -> Image:
    bgr = cv2.imread(str(path))
    if bgr is None:
        raise ValueError(f"{path} can't be read as an image.")
    return np.ascontiguousarray(bgr[..., ::-1])


def pairs_of(portraits: Path, rows: list[dict[str, str]]) -> Iterator[dict[str, object]]:
    """What is stored of each photo in which the inside of a mouth is seen."""
    backend, bundle = open_backend(), Bundle.default()
    detector, fitter, assets = Detector(backend, bundle), MeshFitter(backend, bundle), FaceAssets.load(bundle)
    for row in rows:
        photo = read_rgb(portraits / row["file"])
        faces = detector.detect(photo).faces
        if not faces:
            continue
        view = view_of_mouth(photo, fitter.fit(photo, faces[0]), assets)
        drawn = drawn_mouth(view, assets)
        if (drawn.inside > 0.5).sum() < LEAST_INSIDE_PX:
            continue
        moved, agreement, shift = registered(drawn, view.photo)
        yield {
            "photo": view.photo,
            "inside": np.rint(255 * moved.inside).astype(np.uint8),
            "upper": as_bytes(moved.upper),
            "lower": as_bytes(moved.lower),
            "dark": moved.dark.astype(np.uint8),
            "agreement": np.float32(agreement),
            "shift_px": np.array(shift, np.int8),
            "photo_px_per_cm": np.float32(view.photo_px_per_cm),
            "photo_file": row["file"],
            "group": row["group"],
            "person": row["person"],
            "held_out": is_held_out(row["person"]),
        }


def write_pairs(portraits: Path, split: str, out: Path) -> None:
    """Makes the file of pairs of one split's open mouths."""
    rows = [row for row in rows_of(portraits, split) if float(row["mouth_open"]) >= LEAST_OPEN]
    found = []
    for pair in pairs_of(portraits, rows):
        found.append(pair)
        if len(found) % 50 == 0:
            print(f"{len(found)} pairs of {len(rows)} photos", flush=True)
    arrays = {name: np.stack([np.asarray(pair[name]) for pair in found]) for name in found[0]}
    arrays["photo"] = packed(arrays["photo"])
    np.savez_compressed(out, split=np.array(split), **arrays)
    print(f"{len(found)} pairs, {int(arrays['held_out'].sum())} of them held out")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--portraits", type=Path, required=True)
    parser.add_argument("--split", choices=("train", "dev"), default="train")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    write_pairs(options.portraits, options.split, options.out)


if __name__ == "__main__":
    main()
