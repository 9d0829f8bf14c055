"""One clip in a process of its own, so that its memory and its start can be told from everything else's.

python -m benchmarks.child PHOTO.jpg CLIP.mp4 SECONDS BACKEND STARTED [again]

STARTED is the parent's `time.monotonic()` when it started this process.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.record import ROOT

EMOTION, SEED = "fear", 7
LIMIT_S = 300


@dataclass(frozen=True)
class ClipCost:
    import_seconds: float  # from the start of the process, the interpreter's own included
    open_seconds: float  # opening the networks
    prepare_seconds: float  # from the photo's path to the people, ready to be animated
    first_frame_seconds: float  # from the start of the process
    wall_seconds: float  # from the start of the process to the closed file
    peak_mb: float  # largest resident set of the process until then
    faces: int
    again_seconds: float | None  # from the photo's path to the closed file a second time; None where not asked for


def run_clip(photo: Path, clip: Path, seconds: float, *, backend: str = "auto", again: bool = False) -> ClipCost:
    """Makes a clip in a child process. Raises CalledProcessError or TimeoutExpired if that fails."""
    arguments = [str(photo), str(clip), str(seconds), backend, str(time.monotonic()), *(["again"] if again else [])]
    command = [sys.executable, "-m", "benchmarks.child", *arguments]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True, timeout=LIMIT_S)
    return ClipCost(**json.loads(done.stdout))


def peak_mb() -> float:
    """Largest resident set of this process. On Linux getrusage would also count that of the parent before the fork."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def main() -> None:
    photo, clip, seconds, backend, started = sys.argv[1:6]
    from engine import Engine

    times = [time.monotonic()]  # after each step
    engine = Engine(backend)
    times.append(time.monotonic())
    people = engine.prepare(photo)
    times.append(time.monotonic())
    first = 0.0

    def note_first(done: int, total: int) -> None:
        nonlocal first
        first = first or time.monotonic()

    engine.animate(people, EMOTION, seconds=float(seconds), seed=SEED).save(clip, progress=note_first)
    times.append(time.monotonic())
    cost = {
        "import_seconds": times[0] - float(started),
        "open_seconds": times[1] - times[0],
        "prepare_seconds": times[2] - times[1],
        "first_frame_seconds": first - float(started),
        "wall_seconds": times[3] - float(started),
        "peak_mb": peak_mb(),
        "faces": len(people.scene.portraits),
        "again_seconds": None,
    }
    if "again" in sys.argv[6:]:
        del people
        content = Path(clip).read_bytes()
        start = time.monotonic()
        engine.animate(photo, EMOTION, seconds=float(seconds), seed=SEED).save(clip)
        cost["again_seconds"] = time.monotonic() - start
        assert Path(clip).read_bytes() == content, "the same seed gave other bytes"
    print(json.dumps(cost))


if __name__ == "__main__":
    main()
