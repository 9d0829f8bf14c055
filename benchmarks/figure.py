"""Draws how wall time grows with faces, seconds and pixels: what was measured, and the line through it."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from engine.types import Image

SIZE: Final = (1500, 430)
PANEL, MARGIN, TOP, FOOT = 480, 64, 64, 56  # width of a panel, and what its axes leave free
FINER: Final = 3  # drawn so many times larger, then shrunk, so that edges are smooth
INK, FAINT, PAPER, DOT, FIT = (34, 34, 40), (226, 228, 234), (255, 255, 255), (0, 105, 180), (160, 195, 225)
STEPS: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)  # between two lines of the grid
PANELS: Final = (("faces", "faces"), ("seconds", "seconds of clip"), ("megapixels", "megapixels"))


class Sheet:
    """Lines, dots and text in pixels of the finished picture."""

    def __init__(self) -> None:
        self.picture = Pillow.new("RGB", (FINER * SIZE[0], FINER * SIZE[1]), PAPER)
        self._draw = ImageDraw.Draw(self.picture)

    def line(self, points: list[tuple[float, float]], colour: tuple[int, int, int], width: int = 1) -> None:
        self._draw.line([(FINER * x, FINER * y) for x, y in points], colour, FINER * width)

    def bar(self, x: float, low: float, high: float) -> None:
        """From the fastest to the slowest run."""
        self.line([(x, low), (x, high)], DOT, 2)

    def dot(self, x: float, y: float, radius: float = 5) -> None:
        self._draw.ellipse(
            [FINER * (x - radius), FINER * (y - radius), FINER * (x + radius), FINER * (y + radius)], DOT
        )

    def text(self, x: float, y: float, text: str, height_px: int, anchor: str) -> None:
        self._draw.text((FINER * x, FINER * y), text, INK, ImageFont.load_default(FINER * height_px), anchor)

    def finished(self) -> Image:
        return np.asarray(self.picture.resize(SIZE, Pillow.Resampling.LANCZOS))


def draw_scaling(results: dict[str, Any]) -> Image:
    """Three diagrams of the results of benchmarks.end_to_end, (430, 1500, 3) uint8 RGB."""
    sheet = Sheet()
    slowest = max(row["wall_seconds"]["max"] for what, _ in PANELS for row in results[f"by_{what}"]["rows"])
    for number, (what, title) in enumerate(PANELS):
        draw_panel(sheet, results[f"by_{what}"], what, title, 16 + number * (PANEL + 10), 1.06 * slowest)
    return sheet.finished()


def draw_panel(sheet: Sheet, found: dict[str, Any], what: str, title: str, left: float, most: float) -> None:
    rows, line = found["rows"], found["line"]
    x0, x1, y0, y1 = left + MARGIN, left + PANEL - 12, SIZE[1] - FOOT, TOP
    widest = 1.08 * max(row[what] for row in rows)

    def at(x: float, seconds: float) -> tuple[float, float]:
        return x0 + (x1 - x0) * x / widest, y0 + (y1 - y0) * seconds / most

    for level in grid(most):
        sheet.line([at(0, level), at(widest, level)], INK if level == 0 else FAINT)
        sheet.text(x0 - 8, at(0, level)[1], f"{level:g}", 15, "rm")
    for row in rows:
        sheet.text(at(row[what], 0)[0], y0 + 8, f"{row[what]:.2g}", 15, "ma")
    fixed, each = line["fixed_seconds"], line["seconds_for_each"]
    start = max(0.0, -fixed / each) if each > 0 else 0.0
    sheet.line([at(start, fixed + each * start), at(widest, fixed + each * widest)], FIT, 3)
    for row in rows:
        x, y = at(row[what], row["wall_seconds"]["median"])
        sheet.bar(x, at(0, row["wall_seconds"]["min"])[1], at(0, row["wall_seconds"]["max"])[1])
        sheet.dot(x, y)
    sheet.text((x0 + x1) / 2, SIZE[1] - 10, title, 17, "md")
    sheet.text(x0, 20, f"{fixed:.1f} s + {each:.2f} s for each", 18, "la")
    sheet.text(x0 - 8, TOP - 14, "s", 15, "rm")


def grid(most: float) -> list[float]:
    """Round numbers from 0 on, eight at most."""
    step = next((step for step in STEPS if most / step <= 8), STEPS[-1])
    return [float(level) for level in np.arange(0, most, step)]
