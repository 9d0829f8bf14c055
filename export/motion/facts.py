"""What each emotion does: muscles with their odds, timing, head and eyes.

Action units and their percentages: Ekman and Friesen's EMFACS and Du, Tao and Martinez (PNAS 2014). Onset times:
Krumhuber and Kappas 2005; Schmidt et al. 2006. Blink rates: Maffei and Angrilli 2019. Amplitudes are our own, set by
looking at people of the training set; for anger, disgust and sadness an expression classifier also read some dozens of
hand-made variants on such people, so that its reading of these is no independent measure. Anger and disgust were made
weaker since, until a face recognition network knew 20 people of the measuring set again (a mean of 0.80), and not as
weak as looked best, where that classifier read anger in less than half of them. A weight above 1 exaggerates the
basis, whose shapes are moderate ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Unit:
    """Blendshapes that one muscle or group of muscles moves together; "browDown" stands for both its sides."""

    weights: Mapping[str, float]
    probability: float = 1.0  # share of clips that show it


@dataclass(frozen=True)
class Emotion:
    """Ranges are (low, high) of what a clip draws from, evenly."""

    units: tuple[Unit, ...]
    onset_seconds: tuple[float, float]  # of a muscle; from a tenth to nine tenths it takes about 0.6 of that
    offset_per_onset: tuple[float, float]
    kept_at_end: tuple[float, float]  # share of the expression that the clip ends with
    pulses: tuple[int, int] = (1, 1)  # how often it swells in ten seconds
    pitch_deg: tuple[float, float] = (0.0, 0.0)  # of the head at the apex, down is positive
    aside_deg: float = 1.5  # SD of yaw and roll at the apex
    forward_cm: tuple[float, float] = (0.0, 0.0)
    head_speed: float = 1.0  # how fast the head follows the face
    idle_deg: float = 0.8  # SD of the head's idle motion
    blinks_per_minute: tuple[float, float] = (11.0, 16.0)
    partial_blinks: float = 0.5
    fixation_seconds: tuple[float, float] = (0.5, 1.3)
    gaze_spread_deg: tuple[float, float] = (4.0, 2.0)  # SD sideways and up-down
    gaze_down_deg: float = 0.0


NEUTRAL = Emotion(units=(), onset_seconds=(0.6, 1.0), offset_per_onset=(1.0, 1.0), kept_at_end=(1.0, 1.0))

PERFORMED: Mapping[str, Emotion] = {
    "joy": Emotion(
        units=(
            Unit({"mouthSmile": 1.12, "mouthDimple": 0.2, "cheekSquint": 0.22}),
            Unit({"mouthUpperUp": 0.55, "mouthLowerDown": 0.32, "jawOpen": 0.05}),
            Unit({"cheekSquint": 0.28, "eyeSquint": 0.36}, 0.75),
            Unit({"jawOpen": 0.1, "mouthLowerDown": 0.07}, 0.35),
            Unit({"browOuterUp": 0.25, "browInnerUp": 0.2}, 0.3),
        ),
        onset_seconds=(0.4, 0.8),
        offset_per_onset=(1.5, 2.5),
        kept_at_end=(0.6, 0.85),
        pulses=(1, 3),
        pitch_deg=(-4.5, -2.0),
        aside_deg=2.5,
        head_speed=1.3,
        idle_deg=1.1,
        blinks_per_minute=(8.0, 16.0),
        gaze_spread_deg=(2.5, 1.2),
    ),
    "fear": Emotion(
        units=(
            Unit({"browInnerUp": 1.5, "browOuterUp": 0.3, "browDown": 0.7}),
            Unit({"eyeWide": 1.35}),
            Unit({"mouthStretch": 1.45, "mouthLowerDown": 0.54, "mouthUpperUp": 0.35}),
            Unit({"jawOpen": 0.08}),
            Unit({"jawOpen": 0.07, "mouthLowerDown": 0.12}, 0.33),
        ),
        onset_seconds=(0.2, 0.4),
        offset_per_onset=(3.0, 5.0),
        kept_at_end=(0.7, 0.95),
        pitch_deg=(-3.0, -1.0),
        aside_deg=2.0,
        forward_cm=(-0.8, -0.3),
        head_speed=1.6,
        idle_deg=0.5,
        blinks_per_minute=(3.0, 9.0),
        partial_blinks=0.55,
        fixation_seconds=(0.35, 0.9),
        gaze_spread_deg=(5.0, 1.5),
    ),
    "anger": Emotion(
        units=(
            Unit({"browDown": 1.45, "browInnerUp": -0.82, "browOuterUp": 0.25}),
            Unit({"noseSneer": 0.6, "mouthUpperUp": 0.4}),
            Unit({"eyeSquint": 1.3}),
            Unit({"mouthLowerDown": 1.0, "mouthFrown": 1.2, "jawOpen": 0.52, "mouthFunnel": 0.17}),
            Unit({"mouthLowerDown": 0.1, "mouthStretch": 0.2}, 0.5),
            Unit({"jawForward": 0.4}, 0.3),
        ),
        onset_seconds=(0.3, 0.7),
        offset_per_onset=(2.0, 3.5),
        kept_at_end=(0.65, 0.9),
        pulses=(1, 2),
        pitch_deg=(2.5, 5.0),
        forward_cm=(0.3, 0.9),
        idle_deg=0.8,
        blinks_per_minute=(25.0, 35.0),
        fixation_seconds=(0.8, 1.8),
        gaze_spread_deg=(1.2, 0.7),
    ),
    "sadness": Emotion(
        units=(
            Unit({"browInnerUp": 2.0, "browDown": 0.4}),
            Unit({"mouthFrown": 1.45, "mouthShrugLower": 0.75}),
            Unit({"eyeSquint": 0.25}),
            Unit({"mouthShrugLower": 0.35}, 0.67),
            Unit({"cheekSquint": 0.3}, 0.5),
        ),
        onset_seconds=(1.3, 2.4),
        offset_per_onset=(1.8, 2.4),
        kept_at_end=(0.75, 1.0),
        pitch_deg=(2.5, 6.0),
        aside_deg=2.0,
        head_speed=0.6,
        idle_deg=0.6,
        blinks_per_minute=(25.0, 40.0),
        partial_blinks=0.45,
        gaze_spread_deg=(2.0, 1.5),
        gaze_down_deg=5.0,
    ),
    "disgust": Emotion(
        units=(
            Unit({"noseSneer": 1.05, "mouthUpperUp": 0.5}),
            Unit({"mouthFrown": 0.72, "mouthShrugLower": 0.5, "mouthLowerDown": 0.15}),
            Unit({"browDown": 0.75, "eyeSquint": 1.15}),
            Unit({"cheekSquint": 0.55}, 0.8),
            Unit({"browDown": 0.23}, 0.31),
        ),
        onset_seconds=(0.25, 0.5),
        offset_per_onset=(1.5, 2.5),
        kept_at_end=(0.5, 0.8),
        pitch_deg=(-3.5, -1.5),
        aside_deg=4.0,
        forward_cm=(-0.6, -0.1),
        blinks_per_minute=(10.0, 20.0),
        gaze_spread_deg=(4.0, 1.5),
    ),
    "surprise": Emotion(
        units=(
            Unit({"browInnerUp": 1.2, "browOuterUp": 1.2}),
            Unit({"eyeWide": 1.1}),
            Unit({"jawOpen": 0.55}),
            Unit({"eyeWide": 0.3}, 0.66),
            Unit({"mouthFunnel": 0.25}, 0.4),
        ),
        onset_seconds=(0.15, 0.3),
        offset_per_onset=(2.5, 4.0),
        kept_at_end=(0.4, 0.75),
        pitch_deg=(-4.0, -2.0),
        forward_cm=(-0.5, -0.1),
        head_speed=1.0,
        blinks_per_minute=(4.0, 10.0),
        gaze_spread_deg=(2.0, 1.0),
    ),
    "neutral": NEUTRAL,
}

# What has been changed above since the shipped network was trained, as factors that its graph applies; none after
# another training. Fear bared a row of lower teeth over a dark gap, sadness had the mouth of a mask.
SINCE_TRAINED: Mapping[str, Mapping[str, float]] = {
    "joy": {
        "mouthSmile": 0.9,
        "cheekSquint": 0.55,
        "eyeSquint": 0.8,
        "mouthUpperUp": 1.1,
        "mouthLowerDown": 0.7,
        "jawOpen": 0.5,
    },
    "fear": {"mouthLowerDown": 0.6, "mouthUpperUp": 3.5, "jawOpen": 0.55},
    "sadness": {"mouthFrown": 0.9},
}
