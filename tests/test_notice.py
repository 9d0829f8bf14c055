"""Every file of weights and every sample has a row in NOTICE, with the licence that the manifest names."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from engine.samples import SAMPLES, sample_photo

ROOT = Path(__file__).parents[1]
WEIGHTS = ROOT / "engine" / "weights"
MANIFEST = json.loads((WEIGHTS / "manifest.json").read_text())


NOTICE = (ROOT / "NOTICE").read_text().splitlines()


@pytest.mark.parametrize("entry", MANIFEST, ids=lambda entry: entry["file"])
def test_notice_agrees_with_the_manifest(entry: dict) -> None:
    values = (entry[key] for key in ("file", "network", "source", "licence", "training_data"))
    row = f"| {' | '.join(values)} |"
    assert row in NOTICE, f"NOTICE needs this row:\n{row}"


@pytest.mark.parametrize("entry", MANIFEST, ids=lambda entry: entry["file"])
def test_the_manifest_describes_the_files(entry: dict) -> None:
    data = (WEIGHTS / entry["file"]).read_bytes()
    assert len(data) == entry["bytes"]
    assert hashlib.sha256(data).hexdigest() == entry["sha256"]


def test_no_weights_without_a_row_in_the_manifest() -> None:
    shipped = {path.name for path in WEIGHTS.iterdir() if path.suffix in (".onnx", ".npz")}
    assert shipped == {entry["file"] for entry in MANIFEST}


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_are_in_the_notice(name: str) -> None:
    rows = [line for line in NOTICE if line.startswith(f"| {sample_photo(name).name} |")]
    assert len(rows) == 1
    assert "Public domain" in rows[0]
