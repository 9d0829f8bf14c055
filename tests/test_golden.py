"""The picture doesn't change unless someone means it to: `python -m tests.golden.regenerate` draws it anew."""

from __future__ import annotations

import numpy as np
import PIL.Image

from tests.golden.regenerate import FOLDER, MOMENTS, draw

# Other processors and other versions of the runtime add numbers up in another order. That moves the mesh by some
# hundredths of a pixel and the matte by a few thousandths: at hard edges a few steps of 255, nowhere more.
MEAN_TOLERANCE, EDGE_TOLERANCE, EDGE_SHARE = 0.5, 8, 0.005


def test_the_picture_is_as_it_was() -> None:
    seen = {}
    for name, crop in draw():
        golden = np.asarray(PIL.Image.open(FOLDER / f"{name}.png"))
        difference = np.abs(crop.astype(int) - golden)
        seen[name] = (float(difference.mean()), float((difference > EDGE_TOLERANCE).mean()))
    different = {name: how for name, how in seen.items() if how[0] > MEAN_TOLERANCE or how[1] > EDGE_SHARE}
    assert not different, f"(mean difference, share of edges): {different}"


def test_the_folder_holds_what_the_script_draws() -> None:
    files = sorted(FOLDER.glob("*.png"))
    assert [file.stem for file in files] == sorted(f"{name}_{moment:03d}" for name, moment in MOMENTS.items())
    assert sum(file.stat().st_size for file in files) < 300_000
