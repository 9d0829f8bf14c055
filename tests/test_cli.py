"""The command line says what it does, and gives one sentence and exit code 2 when it can't. Its engine is a fake."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from PIL import Image as Pillow

import engine
from engine import cli
from engine.cli import ProgressBar, main
from engine.errors import NoFaceError, UnknownEmotionError
from engine.faces import FoundFaces
from engine.media.video import Video
from engine.native.library import usable_cpus
from engine.types import Box, Face, FaceMesh, HeadPose
from tests.motions import random_motion, same

SIZE = (96, 64)


def one_face(x0: float, width: float) -> Face:
    return Face(Box(x0, 10, x0 + width, 10 + width), np.zeros((5, 2), np.float32), 0.987)


def one_mesh() -> FaceMesh:
    points = np.random.default_rng(0).uniform(10, 50, size=(478, 3)).astype(np.float32)
    pose = HeadPose(np.eye(3, dtype=np.float32), 5.0, np.zeros(3, np.float32))
    return FaceMesh(points, np.zeros(52, np.float32), 0.9, pose)


class FakeEngine:
    """Takes what the real one takes and remembers it."""

    on_gpu = False
    calls: list[dict] = []  # noqa: RUF012, emptied by the fixture

    def __init__(self, backend: str = "auto", *, max_side: int = 1920) -> None:
        self.calls.append({"backend": backend, "max_side": max_side})

    def animate(
        self, image, emotion, *, seconds=None, intensity=1.0, seed=None, faces="all", loop=False, progress=None
    ) -> Video:
        self.calls.append({"image": image, "emotion": emotion, "seconds": seconds, "intensity": intensity})
        self.calls[-1] |= {"seed": seed, "faces": faces, "loop": loop}
        if emotion == "envy":
            raise UnknownEmotionError("There is no emotion 'envy'; use one of joy, fear.")
        if progress is not None:
            progress(1, 1)

        def render() -> Iterator[np.ndarray]:
            for step in range(20):
                if emotion == "interrupted" and step == 10:
                    raise KeyboardInterrupt
                yield np.full((SIZE[1], SIZE[0], 3), 10 * step, np.uint8)

        return Video(render, 20, SIZE, seed=seed or 99)

    def motion(self, emotion, *, seconds=4.0, intensity=1.0, seed=None, loop=False) -> engine.Motion:
        self.calls.append({"emotion": emotion, "seconds": seconds, "intensity": intensity, "seed": seed, "loop": loop})
        return random_motion(round(60 * seconds))

    def find_faces(self, image) -> FoundFaces:
        if image == "wall.jpg":
            raise NoFaceError("No face was found (best candidate: 0.31); use a photo with a face.")
        photo = np.full((120, 160, 3), 90, np.uint8)
        return FoundFaces(photo, (one_face(5, 50), one_face(100, 30)), (one_mesh(), None))


@pytest.fixture(autouse=True)
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    FakeEngine.calls = []
    monkeypatch.setattr(engine, "Engine", FakeEngine, raising=False)
    monkeypatch.setattr(engine, "EMOTIONS", ("joy", "fear"), raising=False)
    return FakeEngine.calls


def test_animate_passes_every_option_on(tmp_path: Path, calls: list[dict], capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "fear.mp4"
    options = "--seconds 3 --intensity 0.5 --seed 7 --faces 0,2 --loop --max-side 640 --backend mock".split()
    assert main(["animate", "photo.jpg", "fear", "-o", str(out), *options]) == 0
    assert calls == [
        {"backend": "mock", "max_side": 640},
        {"image": "photo.jpg", "emotion": "fear", "seconds": 3.0, "intensity": 0.5, "seed": 7, "faces": (0, 2)}
        | {"loop": True},
    ]
    with av.open(str(out)) as container:
        assert container.streams.video[0].frames == 20
    said, progress = capsys.readouterr()
    assert said == f"{out}: 20 frames, 96x64, 60 frames a second, seed 7\n"
    assert "1/1 people" in progress
    assert "20/20 frames" in progress


def test_animate_has_the_defaults_of_the_api(tmp_path: Path, calls: list[dict]) -> None:
    assert main(["animate", "photo.jpg", "joy", "-o", str(tmp_path / "joy.mp4")]) == 0
    assert calls == [
        {"backend": "auto", "max_side": 1920},
        {"image": "photo.jpg", "emotion": "joy", "seconds": None, "intensity": 1.0, "seed": None, "faces": "all"}
        | {"loop": False},
    ]


@pytest.mark.parametrize(
    ("text", "emotion"),
    [
        ("joy", "joy"),
        ("joy:0.6+surprise:0.4", {"joy": 0.6, "surprise": 0.4}),
        ("joy:0.5", {"joy": 0.5}),
        ("0=neutral,1.5=surprise", [(0, "neutral"), (1.5, "surprise")]),
        ("0=joy:0.5,2=joy:0.5+fear:0.5", [(0, {"joy": 0.5}), (2, {"joy": 0.5, "fear": 0.5})]),
    ],
)
def test_mixes_and_timelines_are_read(tmp_path: Path, calls: list[dict], text: str, emotion) -> None:
    assert main(["animate", "photo.jpg", text, "-o", str(tmp_path / "joy.mp4"), "--quiet"]) == 0
    assert main(["motion", text, "-o", str(tmp_path / "joy.npz")]) == 0
    assert [call["emotion"] for call in calls if "emotion" in call] == [emotion, emotion]


@pytest.mark.parametrize("name", ["nod.npz", "NOD.CSV"])
def test_a_motion_s_file_is_animated(tmp_path: Path, calls: list[dict], name: str) -> None:
    random_motion(120).save(tmp_path / name)
    assert main(["animate", "photo.jpg", str(tmp_path / name), "-o", str(tmp_path / "nod.mp4"), "--quiet"]) == 0
    assert same(calls[-1]["emotion"], engine.Motion.load(tmp_path / name))


def test_motion_writes_a_file_and_a_picture(
    tmp_path: Path, calls: list[dict], capsys: pytest.CaptureFixture[str]
) -> None:
    out, plot = tmp_path / "fear.csv", tmp_path / "tracks.png"
    options = "--seconds 3 --intensity 0.5 --seed 7 --loop".split()
    assert main(["motion", "fear", "-o", str(out), "--plot", str(plot), *options]) == 0
    assert calls[-1] == {"emotion": "fear", "seconds": 3.0, "intensity": 0.5, "seed": 7, "loop": True}
    assert len(engine.Motion.load(out)) == 180
    with Pillow.open(plot) as image:
        assert image.width > image.height > 500
    what = "fear, seed 7"
    assert capsys.readouterr().out.splitlines() == [f"{out}: 180 frames, 3 seconds, {what}", f"{plot}: {what}"]


def test_motion_without_a_seed_says_which_it_drew(
    tmp_path: Path, calls: list[dict], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["motion", "fear", "-o", str(tmp_path / "fear.npz")]) == 0
    assert capsys.readouterr().out.endswith(f"240 frames, 4 seconds, fear, seed {calls[-1]['seed']}\n")


def test_motion_cuts_and_draws_a_file(tmp_path: Path, calls: list[dict], capsys: pytest.CaptureFixture[str]) -> None:
    long, cut = tmp_path / "long.npz", tmp_path / "cut.csv"
    random_motion(720).save(long)
    assert main(["motion", str(long), "-o", str(cut), "--plot", str(tmp_path / "cut.png"), "--seconds", "3"]) == 0
    found = engine.Motion.load(cut)
    assert len(found) == 180
    np.testing.assert_allclose(found.rotation_deg, random_motion(720)[:180].rotation_deg, atol=1e-4)
    assert (tmp_path / "cut.png").exists()
    assert not calls
    assert main(["motion", str(long), "-o", str(cut)]) == 2
    assert "say with seconds how many" in capsys.readouterr().err


def test_the_codec_is_the_wanted_one(tmp_path: Path) -> None:
    target = tmp_path / "joy.mp4"
    assert main(["animate", "photo.jpg", "joy", "-o", str(target), "--codec", "hevc", "--quality", "30"]) == 0
    with av.open(str(target)) as clip:
        assert clip.streams.video[0].codec_context.name == "hevc"


def test_an_impossible_encoding_is_refused_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], calls: list[dict]
) -> None:
    target = tmp_path / "joy.mp4"
    for option, value, message in (
        ("--codec", "vp9", "no codec 'vp9'"),
        ("--quality", "60", "quality must be"),
        ("--bitrate", "99999999999999999999", "bitrate must be"),
    ):
        assert main(["animate", "photo.jpg", "joy", "-o", str(target), option, value]) == 2
        assert message in capsys.readouterr().err
    assert not calls and not target.exists()


def test_a_codec_that_needs_a_card_is_refused_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], calls: list[dict]
) -> None:
    assert main(["animate", "photo.jpg", "joy", "-o", str(tmp_path / "joy.mp4"), "--codec", "av1"]) == 2
    assert "'av1' needs an NVIDIA card" in capsys.readouterr().err
    assert not any("image" in call for call in calls)


def test_quiet_says_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["animate", "photo.jpg", "joy", "-o", str(tmp_path / "joy.mp4"), "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["animate", "photo.jpg", "envy", "-o", "{}/envy.mp4"], "There is no emotion 'envy'"),
        (["animate", "photo.jpg", "joy", "-o", "{}/no/joy.mp4"], "There is no folder"),
        (["animate", "photo.jpg", "joy", "-o", "{}/joy.avi"], "must end in .mp4"),
        (["animate", "photo.jpg", "joy", "-o", "{}"], "is a folder"),
        (["animate", "photo.jpg", "joy:much", "-o", "{}/joy.mp4"], "'joy:much' can't be read"),
        (["animate", "photo.jpg", "0=joy,fear", "-o", "{}/joy.mp4"], "'0=joy,fear' can't be read"),
        (["animate", "photo.jpg", "joy:0.6+joy:0.4", "-o", "{}/joy.mp4"], "has joy twice"),
        (["animate", "photo.jpg", "0=joy:1+joy:0", "-o", "{}/joy.mp4"], "has joy twice"),
        (["animate", "photo.jpg", "{}/no.csv", "-o", "{}/joy.mp4"], "There is no motion file"),
        (["motion", "joy"], "Nothing would be written"),
        (["motion", "joy", "-o", "{}/joy.bvh"], "must end in .npz"),
        (["motion", "joy", "--plot", "{}/joy.gif"], "must end in .png"),
        (["faces", "wall.jpg", "-o", "{}/faces.png"], "No face was found"),
        (["faces", "photo.jpg", "-o", "{}/faces.gif"], "must end in .png"),
    ],
)
def test_bad_input_gets_one_sentence_and_exit_code_2(
    tmp_path: Path, arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([argument.format(tmp_path) for argument in arguments]) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert sentence in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ([], "COMMAND"),
        (["animate", "a.jpg", "joy", "-o", "a.mp4", "--faces", "one"], "write 'all' or numbers such as 0,2, not 'one'"),
        (["animate", "a.jpg", "joy", "-o", "a.mp4", "--seconds", "2,5"], "'2,5'"),
        (["animate", "a.jpg", "joy"], "-o"),
        (["dance"], "'dance'"),
    ],
)
def test_bad_syntax_gets_one_sentence_and_exit_code_2(
    arguments: list[str], what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    error = capsys.readouterr().err
    assert what in error
    assert "--help` says what there is." in error
    assert error.count("\n") == 1


def test_the_picture_of_faces_never_replaces_the_photo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo, link = tmp_path / "photo.jpg", tmp_path / "link.jpg"
    photo.write_bytes(b"mine")
    link.symlink_to(photo)
    for target in (photo, link):
        assert main(["faces", str(photo), "-o", str(target)]) == 2
        assert "is the photo itself" in capsys.readouterr().err
    assert photo.read_bytes() == b"mine"


class Unwritable(io.StringIO):
    def write(self, _: str) -> int:
        raise BrokenPipeError

    def fileno(self) -> int:
        raise ValueError


@pytest.mark.parametrize("stream", [None, Unwritable()], ids=["closed", "broken"])
@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_nobody_has_to_listen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stream: io.StringIO | None, name: str
) -> None:
    monkeypatch.setattr(sys, name, stream)
    assert main(["animate", "photo.jpg", "joy", "-o", str(tmp_path / "joy.mp4")]) == 0
    assert main(["emotions"]) == 0
    with av.open(str(tmp_path / "joy.mp4")) as clip:
        assert clip.streams.video[0].frames == 20


def test_interrupted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["animate", "photo.jpg", "interrupted", "-o", str(tmp_path / "a.mp4")]) == 130
    assert "Traceback" not in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_faces_prints_a_table_and_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["faces", "photo.jpg", "-o", str(tmp_path / "faces.png")]) == 0
    header, first, second, path = capsys.readouterr().out.splitlines()
    assert header.split() == ["face", "x", "y", "width", "height", "score", "state"]
    assert first.split()[:6] == ["0", "5", "10", "50", "50", "0.987"]
    assert "can be animated" in first
    assert "under 48 pixels, stays still" in second
    assert path == str(tmp_path / "faces.png")
    with Pillow.open(path) as image:
        drawn = np.asarray(image)
    assert drawn.shape == (120, 160, 3)
    assert (drawn[10, 20] != 90).any(), "the first box's upper edge"
    assert (drawn[25, 115] == 90).all(), "the middle of a face without a mesh"
    assert list(tmp_path.iterdir()) == [tmp_path / "faces.png"]


def test_faces_without_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["faces", "photo.jpg"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_bench(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    class Prepares(FakeEngine):
        def prepare(self, image: Path) -> SimpleNamespace:
            return SimpleNamespace(faces=[one_face(0, 60)])

        def report(self) -> dict[str, str]:
            return {"a.onnx": "here", "b.onnx": "there", "c.onnx": "here"}

    monkeypatch.setattr(engine, "Engine", Prepares)
    assert main(["bench", "--seconds", "2", "--backend", "onnxruntime"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["photo"], found["faces"], found["backend"]) == ("96x64", 1, "onnxruntime")
    assert (found["runs_on"], found["processors"]) == ("here; there", usable_cpus())
    assert all(found[f"{step}_seconds"] >= 0 for step in ("open", "prepare", "save", "again"))
    assert [call.get("seconds") for call in FakeEngine.calls] == [None, 2, 2]


def test_emotions(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["emotions"]) == 0
    assert capsys.readouterr().out == "joy\nfear\n"


def test_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    with (Path(__file__).parents[1] / "pyproject.toml").open("rb") as file:
        assert capsys.readouterr().out == f"mien {tomllib.load(file)['project']['version']}\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_bar_in_a_terminal_stays_on_one_line() -> None:
    terminal = Terminal()
    with ProgressBar("frames", stream=terminal) as bar:
        for done in range(1, 241):
            bar(done, 240)
    assert terminal.getvalue().count("\n") == 1
    assert terminal.getvalue().endswith("\r[##############################] 240/240 frames\n")


def test_the_bar_in_a_file_says_every_tenth() -> None:
    file = io.StringIO()
    with ProgressBar("frames", stream=file) as bar:
        for done in range(1, 241):
            bar(done, 240)
    assert file.getvalue().splitlines() == [f"{24 * tenth}/240 frames" for tenth in range(1, 11)]


ENDLESS = """
import signal
import sys
import av
import numpy as np
import engine
from engine import cli
from engine.media.video import Video

class Endless:
    on_gpu = False
    def __init__(self, *_, **__): ...
    def animate(self, *_, **__):
        def render():
            while True:
                yield np.zeros((64, 64, 3), np.uint8)
        return Video(render, 1000, (64, 64))

for number in cli.ENDING:
    signal.signal(number, signal.SIG_DFL)  # shells have background jobs ignore some
engine.Engine = Endless
engine.__version__, engine.EMOTIONS = "0", ()
sys.argv[1:] = ["animate", "a.jpg", "joy", "-o", sys.argv[1]]
cli.run()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_signals_that_are_ignored_stay_so() -> None:
    before = {number: signal.getsignal(number) for number in cli.ENDING}
    try:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        cli._listen_to_signals()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_real_signal_leaves_nothing(tmp_path: Path, name: str, code: int) -> None:
    command = [sys.executable, "-c", ENDLESS, str(tmp_path / "a.mp4")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "frames" in process.stderr.readline()
        process.send_signal(getattr(signal, name))
        _, error = process.communicate(timeout=30)
    assert process.returncode == code
    assert "Traceback" not in error
    assert list(tmp_path.iterdir()) == []
