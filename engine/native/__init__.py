"""Native code for the CPU, where the package was built with a C++ compiler; everything works without it."""

from __future__ import annotations

from engine.native.layered_warp import NativeWarp
from engine.native.library import available
from engine.native.skin import relax_skin
from engine.native.yuv import to_yuv420

__all__ = ["NativeWarp", "available", "relax_skin", "to_yuv420"]
