"""Finds faces and five points on each: MTCNN, a cascade of three small networks.

Method: Zhang et al. 2016, "Joint Face Detection and Alignment using Multitask Cascaded Convolutional Networks";
weights and constants of facenet-pytorch (github.com/timesler/facenet-pytorch, MIT). Pyramid, batching and
non-maximum suppression are ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.backends.base import Array, Backend, Runner
from engine.bundle import Bundle
from engine.types import Box, Face, Floats, Image

MIN_FACE_PX = 24  # in the scanned image
MAX_SCAN_SIDE_PX = 2000  # larger photos are scanned at this size; halving the scan would lose faces under 1/40 of it
PYRAMID_FACTOR = 0.709  # area halves from level to level
WINDOW_PX, STRIDE_PX = 12, 2  # of the P-Net
PROPOSAL_SCORE, REFINED_SCORE, FACE_SCORE = 0.6, 0.7, 0.95
BATCH = 256  # crops of one run; bounds memory in crowds


@dataclass(frozen=True)
class Detection:
    """The faces of a photo, largest first, and the best score of anything that came close to being one."""

    faces: tuple[Face, ...]
    best_candidate_score: float  # of the last net, 0 to 1; 0 where nothing reached it


@dataclass(frozen=True)
class _Candidates:
    """Boxes (n, 4) as x0, y0, x1, y1 on pixel edges of the scanned image, and their scores (n,)."""

    boxes: Floats
    scores: Floats

    def take(self, chosen: NDArray[np.intp]) -> _Candidates:
        return _Candidates(self.boxes[chosen], self.scores[chosen])


class Detector:
    """MTCNN on a backend."""

    def __init__(self, backend: Backend, bundle: Bundle) -> None:
        self._propose_net = backend.open(bundle.path("pnet.onnx"))
        self._refine_net = backend.open(bundle.path("rnet.onnx"))
        self._judge_net = backend.open(bundle.path("onet.onnx"))

    def detect(self, photo: Image) -> Detection:
        """Faces in an RGB photo (H, W, 3) uint8; those smaller than 24 px, or 1/83 of a large photo, may be missed."""
        height, width = photo.shape[:2]
        scale = min(1.0, MAX_SCAN_SIDE_PX / max(height, width))
        scanned = photo
        if scale < 1:
            size = (max(round(width * scale), 1), max(round(height * scale), 1))
            scanned = cv2.resize(photo, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        to_photo = np.array([width / scanned.shape[1], height / scanned.shape[0]], np.float32)
        proposals = self._propose(scanned)
        refined = self._refine(scanned, proposals)
        judged, points = self._judge(scanned, refined)
        best = float(judged.scores.max(initial=0))
        chosen = np.flatnonzero(judged.scores >= FACE_SCORE)
        chosen = chosen[_suppress(judged.take(chosen), 0.7, of_smaller=True)]
        faces = [_face(judged.boxes[i], points[i], float(judged.scores[i]), to_photo) for i in chosen]
        faces.sort(key=lambda face: -face.box.width * face.box.height)
        return Detection(tuple(faces), best)

    def scores_turned(self, photo: Image, face: Face) -> Floats:
        """What a found face would score (4,) in the photo as it is, and turned clockwise by one to three quarters."""
        box = np.array([[face.box.x0, face.box.y0, face.box.x1, face.box.y1]], np.float32)
        crop = _crops(photo, _square(box), 48)[0]
        return _run(self._judge_net, np.stack([np.rot90(crop, -quarters) for quarters in range(4)]))["score"]

    def _propose(self, image: Image) -> _Candidates:
        levels = []
        scale = WINDOW_PX / MIN_FACE_PX
        while min(image.shape[:2]) * scale >= WINDOW_PX:
            levels.append(self._propose_at(image, scale))
            scale *= PYRAMID_FACTOR
        if not levels:
            return _Candidates(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))
        merged = _Candidates(
            np.concatenate([level.boxes for level in levels]), np.concatenate([level.scores for level in levels])
        )
        return merged.take(_suppress(merged, 0.7))

    def _propose_at(self, image: Image, scale: float) -> _Candidates:
        height, width = image.shape[:2]
        size = (math.ceil(width * scale), math.ceil(height * scale))
        level = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        outputs = self._propose_net(image=_normalise(level[None]))
        scores = outputs["score"][0]
        rows, columns = np.nonzero(scores >= PROPOSAL_SCORE)
        corners = np.stack([columns, rows], axis=1).astype(np.float32) * STRIDE_PX
        to_image = np.array([width / size[0], height / size[1]], np.float32)
        boxes = np.concatenate([corners * to_image, (corners + WINDOW_PX) * to_image], axis=1)
        found = _Candidates(boxes, scores[rows, columns])
        kept = _suppress(found, 0.5)
        offsets = outputs["offsets"][0][:, rows, columns].T[kept]
        return _Candidates(_shift(boxes[kept], offsets), found.scores[kept])

    def _refine(self, image: Image, proposals: _Candidates) -> _Candidates:
        boxes = _square(proposals.boxes)
        outputs = _run(self._refine_net, _crops(image, boxes, 24))
        found = _Candidates(boxes, outputs["score"])
        passed = np.flatnonzero(found.scores >= REFINED_SCORE)
        passed = passed[_suppress(found.take(passed), 0.7)]
        return _Candidates(_shift(boxes[passed], outputs["offsets"][passed]), found.scores[passed])

    def _judge(self, image: Image, refined: _Candidates) -> tuple[_Candidates, Floats]:
        """Final boxes with scores, and points (n, 5, 2) on pixel edges."""
        boxes = _square(refined.boxes)
        outputs = _run(self._judge_net, _crops(image, boxes, 48))
        sizes = (boxes[:, 2:] - boxes[:, :2])[:, None]
        points = boxes[:, None, :2] + outputs["points"].reshape(-1, 2, 5).transpose(0, 2, 1) * sizes
        return _Candidates(_shift(boxes, outputs["offsets"]), outputs["score"]), points


def _face(box: Floats, points: Floats, score: float, to_photo: Floats) -> Face:
    corners = box.reshape(2, 2) * to_photo
    # Boxes run along pixel edges, points count from pixel centres, which are half a pixel further in.
    five_points = (points * to_photo - 0.5).astype(np.float32)
    return Face(Box(*(float(value) for value in corners.ravel())), five_points, score)


def _normalise(images: Array) -> Floats:
    """(N, H, W, 3) uint8 -> (N, 3, H, W) as the networks were trained."""
    return np.ascontiguousarray(((images.astype(np.float32) - 127.5) / 128).transpose(0, 3, 1, 2))


def _run(network: Runner, crops: NDArray[np.uint8]) -> dict[str, Array]:
    """All outputs over any number of crops, in batches."""
    if not len(crops):
        return {name: np.zeros((0, *_fixed(spec.shape)), spec.dtype) for name, spec in network.outputs.items()}
    parts = [network(image=_normalise(crops[i : i + BATCH])) for i in range(0, len(crops), BATCH)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _fixed(shape: tuple[int | str, ...]) -> tuple[int, ...]:
    return tuple(size for size in shape if isinstance(size, int))


def _crops(image: Image, boxes: Floats, side: int) -> NDArray[np.uint8]:
    """(n, side, side, 3); what lies outside the image is black, as in training."""
    crops = np.zeros((len(boxes), side, side, 3), np.uint8)
    height, width = image.shape[:2]
    for crop, box in zip(crops, np.round(boxes).astype(int), strict=True):
        x0, y0, x1, y1 = box
        inside: NDArray[Any] = image[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)]
        if not inside.size:
            continue
        before_y, before_x = max(-y0, 0), max(-x0, 0)
        after_y, after_x = max(y1 - height, 0), max(x1 - width, 0)
        if before_y or before_x or after_y or after_x:
            inside = cv2.copyMakeBorder(inside, before_y, after_y, before_x, after_x, cv2.BORDER_CONSTANT)
        cv2.resize(inside, (side, side), dst=crop, interpolation=cv2.INTER_AREA)
    return crops


def _shift(boxes: Floats, offsets: Floats) -> Floats:
    """Moves each edge by its offset, in units of the box's sides."""
    sizes = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    moved: Floats = boxes + offsets * sizes
    return moved


def _square(boxes: Floats) -> Floats:
    """The square of the longer side around each box's centre."""
    half = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True) / 2
    centers = (boxes[:, :2] + boxes[:, 2:]) / 2
    return np.concatenate([centers - half, centers + half], axis=1)


def _suppress(found: _Candidates, overlap: float, *, of_smaller: bool = False) -> NDArray[np.intp]:
    """Non-maximum suppression: indices of boxes that no better box overlaps by more than `overlap`, best first.

    Overlap is intersection over union, or over the smaller box with `of_smaller`, which also drops a part of a face
    inside the whole one.
    """
    x0, y0, x1, y1 = found.boxes.T
    areas = np.maximum(x1 - x0, 0) * np.maximum(y1 - y0, 0)
    order = np.argsort(-found.scores, kind="stable")
    kept = []
    while order.size:
        best, others = order[0], order[1:]
        kept.append(best)
        wide = np.maximum(np.minimum(x1[best], x1[others]) - np.maximum(x0[best], x0[others]), 0)
        high = np.maximum(np.minimum(y1[best], y1[others]) - np.maximum(y0[best], y0[others]), 0)
        shared = wide * high
        whole = np.minimum(areas[best], areas[others]) if of_smaller else areas[best] + areas[others] - shared
        order = others[shared <= overlap * whole]
    return np.array(kept, np.intp)
