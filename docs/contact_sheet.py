"""Makes docs/contact_sheet.jpg: a row for each bundled sample photo, the photo and the apex of each emotion.

python docs/contact_sheet.py
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from engine import EMOTIONS, Engine, PortraitSet
from engine.samples import SAMPLES, sample_photo
from engine.types import Image

TARGET = Path(__file__).with_name("contact_sheet.jpg")
CELL_PX, GAP_PX, LABEL_PX = 226, 4, 30
SECONDS, SEED = 2.0, 7
APEX = 66  # the frame: 55 % of the clip
HEAD_CM = (-12.0, -16.5, 12.0, 13.5)  # left, top, right, bottom of the shown part, from the middle of the face
COLUMNS = ("photo", *(name for name in EMOTIONS if name != "neutral"))


def around_head(portrait_set: PortraitSet) -> tuple[slice, slice]:
    """Rows and columns of the photo around the largest head."""
    pose = max((mesh.pose for mesh in portrait_set.meshes if mesh is not None), key=lambda pose: pose.scale_px)
    x, y = pose.origin_px[:2]
    x0, y0, x1, y1 = (round(at + pose.scale_px * reach) for at, reach in zip((x, y, x, y), HEAD_CM, strict=True))
    return slice(max(0, y0), y1), slice(max(0, x0), x1)


def row(engine: Engine, name: str) -> Image:
    portrait_set = engine.prepare(sample_photo(name))
    part = around_head(portrait_set)
    pictures = [portrait_set.photo]
    for emotion in COLUMNS[1:]:
        video = engine.animate(portrait_set, emotion, seconds=SECONDS, seed=SEED)
        pictures.append(next(islice(video.frames(), APEX, None)))
    height = round(CELL_PX * (HEAD_CM[3] - HEAD_CM[1]) / (HEAD_CM[2] - HEAD_CM[0]))
    cells = [cv2.resize(picture[part], (CELL_PX, height), interpolation=cv2.INTER_AREA) for picture in pictures]
    gap = np.full((height, GAP_PX, 3), 255, np.uint8)
    return np.concatenate([piece for cell in cells for piece in (cell, gap)][:-1], axis=1)


def labels(width: int) -> Image:
    picture = np.full((LABEL_PX, width, 3), 255, np.uint8)
    for i, name in enumerate(COLUMNS):
        (text_width, _), _ = cv2.getTextSize(name, cv2.FONT_HERSHEY_DUPLEX, 0.6, 1)
        x = i * (CELL_PX + GAP_PX) + (CELL_PX - text_width) // 2
        cv2.putText(picture, name, (x, LABEL_PX - 10), cv2.FONT_HERSHEY_DUPLEX, 0.6, (40, 40, 40), 1, cv2.LINE_AA)
    return picture


def main() -> None:
    engine = Engine()
    rows = [row(engine, name) for name in SAMPLES]
    gap = np.full((GAP_PX, rows[0].shape[1], 3), 255, np.uint8)
    sheet = np.concatenate([labels(rows[0].shape[1]), *(piece for picture in rows for piece in (picture, gap))])
    cv2.imwrite(str(TARGET), sheet[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])


main()
