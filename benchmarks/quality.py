"""How near a drawn expression comes to a photo of it: people of the London set, neutral -> their own smile, and back.

python -m benchmarks.quality --portraits DIR --lpips lpips_alex_v0.1.pt [--people N] [--results FOLDER]

DIR holds square pictures and index.csv (see export/renderer/pairs.py); only rows of the split `dev` are looked at. The
motion is fitted to the real expression's mesh, the real photo is laid over the drawn frame by the points that no
expression moves, and LPIPS (see export/renderer/perceptual.py; needs the extra `torch`) compares face, mouth and eyes.
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from benchmarks.record import RESULTS, existing, write
from engine import Engine, PortraitSet
from engine.backends import open_backend
from engine.backends.base import Arrays, Runner
from engine.bundle import Bundle
from engine.composite import render_frames
from engine.motion.track import Motion
from engine.portrait import topology as top
from engine.portrait.control_points import to_head_frame
from engine.portrait.scene import Scene
from engine.render.mouth import open_mouth
from engine.render.warp import open_warp
from engine.types import FaceMesh, Floats, Image

RIGID = (33, 133, 263, 362, 168, 6, 197, 195)  # corners of the eyes, bridge of the nose
NOSE_TIP = 4
AREAS = {"face": (2.0, 256), "mouth": (0.9, 128), "eyes": (1.4, 128)}  # width in eye distances, pixels compared
FITTING_STEPS = 400
OPEN = 0.05  # of index.csv: the gap between the lips over their width
RIDGE = 0.02  # of the fit: readings of opposite muscles would else cancel each other
Pair = tuple[PortraitSet, PortraitSet]


class Silent:
    """Stands for the mouth network where the warp is measured alone, without shading: it changes nothing."""

    def __call__(self, crop: np.ndarray, style: np.ndarray) -> Arrays:
        return {"mouth": np.zeros((len(style), 4, *crop.shape[2:]), np.float32)}


@dataclass(frozen=True)
class Drawers:
    """What draws, by the name of its row."""

    warp: Runner
    mouths: dict[str, Runner]


def unshaded(scene: Scene) -> Scene:
    """Without folds and what else smiles and furrows darken."""
    portraits = {}
    for number, portrait in scene.portraits.items():
        regions = np.zeros_like(portrait.constants["fold_regions"])
        portraits[number] = replace(portrait, constants={**portrait.constants, "fold_regions": regions})
    return replace(scene, portraits=portraits)


def fitted(start: PortraitSet, goal: PortraitSet) -> Motion:
    """One frame in which the first photo's face shows what the second one's does; the head stays where it is."""
    from export.smile import laid_over as laid_over_cm  # the pose that is read of a smiling face is a little off

    shape = start.scene.portraits[0].shape
    wanted = laid_over_cm(shape.rest_cm, in_head_frame(mesh_of(goal))) - shape.rest_cm
    columns = np.concatenate([shape.basis_cm, shape.release_cm[None]])[..., :2].reshape(len(shape.basis_cm) + 1, -1)
    square = columns @ columns.T + RIDGE * np.eye(len(columns))
    towards, step = columns @ wanted[:, :2].ravel(), 1 / np.linalg.norm(square, 2)
    weights = np.zeros(len(columns))
    for _ in range(FITTING_STEPS):
        weights = np.clip(weights + step * (towards - square @ weights), 0, 1)
    still = np.zeros((1, 3), np.float32)
    shown = weights[None, :-1].astype(np.float32)
    return Motion(shown, weights[-1:].astype(np.float32), still, still, np.zeros((1, 4), np.float32), still)


def in_head_frame(mesh: FaceMesh) -> Floats:
    return np.asarray(to_head_frame(mesh.points_px[: top.FACE_POINTS], mesh.pose), np.float32)


def mesh_of(photo: PortraitSet) -> FaceMesh:
    mesh = photo.meshes[0]
    assert mesh is not None, "the face is too small"
    return mesh


def laid_over(goal: PortraitSet, start: PortraitSet) -> Image:
    """The second photo's face where the first one's is, by a similarity."""
    from_px, to_px = (mesh_of(photo).points_px[list(RIGID), :2] for photo in (goal, start))
    affine, _ = cv2.estimateAffinePartial2D(from_px, to_px, method=cv2.LMEDS)
    height, width = start.photo.shape[:2]
    return np.asarray(cv2.warpAffine(goal.photo, affine, (width, height), flags=cv2.INTER_CUBIC), np.uint8)


def areas(photo: PortraitSet, side_px: int | None = None) -> dict[str, Floats]:
    """Of each area the map (2, 3) that takes the photo to it, as many pixels large as AREAS says or `side_px`."""
    points = mesh_of(photo).points_px[:, :2]
    eyes = points[list(top.EYE_ENDS_RIGHT)].mean(0), points[list(top.EYE_ENDS_LEFT)].mean(0)
    apart = float(np.linalg.norm(eyes[1] - eyes[0]))
    middles = {
        "face": points[NOSE_TIP],
        "mouth": points[list(top.MOUTH_CORNERS)].mean(0),
        "eyes": (eyes[0] + eyes[1]) / 2,
    }
    maps = {}
    for name, (width, usual) in AREAS.items():
        size = side_px or usual
        zoom = size / (width * apart)
        shift = (size - 1) / 2 - zoom * middles[name]
        maps[name] = np.array([[zoom, 0, shift[0]], [0, zoom, shift[1]]], np.float32)
    return maps


def distances(start: PortraitSet, goal: PortraitSet, drawers: Drawers, lpips: Path) -> dict[str, dict[str, float]]:
    """LPIPS between what is drawn and the real photo, by row and area."""
    import torch

    from export.renderer.perceptual import Lpips

    judge, real, motion = Lpips(lpips), laid_over(goal, start), fitted(start, goal)
    pictures = {"the photo, unmoved": start.photo}
    for name, mouth in drawers.mouths.items():
        scene = unshaded(start.scene) if isinstance(mouth, Silent) else start.scene
        pictures[name] = next(iter(render_frames(scene, {0: motion}, drawers.warp, mouth)))
    found: dict[str, dict[str, float]] = {name: {} for name in pictures}
    for area, affine in areas(start).items():
        size = AREAS[area][1], AREAS[area][1]

        def tensor(picture: Image, affine: Floats = affine, size: tuple[int, int] = size) -> torch.Tensor:
            part = cv2.warpAffine(picture, affine, size, flags=cv2.INTER_AREA)
            return torch.from_numpy(part.transpose(2, 0, 1)[None].astype(np.float32)) / 127.5 - 1

        for name, picture in pictures.items():
            with torch.no_grad():
                distance = judge(tensor(picture), tensor(real), torch.ones(1, 1, *size))
            found[name][area] = float(distance[0])
    return found


def pairs(portraits: Path, people: int) -> list[tuple[Path, Path, bool]]:
    """The neutral and the smiling photo of each of the split's people, and whether the smile opens the mouth."""
    with (portraits / "index.csv").open(newline="", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["split"] == "dev" and row["group"] == "london"]
    by_person: dict[str, dict[str, dict[str, str]]] = {}
    for row in rows:
        by_person.setdefault(row["person"], {})[row["expression"]] = row
    found = []
    for both in [both for both in by_person.values() if len(both) > 1][:people]:
        neutral, smile = both["neutral"], both["smile"]
        found.append((portraits / neutral["file"], portraits / smile["file"], float(smile["mouth_open"]) > OPEN))
    return found


def measure(portraits: Path, lpips: Path, people: int, results: Path) -> Path:
    """Prints the table and writes the JSON."""
    engine, backend, bundle = Engine(), open_backend(), Bundle.default()
    mouths: dict[str, Runner] = {"warp alone": Silent(), "ours": open_mouth(backend, bundle)}  # type: ignore[dict-item]
    drawers = Drawers(open_warp(backend, bundle), mouths)
    found: dict[str, list[dict[str, dict[str, float]]]] = {}
    chosen = pairs(portraits, people)
    for neutral_file, smile_file, opens in chosen:
        neutral, smile = engine.prepare(neutral_file), engine.prepare(smile_file)
        kind = "open smile" if opens else "closed smile"
        found.setdefault(f"neutral to {kind}", []).append(distances(neutral, smile, drawers, lpips))
        found.setdefault(f"{kind} to neutral", []).append(distances(smile, neutral, drawers, lpips))
    table: dict[str, object] = {}
    for way, each in found.items():
        mean = {row: {area: float(np.mean([one[row][area] for one in each])) for area in AREAS} for row in each[0]}
        table[way] = {row: {area: round(value, 4) for area, value in values.items()} for row, values in mean.items()}
        print(f"{way}, {len(each)} people: LPIPS of {', '.join(AREAS)}")
        for row, values in mean.items():
            share = [values[area] / mean["warp alone"][area] for area in AREAS]
            print(f"  {row:20s}", *(f"{values[a]:.4f} ({s:.2f})" for a, s in zip(AREAS, share, strict=True)))
    return write("quality", {"people": len(chosen)}, table, results)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--portraits", type=existing, required=True)
    parser.add_argument("--lpips", type=existing, required=True)
    parser.add_argument("--people", type=int, default=1000)
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    measure(options.portraits, options.lpips, options.people, options.results)


if __name__ == "__main__":
    main()
