"""Imports flow one way, and `import engine` needs nothing but what is always installed."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ENGINE = Path(__file__).parents[1] / "engine"

# A module imports only from its own stage and from those above it. A name covers the modules below it; the longest
# name that fits decides. A new module fails here until it has its place.
STAGES = (
    (
        "base",
        (
            "engine.checks",
            "engine.errors",
            "engine.media.output",
            "engine.products",
            "engine.samples",
            "engine.sentences",
            "engine.types",
        ),
    ),
    ("backends", ("engine.backends", "engine.bundle", "engine.cuda", "engine.native")),
    ("photo", ("engine.media.read",)),
    (
        "faces",
        ("engine.detect", "engine.faces", "engine.mesh", "engine.mesh_layout", "engine.segment", "engine.inpaint"),
    ),
    ("portrait", ("engine.portrait",)),
    ("motion", ("engine.motion",)),
    ("frames", ("engine.render", "engine.composite")),
    (
        "video",
        (
            "engine.media.draw",
            "engine.media.encode",
            "engine.media.encoding",
            "engine.media.nvenc",
            "engine.media.plot",
            "engine.media.video",
        ),
    ),
    ("api", ("engine.options", "engine.api", "engine")),
    ("command line", ("engine.bench", "engine.cli", "engine.__main__")),
)
ORDER = {name: place for place, (_, names) in enumerate(STAGES) for name in names}
EMPTY_PACKAGES = ("engine.media", "engine.weights")  # importing them imports nothing

NEVER = {"export", "kernels", "benchmarks", "tests", "examples"}
# Only imported when they are chosen, inside of a function.
EXTRAS = {"torch", "openvino", "tensorrt", "tensorrt_rtx", "PyNvVideoCodec", "cuda"}
EXTRAS |= {"onnx", "onnxscript", "tflite", "scipy"}


def module_name(path: Path) -> str:
    parts = path.relative_to(ENGINE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(ENGINE.rglob("*.py"))}


def stage(module: str) -> int | None:
    """The place of a module's stage; None for a package that only holds others."""
    if module in EMPTY_PACKAGES:
        return None
    name = module
    while name not in ORDER:
        name = name.rpartition(".")[0]
        assert name not in ("engine", ""), f"{module} has no place in STAGES"
    return ORDER[name]


def imported(path: Path, top_level_only: bool = False) -> Iterator[str]:
    tree = ast.parse(path.read_text())
    for node in tree.body if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            base = str(node.module)
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                yield whole if whole in MODULES else base


@pytest.mark.parametrize("module", MODULES)
def test_modules_import_only_earlier_stages(module: str) -> None:
    here = stage(module)
    for name in imported(MODULES[module]):
        if name.split(".")[0] != "engine":
            continue
        there = stage(name)
        assert here is None or there is None or there <= here, f"{module} imports {name}, which is of a later stage"
    if module in EMPTY_PACKAGES:
        assert not list(imported(MODULES[module])), f"{module} should import nothing"


@pytest.mark.parametrize("module", MODULES)
def test_the_engine_imports_neither_its_makers_nor_extras(module: str) -> None:
    assert not NEVER & {name.split(".")[0] for name in imported(MODULES[module])}
    assert not EXTRAS & {name.split(".")[0] for name in imported(MODULES[module], top_level_only=True)}


IMPORT_ALL = """
import importlib, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked!r}:
            raise ImportError(name + " is blocked")

sys.meta_path.insert(0, Blocked())
for module in {modules!r}:
    importlib.import_module(module)
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_every_module_imports_without_extras() -> None:
    modules = [name for name in MODULES if name != "engine.__main__"]  # which runs the command line
    program = IMPORT_ALL.format(blocked=NEVER | EXTRAS, modules=modules)
    done = run("-W", "error", "-c", program)
    assert done.returncode == 0, done.stderr


def test_python_m_engine_is_the_command_line() -> None:
    done = run("-m", "engine", "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: mien")
