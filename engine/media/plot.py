"""Draws a motion's tracks over time: brows, eyes, cheeks and nose, mouth, head and gaze."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from engine.mesh_layout import BLENDSHAPES
from engine.motion.track import FPS, Motion
from engine.types import Floats, Image

Colour = tuple[int, int, int]

SIZE: Final = (1600, 1080)
MARGIN, HEAD_HEIGHT, FOOT_HEIGHT = 36, 72, 24
PANEL_PADDING = (44, 62, 8, 52)  # left, top, right, bottom of the curves
FINER: Final = 3  # drawn so many times larger, then shrunk, so that edges are smooth
INK, FAINT, PAPER = (34, 34, 40), (226, 228, 234), (255, 255, 255)
COLOURS: Final[tuple[Colour, ...]] = (
    (0, 105, 180),
    (214, 88, 0),
    (0, 146, 104),
    (190, 80, 150),
    (214, 160, 0),
)
RIGHT_SIDE_PALER = 0.55
MOVES: Final = 0.02  # a blendshape that stays below this isn't drawn
MOST_SHAPES: Final = 5  # in one panel: those that move most
MUSCLES: Final = (
    ("Brows", ("brow",)),
    ("Eyes and lids", ("eye",)),
    ("Cheeks and nose", ("cheek", "nose")),
    ("Mouth and jaw", ("mouth", "jaw")),
)
STEPS: Final = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)  # between two lines of the grid


@dataclass(frozen=True)
class Curve:
    """One line; `name` is None for the second of a pair, which is paler and not in the legend."""

    name: str | None
    values: Floats  # (T,)
    colour: Colour


@dataclass(frozen=True)
class Panel:
    title: str
    unit: str
    curves: tuple[Curve, ...]
    least_range: tuple[float, float]


def draw_motion(motion: Motion, title: str) -> Image:
    """A sheet of six diagrams over the time in seconds, (1080, 1600, 3) uint8 RGB.

    Of the blendshapes those are drawn that move most, a muscle's right side in a paler colour than its left one.
    """
    sheet = Pillow.new("RGB", (FINER * SIZE[0], FINER * SIZE[1]), PAPER)
    draw = ImageDraw.Draw(sheet)
    _text(draw, (MARGIN, MARGIN - 6), title, 26)
    _text(draw, (SIZE[0] - MARGIN, MARGIN + 2), "pale: the person's right side", 15, anchor="ra")
    panels = _panels(motion)
    width = (SIZE[0] - 3 * MARGIN) // 2
    height = (SIZE[1] - MARGIN - HEAD_HEIGHT - FOOT_HEIGHT) // (len(panels) // 2)
    for number, panel in enumerate(panels):
        column, row = number % 2, number // 2
        origin = MARGIN + column * (width + MARGIN), HEAD_HEIGHT + row * height + 20
        _draw_panel(draw, panel, motion.seconds, origin, (width, height))
    _text(draw, (SIZE[0] / 2, SIZE[1] - 16), "seconds", 15, anchor="md")
    return np.asarray(sheet.resize(SIZE, Pillow.Resampling.LANCZOS))


def _panels(motion: Motion) -> list[Panel]:
    strongest = float(motion.blendshapes.max())
    lowest = float(motion.blendshapes.min())
    faces = [
        Panel(title, "weight", _shape_curves(motion, prefixes), (min(0.0, lowest), max(1.0, strongest)))
        for title, prefixes in MUSCLES
    ]
    head = [
        Curve(name, motion.rotation_deg[:, i], COLOURS[i])
        for i, name in enumerate(("pitch (down)", "yaw (picture's right)", "roll (clockwise)"))
    ]
    gaze = []
    for i, name in enumerate(("sideways (picture's right)", "down")):
        gaze.append(Curve(None, motion.gaze_deg[:, i], _paler(COLOURS[i])))
        gaze.append(Curve(name, motion.gaze_deg[:, 2 + i], COLOURS[i]))
    return [
        *faces,
        Panel("Head", "degrees", tuple(head), (-5.0, 5.0)),
        Panel("Gaze", "degrees", tuple(gaze), (-5.0, 5.0)),
    ]


def _shape_curves(motion: Motion, prefixes: tuple[str, ...]) -> tuple[Curve, ...]:
    """Curves of the blendshapes that move most, both sides of a muscle in one colour."""
    muscles: dict[str, list[Floats]] = {}
    for i, name in enumerate(BLENDSHAPES):
        if name.startswith(prefixes):
            muscles.setdefault(name.removesuffix("Left").removesuffix("Right"), []).append(motion.blendshapes[:, i])
    size = {name: max(float(np.abs(track).max()) for track in tracks) for name, tracks in muscles.items()}
    moving = sorted((name for name in muscles if size[name] > MOVES), key=lambda name: -size[name])[:MOST_SHAPES]
    curves = []
    for name, colour in zip(moving, COLOURS, strict=False):
        left, *right = muscles[name]
        curves += [Curve(None, track, _paler(colour)) for track in right] + [Curve(name, left, colour)]
    return tuple(curves)


def _paler(colour: Colour) -> Colour:
    red, green, blue = (round(tone + RIGHT_SIDE_PALER * (255 - tone)) for tone in colour)
    return red, green, blue


def _draw_panel(
    draw: ImageDraw.ImageDraw, panel: Panel, seconds: float, origin: tuple[int, int], size: tuple[int, int]
) -> None:
    left, top, right, bottom = PANEL_PADDING
    x0, y0 = origin[0] + left, origin[1] + top
    x1, y1 = origin[0] + size[0] - right, origin[1] + size[1] - bottom
    values = [panel.least_range, *((float(c.values.min()), float(c.values.max())) for c in panel.curves)]
    low, high = min(a for a, _ in values), max(b for _, b in values)
    high += 0.04 * (high - low)

    def at(second: Floats, value: Floats) -> list[tuple[float, float]]:
        x = x0 + (x1 - x0) * np.asarray(second) / seconds
        y = y1 - (y1 - y0) * (np.asarray(value) - low) / (high - low)
        return list(zip((FINER * x).tolist(), (FINER * y).tolist(), strict=True))

    for second in _grid(0, seconds, 11):
        line = at(np.array([second, second]), np.array([low, high]))
        draw.line(line, fill=FAINT, width=FINER)
        _text(draw, (line[0][0] / FINER, y1 + 8), f"{second:g}", 14, anchor="ma")
    for level in _grid(low, high, 5):
        line = at(np.array([0, seconds]), np.array([level, level]))
        draw.line(line, fill=INK if level == 0 else FAINT, width=FINER)
        _text(draw, (x0 - 8, line[0][1] / FINER), f"{level:g}", 14, anchor="rm")
    for curve in panel.curves:
        draw.line(
            at(np.arange(len(curve.values)) / FPS, curve.values), fill=curve.colour, width=2 * FINER, joint="curve"
        )
    _draw_heading(draw, panel, (x0, origin[1]))


def _draw_heading(draw: ImageDraw.ImageDraw, panel: Panel, origin: tuple[float, float]) -> None:
    """Title and unit, and below them the legend."""
    x, y = origin
    _text(draw, (x, y), panel.title, 20)
    _text(draw, (x + _width(panel.title, 20) + 10, y + 5), panel.unit, 15)
    named = [curve for curve in panel.curves if curve.name is not None]
    if not named:
        _text(draw, (x, y + 34), "at rest", 15)
    for curve in named:
        name = str(curve.name)
        draw.line([(FINER * x, FINER * (y + 43)), (FINER * (x + 16), FINER * (y + 43))], curve.colour, 3 * FINER)
        _text(draw, (x + 22, y + 34), name, 15)
        x += 22 + _width(name, 15) + 18


def _grid(low: float, high: float, most: int) -> list[float]:
    """Round numbers between two, at most so many."""
    step = next((step for step in STEPS if (high - low) / step <= most), STEPS[-1])
    return [float(level) + 0.0 for level in np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step]


def _text(draw: ImageDraw.ImageDraw, at: tuple[float, float], text: str, height_px: int, anchor: str = "la") -> None:
    draw.text((FINER * at[0], FINER * at[1]), text, INK, ImageFont.load_default(FINER * height_px), anchor)


def _width(text: str, height_px: int) -> float:
    font = ImageFont.load_default(FINER * height_px)
    return float(font.getbbox(text)[2]) / FINER
