"""A photo taken apart: its people from the farthest to the nearest, and what is behind them all.

People are peeled off from the nearest on: each one's place is filled in with what might be behind, and the next is cut
from the picture that is left. Laid over each other again unmoved they give exactly the photo, because each layer holds
what has to be added to the picture behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import cv2
import numpy as np

from engine.backends.base import Backend
from engine.inpaint import Inpainter
from engine.portrait.behind import fading_into, going_on
from engine.portrait.continued import continued
from engine.portrait.dark_clothes import person_classes
from engine.portrait.earrings import with_earrings
from engine.portrait.matte import person_matte
from engine.portrait.patches import Rectangle, bounding_rectangle
from engine.portrait.portrait import CutOut, FaceAssets, Portrait, build_portrait, crop_rectangle
from engine.portrait.stray_hairs import without_stray_hairs
from engine.segment import Segmenter
from engine.types import Box, FaceMesh, Floats, HeadPose, Image

BODY_CM = 30.0  # from the middle of the head down to the chest
HEAD_REACH_CM = (15.0, 17.0, 13.0)  # of the part that is segmented finer: sideways, up, down
OTHERS_SOFTNESS_CM = 0.4
HEAD_SIZE_CM = (9.5, 14.0, 10.0)  # sideways, up and down from its middle, with hair
HEAD_LEAD_CM = 20.0  # of a head over bodies
HAIR_Y_CM, HAIR_SOFTNESS_CM = (-3.0, 2.0), 1.0  # brows and the nose's tip, from a head's middle
FILL_MARGIN_CM, FILL_MARGIN_PX = 0.35, 4  # edges in small pictures are as many pixels wide as in large ones
SPARE_CM = 3.0  # kept of the crop around the person
CUT_SHARE, LEAST_FREEDOM = 0.2, 0.2  # of a head's height, cut by the photo's side; of its motion, left to it then


@dataclass(frozen=True)
class Scene:
    """Portraits by the number of their face, in the order in which they are drawn: the farthest first."""

    portraits: Mapping[int, Portrait]
    backdrop: Image  # (H, W, 3) the photo without them


@dataclass(frozen=True)
class SceneBuilder:
    """Networks and assets that taking a photo apart needs."""

    segmenter: Segmenter
    inpainter: Inpainter
    assets: FaceAssets
    backend: Backend  # of both networks

    def build(
        self, photo: Image, meshes: Mapping[int, FaceMesh], progress: Callable[[int, int], None] | None = None
    ) -> Scene:
        """Takes the people apart; `progress` hears (people done, people in all)."""
        left = photo.copy()
        order = sorted(meshes, key=lambda number: meshes[number].pose.scale_px)
        portraits = {}
        # Networks and NumPy leave a core idle in turns: the next person is cut out, and the place of this one filled,
        # while NumPy prepares this one's layers.
        with ThreadPoolExecutor(1) as cutting, ThreadPoolExecutor(1) as filling:

            def cut(number: int) -> Future[CutOut]:
                others = [other.pose for n, other in meshes.items() if n != number]
                return cutting.submit(self.cut_out, photo, meshes[number], others)

            following = cut(order[-1])
            for done, number in enumerate(reversed(order), start=1):
                mesh, person = meshes[number], following.result()
                crop, matte = person.crop, person.matte
                if done < len(order):
                    following = cut(order[-done - 1])
                in_front = left[crop.slices].copy()
                margin = 2 * max(FILL_MARGIN_PX, round(FILL_MARGIN_CM * mesh.pose.scale_px)) + 1
                behind = filling.submit(self.hide, in_front, matte, person.hair, margin, mesh.pose.scale_px)
                if done == len(order):
                    resting = filling.submit(self.backend.rest)  # clips want that memory
                made = build_portrait(in_front, person, mesh, behind.result, self.assets)
                portraits[number] = replace(made, freedom=freedom(matte, crop, mesh.pose, photo.shape[1]))
                left[crop.slices] = portraits[number].behind
                if progress is not None:
                    progress(done, len(order))
        resting.result()
        return Scene({number: portraits[number] for number in order}, left)

    def hide(self, photo: Image, matte: Floats, hair: Floats, margin_px: int, px_per_cm: float) -> Image:
        """The picture (h, w, 3) without the person of this matte (h, w), margin_px and stray hairs around included.

        hair (h, w) is the probability of that."""
        hidden = cv2.dilate((matte > 0.01).astype(np.uint8), np.ones((margin_px, margin_px), np.uint8)) > 0
        filled = continued(photo, self.inpainter.fill(photo, hidden), hidden, px_per_cm)
        behind = going_on(photo, fading_into(photo, filled, matte, margin_px), matte, hair, px_per_cm)
        return without_stray_hairs(behind, filled, hidden, (hair > 0.5) & (matte > 0.5), px_per_cm)

    def cut_out(self, photo: Image, mesh: FaceMesh, others: Sequence[HeadPose]) -> CutOut:
        """The part of the photo that one person needs, and which of its pixels are what."""
        wide = crop_rectangle(mesh, photo.shape[1], photo.shape[0])
        scale = mesh.pose.scale_px
        x, y = mesh.pose.origin_px[:2]
        head = Box(
            x - HEAD_REACH_CM[0] * scale, y - HEAD_REACH_CM[1] * scale,
            x + HEAD_REACH_CM[0] * scale, y + HEAD_REACH_CM[2] * scale,
        )  # fmt: skip
        region = Box(wide.x0, wide.y0, wide.x0 + wide.width, wide.y0 + wide.height)
        seen = person_classes(self.segmenter, photo, region, head, mesh.pose)
        background, hair = seen["background"], seen["hair"]
        matte = person_matte(photo[wide.slices], (1 - background) * own_share(mesh.pose, others, wide, hair), scale)
        mesh_px = mesh.points_px[:, :2] - np.array([wide.x0, wide.y0], np.float32)
        matte = with_earrings(photo[wide.slices], matte, background, mesh_px, scale)
        tight = bounding_rectangle(matte, round(SPARE_CM * scale))
        crop = Rectangle(wide.x0 + tight.x0, wide.y0 + tight.y0, tight.width, tight.height)
        covering = 1 - background - hair - seen["face_skin"]
        parts = (matte, hair, seen["other"], covering)
        return CutOut(crop, *(np.ascontiguousarray(part[tight.slices]) for part in parts))


def freedom(matte: Floats, crop: Rectangle, pose: HeadPose, photo_width: int) -> float:
    """How much of its motion a head may make, 0 to 1: little where the photo's left or right side cuts it.

    What is beyond a photo can't be seen, and a head that turns away from there would have to show it.
    """
    head = matte * head_share(pose, crop)
    cut = [head[:, 0].sum()] if crop.x0 == 0 else []
    if crop.x0 + crop.width == photo_width:
        cut.append(head[:, -1].sum())
    share = max(map(float, cut), default=0.0) / (sum(HEAD_SIZE_CM[1:]) * pose.scale_px)
    return 1 - (1 - LEAST_FREEDOM) * min(1.0, share / CUT_SHARE)


def own_share(pose: HeadPose, others: Sequence[HeadPose], rectangle: Rectangle, hair: Floats) -> Floats:
    """How far each pixel of a rectangle is this person's rather than another's, 0 to 1 -> (h, w).

    A person is a line from head to chest; a pixel belongs to the nearest line, measured in each person's own size.
    Where that is undecided the larger face, which is nearer to the viewer, wins. Heads were found because nothing hides
    them, so they are in front of all bodies. Hair (h, w) where one's mouth would be and another's hair may be is the
    other's, who hides the mouth.
    """
    share = np.ones((rectangle.height, rectangle.width), np.float32)
    if not others:
        return share
    own, own_head = body_distance_cm(pose, rectangle), head_share(pose, rectangle)
    own_hair, no_hair = (hair * part for part in hair_places(pose, rectangle))
    for other in others:
        theirs, their_head = body_distance_cm(other, rectangle), head_share(other, rectangle)
        hers, not_hers = hair_places(other, rectangle)
        hidden = no_hair * hers * their_head - own_hair * not_hers * own_head
        lead_cm = theirs - own + HEAD_LEAD_CM * (own_head - their_head - hidden)
        lead_cm += np.log(pose.scale_px / other.scale_px)
        share = np.minimum(share, np.clip(0.5 + lead_cm / OTHERS_SOFTNESS_CM, 0, 1))
    return share


def head_share(pose: HeadPose, rectangle: Rectangle) -> Floats:
    """1 where a pixel lies in this person's head, 0 elsewhere, with a soft edge -> (h, w)."""
    x, y = centimetres_from_head(pose, rectangle)
    sideways, up, down = HEAD_SIZE_CM
    reach = np.hypot(x / sideways, y / np.where(y < 0, up, down))
    return np.asarray(np.clip(0.5 + (1 - reach) * sideways / OTHERS_SOFTNESS_CM, 0, 1), np.float32)


def hair_places(pose: HeadPose, rectangle: Rectangle) -> tuple[Floats, Floats]:
    """Where a head has hair for certain, above its brows, and where none but a beard, below its nose -> (h, w) each."""
    _, y = centimetres_from_head(pose, rectangle)
    above, below = HAIR_Y_CM
    return np.clip((above - y) / HAIR_SOFTNESS_CM, 0, 1), np.clip((y - below) / HAIR_SOFTNESS_CM, 0, 1)


def centimetres_from_head(pose: HeadPose, rectangle: Rectangle) -> tuple[Floats, Floats]:
    """Where each pixel is as seen from a head's middle, x and y (h, w), in that person's centimetres."""
    y, x = np.mgrid[: rectangle.height, : rectangle.width].astype(np.float32)
    left, top = pose.origin_px[0] - rectangle.x0, pose.origin_px[1] - rectangle.y0
    return (x - left) / pose.scale_px, (y - top) / pose.scale_px


def body_distance_cm(pose: HeadPose, rectangle: Rectangle) -> Floats:
    """Distance of each pixel to the line from a head's middle to its chest, in that person's centimetres -> (h, w)."""
    x, y = centimetres_from_head(pose, rectangle)
    along = np.clip(y, 0, BODY_CM)
    # A head is narrower than shoulders: the same distance counts less the further down it is.
    return np.asarray(np.hypot(x, y - along) / (1 + along / BODY_CM), np.float32)
