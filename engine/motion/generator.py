"""The motions of all faces of a clip, from what they are asked to do: what goes into the motion network and comes out.

The network is trained and exported by `export/motion`; `export.motion.build` says what each tensor means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engine.backends.base import Runner
from engine.motion.ensemble import in_turn, out_of_step
from engine.motion.own_expression import keep_what_fits
from engine.motion.script import Script
from engine.motion.track import EXPRESSION, FPS, Motion
from engine.types import Floats

KNOTS_PER_SECOND = 15
KNOTS_BEYOND = 3  # of the last frame: each place between two knots is made from four
KNOT_MULTIPLE = 4
NOISE_CHANNELS, STYLE_SIZE = 47, 10
LONGEST_NOISE_KNOTS = 156  # of ten seconds
APEX = (0.35, 0.75)  # of the clip: where an expression is strongest
WEAKEST = 0.5  # that its beginning and its end are made for that


@dataclass(frozen=True)
class Shown:
    """What the photo shows of one face."""

    readings: Floats  # (52,) blendshapes as the network reads them
    own: Floats  # (52,) the part of them that another expression replaces
    head_deg: Floats  # (3,) pitch, yaw and roll of the head, as in `Motion`


NOTHING_SHOWN = Shown(np.zeros(52), np.zeros(52), np.zeros(3))  # no expression, straight ahead


class MotionGenerator:
    """Gives faces motions.

    network: `motion.onnx`, opened.
    """

    def __init__(self, network: Runner) -> None:
        self._network = network

    def generate(
        self,
        scripts: Mapping[int, Script],
        shown: Mapping[int, Shown],
        *,
        seconds: float,
        intensity: float,
        seed: int,
        photo: int = 0,
    ) -> dict[int, Motion]:
        """A motion of round(60 * seconds) frames for each face; the first frame is the photo.

        Args:
            scripts: What each face does, by its number; several faces come to it in turn (`engine.motion.ensemble`).
            shown: What the photo shows of it.
            seconds: 2 to 10.
            intensity: 0 to 1.5.
            seed: Same arguments, same numbers.
            photo: Tells photos apart, so that people of two photos don't perform alike by the same seed.
        """
        played = in_turn(scripts, seconds, seed)

        def perform(faces: Sequence[int], attempt: int) -> dict[int, Motion]:
            drawn = [draw(seed, face, photo, attempt) for face in faces]
            motions = self._perform({face: played[face] for face in faces}, drawn, shown, seconds, intensity)
            for face, motion in motions.items():
                if len(scripts[face].steps) == 1:
                    keep_apex_in_the_middle(motion)
            return {face: keep_what_fits(motion, shown[face].own) for face, motion in motions.items()}

        free = [face for face, script in sorted(scripts.items()) if len(script.steps) == 1]
        return out_of_step(perform(list(scripts), 0), free, perform) if scripts else {}

    def _perform(
        self,
        scripts: Mapping[int, Script],
        drawn: Sequence[tuple[Floats, Floats]],
        shown: Mapping[int, Shown],
        seconds: float,
        intensity: float,
    ) -> dict[int, Motion]:
        """What the network makes of noise and style of each face."""
        knots = knots_for(seconds)
        knot_seconds = np.maximum(0, (np.arange(knots) - 1) / KNOTS_PER_SECOND)
        count = len(scripts)
        tracks = self._network(
            noise=np.stack([noise[:, :knots] for noise, _ in drawn]),
            style=np.stack([style for _, style in drawn]),
            emotions=np.stack([script.weights(knot_seconds).T for script in scripts.values()]).astype(np.float32),
            intensity=np.full(count, intensity, np.float32),
            seconds=np.full(count, seconds, np.float32),
            own=np.stack([shown[face].readings for face in scripts]).astype(np.float32),
            pose_deg=np.stack([shown[face].head_deg for face in scripts]).astype(np.float32),
        )
        frames = round(seconds * FPS)
        return {
            face: Motion(**{name: track[i, :frames] for name, track in tracks.items()})
            for i, face in enumerate(scripts)
        }


def keep_apex_in_the_middle(motion: Motion) -> None:
    """Weakens, in place, what would be stronger before or after the middle of the clip than in it.

    All of the beginning, or of the end, becomes weaker by as much as it takes, and less and less towards the middle, so
    that its ups and downs stay; what is still too strong is cut off.
    """
    shapes = motion.blendshapes[:, EXPRESSION]
    level = np.abs(shapes).sum(1)
    start, end = (round(share * len(level)) for share in APEX)
    gain, middle, ends = np.ones_like(level), slice(start, end), (slice(0, start), slice(end, len(level)))
    for outside in ends:
        gain *= weaker(level * gain, outside, middle)
    for outside, border in zip(ends, (start, end - 1), strict=True):  # the second end may have weakened the middle
        found = level * gain
        excess = 1 - min(1.0, found[middle].max() / max(found[outside].max(), 1e-6))
        gain *= 1 - excess * beyond(found, outside, border)
    gain *= np.minimum(1, (level * gain)[middle].max() / np.maximum(level * gain, 1e-6))
    motion.blendshapes[:, EXPRESSION] = shapes * gain[:, None]


def weaker(level: Floats, outside: slice, middle: slice) -> Floats:
    """The gains (T,) nearest to 1, but no less than WEAKEST, that leave nothing outside stronger than in the middle."""
    part = beyond(level, outside, (middle.start + middle.stop) // 2)
    gains = 1 - np.linspace(0, 1 - WEAKEST, 31)[:, None] * part
    fits = (gains * level)[:, outside].max(1) <= (gains * level)[:, middle].max(1)
    return np.asarray(gains[fits.argmax() if fits.any() else -1])


def beyond(level: Floats, outside: slice, until: int) -> Floats:
    """1 from where a part of a clip (T,) is strongest outwards, less and less the other way, and 0 from a frame on."""
    highest = outside.start + int(level[outside].argmax())
    way = np.clip((np.arange(len(level)) - highest) / (until - highest), 0, 1)
    return np.asarray(1 - way**2 * (3 - 2 * way))


def knots_for(seconds: float) -> int:
    """The smallest number of knots that the network takes and that covers the clip."""
    needed = int(np.ceil(seconds * KNOTS_PER_SECOND)) + KNOTS_BEYOND
    return -(-needed // KNOT_MULTIPLE) * KNOT_MULTIPLE


def draw(seed: int, face: int, photo: int, attempt: int) -> tuple[Floats, Floats]:
    """The noise (47, 156) and the style (10,) of one face: how this person moves, whatever the emotion."""
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, face, photo, attempt])))
    style = rng.standard_normal(STYLE_SIZE, np.float32)
    return rng.standard_normal((LONGEST_NOISE_KNOTS, NOISE_CHANNELS), np.float32).T, style
