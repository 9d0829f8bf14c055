"""What captured faces do that rules don't: how a muscle really rises, falls and wavers, and what moves along with it.

Reads Live Link Face curves (ARKit names, 30 fps). Only statistics of them get into the training set, and from there
into the motion network's weights.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter1d

from engine.mesh import BLENDSHAPES
from engine.types import Floats

CAPTURE_FPS = 30
CURVE_POINTS = 33
LOW, HIGH = 0.2, 0.8  # of a channel's usual range: a rise leads from below to above
LONGEST_MOVE_SECONDS = 1.5
WAVER_SIGMA_SECONDS = 0.35  # slower changes are meant, faster ones are what the muscle does by itself
COMPONENTS = 12  # of the faces that were captured
FREE = ("eyeBlink", "eyeLook", "eyeWide", "jaw", "mouthClose", "mouthLeft", "mouthRight", "cheekPuff", "_neutral")


@dataclass(frozen=True)
class CapturedMotion:
    """Pieces of real motion.

    rises, falls (n, 33): from 0 to 1 over the time that the move takes. takes: (frames, 52) at 30 fps. wavers: what is
    left of the takes without their slow part, against how active the channel is. covariance (52, 52): which blendshapes
    move together.
    """

    rises: Floats
    falls: Floats
    takes: tuple[Floats, ...]
    wavers: tuple[Floats, ...]
    covariance: Floats

    @classmethod
    def read(cls, paths: Sequence[Path]) -> CapturedMotion:
        takes = tuple(read_curves(path) for path in paths)
        rises, falls = [], []
        for take in takes:
            for channel in take.T:
                if np.ptp(channel) > 0.3:
                    rises += moves(channel)
                    falls += moves(-channel)
        return cls(
            np.array(rises), np.array(falls), takes, tuple(map(waver, takes)), speed_covariance(np.concatenate(takes))
        )

    def companions(self, active: Sequence[int]) -> Floats:
        """(52, a): how much every other blendshape moves along with each of the active ones (least energy)."""
        block = self.covariance[np.ix_(active, active)] + 0.02 * np.eye(len(active))
        share = self.covariance[:, active] @ np.linalg.inv(block)
        share[active] = 0
        return np.asarray(share)


def read_curves(path: Path) -> Floats:
    """(frames, 52) in the order of BLENDSHAPES."""
    with path.open(newline="") as stream:
        header, *rows = csv.reader(stream)
    at = {name.lower(): i for i, name in enumerate(header)}
    columns = [at.get(name.lower()) for name in BLENDSHAPES]
    return np.array([[float(row[i]) if i is not None else 0.0 for i in columns] for row in rows if len(row) == len(at)])


def moves(channel: Floats) -> list[Floats]:
    """The rises of one channel, brought to 33 points each."""
    low, high = np.percentile(channel, (2, 98))
    level = gaussian_filter1d((channel - low) / max(high - low, 1e-6), 0.7)
    found, start = [], None
    for i in range(1, len(level)):
        if level[i - 1] < LOW <= level[i]:
            start = i - 1
        if start is not None and level[i] >= HIGH:
            begin = start
            while begin > 0 and level[begin - 1] < level[begin] - 0.004:
                begin -= 1
            end = i
            while end + 1 < len(level) and level[end + 1] > level[end] + 0.004:
                end += 1
            if 3 <= end - begin <= LONGEST_MOVE_SECONDS * CAPTURE_FPS:
                course = np.interp(np.linspace(begin, end, CURVE_POINTS), np.arange(len(level)), level)
                found.append((course - course[0]) / (course[-1] - course[0]))
            start = None
    return found


def waver(take: Floats) -> Floats:
    """(frames, 52) of SD about 1: fast changes against the activity around them."""
    sigma = WAVER_SIGMA_SECONDS * CAPTURE_FPS
    fast = take - gaussian_filter1d(take, sigma, axis=0)
    usual = np.sqrt(gaussian_filter1d(fast**2, 2 * sigma, axis=0)) + 0.004
    return np.asarray(np.clip(fast / usual, -3, 3))


def speed_covariance(takes: Floats) -> Floats:
    """(52, 52) of the captured faces' main components; blendshapes that mustn't be dragged along are left out."""
    speed = np.diff(gaussian_filter1d(takes, 2.0, axis=0), axis=0)
    speed[:, [name.startswith(FREE) for name in BLENDSHAPES]] = 0
    _, sizes, axes = np.linalg.svd(speed, full_matrices=False)
    return np.asarray((axes[:COMPONENTS].T * sizes[:COMPONENTS] ** 2) @ axes[:COMPONENTS] / sizes[0] ** 2)
