"""How smiles shade skin: folds beside the mouth, the apples of cheeks, bags below the eyes.

The mean of real people's, as far as it doesn't lie on lips, eyes or nostrils (export/smile_shading.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from engine.types import Floats


@dataclass(frozen=True)
class SmileShading:
    """A map over half the canonical face; the other half is its mirror image."""

    darkness: Floats  # (h, w) how much darker skin is where all of a smile is read; negative where it is brighter
    top_cm: float  # where its first row lies; its first column lies in the middle of the face
    step_cm: float

    @classmethod
    def load(cls, path: Path) -> SmileShading:
        """Reads smile_shading.npz."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(arrays["darkness"].astype(np.float32), float(arrays["top_cm"]), float(arrays["step_cm"]))

    def at(self, places_cm: Floats) -> Floats:
        """Darkness at places (h, w, 2) on the canonical face -> (h, w), 0 beyond the map."""
        columns = np.abs(places_cm[..., 0]) / self.step_cm
        rows = (places_cm[..., 1] - self.top_cm) / self.step_cm
        found = cv2.remap(self.darkness, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        return np.asarray(found, np.float32)
