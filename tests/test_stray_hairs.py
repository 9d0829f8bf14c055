"""Stray hairs are taken out of what is behind a person; the background's own lines and grain are not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from engine.portrait.stray_hairs import without_stray_hairs
from engine.types import Image

PX_PER_CM = 12.0
SIDE = 300
HIDDEN = cv2.circle(np.zeros((SIDE, SIDE), np.uint8), (150, 150), 60, 1, -1) > 0
RIM = HIDDEN & (cv2.erode(HIDDEN.astype(np.uint8), np.ones((9, 9), np.uint8)) == 0)
GREY = (200, 205, 208)


def wall() -> Image:
    grain = np.random.default_rng(3).normal(0, 1.0, (SIDE, SIDE, 1))
    return np.clip(np.array(GREY) + grain, 0, 255).astype(np.uint8)


def cleaned(behind: Image, filled: Image) -> Image:
    return without_stray_hairs(behind, filled, HIDDEN, HIDDEN, PX_PER_CM)


def test_a_hair_that_leaves_the_head_goes() -> None:
    filled, ring = wall(), ~HIDDEN
    behind = filled.copy()
    cv2.ellipse(behind, (215, 150), (18, 14), 0, 90, 300, (120, 110, 100), 1, cv2.LINE_AA)
    hair = np.abs(behind.astype(int) - filled).max(2) > 12
    assert (hair & ring).sum() > 20
    left = np.abs(cleaned(behind, filled).astype(int) - filled).max(2)
    assert (left[hair & ring] > 12).mean() < 0.15


def test_what_the_filling_left_of_hair_at_the_outline_goes() -> None:
    behind = wall()
    behind[RIM] = (90, 80, 70)
    assert np.abs(cleaned(behind, wall()).astype(int) - wall())[RIM].mean() < 6


@pytest.mark.parametrize("width_px", [12, 30])
def test_a_bar_behind_the_head_stays(width_px: int) -> None:
    """It is too wide for a hair; a few pixels of its edge may go."""
    behind = wall()
    cv2.line(behind, (150, 150), (290, 60), (30, 30, 35), width_px)
    filled = np.where(HIDDEN[..., None], wall(), behind)
    behind = np.where(HIDDEN[..., None] & ~RIM[..., None], filled, behind)
    changed = np.abs(cleaned(behind, filled).astype(int) - behind).max(2)
    assert (changed[~HIDDEN] > 0).mean() < 0.001
    bar = RIM & (behind.max(2) < 60)
    assert np.median(changed[bar]) < 30  # its middle stays, at the outline too


def test_a_busy_background_stays() -> None:
    behind = np.random.default_rng(4).integers(40, 220, (SIDE, SIDE, 3)).astype(np.uint8)
    behind = cv2.GaussianBlur(behind, (0, 0), 1.0)
    np.testing.assert_array_equal(cleaned(behind, behind), behind)


def test_shoulders_have_no_stray_hairs() -> None:
    behind, nowhere = wall(), np.zeros_like(HIDDEN)
    cv2.line(behind, (200, 150), (240, 150), (100, 100, 100), 1)
    np.testing.assert_array_equal(without_stray_hairs(behind, wall(), HIDDEN, nowhere, PX_PER_CM), behind)


def test_a_line_that_does_not_touch_the_head_stays() -> None:
    behind = wall()
    cv2.line(behind, (232, 20), (232, 280), (100, 100, 100), 1)
    np.testing.assert_array_equal(cleaned(behind, behind), behind)
