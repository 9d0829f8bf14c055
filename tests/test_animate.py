"""From a photo to a clip, with the real networks: what `animate` promises about frames, seeds, faces and errors."""

from __future__ import annotations

import os
import subprocess
import sys
import weakref
from itertools import islice

import numpy as np
import pytest

from engine import (
    Engine,
    FaceIndexError,
    ImageError,
    Motion,
    MotionError,
    NoFaceError,
    OptionError,
    UnknownEmotionError,
)
from engine.mesh import BLENDSHAPES
from engine.samples import SAMPLES, sample_photo
from engine.types import Image
from tests.clips import engine, one, pair, pair_photo, small_photo
from tests.motions import random_motion, same

SECONDS = 2.0
SMILE = [BLENDSHAPES.index(name) for name in ("mouthSmileLeft", "mouthSmileRight")]


def frames(emotion: str | dict[int, str], *, count: int, **options) -> list[Image]:
    """The first frames of a clip of the photo with one face."""
    return list(islice(engine().animate(one(), emotion, seconds=SECONDS, **options).frames(), count))


def changed(frame: Image, photo: Image) -> np.ndarray:
    return (frame != photo).any(axis=2)


@pytest.mark.parametrize("name", SAMPLES)
def test_the_first_frame_of_a_sample_is_the_sample(name: str) -> None:
    portrait_set = engine().prepare(sample_photo(name))
    video = engine().animate(portrait_set, "joy", seconds=2, seed=3)
    assert video.size == (portrait_set.photo.shape[1], portrait_set.photo.shape[0])
    first, second = islice(video.frames(), 2)
    np.testing.assert_array_equal(first, portrait_set.photo)
    assert np.abs(second.astype(int) - first).mean() < 1  # the motion starts from rest


def test_a_clip_moves_the_person_and_nothing_else() -> None:
    video = engine().animate(one(), "surprise", seconds=SECONDS, seed=4)
    photo, portrait = one().photo, one().scene.portraits[0]
    reached = np.zeros(photo.shape[:2], bool)
    reached[portrait.crop.slices] = True
    drawn = list(video.frames())
    assert len(drawn) == len(video) == 120
    for frame in drawn:
        assert frame.shape == photo.shape
        assert frame.dtype == np.uint8
        np.testing.assert_array_equal(frame[~reached], photo[~reached])
    assert (~reached).mean() > 0.4
    at_apex = changed(drawn[60], photo)
    assert at_apex[portrait.crop.slices].mean() > 0.2


def test_no_seam_shows_where_the_crop_ends() -> None:
    """What moves must have come to rest at those of the crop's sides that aren't the photo's own."""
    crop, photo = one().scene.portraits[0].crop, one().photo
    border = changed(frames("fear", count=70, seed=1)[-1], photo)[crop.slices]
    assert crop.x0 > 0
    assert not border[:, 0].any()
    assert crop.x0 + crop.width == photo.shape[1] or not border[:, -1].any()
    assert crop.y0 == 0 or not border[0].any()
    assert crop.y0 + crop.height == photo.shape[0] or not border[-1].any()


def test_same_seed_same_bytes_and_another_seed_another_clip() -> None:
    def clip(seed: int) -> bytes:
        return engine().animate(one(), "joy", seconds=SECONDS, seed=seed).to_bytes()

    first = clip(7)
    assert clip(7) == first
    assert clip(8) != first


CLIP_HASH = """
import hashlib, os, sys
if sys.argv[1] == "one" and hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from tests.clips import engine, pair
clip = engine().animate(pair(), "joy", seconds=2, seed=7).frames()
print(hashlib.sha256(b"".join(next(clip).tobytes() for _ in range(30))).hexdigest())
"""


def test_neither_processors_nor_threads_change_a_pixel() -> None:
    """Threads of BLAS, not of the networks: these are as many as there are processors."""
    hashes = set()
    for processors, threads in (("one", "1"), ("all", "2"), ("all", "3")):
        environment = os.environ | {"OPENBLAS_NUM_THREADS": threads}
        command = [sys.executable, "-c", CLIP_HASH, processors]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        hashes.add(done.stdout)
    assert len(hashes) == 1


def test_without_a_seed_every_call_is_another_performance() -> None:
    a, b = (frames("joy", count=60)[-1] for _ in range(2))
    assert (a != b).any()


def test_a_video_draws_the_same_frames_each_time() -> None:
    video = engine().animate(one(), "anger", seconds=SECONDS)
    for a, b in zip(islice(video.frames(), 12), islice(video.frames(), 12), strict=True):
        np.testing.assert_array_equal(a, b)


def test_intensity_0_keeps_the_photo_s_expression() -> None:
    """The head moves a little and eyes blink; the mouth keeps its smile, which "sadness" would take away."""
    kept, lost = (frames("sadness", count=66, seed=5, intensity=intensity)[-1] for intensity in (0.0, 1.0))
    readings = [engine().find_faces(image).meshes[0].blendshapes for image in (small_photo(), kept, lost)]
    smiles = [float(reading[SMILE].mean()) for reading in readings]
    assert smiles[0] > 0.5
    assert smiles[1] > smiles[0] - 0.15
    assert smiles[2] < smiles[0] - 0.3


def test_emotions_reach_the_faces_that_they_are_for() -> None:
    """Faces that the mapping doesn't name are alive but neutral; those left out of `faces` don't move at all."""
    photo = pair_photo()
    assert len(pair().scene.portraits) == 2
    faces = [pair().meshes[i].points_px[:468, :2] for i in (0, 1)]

    def moved(emotion: str | dict[int, str], **options) -> list[float]:
        """How much of each face's oval has changed at the apex, mean difference."""
        video = engine().animate(pair(), emotion, seconds=SECONDS, seed=2, **options)
        frame = next(islice(video.frames(), 66, None))
        parts = []
        for points in faces:
            (x0, y0), (x1, y1) = points.min(0).astype(int), points.max(0).astype(int)
            parts.append(float(np.abs(frame[y0:y1, x0:x1].astype(int) - photo[y0:y1, x0:x1]).mean()))
        return parts

    both = moved("surprise")
    second = moved({1: "surprise"})
    assert 0 < second[0] < both[0]
    alone = moved("surprise", faces=[1])
    assert alone == [0.0, pytest.approx(second[1], rel=1e-4)]  # batches of another size may round otherwise


def head_turn(degrees: float) -> Motion:
    """Two seconds in which the head turns to a yaw and stays there; all else rests."""
    motion = engine().motion("neutral", seconds=2, seed=1, intensity=0)
    for track in motion.tracks().values():
        track[:] = 0
    motion.rotation_deg[:, 1] = np.clip(np.arange(120) / 30, 0, 1) * degrees
    return motion


def test_a_motion_is_played_as_it_is() -> None:
    """The head turns as the motion says; seed and intensity have no say."""
    motion = head_turn(8.0)
    video = engine().animate(one(), motion, intensity=0.3)
    assert len(video) == 120
    first, turned = next(video.frames()), next(islice(video.frames(), 60, None))
    np.testing.assert_array_equal(first, one().photo)
    other = next(islice(engine().animate(one(), {0: motion}, seconds=2, seed=5).frames(), 60, None))
    np.testing.assert_array_equal(turned, other)
    yaws = [engine().find_faces(image).meshes[0].pose.rotation[2, 0] for image in (first, turned)]
    assert np.degrees(yaws[1] - yaws[0]) > 3


def test_a_clip_keeps_its_motion_when_that_is_edited_later() -> None:
    motion = head_turn(8.0)
    video = engine().animate(one(), motion)
    before = next(islice(video.frames(), 40, None))
    motion.rotation_deg[:] = 0
    np.testing.assert_array_equal(next(islice(video.frames(), 40, None)), before)


def test_a_motion_that_starts_elsewhere_starts_from_the_photo() -> None:
    np.testing.assert_array_equal(next(engine().animate(one(), random_motion(120)).frames()), one().photo)


def test_faces_may_have_motions_and_emotions() -> None:
    video = engine().animate(pair(), {0: head_turn(8.0), 1: {"joy": 0.5}}, seed=2)
    other = engine().animate(pair(), {0: head_turn(0.0), 1: {"joy": 0.5}}, seed=2)
    a, b = (next(islice(clip.frames(), 8, None)) for clip in (video, other))
    width = small_photo().shape[1]
    assert changed(a[:, : width // 2], b[:, : width // 2]).any()
    assert not changed(a[:, -width // 2 :], b[:, -width // 2 :]).any()


def test_a_looped_clip_s_last_frame_leads_to_the_first() -> None:
    for emotion in ("surprise", engine().motion("surprise", seconds=2, seed=3)):
        *_, last = engine().animate(one(), emotion, seconds=2, seed=3, loop=True).frames()
        assert np.abs(last.astype(int) - one().photo).max() <= 2


def test_a_motion_has_the_options_of_a_clip() -> None:
    motion = engine().motion("fear", seconds=3, seed=3)
    assert len(motion) == 180
    assert motion.seconds == 3
    assert same(motion, engine().motion("fear", seconds=3, seed=3))
    assert not same(motion, engine().motion("fear", seconds=3, seed=4))
    assert engine().motion("fear", seconds=3, seed=3, intensity=0.5).blendshapes.max() < motion.blendshapes.max()
    assert np.abs(engine().motion("fear", seconds=3, seed=3, loop=True).rotation_deg[-1]).max() < 0.01
    with pytest.raises(OptionError, match=r"seconds must be .* not 11"):
        engine().motion("fear", seconds=11)


def test_frames_are_drawn_when_they_are_asked_for_and_forgotten_after() -> None:
    stream = engine().animate(one(), "fear", seconds=10).frames()
    memories = [weakref.ref(frame.base) for frame in islice(stream, 48)]
    alive = {id(memory()) for memory in memories if memory() is not None}
    assert len(alive) <= 1
    stream.close()


def not_finite() -> Motion:
    motion = random_motion(120)
    motion.gaze_deg[7, 0] = np.inf
    return motion


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"emotion": "envy"}, UnknownEmotionError),
        ({"emotion": {}}, UnknownEmotionError),
        ({"emotion": {0: "envy"}}, UnknownEmotionError),
        ({"emotion": {1: "joy"}}, FaceIndexError),
        ({"faces": [1]}, FaceIndexError),
        ({"faces": [-1]}, FaceIndexError),
        ({"faces": []}, FaceIndexError),
        ({"faces": "some"}, FaceIndexError),
        ({"faces": 0}, FaceIndexError),
        ({"faces": None}, FaceIndexError),
        ({"faces": [0.7]}, FaceIndexError),
        ({"faces": ["0"]}, FaceIndexError),
        ({"faces": b"\0"}, FaceIndexError),
        ({"seconds": 1.9}, OptionError),
        ({"seconds": 10.1}, OptionError),
        ({"seconds": float("nan")}, OptionError),
        ({"seconds": "3"}, OptionError),
        ({"seconds": 10**400}, OptionError),
        ({"seconds": 10**5000}, OptionError),
        ({"seconds": np.timedelta64(4, "s")}, OptionError),
        ({"seed": np.timedelta64(4, "s")}, OptionError),
        ({"emotion": {0: "joy", True: "fear"}}, OptionError),
        ({"emotion": {-1: "joy"}}, OptionError),
        ({"seconds": np.array([3.0])}, OptionError),
        ({"emotion": random_motion(120), "seconds": float("inf")}, OptionError),
        ({"emotion": random_motion(120), "seconds": "2"}, OptionError),
        ({"intensity": -0.1}, OptionError),
        ({"intensity": 1.6}, OptionError),
        ({"intensity": "1"}, OptionError),
        ({"intensity": None}, OptionError),
        ({"seed": -1}, OptionError),
        ({"seed": 2**63}, OptionError),
        ({"seed": 1.0}, OptionError),
        ({"seed": True}, OptionError),
        ({"loop": "no"}, OptionError),
        ({"emotion": {0: "joy", "fear": 0.5}}, OptionError),
        ({"emotion": [(0, "joy"), (4, "fear")]}, OptionError),
        ({"emotion": random_motion(119)}, OptionError),
        ({"emotion": random_motion(601)}, OptionError),
        ({"emotion": random_motion(120), "seconds": 3}, OptionError),
        ({"emotion": {0: random_motion(120), 1: random_motion(180)}}, OptionError),
        ({"emotion": {1: random_motion(120)}}, FaceIndexError),
        ({"emotion": not_finite()}, MotionError),
    ],
)
def test_errors_come_from_animate_itself(options: dict, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        engine().animate(one(), **{"emotion": "joy", "seed": 1} | options)
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message
    assert len(message) < 300


def test_numpy_s_numbers_are_numbers() -> None:
    options = {"seconds": np.float32(2), "intensity": np.float64(1), "seed": np.int64(7), "faces": [np.int32(0)]}
    found = engine().animate(one(), "joy", **options, loop=np.bool_(False))
    assert len(found) == 120
    assert found.seed == 7


def test_an_emotion_for_a_face_that_stays_still_is_refused() -> None:
    with pytest.raises(FaceIndexError, match="Face 0 was given an emotion, but faces leaves it out"):
        engine().animate(pair(), {0: "joy"}, faces=[1], seed=1)
    assert len(engine().animate(pair(), {0: "joy"}, faces=[0, 1], seconds=2, seed=1)) == 120


def test_a_clip_knows_the_seed_that_makes_it_again() -> None:
    drawn = engine().animate(one(), "joy", seconds=2)
    again = engine().animate(one(), "joy", seconds=2, seed=drawn.seed)
    for first, second in zip(islice(drawn.frames(), 30), islice(again.frames(), 30), strict=True):
        np.testing.assert_array_equal(first, second)


def test_a_photo_s_faces_are_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    found = engine().find_faces(small_photo())
    expected = next(islice(engine().animate(one(), "joy", seconds=2, seed=3).frames(), 40, None))

    def never(*_: object) -> None:
        raise AssertionError("looked for again")

    monkeypatch.setattr(type(engine()), "find_faces", never)
    people = engine().prepare(found)
    assert engine().prepare(people) is people
    for image in (found, people):
        drawn = next(islice(engine().animate(image, "joy", seconds=2, seed=3).frames(), 40, None))
        np.testing.assert_array_equal(drawn, expected)


def test_taking_a_photo_apart_is_reported() -> None:
    said: list[tuple[int, int]] = []
    engine().animate(pair_photo(), "joy", seconds=2, progress=lambda *done: said.append(done))
    assert said == [(1, 2), (2, 2)]


@pytest.mark.parametrize("max_side", ["1920", None, 63, 8193, 1920.0, float("nan"), True])
def test_an_engine_refuses_a_size_that_no_photo_could_have(max_side) -> None:
    with pytest.raises(OptionError, match="max_side must be"):
        Engine(max_side=max_side)


def test_options_are_looked_at_before_the_photo() -> None:
    for option in ({"seconds": 99}, {"seed": 1.5}, {"intensity": "1"}, {"emotion": {True: "joy"}}):
        with pytest.raises(OptionError):
            engine().animate("nowhere.jpg", **{"emotion": "joy"} | option)
    with pytest.raises(FaceIndexError):
        engine().animate("nowhere.jpg", "joy", faces=[0.5])
    with pytest.raises(MotionError):
        engine().animate("nowhere.jpg", {0: not_finite()})
    with pytest.raises(ImageError, match="nowhere"):
        engine().animate("nowhere.jpg", "joy")


def test_a_photo_without_faces_is_refused_with_the_best_candidate_s_score() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    with pytest.raises(NoFaceError, match=r"scored 0\.\d\d of 1"):
        engine().animate(noise, "joy")


def test_faces_that_are_too_small_are_refused_with_their_size() -> None:
    far = np.full((300, 300, 3), 128, np.uint8)
    far[:160, :160] = np.asarray(small_photo()[::2, ::2])
    with pytest.raises(NoFaceError, match="at least 48"):
        engine().prepare(far)
