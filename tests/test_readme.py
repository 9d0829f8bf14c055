"""The README's examples run as they stand there, against an engine that draws nothing."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest

import engine
from engine import cli

README = (Path(__file__).parents[1] / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


COMMANDS = [line for block in blocks("") for line in block.splitlines() if line.startswith("mien ")]


@pytest.mark.parametrize("line", COMMANDS)
def test_commands(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    done = []
    monkeypatch.setattr(cli, "_animate", done.append)
    monkeypatch.setattr(cli, "_faces", done.append)
    _, *arguments = shlex.split(line, comments=True)
    assert cli.main(arguments) == 0
    assert done or arguments == ["emotions"]


def test_python(monkeypatch: pytest.MonkeyPatch) -> None:
    saved = []

    class FakeEngine:
        def prepare(self, image: str) -> str:
            return image

        def animate(self, image, emotion, *, seconds=4.0, intensity=1.0, seed=None, faces="all") -> SimpleNamespace:
            assert isinstance(emotion, (str, dict))
            return SimpleNamespace(save=saved.append)

    monkeypatch.setattr(engine, "Engine", FakeEngine, raising=False)
    for block in blocks("python"):
        exec(block, {})
    assert saved == ["fear.mp4", "two.mp4"]
    assert COMMANDS
