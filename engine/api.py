"""`Engine`: a photo and the name of an emotion in, a clip out."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from engine.backends import open_backend
from engine.bundle import Bundle
from engine.composite import render_frames
from engine.detect import Detector
from engine.errors import FaceIndexError, NoFaceError, OptionError, UnknownEmotionError
from engine.inpaint import Inpainter
from engine.media.read import PhotoSource, read_photo
from engine.media.video import Video
from engine.mesh import MeshFitter
from engine.motion.emotions import EMOTIONS
from engine.motion.own_expression import keep_what_fits
from engine.motion.perform import perform
from engine.motion.track import Motion
from engine.portrait.portrait import FaceAssets
from engine.portrait.scene import Scene, SceneBuilder
from engine.segment import Segmenter
from engine.types import Face, FaceMesh, Image

SECONDS = (2.0, 10.0)
INTENSITY = (0.0, 1.5)
SMALLEST_FACE_PX = 48  # of a face's box: smaller ones have too few pixels to move
SEED_LIMIT = 2**63

log = logging.getLogger("engine")


@dataclass(frozen=True, eq=False)
class FoundFaces:
    """A photo and its faces, numbered from left to right."""

    photo: Image
    faces: tuple[Face, ...]
    meshes: tuple[FaceMesh | None, ...]  # None where a face is too small to be animated


@dataclass(frozen=True, eq=False)
class PortraitSet(FoundFaces):
    """A photo taken apart, ready for any number of clips."""

    scene: Scene


class Engine:
    """Finds the people in a photo and brings them to life.

    backend: "auto" or one of `engine.backends.BACKENDS`. max_side: larger photos are made smaller, with a warning.

    Raises BackendError for an unknown backend, OptionError for a max_side under 64, BundleError if weights are damaged.
    """

    def __init__(self, backend: str = "auto", *, max_side: int = 1920) -> None:
        if max_side < 64:
            raise OptionError(f"max_side is {max_side}; give at least 64 pixels.")
        self._max_side = max_side
        self._backend = open_backend(backend)
        self._bundle = bundle = Bundle.default()
        self._detector = Detector(self._backend, bundle)
        self._fitter = MeshFitter(self._backend, bundle)
        self._warp = self._backend.open(bundle.path("warp.onnx"))
        self._builder: SceneBuilder | None = None

    def find_faces(self, image: PhotoSource) -> FoundFaces:
        """Reads a photo and finds its faces.

        image: a path, bytes, a binary file, an RGB array (H, W, 3) or a PIL image.

        Raises ImageError if it can't be read, NoFaceError if there is no face in it.
        """
        photo = read_photo(image, max_side=self._max_side)
        found = self._detector.detect(photo)
        if not found.faces:
            raise NoFaceError(
                f"No face was found in the photo (the best candidate scored {found.best_candidate_score:.2f} of 1); "
                "use one where faces are larger or more frontal."
            )
        faces = tuple(sorted(found.faces, key=lambda face: face.box.center[0]))
        large = [i for i, face in enumerate(faces) if max(face.box.width, face.box.height) >= SMALLEST_FACE_PX]
        fitted = dict(zip(large, self._fitter.fit_all(photo, [faces[i] for i in large]), strict=True))
        return FoundFaces(photo, faces, tuple(fitted.get(i) for i in range(len(faces))))

    def prepare(self, image: PhotoSource, *, progress: Callable[[int, int], None] | None = None) -> PortraitSet:
        """Does once what every clip of this photo needs; pass the result to `animate` instead of the image.

        progress: is called with (people done, people in all).

        Raises what `find_faces` raises, and NoFaceError if all faces are too small.
        """
        found = self.find_faces(image)
        meshes = {i: mesh for i, mesh in enumerate(found.meshes) if mesh is not None}
        if not meshes:
            largest = max(max(face.box.width, face.box.height) for face in found.faces)
            raise NoFaceError(
                f"The largest face is {largest:.0f} pixels large and at least {SMALLEST_FACE_PX} are needed; "
                "use a larger version of the photo."
            )
        scene = self._scene_builder().build(found.photo, meshes, progress)
        return PortraitSet(found.photo, found.faces, found.meshes, scene)

    def animate(
        self,
        image: PhotoSource | PortraitSet,
        emotion: str | Mapping[int, str],
        *,
        seconds: float = 4.0,
        intensity: float = 1.0,
        seed: int | None = None,
        faces: Literal["all"] | Sequence[int] = "all",
    ) -> Video:
        """A clip of the photo in which its people show an emotion, each in their own way.

        Args:
            image: As for `find_faces`, or what `prepare` returned.
            emotion: One of `engine.EMOTIONS` for everybody, or a name per face, {0: "joy", 2: "anger"}; faces that it
                doesn't name stay alive but neutral. Faces are numbered from left to right.
            seconds: 2 to 10. The clip has round(60 * seconds) frames; the first one is the photo.
            intensity: 0 (the photo, alive) to 1.5; 1 is a clear expression.
            seed: The same seed gives the same clip, byte for byte; without one every call is another performance.
            faces: The numbers of the faces that move; the others stand still.

        Raises UnknownEmotionError, FaceIndexError, OptionError, and what `prepare` raises; all of that before the first
        frame is drawn.
        """
        check_options(emotion, seconds, intensity, seed)
        ready = image if isinstance(image, PortraitSet) else self.prepare(image)
        chosen = chosen_faces(ready, emotion, faces)
        if seed is None:
            seed = secrets.randbits(32)
            log.info("seed %d", seed)
        names = {i: emotion if isinstance(emotion, str) else emotion.get(i, "neutral") for i in chosen}
        portraits = ready.scene.portraits
        motions = {
            i: keep_what_fits(perform(names[i], seconds, intensity, seed, i), portraits[i].shape.own) for i in chosen
        }
        return self._video(ready, motions)

    def _video(self, ready: PortraitSet, motions: Mapping[int, Motion]) -> Video:
        def render() -> Iterator[Image]:
            return render_frames(ready.scene, motions, self._warp)

        height, width = ready.photo.shape[:2]
        return Video(render, len(next(iter(motions.values()))), (width, height))

    def _scene_builder(self) -> SceneBuilder:
        """Opened when first needed: finding faces needs none of it."""
        if self._builder is None:
            bundle = self._bundle
            self._builder = SceneBuilder(
                Segmenter(self._backend, bundle),
                Inpainter(self._backend, bundle),
                FaceAssets.load(bundle),
            )
        return self._builder


def check_options(emotion: str | Mapping[int, str], seconds: float, intensity: float, seed: int | None) -> None:
    """Raises UnknownEmotionError or OptionError for what no photo could make right."""
    for name in [emotion] if isinstance(emotion, str) else emotion.values():
        if name not in EMOTIONS:
            raise UnknownEmotionError(
                f"'{name}' is not an emotion that can be shown; choose one of {', '.join(EMOTIONS)}."
            )
    if not isinstance(emotion, str) and not emotion:
        raise UnknownEmotionError("No face was given an emotion; name at least one, as in {0: 'joy'}.")
    if not SECONDS[0] <= seconds <= SECONDS[1]:
        raise OptionError(f"seconds is {seconds:g}; give a number from {SECONDS[0]:g} to {SECONDS[1]:g}.")
    if not INTENSITY[0] <= intensity <= INTENSITY[1]:
        raise OptionError(f"intensity is {intensity:g}; give a number from {INTENSITY[0]:g} to {INTENSITY[1]:g}.")
    if seed is not None and not 0 <= seed < SEED_LIMIT:
        raise OptionError(f"seed is {seed}; give a whole number from 0 to {SEED_LIMIT - 1}.")


def chosen_faces(
    ready: PortraitSet, emotion: str | Mapping[int, str], faces: Literal["all"] | Sequence[int]
) -> list[int]:
    """The numbers of the faces that move; raises FaceIndexError for one that can't."""
    able = [i for i, mesh in enumerate(ready.meshes) if mesh is not None]
    asked = [] if isinstance(faces, str) else [int(i) for i in faces]
    if isinstance(faces, str) and faces != "all":
        raise FaceIndexError(f"faces is '{faces}'; give 'all' or the numbers of faces, as in [0, 2].")
    if not isinstance(faces, str) and not asked:
        raise FaceIndexError("faces is empty; give 'all' or the numbers of faces, as in [0, 2].")
    for i in [*asked, *([] if isinstance(emotion, str) else emotion)]:
        if not 0 <= i < len(ready.faces):
            raise FaceIndexError(
                f"There is no face {i}; the photo has {len(ready.faces)}, numbered from 0, left to right."
            )
        if i not in able:
            raise FaceIndexError(f"Face {i} is under {SMALLEST_FACE_PX} pixels and can't be animated; leave it out.")
    return asked or able
