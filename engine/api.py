"""`Engine`: a photo and the name of an emotion in, a clip out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from threading import Lock
from zlib import crc32

from engine.backends import ON_A_GPU, open_backend
from engine.backends.base import DeviceRunner
from engine.backends.onnx_runtime import OnnxRuntimeBackend
from engine.bundle import Bundle
from engine.checks import number
from engine.composite import render_frames
from engine.cuda.layered_warp import CudaWarp
from engine.detect import Detector
from engine.errors import NoFaceError
from engine.faces import SMALLEST_FACE_PX, FaceFinder, FoundFaces, is_large, side_px
from engine.inpaint import Inpainter
from engine.media.read import PhotoSource, checked_max_side, read_photo
from engine.media.video import Video
from engine.mesh import MeshFitter
from engine.motion.ends import looped, starting_at_photo
from engine.motion.generator import NOTHING_SHOWN, MotionGenerator, Shown
from engine.motion.own_pose import pose_degrees
from engine.motion.script import Script, Wanted
from engine.motion.track import Motion
from engine.native import NativeWarp
from engine.options import (
    DEFAULT_SECONDS,
    INTENSITY,
    Faces,
    Part,
    PerFace,
    asked_faces,
    check_loop,
    chosen_faces,
    clip_seconds,
    drawn_seed,
    read_emotion,
)
from engine.portrait.portrait import FaceAssets
from engine.portrait.scene import Scene, SceneBuilder
from engine.render.mouth import mouth_file, open_mouth
from engine.render.on_gpu import copied_to_host, render_on_gpu
from engine.render.sharing import threads_each
from engine.render.warp import open_warp
from engine.segment import Segmenter

OPENED_AT_ONCE = 2  # networks; opening one keeps one core busy
NEUTRAL = Script(((0.0, {}),))

log = logging.getLogger("engine")


@dataclass(frozen=True, eq=False, repr=False)
class PortraitSet(FoundFaces):
    """A photo taken apart, ready for any number of clips."""

    scene: Scene


class Engine:
    """Finds the people in a photo and brings them to life.

    backend: "auto" or one of `engine.backends.BACKENDS`. max_side: larger photos are made smaller, with a warning.

    Raises BackendError for an unknown backend, OptionError for a max_side that isn't from 64 to 8192, BundleError if
    weights are damaged.
    """

    def __init__(self, backend: str = "auto", *, max_side: int = 1920) -> None:
        self._max_side = checked_max_side(max_side)
        self._backend = open_backend(backend)
        # Thousands of tiny nodes that run once a clip: not worth the second that compiling them takes, or on a GPU the
        # minute.
        compiled = self._backend.name in (*ON_A_GPU, "openvino")
        self._motion_backend = OnnxRuntimeBackend() if compiled else self._backend
        alone = self._backend.name == "onnxruntime"
        drawing_backend = OnnxRuntimeBackend(threads_each()) if alone else self._backend
        self._bundle = bundle = Bundle.default()
        with ThreadPoolExecutor(OPENED_AT_ONCE) as opening:
            motion = opening.submit(self._motion_backend.open, bundle.path("motion.onnx"))  # takes longest
            fitter = opening.submit(MeshFitter, self._backend, bundle)
            mouth = opening.submit(open_mouth, drawing_backend, bundle)
            detector = opening.submit(Detector, self._backend, bundle)
            warp = opening.submit(open_warp, self._backend, bundle)
        self._finder = FaceFinder(detector.result(), fitter.result())
        self._warp, self._mouth = warp.result(), mouth.result()
        self._generator = MotionGenerator(motion.result())
        self._builder: SceneBuilder | None = None
        self._building = Lock()

    @property
    def on_gpu(self) -> bool:
        """Whether a graphics card runs the networks, and encodes clips where it can."""
        return self._backend.name in ON_A_GPU

    def report(self) -> dict[str, str]:
        """Which network runs where, by the name of its file: "tensorrt on NVIDIA H100, float16"."""
        mouths = {"mouth.onnx", "mouth_int8.onnx"} - {mouth_file(self._backend)}
        networks = sorted(name for name in self._bundle.rows.keys() - mouths if name.endswith(".onnx"))
        where = dict.fromkeys(networks, f"{self._backend.name} on {self._backend.device}")
        where["motion.onnx"] = f"{self._motion_backend.name} on {self._motion_backend.device}"
        if isinstance(self._warp, NativeWarp):
            where["warp.onnx"] = "native code on the CPU"
        if isinstance(self._warp, CudaWarp):
            where["warp.onnx"] = f"CUDA kernels on {self._backend.device.partition(',')[0]}"
        return where

    def find_faces(self, image: PhotoSource) -> FoundFaces:
        """Reads a photo and finds its faces.

        image: a path, bytes, a binary file, an RGB array (H, W, 3) or a PIL image. Where people lie on their side or
        stand on their head the photo is turned by quarters, with a warning.

        Raises ImageError if it can't be read, NoFaceError if there is no face in it.
        """
        return self._finder.find(read_photo(image, max_side=self._max_side))

    def prepare(
        self, image: PhotoSource | FoundFaces, *, progress: Callable[[int, int], None] | None = None
    ) -> PortraitSet:
        """Does once what every clip of this photo needs; pass the result to `animate` instead of the image.

        image: as for `find_faces`, or what that returned. progress: is called with (people done, people in all).

        Raises what `find_faces` raises, and NoFaceError if no face can be animated.
        """
        if isinstance(image, PortraitSet):
            return image
        with ThreadPoolExecutor(1) as beside:
            builder = beside.submit(self._scene_builder)
            found = image if isinstance(image, FoundFaces) else self.find_faces(image)
        meshes = {i: mesh for i, mesh in enumerate(found.meshes) if mesh is not None}
        if not meshes:
            raise NoFaceError(_why_none(found))
        scene = builder.result().build(found.photo, meshes, progress)
        return PortraitSet(found.photo, found.faces, found.meshes, scene)

    def animate(
        self,
        image: PhotoSource | FoundFaces,
        emotion: Part | PerFace,
        *,
        seconds: float | None = None,
        intensity: float = 1.0,
        seed: int | None = None,
        faces: Faces = "all",
        loop: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> Video:
        """A clip of the photo in which its people show an emotion, each in their own way.

        Args:
            image: As for `find_faces`, or what that or `prepare` returned.
            emotion: For everybody, or per face, {0: "joy", 2: "anger"}: one of `engine.EMOTIONS`; a mix by weights of
                at most 1 in all, {"joy": 0.6, "surprise": 0.4}; a timeline, [(0, "neutral"), (1.5, "surprise")]; or a
                `Motion`, played as it is. Faces that aren't named stay alive but neutral; they are numbered from left
                to right.
            seconds: 2 to 10 (default: 4, or the motion's own length); of a longer `Motion` its beginning is played. The
                clip has round(60 * seconds) frames; the first one is the photo.
            intensity: 0 (the photo, alive) to 1.5; 1 is a clear expression. A `Motion` is played as it is.
            seed: The same seed gives the same clip of a photo, byte for byte, with the same installation on the same
                kind of processor, however many there are; without one every call is another performance. `Video.seed`
                is the one that was drawn.
            faces: The numbers of the faces that move; the others stand still.
            loop: The clip ends where it began, so that it can be repeated without a jump.
            progress: Is called as by `prepare`, with (people done, people in all). Frames are drawn later: `Video.save`
                has one of its own.

        Raises UnknownEmotionError, FaceIndexError, OptionError, MotionError, and what `prepare` raises; all of that
        before the first frame is drawn.
        """
        seconds = clip_seconds(emotion, seconds)
        wanted = read_emotion(emotion, seconds)
        intensity = number("intensity", intensity, *INTENSITY)
        check_loop(loop)
        asked_faces(faces)
        seed = drawn_seed(seed)
        log.info("seed %d", seed)
        ready = self.prepare(image, progress=progress)
        chosen = chosen_faces(ready, wanted if isinstance(wanted, dict) else (), faces)
        parts = {i: wanted.get(i, NEUTRAL) if isinstance(wanted, dict) else wanted for i in chosen}
        motions = self._generator.generate(
            {i: part for i, part in parts.items() if isinstance(part, Script)},
            {i: shown_by(ready, i) for i in chosen},
            seconds=seconds,
            intensity=intensity,
            seed=seed,
            photo=crc32(ready.photo.tobytes()),
        )
        motions |= {i: starting_at_photo(part) for i, part in parts.items() if isinstance(part, Motion)}
        return self._video(ready, {i: looped(motion) for i, motion in motions.items()} if loop else motions, seed)

    def motion(
        self,
        emotion: Wanted,
        *,
        seconds: float = DEFAULT_SECONDS,
        intensity: float = 1.0,
        seed: int | None = None,
        loop: bool = False,
    ) -> Motion:
        """What a face does that shows no expression in its photo and looks straight ahead.

        Its arrays can be edited; `animate` takes it instead of an emotion, and plays it as it is. The arguments are
        those of `animate`; a photo's people perform in ways of their own, so none does the same by the same seed.

        Raises UnknownEmotionError or OptionError.
        """
        seconds = clip_seconds(emotion, seconds)
        intensity = number("intensity", intensity, *INTENSITY)
        check_loop(loop)
        seed = drawn_seed(seed)
        log.info("seed %d", seed)
        motion = self._generator.generate(
            {0: Script.parse(emotion, seconds)},
            {0: NOTHING_SHOWN},
            seconds=seconds,
            intensity=intensity,
            seed=seed,
        )[0]
        return looped(motion) if loop else motion

    def _video(self, ready: PortraitSet, motions: Mapping[int, Motion], seed: int) -> Video:
        height, width = ready.photo.shape[:2]
        count, size = len(next(iter(motions.values()))), (width, height)
        warp, mouth, gpu = self._warp, self._mouth, self.on_gpu
        if not isinstance(warp, CudaWarp):
            return Video(lambda: render_frames(ready.scene, motions, warp, mouth), count, size, gpu, seed=seed)
        assert isinstance(mouth, DeviceRunner), "every backend for GPUs opens such"
        on_gpu = partial(render_on_gpu, ready.scene, motions, warp, mouth)
        return Video(lambda: copied_to_host(on_gpu(), (height, width), warp.kernels), count, size, gpu, on_gpu, seed)

    def _scene_builder(self) -> SceneBuilder:
        """Opened when first needed: finding faces needs none of it."""
        with self._building:
            if self._builder is None:
                bundle = self._bundle
                self._builder = SceneBuilder(
                    Segmenter(self._backend, bundle),
                    Inpainter(self._backend, bundle),
                    FaceAssets.load(bundle),
                    self._backend,
                )
            return self._builder


def shown_by(ready: PortraitSet, face: int) -> Shown:
    """What the motion generator wants to know of one face."""
    mesh = ready.meshes[face]
    assert mesh is not None, "faces without a mesh are never chosen"
    return Shown(mesh.blendshapes, ready.scene.portraits[face].shape.own, pose_degrees(mesh.pose))


def _why_none(found: FoundFaces) -> str:
    """What to say where no face can be animated."""
    if any(is_large(face) for face in found.faces):
        return "The faces in the photo are covered, unsharp or cut off; use a photo that shows one whole."
    largest = max(side_px(face) for face in found.faces)
    return (
        f"The largest face is {largest:.0f} pixels large and at least {SMALLEST_FACE_PX} are needed; "
        "use a larger version of the photo."
    )
