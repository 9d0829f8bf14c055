"""Skin gives way before an expression presses it together, or shears it, so far that the picture would fold.

Strain limiting (Provot 1995, "Deformation constraints in a mass-spring model") by relaxation: two points that would
come too near each other, or slide past each other, push each other apart, and so on through the mesh. A brow that comes
down brings the lid's crease along; a nose that wrinkles, its tip. Skin stretches as far as it likes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.native import relax_skin
from engine.portrait import topology as top
from engine.types import Floats

GIVE = 0.65  # of two points' distance: what one may move against the other, but for stretching
SHORTEST_CM = 0.1  # distances below that are the mesh's own noise
ROUNDS, OVERSHOOT = 5, 1.6  # below 2, going further than each pair asks for gets all of them there sooner
FIRM, SOFT = 0.1, 0.3  # how readily lids and lips give way to other skin, which has 1: they say the expression

EYES = tuple(
    {*upper, *lower, *ends}
    for upper, lower, ends in (
        (top.UPPER_LID_RIGHT, top.LOWER_LID_RIGHT, top.EYE_ENDS_RIGHT),
        (top.UPPER_LID_LEFT, top.LOWER_LID_LEFT, top.EYE_ENDS_LEFT),
    )
)
LIPS = {*top.UPPER_LIP, *top.UPPER_LIP_OUTER, *top.LOWER_LIP, *top.LOWER_LIP_OUTER}
APART = (*EYES, LIPS | set(top.AROUND_MOUTH_CORNERS), set(top.FACE_OVAL))  # within these, points know no distance


@dataclass(frozen=True)
class Skin:
    """What holds points of any face to each other."""

    pairs: NDArray[np.int32]  # (m, 2) of the mesh's points
    shares: Floats  # (m, 2) of what is too much, by which each of a pair gives way
    groups: tuple[slice, ...]  # of pairs in which no point comes twice

    @classmethod
    def of(cls, triangles: NDArray[np.integer]) -> Skin:
        """triangles (n, 3): their edges, and across each edge the two corners that face it."""
        readiness = np.ones(top.FACE_POINTS)
        readiness[list(LIPS)] = SOFT
        readiness[list(set.union(*EYES))] = FIRM
        groups = _without_repeats(sorted(set(_neighbours(triangles))))
        pairs = np.array([pair for group in groups for pair in group], np.int32)
        ready = readiness[pairs]
        shares = OVERSHOOT * ready * ready.max(1, keepdims=True) / ready.sum(1, keepdims=True)
        ends = np.cumsum([0, *map(len, groups)]).tolist()
        return cls(pairs, shares.astype(np.float32), tuple(map(slice, ends, ends[1:])))

    def relaxed(self, moved: Floats, rest: Floats) -> Floats:
        """Displacements (T, 468, 2) in the picture's plane, of points that lay at rest (468, 2), in centimetres.

        What a pair is allowed is a convex set, to which it is projected, pair after pair, which
        converges. So few rounds leave the strongest expressions a little beyond it.
        """
        found = np.array(moved.transpose(1, 2, 0), np.float32, order="C")  # (468, 2, T)
        apart = (rest[self.pairs[:, 1]] - rest[self.pairs[:, 0]]).astype(np.float32)
        length = np.linalg.norm(apart, axis=1)
        along, room = apart / np.maximum(length, 1e-6)[:, None], GIVE * np.maximum(length, SHORTEST_CM)
        if not relax_skin(found, self.pairs, self.shares, along, room, rounds=ROUNDS):
            self.relax(found, along, room)
        return np.asarray(found.transpose(2, 0, 1))

    def relax(self, found: Floats, along: Floats, room: Floats) -> None:
        """What kernels/skin.cpp does, by groups: changes found (468, 2, T); along (m, 2), room (m,)."""
        for _ in range(ROUNDS):
            settled = True
            for group in self.groups:
                first, second = self.pairs[group].T
                axis, shares = along[group, :, None], self.shares[group, :, None]
                against = found[second] - found[first]
                against -= np.maximum((against * axis).sum(1, keepdims=True), 0) * axis
                size = np.sqrt((against * against).sum(1))
                if (size <= room[group, None]).all():
                    continue
                settled = False
                against *= np.maximum(0, 1 - room[group, None] / np.maximum(size, 1e-6))[:, None]
                found[first] += shares[:, :1] * against
                found[second] -= shares[:, 1:] * against
            if settled:
                break


def _without_repeats(pairs: Iterable[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    """Groups of pairs in which no point comes twice, so that all of a group can be moved at once."""
    groups: list[list[tuple[int, int]]] = []
    seen: list[set[int]] = []
    for pair in pairs:
        group = next((k for k, points in enumerate(seen) if points.isdisjoint(pair)), len(groups))
        if group == len(groups):
            groups.append([])
            seen.append(set())
        groups[group].append(pair)
        seen[group].update(pair)
    return groups


def _neighbours(triangles: NDArray[np.integer]) -> Iterator[tuple[int, int]]:
    """Pairs of points, the smaller first, that hold each other."""
    facing: dict[tuple[int, int], list[int]] = {}
    for a, b, c in triangles.tolist():
        for i, j, k in ((a, b, c), (b, c, a), (c, a, b)):
            facing.setdefault((min(i, j), max(i, j)), []).append(k)
    across = ((min(corners), max(corners)) for corners in facing.values() if len(corners) == 2)
    for pair in (*facing, *across):
        if not any(group.issuperset(pair) for group in APART):
            yield pair
