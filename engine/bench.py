"""How fast this installation is: one clip of a sample photo. The thorough benchmarks are in the repository."""

from __future__ import annotations

import platform
import time
from itertools import pairwise

import engine
from engine.media.output import temporary_folder
from engine.native import available
from engine.native.library import usable_cpus
from engine.samples import sample_photo

EMOTION, SEED = "fear", 7


def bench(backend: str, seconds: float) -> dict[str, str | float | int | bool | None]:
    """Times opening the networks, taking the photo apart, and drawing and encoding the clip; `again` is all of it
    but the opening a second time. Raises what `Engine` and `animate` raise."""
    photo = sample_photo()
    with temporary_folder() as folder:
        clip = folder / "clip.mp4"
        times = [time.perf_counter()]
        opened = engine.Engine(backend)
        times.append(time.perf_counter())
        people = opened.prepare(photo)
        times.append(time.perf_counter())
        video = opened.animate(people, EMOTION, seconds=seconds, seed=SEED)
        video.save(clip)
        times.append(time.perf_counter())
        opened.animate(photo, EMOTION, seconds=seconds, seed=SEED).save(clip)
        times.append(time.perf_counter())
    opening, preparing, saving, again = (round(b - a, 3) for a, b in pairwise(times))
    return {
        "version": engine.__version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "processors": usable_cpus(),
        "backend": backend,
        "runs_on": "; ".join(sorted(set(opened.report().values()))),
        "native_library": available(),
        "photo": f"{video.size[0]}x{video.size[1]}",
        "faces": len(people.faces),
        "clip_seconds": video.seconds,
        "open_seconds": opening,
        "prepare_seconds": preparing,
        "save_seconds": saving,
        "again_seconds": again,
        "again_over_clip": round(again / video.seconds, 3),
    }
