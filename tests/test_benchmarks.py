"""Benchmarks run, check what they time, and are what the README says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import stages, table
from benchmarks.record import spread
from benchmarks.subject import check_clip, portrait_photo
from engine.media.encode import mp4_bytes

SIDE = 256


def test_the_readme_shows_the_committed_figures() -> None:
    readme = table.README.read_text()
    assert readme == table.with_figures(readme, table.text(table.read())), "run: python -m benchmarks.table"


def test_stages_writes_figures_that_the_table_can_show(tmp_path: Path) -> None:
    path = stages.measure(runs=1, side_px=SIDE, frame_count=40, results=tmp_path)
    record = json.loads(path.read_text())
    assert {"cpu", "cores", "system"} <= set(record["machine"])
    assert {"python", "onnxruntime"} <= set(record["versions"])
    assert record["commit"]
    assert record["settings"]["photo"] == [SIDE, SIDE]
    assert len(record["results"]) == 9
    figures = table.text(table.read(tmp_path))
    for stage in ("read", "detect", "mesh", "segment", "inpaint", "build", "warp", "composite", "encode"):
        assert f"{stage} " in figures


def test_figures_of_whole_clips_get_their_rows() -> None:
    settings = {"photo": [1024, 1024], "faces": 1, "seconds": 4.0, "emotion": "fear"}
    results = {"wall_seconds": spread([9.0, 8.0, 30.0]), "peak_mb": spread([801.2])}
    results["import_and_open_seconds"] = spread([1.8])
    rows = table.end_to_end_rows(settings, results)
    assert rows[0].endswith("1024x1024, 4 s, from the photo to the closed MP4 | 9.0 s |")
    assert rows[1].endswith("| 1.8 s |")
    assert rows[2].endswith("| 801 MB |")
    assert table.memory_rows({}, {"growth_mb": -3.2}) == ["| Peak memory, 10 s instead of 2 s | -3 MB |"]


def test_a_clip_that_is_wrong_is_not_timed() -> None:
    photo = portrait_photo(2 * SIDE)
    still = [photo] * 6
    moving = [photo] * 3 + [255 - photo] * 3
    check_clip(mp4_bytes(moving), photo, 6)
    with pytest.raises(AssertionError, match="6 frames, not 7"):
        check_clip(mp4_bytes(moving), photo, 7)
    with pytest.raises(AssertionError, match="first frame"):
        check_clip(mp4_bytes(moving), 255 - photo, 6)
    with pytest.raises(AssertionError, match="middle"):
        check_clip(mp4_bytes(still), photo, 6)
    with pytest.raises(AssertionError, match="the photo"):
        check_clip(mp4_bytes(moving), np.zeros((32, 32, 3), np.uint8), 6)
