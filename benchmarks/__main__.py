"""All benchmarks, then the README's table: `python -m benchmarks`. Takes some minutes; let nothing else run."""

from __future__ import annotations

from benchmarks import end_to_end, memory, stages, table
from benchmarks.subject import SIDE_PX

stages.measure(runs=5, side_px=SIDE_PX, frame_count=48)
end_to_end.measure(runs=3, side_px=SIDE_PX, seconds=4.0)
memory.measure(side_px=SIDE_PX)
table.main()
