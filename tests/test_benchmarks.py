"""Benchmarks run, check what they time, and are what the pages say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import alternatives, compare, networks, stages, table
from benchmarks.child import ClipCost
from benchmarks.end_to_end import figures, line_through
from benchmarks.figure import SIZE, draw_scaling
from benchmarks.kernels import check_alike
from benchmarks.record import spread, write
from benchmarks.subject import FACES, check_clip, group_photo, portrait_photo
from engine.detect import Detector
from engine.media.encode import mp4_bytes
from tests.perception import backend, bundle

SIDE = 256


def clip_cost(seconds: float, again: float | None = None) -> ClipCost:
    return ClipCost(0.4, 0.3, 1.0, 1.8, seconds, 800.0, 1, again)


def end_to_end() -> dict[str, Any]:
    """Results as benchmarks.end_to_end writes them, of a machine that needs a second and two for each of anything."""
    found: dict[str, Any] = {"middle": figures([clip_cost(9.0, 3.0), clip_cost(8.0, 3.4), clip_cost(30.0, 3.2)])}
    for what in ("faces", "seconds", "megapixels"):
        rows = [{what: n} | figures([clip_cost(1.0 + 2 * n)]) | {"faces": n} for n in (1, 2, 4)]
        found[f"by_{what}"] = {"rows": rows, "line": line_through(rows, what)}
    return found


def test_the_pages_show_the_committed_figures() -> None:
    records = table.read()
    for page, shown in ((table.README, table.summary(records)), (table.DETAILS, table.details(records))):
        text = page.read_text()
        assert text == table.with_figures(text, shown), "run: python -m benchmarks.table"


def test_stages_writes_figures_that_the_tables_can_show(tmp_path: Path) -> None:
    path = stages.measure(runs=1, side_px=SIDE, frame_count=120, results=tmp_path)
    record = json.loads(path.read_text())
    assert {"cpu", "cores", "system", "features", "native_library"} <= set(record["machine"])
    assert {"python", "onnxruntime"} <= set(record["versions"])
    assert record["commit"]
    assert record["settings"]["photo"] == [SIDE, SIDE]
    assert all(value["median"] >= 0 for value in record["results"].values())
    shown = table.details(table.read(tmp_path))
    for stage in ("read", "detect", "mesh", "segment", "matte", "inpaint", "fields", "textures"):
        assert f"| Once a photo | {stage} |" in shown
    for stage in ("motion", "inputs", "warp", "mouth", "composite", "convert", "encode"):
        assert f"| Once a frame | {stage} |" in shown


def test_networks_and_alternatives_write_figures_that_the_tables_can_show(tmp_path: Path) -> None:
    networks.measure(runs=1, side_px=SIDE, results=tmp_path, compiled=False)
    alternatives.measure(runs=1, side_px=SIDE, frame_count=120, results=tmp_path)
    shown = table.details(table.read(tmp_path))
    assert "| inpaint.onnx | 1x3x512x512 |" in shown
    assert "| Mien | " in shown


def test_whole_clips_get_their_rows() -> None:
    settings = {"photo": [1024, 1024], "seconds": 4.0, "emotion": "fear", "backend": "auto"}
    rows = table.end_to_end_rows(settings, end_to_end())
    assert rows[0].endswith("1024x1024, 4 s, from the photo to the closed MP4 | 3.2 s |")
    assert rows[1].endswith("| 0.80 |")
    assert rows[2].endswith("| 9.0 s |")
    assert rows[5] == "| 4 faces instead of 1, each of a quarter of the photo | 3.0x |"
    assert table.memory_rows({}, {"growth_mb": -3.2}) == ["| Peak memory, 10 s instead of 2 s | -3 MB |"]
    assert "| faces | 1.00 | 2.00 | 0.00 |" in table.scaling_table(settings, end_to_end())


def test_the_plot_has_a_dot_for_every_clip() -> None:
    picture = draw_scaling(end_to_end())
    assert picture.shape == (SIZE[1], SIZE[0], 3)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 20


def test_two_runs_can_be_compared(tmp_path: Path) -> None:
    before, after = (
        json.loads(write("stages", {"faces": 1}, {"warp": spread([ms]), "by": [{"x": 1}]}, tmp_path).read_text())
        for ms in (10.0, 5.0)
    )
    lines = compare.differences(before, after)
    assert [line.split() for line in lines] == [
        ["warp", "10.000", "5.000", "0.50x"],
        ["by[0].x", "1.000", "1.000", "1.00x"],
    ]
    with pytest.raises(ValueError, match="settings differ"):
        compare.differences(before, after | {"settings": {"faces": 2}})


@pytest.mark.parametrize("faces", FACES)
def test_the_group_has_as_many_faces(faces: int) -> None:
    assert len(Detector(backend(), bundle()).detect(group_photo(faces, 4 * SIDE)).faces) == faces


def test_pictures_that_differ_are_not_timed() -> None:
    image = {"frames": np.full((1, 20, 20, 3), 100, np.uint8)}
    check_alike({"frames": image["frames"] + 1}, image, "another")
    with pytest.raises(AssertionError, match="another draws frames unlike"):
        check_alike({"frames": image["frames"] + 2}, image, "another")


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
