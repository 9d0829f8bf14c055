"""One clip in a process of its own, so that its memory can be told from everything else's.

python -m benchmarks.child PHOTO.png CLIP.mp4 SECONDS
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


@dataclass(frozen=True)
class ClipCost:
    import_seconds: float  # Python, imports and opening the networks
    wall_seconds: float  # from the photo's path to the closed file
    peak_mb: float  # largest resident set of the process


def run_clip(photo: Path, clip: Path, seconds: float) -> ClipCost:
    """Makes a clip in a child process. Raises CalledProcessError if that fails."""
    command = [sys.executable, "-m", "benchmarks.child", str(photo), str(clip), str(seconds)]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return ClipCost(**json.loads(done.stdout))


def peak_mb() -> float:
    """Largest resident set of this process. On Linux getrusage would also count that of the parent before the fork."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def main() -> None:
    photo, clip, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    start = time.perf_counter()
    from engine import Engine

    engine = Engine()
    ready = time.perf_counter()
    engine.animate(photo, EMOTION, seconds=seconds, seed=SEED).save(clip)
    end = time.perf_counter()
    print(json.dumps({"import_seconds": ready - start, "wall_seconds": end - ready, "peak_mb": peak_mb()}))


if __name__ == "__main__":
    main()
