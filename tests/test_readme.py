"""The README's examples run as they stand there, against an engine that draws nothing."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest

import engine
from engine import Motion, cli
from engine.options import clip_seconds, read_emotion
from tests.motions import random_motion

README = (Path(__file__).parents[1] / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


COMMANDS = [line for block in blocks("") for line in block.splitlines() if line.startswith("mien ")]


@pytest.mark.parametrize("line", COMMANDS)
def test_commands(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    done = []
    monkeypatch.setattr(cli, "_animate", done.append)
    monkeypatch.setattr(cli, "_faces", done.append)
    monkeypatch.setattr(cli, "_motion", done.append)
    monkeypatch.setattr(cli, "bench", lambda *given: done.append(given) or {})
    _, *arguments = shlex.split(line, comments=True)
    assert cli.main(arguments) == 0
    assert done or arguments == ["emotions"]


def test_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved, names = [], {}

    class FakeEngine:
        def prepare(self, image: str) -> str:
            return image

        def animate(self, image, emotion, *, seconds=None, intensity=1.0, seed=None, faces="all", loop=False):
            length = clip_seconds(emotion, seconds)
            read_emotion(emotion, length)
            return SimpleNamespace(save=saved.append)

        def motion(self, emotion, *, seconds=4.0, intensity=1.0, seed=None, loop=False) -> Motion:
            return random_motion(round(60 * seconds))

    monkeypatch.setattr(engine, "Engine", FakeEngine, raising=False)
    monkeypatch.chdir(tmp_path)
    random_motion(1000).save("phone.csv")
    for block in blocks("python"):
        exec(block, names)
    assert saved == ["fear.mp4", "two.mp4", "mixed.mp4", "story.mp4", "loop.mp4", "edited.mp4", "captured.mp4"]
    assert (tmp_path / "fear.csv").exists()
    assert COMMANDS
