"""Lets the mouth network redraw the inside of mouths, which the warp has drawn from geometry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.backends import ON_A_CPU, Backend, Runner
from engine.bundle import Bundle
from engine.portrait.mouth_frame import HEIGHT, WIDTH, MouthFrame
from engine.portrait.patches import Rectangle
from engine.types import Floats

Bytes = NDArray[np.uint8]
Affine = NDArray[np.float64]  # (2, 3), a map of the plane
STYLE_SIZE = 8
STYLE_SPREAD = 0.5  # people differ by 1
MARGIN_PX = 8  # what the network sees around the inside, at least
STEP_PX = 8  # the sides of its windows are multiples of it: it halves them three times
EDGE_PX = 5  # over which what the network draws of teeth and gums goes over into the drawn dark and tongue
LOWER_TEETH = 0.15  # of the result on them: smiles hardly show them, so it has learnt to paint them over
TONES = (0.1, 1.2)  # of teeth: photos may be dark
USUAL_TONES = (0.6, 1.2)  # within them drawn teeth go half of the way to the photo's light, beyond all of it
FADE_PX = 6.0  # at the picture's border, beyond which the drawn mouth stays
INSIDE_CHANNEL = 3


@dataclass(frozen=True)
class Place:
    """Where one frame's mouth is."""

    to_patch: Affine  # pixels of the window -> of the patch
    window: Rectangle  # what the network gets to see, in the picture
    down: NDArray[np.float64]  # (2,) how far the jaw has moved, in the picture's pixels

    @classmethod
    def of(cls, mouth: MouthFrame, affine: Floats, box: Rectangle, shown: Rectangle) -> Place | None:
        """None where what shows in the patch at `box` isn't in its picture; affine (4, 2, 3), as in `paint`."""
        lower, skull = affine[1].astype(np.float64), affine[2].astype(np.float64)
        to_patch = moved(mouth, skull, box)
        window = window_around(inverse(to_patch), shown)
        if window is None:
            return None
        to_patch[:, 2] += to_patch[:, :2] @ [window.x0, window.y0]
        down = np.linalg.solve(mouth.to_patch[:, :2], skull[:, 2] - lower[:, 2])
        return cls(to_patch, window, down)


@dataclass(frozen=True)
class View:
    """One frame's mouth in the network's picture."""

    frame: int
    place: Place
    shown: Rectangle  # where the inside shows, in the patch
    crop: Floats  # (h, w, 8), of the window: colours -1 to 1; how much inside shows; four shares, as in `parts_of`
    share: Floats  # (h, w) of the result that counts


def mouth_file(backend: Backend) -> str:
    """Its weights: 8-bit integers for a CPU, in half the time and 46 dB from those in floating point."""
    return "mouth_int8.onnx" if backend.name in ON_A_CPU else "mouth.onnx"


def open_mouth(backend: Backend, bundle: Bundle) -> Runner:
    return backend.open(bundle.path(mouth_file(backend)))


class MouthPainter:
    """The network with one portrait's mouth."""

    def __init__(self, network: Runner, mouth: MouthFrame, face: int) -> None:
        self._network, self._mouth = network, mouth
        self._style, self._share = style_of(face, mouth), share_of(mouth)

    def paint(self, frames: Bytes, inside: Bytes, affine: Floats, box: Rectangle) -> None:
        """Redraws in frames (T, h, w, 3), the mouth's patches, what `inside` (T, h, w, 4) says is drawn and not skin.

        affine (T, 4, 2, 3) is `mouth_affine` of the warp graph, box the patch's place in the crop. Where no inside
        shows every pixel stays what it is.
        """
        views = [view for t in range(len(frames)) if (view := self._view(t, frames[t], inside[t], affine[t], box))]
        for window in dict.fromkeys(view.place.window for view in views):
            together = [view for view in views if view.place.window == window]
            for view, drawn in zip(together, self._draw(together), strict=True):
                lay_over(frames[view.frame], inside[view.frame], drawn, view)

    def _view(self, frame: int, patch: Bytes, inside: Bytes, affine: Floats, box: Rectangle) -> View | None:
        """None where no inside shows in the network's picture."""
        share = np.asarray(cv2.extractChannel(inside, INSIDE_CHANNEL), np.uint8)
        shown = Rectangle(*cv2.boundingRect(share))
        if not shown.width:
            return None
        place = Place.of(self._mouth, affine, box, shown)
        if place is None:
            return None
        picture, share = (self._read(part, place.to_patch, place.window) for part in (patch, share))
        if not share.any():
            return None
        parts = parts_of(self._mouth, place.down, place.window) * (share > 0)[..., None]
        colours = picture.astype(np.float32) / 127.5 - 1
        crop = np.concatenate([colours, share[..., None].astype(np.float32) / 255, parts], 2)
        return View(frame, place, shown, crop, self._share[place.window.slices] * trust(parts))

    def _read(self, patch: Bytes, to_patch: Affine, window: Rectangle) -> Bytes:
        """The patch in the network's window; photos of higher resolution are made smaller first, or they'd alias."""
        k = int(self._mouth.patch_px)
        if k > 1:
            corners = corners_of(window.width, window.height) @ to_patch[:, :2].T + to_patch[:, 2]
            x0, y0 = np.maximum(np.floor(corners.min(0)).astype(int) // k * k, 0)
            x1, y1 = np.ceil(corners.max(0)).astype(int) + k
            patch = patch[y0:y1, x0:x1]
            patch = patch[: max(1, len(patch) // k) * k, : max(1, patch.shape[1] // k) * k]
            size = max(1, patch.shape[1] // k), max(1, len(patch) // k)
            patch = np.asarray(cv2.resize(patch, size, interpolation=cv2.INTER_AREA), np.uint8)
            shift = (to_patch[:, 2] - [x0, y0]) / k + (1 / k - 1) / 2
            to_patch = np.column_stack([to_patch[:, :2] / k, shift])
        return read(patch, to_patch, window.width, window.height).astype(np.uint8, copy=False)

    def _draw(self, views: Sequence[View]) -> Floats:
        """Colour and alpha of the network's window (n, h, w, 4), 0-255 and 0-1."""
        crops = np.stack([view.crop for view in views]).transpose(0, 3, 1, 2)
        style = np.repeat(self._style[None], len(views), 0)
        found = self._network(crop=np.ascontiguousarray(crops), style=style)["mouth"].transpose(0, 2, 3, 1)
        alpha = found[..., 3:] * np.stack([view.share for view in views])[..., None]
        colours = (found[..., :3] + 1) * 127.5
        tones = np.stack([tone_of_teeth(view.crop, drawn) for view, drawn in zip(views, colours, strict=True)])
        colours *= tones if self._mouth.own.any() else tones / np.sqrt(np.clip(tones, *USUAL_TONES))
        return np.concatenate([self._mouth.toning.applied(colours), alpha], 3).astype(np.float32)


def trust(parts: Floats) -> Floats:
    """How much of what the network draws counts, by what is there, as in `parts_of` (h, w, 4) -> (h, w).

    Nothing does in the dark and on the tongue, of which it has seen few: it laid a mist over them.
    """
    teeth, gums, lower_teeth, _ = cv2.split(parts)
    near = cv2.blur(teeth + gums + lower_teeth, (EDGE_PX, EDGE_PX))
    return np.asarray(np.minimum(near, 1) * (1 - (1 - LOWER_TEETH) * lower_teeth), np.float32)


def tone_of_teeth(crop: Floats, drawn: Floats) -> Floats:
    """What makes teeth that the network drew (h, w, 3) of the colour of those that it saw (1, 1, 3)."""
    teeth = (crop[..., 4] + crop[..., 6]) * crop[..., INSIDE_CHANNEL]
    seen, made = (np.einsum("yx,yxc->c", teeth, picture) for picture in (crop[..., :3], drawn))
    ratio = (127.5 * (seen + teeth.sum()) + 1) / (made + 1)
    return np.asarray(np.clip(ratio, *TONES)[None, None], np.float32)


def style_of(face: int, mouth: MouthFrame) -> Floats:
    """What sets apart the teeth (8,) of the photo's faces; the usual ones beside teeth that the photo shows."""
    spread = 0 if mouth.own.any() else STYLE_SPREAD
    return (spread * np.random.default_rng(face).standard_normal(STYLE_SIZE)).astype(np.float32)


def share_of(mouth: MouthFrame) -> Floats:
    """How much of the network's result counts in its picture (96, 160).

    Beside teeth that the photo shows its gums don't: they would take the tone of these teeth.
    """
    near = np.minimum(*np.broadcast_arrays(to_border(WIDTH)[None], to_border(HEIGHT)[:, None]))
    painted = 1 - mouth.upper[..., 1] if mouth.own.any() else 1
    return np.asarray(np.clip(near / FADE_PX, 0, 1) * (1 - mouth.own) * painted, np.float32)


def read(picture: cv2.typing.MatLike, affine: Affine, width: int, height: int) -> NDArray[np.integer | np.floating]:
    """The picture at where affine (2, 3) takes the pixels of one of this size; beyond its border, the border."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(picture, affine, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)


def to_border(size: int) -> Floats:
    """Of each pixel along an axis, (size,)."""
    at = np.arange(size, dtype=np.float32)
    return np.minimum(at, at[::-1])


def moved(mouth: MouthFrame, skull: Affine, box: Rectangle) -> Affine:
    """Pixels of the network's picture -> of the patch at `box`, the skull having moved; it takes the crop's pixels to
    those of the patch at rest."""
    return after(inverse(skull), mouth.to_patch.astype(np.float64)) - [[0, 0, box.x0], [0, 0, box.y0]]


def inverse(affine: Affine) -> Affine:
    turn = np.linalg.inv(affine[:, :2])
    return np.concatenate([turn, -turn @ affine[:, 2:]], 1)


def after(second: Affine, first: Affine) -> Affine:
    """The map that takes the first one's result through the second."""
    shift = second[:, :2] @ first[:, 2:] + second[:, 2:]
    return np.concatenate([second[:, :2] @ first[:, :2], shift], 1)


def parts_of(mouth: MouthFrame, down: NDArray[np.float64], window: Rectangle) -> Floats:
    """Shares of upper teeth, upper gums, lower teeth, and lower gums and tongue (h, w, 4), the jaw having moved."""
    upper = mouth.upper[window.slices]
    from_rest = np.array([[1, 0, window.x0 - down[0]], [0, 1, window.y0 - down[1]]])
    lower = read(mouth.lower, from_rest, window.width, window.height)
    return np.concatenate([upper[..., :2], lower[..., :2] * (1 - upper[..., 2:])], 2).astype(np.float32)


def corners_of(width: int, height: int) -> NDArray[np.float64]:
    """The centres of a rectangle's outer pixels (4, 2)."""
    return np.array([[x, y] for x in (0, width - 1) for y in (0, height - 1)], np.float64)


def window_around(to_picture: Affine, shown: Rectangle) -> Rectangle | None:
    """What the network sees of a mouth: no larger than it needs, in a few sizes only. None if that is elsewhere."""
    corners = corners_of(shown.width, shown.height) + [shown.x0, shown.y0]
    corners = corners @ to_picture[:, :2].T + to_picture[:, 2]
    (left, upper), (right, lower) = corners.min(0), corners.max(0)
    if right < 0 or lower < 0 or left > WIDTH - 1 or upper > HEIGHT - 1:
        return None
    x0, x1 = snapped(left - MARGIN_PX, right + MARGIN_PX + 1, WIDTH)
    y0, y1 = snapped(upper - MARGIN_PX, lower + MARGIN_PX + 1, HEIGHT)
    return Rectangle(x0, y0, x1 - x0, y1 - y0)


def snapped(low: float, high: float, size: int) -> tuple[int, int]:
    return max(0, int(low // STEP_PX) * STEP_PX), min(size, -int(-high // STEP_PX) * STEP_PX)


def lay_over(patch: Bytes, inside: Bytes, drawn: Floats, view: View) -> None:
    """Lays what the network drew over the drawn inside, (h, w, 3) and (h, w, 4); skin before it stays."""
    x, y = view.shown.x0, view.shown.y0
    to_window = inverse(view.place.to_patch)
    to_window[:, 2] += to_window[:, :2] @ [x, y]
    found = read(drawn, to_window, view.shown.width, view.shown.height)
    part, share = patch[view.shown.slices], inside[view.shown.slices].astype(np.float32)
    change = found[..., 3:] * (share[..., 3:] / 255 * found[..., :3] - share[..., :3])
    part[:] = np.clip(np.rint(part + change), 0, 255)
