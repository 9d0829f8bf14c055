"""The emotions that can be asked for. What each does, the motion network has learnt; see export/motion/facts.py."""

from __future__ import annotations

EMOTIONS = ("joy", "fear", "anger", "sadness", "disgust", "surprise", "neutral")
