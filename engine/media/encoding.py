"""What a clip's file is asked for: which codec, and how good or how large."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from engine.checks import whole_number
from engine.errors import OptionError
from engine.sentences import shown

Codec = Literal["h264", "hevc", "av1"]
CODECS: Final = ("h264", "hevc", "av1")
FPS: Final = 60
QUALITY: Final = 18  # can hardly be told from the original
WORST: Final = 51
BITRATES: Final = (50_000, 1_000_000_000)


@dataclass(frozen=True)
class Encoding:
    """Checked options of a file.

    codec: "h264" plays everywhere; "hevc" is smaller and takes longer; "av1" is for graphics cards that encode it.
    quality: 0 (best; with H.264 no loss) to 51, on H.264's scale whatever the codec is. 18 if bitrate is None as well.
    bitrate: bits a second, instead of a quality.
    gpu: let the graphics card encode, where it can.

    Raises OptionError.
    """

    codec: Codec = "h264"
    quality: int | None = None
    bitrate: int | None = None
    gpu: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.codec, str) or self.codec not in CODECS:
            raise OptionError(f"There is no codec {shown(self.codec)}; choose one of {', '.join(CODECS)}.")
        if self.quality is not None and self.bitrate is not None:
            raise OptionError("Both quality and bitrate were given; leave one of them out.")
        if self.quality is not None:
            object.__setattr__(self, "quality", whole_number("quality", self.quality, 0, WORST))
        if self.bitrate is not None:
            bitrate = whole_number("bitrate", self.bitrate, *BITRATES, " of bits a second")
            object.__setattr__(self, "bitrate", bitrate)

    @property
    def wanted_quality(self) -> int:
        return QUALITY if self.quality is None else self.quality
