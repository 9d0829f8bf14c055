"""The people of a photo: their faces from left to right, and a mesh on each that can be animated."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.detect import Detection, Detector
from engine.errors import FaceIndexError, NoFaceError
from engine.mesh import MeshFitter
from engine.types import Face, FaceMesh, Image

SMALLEST_FACE_PX = 48  # of a face's box: smaller ones have too few pixels to move
SEEN = 0.9  # of the surest face's presence; of 1,630 faces in portraits whole ones have more, hidden ones under 0.82
NO_FACE = 0.5  # presence of what isn't one, at most
FINE_PX = 1.0  # scale of detail that faces out of focus don't have, compared with that of four times this
IN_FOCUS = 0.5  # of the fine detail of the photo's sharpest face: three groups have over 0.6, blurred ones less
UPRIGHT_SCORE = 0.99  # nearly all faces that stand upright score more, few others do
ALIKE_IN_SIZE = 0.5  # of the largest face that any way up shows

log = logging.getLogger("engine")


@dataclass(frozen=True, eq=False)
class FoundFaces:
    """A photo and its faces, numbered from left to right.

    A photo that was taken with the camera on its side and doesn't say so has been turned upright.
    """

    photo: Image
    faces: tuple[Face, ...]
    meshes: tuple[FaceMesh | None, ...]  # None where a face can't be animated

    def __repr__(self) -> str:
        height, width, _ = self.photo.shape
        faces = "1 face" if len(self.faces) == 1 else f"{len(self.faces)} faces"
        return f"<{type(self).__name__} of {width}x{height} pixels, {faces}>"

    def obstacle(self, face: int) -> str | None:
        """Why a face can't be animated, as in "is under 48 pixels"; None for one that can.

        Raises FaceIndexError for one that isn't there.
        """
        if not 0 <= face < len(self.faces):
            raise FaceIndexError(
                f"There is no face {face}; the photo has {len(self.faces)}, numbered from 0, left to right."
            )
        if self.meshes[face] is not None:
            return None
        if is_large(self.faces[face]):
            return "is covered, unsharp or cut off"
        return f"is under {SMALLEST_FACE_PX} pixels"


class FaceFinder:
    """Detector and mesh networks."""

    def __init__(self, detector: Detector, fitter: MeshFitter) -> None:
        self._detector, self._fitter = detector, fitter

    def find(self, photo: Image) -> FoundFaces:
        """The faces of an RGB photo (H, W, 3) uint8. Raises NoFaceError if there is none."""
        photo, found = self._upright(photo)
        if not found.faces:
            raise NoFaceError(
                f"No face was found in the photo (the best candidate scored {found.best_candidate_score:.2f} of 1); "
                "use one where faces are larger or more frontal."
            )
        faces = tuple(sorted(found.faces, key=lambda face: face.box.center[0]))
        large = [i for i, face in enumerate(faces) if is_large(face)]
        fitted = dict(zip(large, self._fitter.fit_all(photo, [faces[i] for i in large]), strict=True))
        surest = max((mesh.presence for mesh in fitted.values()), default=0.0)
        seen = {i: mesh for i, mesh in fitted.items() if mesh.presence >= max(NO_FACE, SEEN * surest)}
        fine = {i: fine_detail(photo, mesh) for i, mesh in seen.items()}
        sharp = {i for i in seen if fine[i] >= IN_FOCUS * max(fine.values())}
        return FoundFaces(photo, faces, tuple(seen[i] if i in sharp else None for i in range(len(faces))))

    def _upright(self, photo: Image) -> tuple[Image, Detection]:
        """The photo, turned by quarters so that its largest face stands upright, and what is found in it.

        The detector also takes faces for such that lie on their side or stand on their head, with scores that are
        somewhat lower, and says of a crop which way up looks most like one. Of 402 portraits the sum of both, as
        logarithms of odds, was wrong in none, each alone in three or four.
        """
        found = self._detector.detect(photo)
        sure = found.faces and found.faces[0].score >= UPRIGHT_SCORE
        if sure and not self._detector.scores_turned(photo, found.faces[0]).argmax():
            return photo, found
        turned = [photo, *(np.ascontiguousarray(np.rot90(photo, -quarters)) for quarters in (1, 2, 3))]
        scans = [found, *(self._detector.detect(picture) for picture in turned[1:])]
        largest = max((side_px(scan.faces[0]) for scan in scans if scan.faces), default=0)
        evidence = [
            self._evidence(picture, scan.faces[0])
            if scan.faces and side_px(scan.faces[0]) >= ALIKE_IN_SIZE * largest
            else -np.inf
            for picture, scan in zip(turned, scans, strict=True)
        ]
        quarters = int(np.argmax(evidence))
        if quarters:
            log.warning("The photo isn't upright; it is turned clockwise by %d degrees.", 90 * quarters)
        return turned[quarters], scans[quarters]

    def _evidence(self, photo: Image, face: Face) -> float:
        """That a face is one and stands upright."""
        upright, *others = _log_odds(self._detector.scores_turned(photo, face))
        return float(_log_odds(face.score) + upright - max(others))


def _log_odds(score: ArrayLike) -> NDArray[np.floating]:
    probability = np.clip(score, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(probability / (1 - probability)))


def fine_detail(photo: Image, mesh: FaceMesh) -> float:
    """How much contrast a face's finest detail has, as a share of that of coarser detail."""
    points = mesh.points_px[:, :2]
    (x0, y0), (x1, y1) = (np.clip(corner, 0, None).astype(int) for corner in (points.min(0), np.ceil(points.max(0))))
    grey = photo[y0:y1, x0:x1].mean(2, dtype=np.float32)

    def contrast(scale_px: float) -> float:
        low, high = (cv2.GaussianBlur(grey, (0, 0), sigma) for sigma in (scale_px, 2 * scale_px))
        return float((low - high).std())

    return contrast(FINE_PX) / max(contrast(4 * FINE_PX), 1e-6) if grey.size else 0.0


def side_px(face: Face) -> float:
    """The longer side of a face's box."""
    return max(face.box.width, face.box.height)


def is_large(face: Face) -> bool:
    """Whether a face has enough pixels to be animated."""
    return side_px(face) >= SMALLEST_FACE_PX
