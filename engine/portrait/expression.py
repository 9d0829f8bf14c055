"""The face's geometry under any expression, for one photo's face.

The photo's own expression is taken out first ("release"), then the wanted blendshapes are put on, as far as
skin gives way. Lids and lips are held together by what they are, not by the basis alone: a blink of 1 closes these lids
exactly, and released lips meet.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.mesh import BLENDSHAPES
from engine.portrait import topology as top
from engine.portrait.lip_shape import (
    CLOSED_LIPS_CM,
    MOUTH,
    UPPER_LIP_SHARE,
    closing_lips_cm,
    distances_cm,
    following_borders,
    following_lips,
    overlap_cm,
    parting_cm,
    thinning_cm,
)
from engine.portrait.readings import SMILES, own_expression
from engine.portrait.shut_eyes import opening_cm
from engine.portrait.skin import Skin
from engine.products import product
from engine.types import Floats

BLINKS = tuple(BLENDSHAPES.index(name) for name in ("eyeBlinkRight", "eyeBlinkLeft"))
LIDS = ((top.UPPER_LID_RIGHT, top.LOWER_LID_RIGHT), (top.UPPER_LID_LEFT, top.LOWER_LID_LEFT))
OVER_LIDS = {  # from the brow downwards: the skin above the crease, the crease, the lid's edge
    BLINKS[0]: (top.ABOVE_LID_RIGHT, top.UPPER_RING_RIGHT, top.UPPER_LID_RIGHT),
    BLINKS[1]: (top.ABOVE_LID_LEFT[::-1], top.UPPER_RING_LEFT, top.UPPER_LID_LEFT),
}
DRAWN_OUT = 2.0  # times as long as at rest: the skin above the crease is no longer, if that below isn't
UPPER_RINGS = [*top.UPPER_RING_RIGHT, *top.UPPER_RING_LEFT]
UPPER_LID_SHARE = 0.93  # of the way that lids go when they close
LID_OVERLAP_CM = 0.05  # the upper one ends a little below the lower one's edge, along which the eye still shows
LID_RING_SHARE = 0.8  # of the basis for the skin above the lid: more would pull hairs of low brows along
WIDE_LIDS_CM, LID_HOLD = 1.22, 0.7  # a little more than irises' diameter, and the share of the rest that is held back
# What brows rise by above the middle of the eye, and the share of the rest that is held back. Of 81 people who raised
# theirs as far as they could the means by age were 0.76 to 0.90 cm (Souza da Cruz and Velasco e Cruz 2004).
RAISED_BROW_CM, BROW_HOLD = 0.9, 0.7
BROWS = ((top.BROW_RIGHT, top.UPPER_RING_RIGHT), (top.BROW_LEFT, top.UPPER_RING_LEFT))
ABOVE_LIDS_CM, BETWEEN_BROWS_CM = 0.35, 2.0  # over which a brow's skin begins, and goes over into that of the other
WIDE_MOUTH_CM, MOUTH_HOLD = 6.0, 0.6  # as wide smiles are, and the share of the rest that is held back
AROUND_MOUTH_CM = 1.8
# What the upper lip rises by freely above where lips meet, and the share of the rest that is held back; likewise of one
# that bares teeth which the photo shows, and as far apart as SHOWN_CM are lips that show them.
LIFT_CM, LIFT_HOLD = (0.7, 0.45), (0.6, 0.8)
SHOWN_CM = 0.5
# How far below that place such teeth reach, what a lower lip is held back by from rising before them, and how far away
# the upper one is then.
TEETH_EDGE_CM, TEETH_HOLD, AWAY_CM = 0.1, 0.8, 0.4


@dataclass(frozen=True)
class ExpressionBasis:
    """How expressions move any face, in centimetres of the head's frame."""

    displacements_cm: Floats  # (52, 468, 3) of each blendshape at 1
    parted_cm: Floats  # (468, 3) what comes with lips that are 1 cm apart, beside what blendshapes say


@dataclass(frozen=True)
class FaceShape:
    """One face's points and how expressions move them, in centimetres of the head's frame."""

    rest_cm: Floats  # (468, 3) as the photo shows them
    release_cm: Floats  # (468, 3) what takes the photo's own expression out
    basis_cm: Floats  # (52, 468, 3)
    own: Floats  # (52,) the photo's own expression, as far as it can be taken out
    lips: Floats  # (468, 9) how far points go down per centimetre between the lips' edges, see `following_lips`
    borders: Floats  # (468, 18) how far points go with the lips' outer borders, see `following_borders`
    of_brows: Floats  # (2, 468) how far points go with a brow, see `following_brows`
    near_mouth: Floats  # (468,) 1 on the lips, less and less away from them and where they are covered
    free_lids: Floats  # (2,) how far each eye's lids move, 1 if nothing holds them
    skin: Skin
    view: Floats  # (2, 3) takes the head's frame to the picture's plane

    def displacement_cm(self, blendshapes: Floats, release: Floats) -> Floats:
        """(T, 52) weights and (T,) shares of the photo's expression taken out -> (T, 468, 3)."""
        linear = blendshapes.copy()
        linear[:, BLINKS] = 0
        moved = product(linear, self.basis_cm.reshape(len(BLENDSHAPES), -1)).reshape(len(linear), -1, 3)
        released = release[:, None, None] * self.release_cm
        moved += released
        seen = moved @ self.view.T
        moved += (self.skin.relaxed(seen, self.rest_cm @ self.view.T) - seen) @ self.view
        moved = self.with_lids_held(self.with_brows_held(moved, released))
        shutting = self.free_lids.min() * blendshapes  # where one eye can't blink, the other would wink
        for (upper, lower), blink in zip(LIDS, BLINKS, strict=True):
            moved += self.closing_lids_cm(moved, list(upper), list(lower), blink, shutting[:, blink])
        moved = self.with_lips_thinned(self.with_corners_held(moved), released)
        return np.asarray(self.with_lips_held(moved, release), np.float32)

    def closing_lids_cm(self, moved: Floats, upper: list[int], lower: list[int], blink: int, amount: Floats) -> Floats:
        """What a blink adds: margins meet, skin around follows as the basis says, scaled to these eyes."""
        gap = (self.rest_cm + moved)[:, lower] - (self.rest_cm + moved)[:, upper]  # (T, 7, 3)
        wide = np.linalg.norm(gap, axis=2).mean(1)
        usual = np.linalg.norm(self.basis_cm[blink, upper] - self.basis_cm[blink, lower], axis=1).mean()
        added = (amount * wide / max(float(usual), 1e-6))[:, None, None] * self.basis_cm[blink]
        added[:, UPPER_RINGS] *= LID_RING_SHARE
        beyond = LID_OVERLAP_CM * gap / np.maximum(np.linalg.norm(gap, axis=2, keepdims=True), LID_OVERLAP_CM)
        added[:, upper] = amount[:, None, None] * (UPPER_LID_SHARE * gap + beyond)
        added[:, lower] = -(1 - UPPER_LID_SHARE) * amount[:, None, None] * gap
        return self.with_skin_shared(moved + added, blink) - moved

    def with_skin_shared(self, moved: Floats, blink: int) -> Floats:
        """Where lids shut below raised brows, the skin above their crease is hardly drawn out more than that below.

        Hairs reach down into it from the brow, and were drawn over the lid.
        """
        above, crease, edge = (list(line) for line in OVER_LIDS[blink])
        at_rest = np.linalg.norm(self.rest_cm[crease] - self.rest_cm[above], axis=1)
        share = at_rest / (at_rest + np.linalg.norm(self.rest_cm[edge] - self.rest_cm[crease], axis=1))
        places = self.rest_cm + moved
        even = share * np.linalg.norm(places[:, edge] - places[:, above], axis=2)
        way = places[:, crease] - places[:, above]
        least = np.minimum(1, np.maximum(DRAWN_OUT * at_rest, even) / np.maximum(np.linalg.norm(way, axis=2), 1e-6))
        moved[:, crease] -= (1 - least)[..., None] * way
        return moved

    def with_brows_held(self, moved: Floats, released: Floats) -> Floats:
        """Brows rise less and less beyond what people can, from where they are at ease; the skin around comes along."""
        risen_cm = released[..., 1] - moved[..., 1]
        for (brow, _), share in zip(BROWS, self.of_brows, strict=True):
            high = risen_cm[:, brow[1:-1]].mean(1)
            held = BROW_HOLD * (1 - RAISED_BROW_CM / np.maximum(high, RAISED_BROW_CM))
            moved[..., 1] += held[:, None] * share * risen_cm
        return moved

    def with_lids_held(self, moved: Floats) -> Floats:
        """Lids open less and less beyond what shows all of the iris; the skin above them comes along."""
        for (upper, lower), ring in zip(LIDS, (top.UPPER_RING_RIGHT, top.UPPER_RING_LEFT), strict=True):
            gap = (self.rest_cm + moved)[:, list(lower)] - (self.rest_cm + moved)[:, list(upper)]  # (T, 7, 3)
            wide = np.linalg.norm(gap, axis=2).max(1)
            at_rest = np.linalg.norm(self.rest_cm[list(lower)] - self.rest_cm[list(upper)], axis=1).max()
            free = max(WIDE_LIDS_CM, at_rest)
            beyond = LID_HOLD * (1 - free / np.maximum(wide, free))[:, None, None] * gap
            moved[:, list(upper)] += UPPER_LID_SHARE * beyond
            moved[:, list(lower)] -= (1 - UPPER_LID_SHARE) * beyond
            moved[:, list(ring)] += LID_RING_SHARE * beyond.mean(1, keepdims=True)
        return moved

    def with_corners_held(self, moved: Floats) -> Floats:
        """Mouths get wider less and less beyond what wide smiles are; what is around them comes along."""
        ends = [top.LIP_LEFT_END, top.LIP_RIGHT_END]
        corners = (self.rest_cm + moved)[:, ends]  # (T, 2, 3)
        across = corners[:, 1] - corners[:, 0]
        wide = np.linalg.norm(across, axis=1, keepdims=True)
        free = max(WIDE_MOUTH_CM, float(np.linalg.norm(self.rest_cm[ends[1]] - self.rest_cm[ends[0]])))
        beyond = MOUTH_HOLD * (1 - free / np.maximum(wide, free))
        if not beyond.any():
            return moved
        along = across / wide
        aside = np.einsum("tpi,ti->tp", self.rest_cm + moved - corners.mean(1)[:, None], along)  # from the middle
        return np.asarray(moved - (beyond * self.near_mouth * aside)[..., None] * along[:, None])

    def with_lips_thinned(self, moved: Floats, released: Floats) -> Floats:
        """Lips get thinner as they get longer, and the upper one's edge bares the teeth."""
        borders_cm, rise_cm = thinning_cm(self.rest_cm + released, self.rest_cm + moved)
        thinned = moved - self.borders @ borders_cm
        thinned[..., 1] -= rise_cm @ np.maximum(self.lips, 0).T / UPPER_LIP_SHARE
        return np.asarray(thinned)

    def with_lips_held(self, moved: Floats, release: Floats) -> Floats:
        """Lips as they hold each other and the teeth: each gives way as a whole, with the skin around it.

        Lips that would pass through each other, further than they do when they meet, press against each other, so that
        the lower one stays as full as it was; one that has risen over the teeth rises less and less above the gums.
        Teeth that the photo shows are seen where it shows them: neither above, nor is the lower lip drawn over them.
        """
        upper, lower = list(top.UPPER_LIP_INNER), list(top.LOWER_LIP_INNER)
        up, down = (np.maximum(side * self.lips, 0).T / (0.5 + side * (UPPER_LIP_SHARE - 0.5)) for side in (1, -1))
        at_rest = self.rest_cm[lower, 1] - self.rest_cm[upper, 1]
        gone = np.clip(2 * release - 1, 0, 1)[:, None]  # of the photo's smile, before another mouth bares its teeth
        bared = gone * np.clip(at_rest / SHOWN_CM, 0, 1)
        free, hold = (usual + bared * (own - usual) for usual, own in (LIFT_CM, LIFT_HOLD))
        free = np.maximum(free, (1 - gone) * self.release_cm[upper, 1])
        risen = np.maximum(self.release_cm[lower, 1] - moved[:, lower, 1] + TEETH_EDGE_CM, 0)
        moved[..., 1] += (hold * np.maximum(self.release_cm[upper, 1] - moved[:, upper, 1] - free, 0)) @ up
        parted = moved[..., 1] - self.release_cm[:, 1]
        away = np.clip((parted[:, lower] - parted[:, upper]) / AWAY_CM, 0, 1)
        moved[..., 1] += TEETH_HOLD * (bared * away * risen) @ down
        gap = (self.rest_cm + moved)[:, lower, 1] - (self.rest_cm + moved)[:, upper, 1]
        crossed = np.minimum(gap - np.minimum(at_rest, 0) + overlap_cm(at_rest), 0)
        moved[..., 1] += crossed @ self.lips.T
        return moved


def following_brows(points_cm: Floats) -> Floats:
    """How far points (468, 3) go with the right and the left brow: those above the lids' crease, on its side."""
    shares = []
    for brow, ring in BROWS:
        above = np.clip((points_cm[list(ring), 1].mean() - points_cm[:, 1]) / ABOVE_LIDS_CM, 0, 1)
        side = np.sign(points_cm[list(brow), 0].mean())
        shares.append(above * np.clip(0.5 + side * points_cm[:, 0] / BETWEEN_BROWS_CM, 0, 1))
    return np.asarray(shares, np.float32)


def face_shape(
    points_cm: Floats,
    readings: Floats,
    basis: ExpressionBasis,
    skin: Skin,
    rotation: Floats,
    together: Floats | None = None,
    free: Floats | None = None,
) -> FaceShape:
    """points (468, 3), the photo's readings (52,), the head's rotation (3, 3) in the photo, what points take of each
    other's motion (468, 468), and how far each is free to move (468,)."""
    own = own_expression(readings)
    said_cm = product(own[None], basis.displacements_cm.reshape(len(own), -1)).reshape(-1, 3)
    by_others_cm = said_cm - np.tensordot(own[SMILES], basis.displacements_cm[SMILES], 1)
    parted = max(0.0, float(parting_cm(points_cm - by_others_cm)) - CLOSED_LIPS_CM)  # by the smile
    opposite = -said_cm - parted * basis.parted_cm
    release = opposite + closing_lips_cm(points_cm + opposite)
    release += opening_cm(points_cm, basis.displacements_cm[list(BLINKS)])
    moves = basis.displacements_cm
    if together is not None:
        release = product(together.astype(np.float64), release.astype(np.float64))
        side_by_side = product(together, moves.transpose(1, 0, 2).reshape(len(together), -1))
        moves = np.ascontiguousarray(side_by_side.reshape(len(together), -1, 3).transpose(1, 0, 2))
    if free is not None:
        release, moves = free[:, None] * release, free[:, None] * moves
    lips = following_lips(points_cm + release, whole=True).astype(np.float32)
    borders = following_borders(points_cm + release).astype(np.float32)
    rest_cm, view = points_cm.astype(np.float32), rotation[:2].astype(np.float32)
    near_mouth = np.exp(-((distances_cm(rest_cm, rest_cm[list(MOUTH)]).min(1) / AROUND_MOUTH_CM) ** 2))
    free_lids = np.ones(len(LIDS), np.float32)
    if free is not None:
        near_mouth = free * near_mouth
        free_lids = np.array([free[[*upper, *lower]].mean() for upper, lower in LIDS], np.float32)
    of_brows = following_brows(rest_cm)
    return FaceShape(
        rest_cm, release.astype(np.float32), moves, own, lips, borders, of_brows, near_mouth, free_lids, skin, view
    )
