"""What white looks like in a photo's light, guessed from what is known to be there: skin, and the whites of the eyes.

Teeth that are drawn are as bright as that. In 940 photos that show their people's teeth, these are about as bright as
the brighter part of the whites of the eyes, whatever the skin; and a little brighter than skin, unless it is dark.
"""

from __future__ import annotations

import cv2
import numpy as np

from engine.portrait.eyes import IRISES, iris_of
from engine.portrait.patches import TEARS, contour
from engine.types import Floats, Image

BRIGHTER_THAN_SKIN, BRIGHTER_THAN_EYES = 1.15, 1.05  # is white
BRIGHTEST = 235
IRIS_RIM = 1.2  # radii from the iris' centre on its white begins
BRIGHTER_SHARE = 0.25  # of what shows of the whites; the rest lies in the shade of lids
FEWEST_PIXELS = 12
IN_SHADE = 0.75  # of skin's brightness, under which whites show the shade of lids, or glasses, rather than the light
TINT_OF_EYES = 0.7  # power of the whites' own colours that teeth have in coloured light


def skin_tone(image: Image, mesh_px: Floats) -> Floats:
    """Of the cheeks (3,), 0-255."""
    cheeks = mesh_px[[50, 280, 117, 346, 205, 425], :2]
    soft = cv2.GaussianBlur(image, (0, 0), 2)
    x, y = cheeks[:, None, 0], cheeks[:, None, 1]
    found = cv2.remap(soft, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(np.maximum(np.median(found.reshape(-1, 3).astype(np.float32), axis=0), 1), np.float32)


def eye_white(image: Image, mesh_px: Floats) -> Floats:
    """The mean (3,), 0-255, of the brighter part of the whites of both eyes; 0 where they hardly show."""
    shown = np.zeros(image.shape[:2], np.uint8)
    irises = []
    for tear in TEARS:
        if tear.name in IRISES:
            upper, lower = (contour(mesh_px, tear.ends, between) for between in (tear.upper, tear.lower))
            cv2.fillPoly(shown, [np.rint(np.concatenate([upper, lower[::-1]])).astype(np.int32)], 1)
            irises.append(iris_of(mesh_px, IRISES[tear.name]))
    inner = cv2.erode(shown, np.ones((3, 3), np.uint8))  # lids and lashes mix in along the rim
    for iris in irises:
        x, y = np.rint(iris.centre_px).astype(int).tolist()
        cv2.circle(inner, (x, y), round(IRIS_RIM * iris.radius_px), 0, cv2.FILLED)
    pixels = image[inner > 0].astype(np.float32)
    if len(pixels) < FEWEST_PIXELS:
        return np.zeros(3, np.float32)
    brightness = pixels.sum(1)
    return np.asarray(pixels[brightness >= np.quantile(brightness, 1 - BRIGHTER_SHARE)].mean(0))


def white_of_light(skin: Floats, eyes: Floats) -> Floats:
    """What white looks like in the photo's light (3,), 0-255, from the tone of skin (3,) and the whites of eyes (3,).

    Its colour is that of skin, less skin's own, unless the eyes are more coloured, as they are by candles. It is as
    bright as skin or eyes tell, whichever are brighter, for dark skin says little.
    """
    tint = 0.6 + 0.4 * skin / skin.max()
    bright = max(BRIGHTER_THAN_SKIN * skin.max(), min(70, 2 * skin.max()))  # photos that are dark
    if eyes.mean() > IN_SHADE * skin.mean():
        # Whites that are less red than blue or green, beside skin that is red, are seen through a lens that reflects.
        shown = np.maximum(eyes, [eyes.max(), 0, 0]) if skin.argmax() == 0 else eyes
        tint = np.minimum(tint, (shown / shown.max()) ** TINT_OF_EYES)
        bright = max(bright, BRIGHTER_THAN_EYES * eyes.mean() / tint.mean())
    return np.asarray(min(bright, BRIGHTEST) * tint, np.float32)
