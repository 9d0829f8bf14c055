"""The sheet of tracks shows what moves and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine.media.plot import SIZE, draw_motion
from tests.motions import perform, random_motion


def coloured(picture: np.ndarray) -> int:
    """Pixels of curves and legends; paper, ink and grid are grey."""
    return int((np.ptp(picture.astype(int), axis=2) > 40).sum())


def test_the_sheet_has_its_size_and_is_drawn_alike_each_time() -> None:
    motion = perform("fear", 4.0, 1.0, 3, 0)
    sheet = draw_motion(motion, "fear")
    assert sheet.shape == (SIZE[1], SIZE[0], 3)
    assert sheet.dtype == np.uint8
    np.testing.assert_array_equal(draw_motion(motion, "fear"), sheet)


def test_a_blendshape_that_moves_is_drawn() -> None:
    motion = perform("neutral", 2.0, 0.0, 3, 0)
    still = replace(motion, blendshapes=np.zeros_like(motion.blendshapes))
    moving = np.zeros_like(motion.blendshapes)
    moving[:, 25] = np.linspace(0, 1, len(motion))
    assert coloured(draw_motion(replace(motion, blendshapes=moving), "")) > coloured(draw_motion(still, "")) + 1000


def test_anything_can_be_drawn() -> None:
    for motion in (random_motion(120), random_motion(2), random_motion(600)[10:400]):
        assert coloured(draw_motion(motion, "a long title, " * 5)) > 1000
