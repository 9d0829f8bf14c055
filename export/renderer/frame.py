"""The picture of a mouth that the network sees. It is fixed to the skull and upright.

Fixing it to the skull, not to the mouth's corners, keeps the upper teeth at the same pixels whatever the lips do, so
that the same teeth come out in every frame. Pairs are stored with a margin around it, for augmentation.
"""

from __future__ import annotations

PX_PER_CM = 18.0
HEIGHT, WIDTH = 96, 160
LIP_LINE_Y = 30  # row at which the closed lips would meet
MARGIN_PX = 12
STORED_HEIGHT, STORED_WIDTH = HEIGHT + 2 * MARGIN_PX, WIDTH + 2 * MARGIN_PX

# Channels of the network's input: colours -1 to 1, the rest 0 to 1.
SHOWN = slice(0, 3)  # the crop with the drawn interior
INSIDE = slice(3, 4)  # how much the inside of the mouth shows
PARTS = slice(4, 8)  # share of upper teeth, upper gums, lower teeth, lower gums and tongue; the rest is dark
CHANNELS = 8
STYLE_SIZE = 8
