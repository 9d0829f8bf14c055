"""Weights are checked before they are used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.bundle import Bundle
from engine.errors import BundleError

ROW = {
    "file": "tiny.bin",
    "sha256": "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",  # of "hello"
    "bytes": 5,
    "network": "none",
    "source": "this test",
    "licence": "MIT",
    "training_data": "none",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tiny.bin").write_bytes(b"hello")
    (tmp_path / "manifest.json").write_text(json.dumps([ROW]), encoding="utf-8")
    return tmp_path


def test_the_packaged_weights_are_whole_and_accounted_for() -> None:
    bundle = Bundle.default()
    for row in bundle.rows.values():
        assert bundle.path(row.file).stat().st_size == row.bytes
        assert row.source
        assert row.licence
        assert row.training_data
        assert row.network


def test_the_packaged_weights_stay_under_60_mb() -> None:
    assert sum(row.bytes for row in Bundle.default().rows.values()) < 60e6


def test_no_weight_file_ships_without_a_row() -> None:
    bundle = Bundle.default()
    files = {path.name for path in bundle.folder.iterdir() if path.suffix in (".onnx", ".npz")}
    assert files == set(bundle.rows)


def test_a_whole_file_is_found(folder: Path) -> None:
    assert Bundle.read(folder).path("tiny.bin").read_bytes() == b"hello"


def test_a_changed_file_is_refused(folder: Path) -> None:
    (folder / "tiny.bin").write_bytes(b"hellO")
    with pytest.raises(BundleError, match=r"tiny\.bin is damaged"):
        Bundle.read(folder).path("tiny.bin")


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "tiny.bin").unlink()
    with pytest.raises(BundleError, match=r"tiny\.bin is missing"):
        Bundle.read(folder).path("tiny.bin")


def test_an_unlisted_file_is_refused(folder: Path) -> None:
    with pytest.raises(BundleError, match=r"no 'other\.bin'; they have tiny\.bin"):
        Bundle.read(folder).path("other.bin")


@pytest.mark.parametrize("text", ["{", "[{}]", "3", '[{"file": 1}]'])
def test_a_broken_manifest_is_refused(folder: Path, text: str) -> None:
    (folder / "manifest.json").write_text(text, encoding="utf-8")
    with pytest.raises(BundleError, match="can't be read"):
        Bundle.read(folder)


def test_a_missing_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is missing"):
        Bundle.read(tmp_path)
