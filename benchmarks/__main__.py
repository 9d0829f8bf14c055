"""All benchmarks, then the tables and the plot: python -m benchmarks [--group PHOTO]

Each runs in a process of its own with a limit, fourteen minutes in all at most; let nothing else run. What fails is
named at the end, and its old JSON stays.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from benchmarks import table
from benchmarks.record import ROOT, existing

LIMITS_S = {"end_to_end": 270, "stages": 70, "memory": 170, "networks": 120, "alternatives": 40, "kernels": 120}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--group", type=existing, help="a photo of many people, for the benchmark of memory")
    options = parser.parse_args()
    failed = []
    for name, limit_s in LIMITS_S.items():
        group = ["--group", str(options.group.resolve())] if name == "memory" and options.group else []
        try:
            command = [sys.executable, "-m", f"benchmarks.{name}", *group]
            subprocess.run(command, cwd=ROOT, check=True, timeout=limit_s)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            failed.append(f"{name}: {error}")
    table.main()
    print("\n".join(failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
