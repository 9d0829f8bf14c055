"""How drawing is shared out to processors: some batches of frames at once, each by its part of them.

Much of a batch is done by one thread, whatever the number of processors, and with one batch at a time the others wait.
"""

from __future__ import annotations

from engine.native.library import usable_cpus

MOST_AT_ONCE = 4  # each takes some ten megabytes, and more wouldn't keep more processors busy


def batches_at_once() -> int:
    return min(usable_cpus(), MOST_AT_ONCE)


def threads_each() -> int:
    """How many threads the native warp and the mouth network take for a batch."""
    return max(1, usable_cpus() // batches_at_once())
