"""Which of the mesh's 478 points are what. "Right" is the person's right, left in the picture.

Contours run from the picture's left to its right; points of an upper and a lower contour at the same place in the
list face each other. Indices from MediaPipe's face mesh (Kartynnik et al. 2019, Apache-2.0).
"""

from __future__ import annotations

FACE_POINTS = 468  # the rest are irises

LIP_LEFT_END, LIP_RIGHT_END = 78, 308  # inner corners of the mouth
UPPER_LIP_INNER = (191, 80, 81, 82, 13, 312, 311, 310, 415)
LOWER_LIP_INNER = (95, 88, 178, 87, 14, 317, 402, 318, 324)
UPPER_LIP = (*UPPER_LIP_INNER, 183, 42, 41, 38, 12, 268, 271, 272, 407, 184, 74, 73, 72, 11, 302, 303, 304, 408)
UPPER_LIP_OUTER = (185, 40, 39, 37, 0, 267, 269, 270, 409)
LOWER_LIP = (*LOWER_LIP_INNER, 96, 89, 179, 86, 15, 316, 403, 319, 325, 77, 90, 180, 85, 16, 315, 404, 320, 307)
LOWER_LIP_OUTER = (146, 91, 181, 84, 17, 314, 405, 321, 375)
MOUTH_CORNERS = (61, 291)
AROUND_MOUTH_CORNERS = (61, 57, 62, 76, 77, 78, 95, 96, 291, 287, 292, 306, 307, 308, 324, 325)

UPPER_LID_RIGHT, LOWER_LID_RIGHT = (246, 161, 160, 159, 158, 157, 173), (7, 163, 144, 145, 153, 154, 155)
UPPER_LID_LEFT, LOWER_LID_LEFT = (398, 384, 385, 386, 387, 388, 466), (382, 381, 380, 374, 373, 390, 249)
UPPER_RING_RIGHT, LOWER_RING_RIGHT = (247, 30, 29, 27, 28, 56, 190), (25, 110, 24, 23, 22, 26, 112)
UPPER_RING_LEFT, LOWER_RING_LEFT = (414, 286, 258, 257, 259, 260, 467), (341, 256, 252, 253, 254, 339, 255)
EYE_ENDS_RIGHT, EYE_ENDS_LEFT = (33, 133), (362, 263)
IRIS_RIGHT, IRIS_LEFT = (468, 469, 470, 471, 472), (473, 474, 475, 476, 477)  # centre, then four on the rim

# From the face's edge inwards: a brow's upper and lower line, and half-way from there to the lid.
BROW_TOP_RIGHT, BROW_TOP_LEFT = (70, 63, 105, 66, 107), (300, 293, 334, 296, 336)
BROW_RIGHT, BROW_LEFT = (46, 53, 52, 65, 55), (276, 283, 282, 295, 285)
ABOVE_LID_RIGHT, ABOVE_LID_LEFT = (113, 225, 224, 223, 222, 221, 189), (342, 445, 444, 443, 442, 441, 413)

FACE_OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
