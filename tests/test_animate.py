"""From a photo to a clip, with the real networks: what `animate` promises about frames, seeds, faces and errors."""

from __future__ import annotations

import weakref
from itertools import islice

import numpy as np
import pytest

from engine import FaceIndexError, ImageError, NoFaceError, OptionError, UnknownEmotionError
from engine.mesh import BLENDSHAPES
from engine.samples import SAMPLES, sample_photo
from engine.types import Image
from tests.clips import engine, one, pair, pair_photo, small_photo

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
    assert second[1] == pytest.approx(both[1])  # a face performs alike whatever the others do
    assert 0 < second[0] < both[0]
    alone = moved("surprise", faces=[1])
    assert alone == [0.0, pytest.approx(both[1])]


def test_frames_are_drawn_when_they_are_asked_for_and_forgotten_after() -> None:
    stream = engine().animate(one(), "fear", seconds=10).frames()
    memories = [weakref.ref(frame.base) for frame in islice(stream, 48)]
    alive = {id(memory()) for memory in memories if memory() is not None}
    assert len(alive) <= 1
    stream.close()


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
        ({"seconds": 1.9}, OptionError),
        ({"seconds": 10.1}, OptionError),
        ({"seconds": float("nan")}, OptionError),
        ({"intensity": -0.1}, OptionError),
        ({"intensity": 1.6}, OptionError),
        ({"seed": -1}, OptionError),
        ({"seed": 2**63}, OptionError),
    ],
)
def test_errors_come_from_animate_itself(options: dict, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        engine().animate(one(), **{"emotion": "joy", "seed": 1} | options)
    assert str(caught.value).endswith(".")


def test_options_are_looked_at_before_the_photo() -> None:
    with pytest.raises(OptionError):
        engine().animate("nowhere.jpg", "joy", seconds=99)
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
