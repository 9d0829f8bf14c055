"""Motions are values: editable, checked, and the same after a file. Captured files of phones are read."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine import Motion, MotionError, OutputError
from engine.mesh import BLENDSHAPES
from engine.motion.live_link import HEADER
from tests.motions import random_motion, same

LOST_IN_CSV = ("release", "shift_cm", "body_cm")
JAW = BLENDSHAPES.index("jawOpen")


def test_a_motion_s_arrays_are_its_own_and_can_be_edited() -> None:
    release = np.zeros(10)
    motion = replace(random_motion(10), release=release)
    motion.release[:] = 1
    motion.gaze_deg[3:, 0] += 2
    assert not release.any()
    assert all(track.dtype == np.float32 for track in motion.tracks().values())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"blendshapes": np.zeros((10, 51))}, r"blendshapes has the shape \(10, 51\)"),
        ({"gaze_deg": np.zeros((9, 4))}, r"gaze_deg has the shape \(9, 4\)"),
        ({"release": np.zeros((10, 1))}, r"release has the shape \(10, 1\)"),
        ({"release": 0.0}, r"release has the shape \(\)"),
        ({"body_cm": np.full((10, 3), np.nan)}, "body_cm has numbers that aren't finite"),
        ({"shift_cm": "none"}, "shift_cm is not an array of numbers"),
        ({"shift_cm": [[0, 0, 0], [0]]}, "shift_cm is not an array of numbers"),
        ({"blendshapes": [[0] * 52, [0]]}, "blendshapes is not an array of numbers"),
        ({"rotation_deg": np.zeros((10, 3), complex)}, "rotation_deg is not an array of numbers"),
        ({"blendshapes": np.full((10, 52), 100.0)}, "blendshapes goes up to 100; keep it within 5"),
        ({"release": np.full(10, -128, np.int8)}, "release goes up to 128"),
        ({"shift_cm": np.full((10, 3), -1e300)}, r"shift_cm goes up to 1e\+300"),
    ],
)
def test_arrays_that_don_t_fit_are_refused(change: dict, sentence: str) -> None:
    with pytest.raises(MotionError, match=sentence):
        replace(random_motion(10), **change)


def test_npz_keeps_everything(tmp_path: Path) -> None:
    motion = random_motion()
    motion.save(tmp_path / "a.npz")
    assert same(Motion.load(tmp_path / "a.npz"), motion)


@pytest.mark.parametrize("frames", [1, 59, 240, 601])
def test_csv_keeps_blendshapes_and_angles(tmp_path: Path, frames: int) -> None:
    motion = random_motion(frames)
    motion.blendshapes[:, BLENDSHAPES.index("_neutral")] = 0
    motion.save(tmp_path / "a.csv")
    loaded = Motion.load(str(tmp_path / "a.csv"))
    for name, track in loaded.tracks().items():
        if name not in LOST_IN_CSV:
            np.testing.assert_allclose(track, motion.tracks()[name], atol=1e-4, err_msg=name)
    assert (loaded.release == 1).all()
    assert not loaded.shift_cm.any()
    assert not loaded.body_cm.any()


def test_csv_is_written_as_the_app_does(tmp_path: Path) -> None:
    random_motion(62).save(tmp_path / "a.csv")
    header, *rows = (tmp_path / "a.csv").read_text().splitlines()
    assert header.startswith("Timecode,BlendShapeCount,EyeBlinkLeft,EyeLookDownLeft,EyeLookInLeft")
    assert header.endswith("TongueOut,HeadYaw,HeadPitch,HeadRoll,LeftEyeYaw,LeftEyePitch,LeftEyeRoll,"
                           "RightEyeYaw,RightEyePitch,RightEyeRoll")  # fmt: skip
    assert [row.split(",")[0] for row in (rows[0], rows[59], rows[60])] == [
        "00:00:00:00.000",
        "00:00:00:59.000",
        "00:00:01:00.000",
    ]
    assert {row.split(",")[1] for row in rows} == {"61"}
    assert {row.count(",") for row in rows} == {62}


def capture(path: Path, columns: dict[str, np.ndarray], timecodes: list[str]) -> Motion:
    """A file of these columns only, read."""
    table = np.stack(list(columns.values()), 1)
    rows = [",".join([code, "61", *(f"{v:.6f}" for v in row)]) for code, row in zip(timecodes, table, strict=True)]
    path.write_text("\n".join([",".join(["Timecode", "BlendShapeCount", *columns]), *rows]) + "\n")
    return Motion.load(path)


@pytest.mark.parametrize(
    ("rate", "counted"), [(30, 30), (30, 60), (60, 60), (24, 24), (25, 25), (10, 10), (15, 15), (90, 90)]
)
def test_any_frame_rate_is_resampled_to_60(tmp_path: Path, rate: int, counted: int) -> None:
    """`rate` rows a second, in a timecode that counts `counted` frames a second; the take begins before midnight."""
    ramp = np.arange(3 * rate) / rate
    codes = []
    for i in range(3 * rate):
        seconds, frame = divmod(i * counted // rate, counted)
        at = (86399 + seconds) % 86400
        codes.append(f"{at // 3600:02}:{at // 60 % 60:02}:{at % 60:02}:{frame:02}.250")
    motion = capture(tmp_path / "a.csv", {"JawOpen": ramp}, codes)
    assert len(motion) == (3 * rate - 1) * 60 // rate + 1
    np.testing.assert_allclose(motion.blendshapes[:, JAW], np.arange(len(motion)) / 60, atol=1e-4)


def test_dropped_and_doubled_frames_are_evened_out(tmp_path: Path) -> None:
    at = [i for i in range(120) if i not in (40, 41, 42)] + [119]
    codes = [f"01:02:{i // 60:02}:{i % 60:02}" for i in at]
    motion = capture(tmp_path / "a.csv", {"JawOpen": np.array(at) / 120}, codes)
    np.testing.assert_allclose(motion.blendshapes[:, JAW], np.arange(120) / 120, atol=1e-4)


def test_columns_that_are_missing_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    capture(tmp_path / "a.csv", {"JawOpen": np.zeros(2), "MouthSmile_L": np.ones(2)}, ["00:00:00:00", "00:00:00:01"])
    (said,) = caplog.messages
    assert "'a.csv'" in said
    assert "mouthsmileleft" in said
    assert "jawopen" not in said


def test_columns_are_found_by_name_and_missing_ones_are_zero(tmp_path: Path) -> None:
    codes = [f"00:00:00:{i:02}.000" for i in range(10)]
    columns = {"HEADPITCH": np.full(10, 0.1), "jawOpen": np.full(10, 0.5), "something": np.ones(10)}
    motion = capture(tmp_path / "a.csv", columns, codes)
    np.testing.assert_allclose(motion.blendshapes.sum(1), 0.5)
    np.testing.assert_allclose(motion.rotation_deg, np.tile([np.degrees(0.1), 0, 0], (10, 1)), rtol=1e-5)


def test_eyes_that_only_blendshapes_turn_turn(tmp_path: Path) -> None:
    """Towards the person's left, the picture's right, and down."""
    codes = [f"00:00:00:{i:02}.000" for i in range(10)]
    shapes = dict.fromkeys(("EyeLookOutLeft", "EyeLookInRight", "EyeLookDownLeft", "EyeLookDownRight"), np.ones(10))
    angles = {"LeftEyeYaw": np.zeros(10)}
    gaze = capture(tmp_path / "a.csv", shapes | angles, codes).gaze_deg
    assert (gaze > 20).all()


def test_angles_of_eyes_mean_what_their_blendshapes_mean(tmp_path: Path) -> None:
    """A row of a real capture, in which both eyes look to the person's left."""
    values = {"EyeLookOutLeft": 0.4572, "EyeLookInRight": 0.5558, "LeftEyeYaw": -0.3395, "RightEyeYaw": -0.2793}
    codes = [f"00:00:00:{i:02}.000" for i in range(10)]
    by_angle = capture(tmp_path / "a.csv", {name: np.full(10, value) for name, value in values.items()}, codes)
    shapes_only = {name: np.full(10, value) for name, value in values.items() if "Yaw" not in name}
    by_shape = capture(tmp_path / "b.csv", shapes_only, codes)
    np.testing.assert_allclose(by_angle.gaze_deg, by_shape.gaze_deg, atol=5)


def test_rows_without_a_face_are_bridged(tmp_path: Path) -> None:
    rows = ["00:00:00:00.000,61,0.2", "00:00:00:01.000,0,", "00:00:00:02.000,0", "00:00:00:03.000,61,0.5"]
    (tmp_path / "a.csv").write_text("\n".join(["Timecode,BlendShapeCount,JawOpen", *rows]))
    np.testing.assert_allclose(Motion.load(tmp_path / "a.csv").blendshapes[:, JAW], [0.2, 0.3, 0.4, 0.5], atol=1e-6)


def npz(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def damaged(content: bytes) -> bytes:
    return content[:200] + bytes(100) + content[300:]


ROW = ",".join(["00:00:00:00.000", "61", *["0"] * 61])


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.csv", b"", "no blendshape columns"),
        ("a.csv", b"time,price\n1,2\n", "no blendshape columns"),
        ("a.csv", b"\xff\xfe\x00\x01", "no comma-separated text"),
        ("a.csv", ",".join(HEADER).encode(), "no rows"),
        ("a.csv", f"{','.join(HEADER)}\n{ROW[:-1]}x\n".encode(), "isn't a number"),
        ("a.csv", f"{','.join(HEADER)}\n{ROW[:19]}nan{ROW[20:]}\n".encode(), "no rows"),
        ("a.csv", f"{','.join(HEADER)}\n{ROW}\n{ROW}\n".encode(), "stand still"),
        ("a.csv", f"{','.join(HEADER)}\n0.5{ROW[15:]}\n".encode(), "timecode"),
        ("a.csv", f"{','.join(HEADER)}\n00:00:00:nan{ROW[15:]}\n".encode(), "timecode"),
        ("a.csv", f"{','.join(HEADER)}\n{ROW}\n09{ROW[2:]}\n".encode(), "over 60 minutes"),
        ("a.npz", b"", "damaged"),
        ("a.npz", b"PK\x03\x04rest", "damaged"),
        ("a.npz", damaged(npz(**random_motion(3).tracks())), "damaged"),
        ("a.npz", npz(release=np.zeros(3)), "no array 'blendshapes'"),
        ("a.npz", npz(fps=np.array(30), **random_motion(3).tracks()), "30 frames a second"),
        ("a.npz", npz(fps=np.array(59.94), **random_motion(3).tracks()), "59.94 frames a second"),
        ("a.npz", npz(fps=np.array(np.inf), **random_motion(3).tracks()), "inf frames a second"),
        ("a.bvh", b"", "ends in .npz or .csv"),
    ],
)
def test_files_without_a_motion_are_refused(tmp_path: Path, name: str, content: bytes, sentence: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MotionError, match=sentence) as caught:
        Motion.load(tmp_path / name)
    assert str(caught.value).endswith(".")


def test_damaged_bytes_give_a_motion_or_a_motion_error(tmp_path: Path) -> None:
    whole, random = np.frombuffer(npz(**random_motion(3).tracks()), np.uint8), np.random.default_rng(4)
    for _ in range(400):
        data = whole.copy()
        data[random.integers(0, len(data), size=4)] = random.integers(0, 256, size=4)
        (tmp_path / "a.npz").write_bytes(data.tobytes())
        try:
            assert len(Motion.load(tmp_path / "a.npz")) == 3
        except MotionError as error:
            assert str(error).endswith(".")


@pytest.mark.parametrize("name", [None, 5, b"a.npz", "a\0b.npz", "a\0b.csv"])
def test_names_that_no_file_can_have(name) -> None:
    with pytest.raises(MotionError) as caught:
        Motion.load(name)
    assert str(caught.value).endswith(".")
    with pytest.raises(OutputError):
        random_motion(3).save(name)


def test_an_edited_motion_is_checked_before_it_is_saved(tmp_path: Path) -> None:
    motion = random_motion(3)
    motion.gaze_deg[1] = np.nan
    with pytest.raises(MotionError, match="gaze_deg has numbers that aren't finite"):
        motion.save(tmp_path / "a.npz")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_isn_t_there_is_named() -> None:
    with pytest.raises(MotionError, match=r"nowhere\.csv"):
        Motion.load("nowhere.csv")


@pytest.mark.parametrize("name", ["a.txt", "no/a.npz", "."])
def test_what_can_t_be_written_leaves_nothing(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError):
        random_motion(3).save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []
