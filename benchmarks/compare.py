"""Two JSON files of one benchmark beside each other: python -m benchmarks.compare BEFORE.json AFTER.json"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import Any

from benchmarks.record import existing


def numbers(value: Any, name: str = "") -> Iterator[tuple[str, float]]:
    """Every number by its dotted path; of a spread the median only."""
    if isinstance(value, dict):
        if "median" in value:
            yield name, float(value["median"])
            return
        for key, part in value.items():
            yield from numbers(part, f"{name}.{key}" if name else key)
    elif isinstance(value, list):
        for i, part in enumerate(value):
            yield from numbers(part, f"{name}[{i}]")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield name, float(value)


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Lines of a table. Raises ValueError where they are not of one benchmark and one setting."""
    for key in ("benchmark", "settings"):
        if before[key] != after[key]:
            raise ValueError(f"the {key} differ: {before[key]} and {after[key]}")
    lines = [f"{key}: {before[key]} | {after[key]}" for key in ("commit", "machine") if before[key] != after[key]]
    old, new = dict(numbers(before["results"])), dict(numbers(after["results"]))
    wide = max(len(name) for name in old | new)
    for name in old | new:
        values = [f"{values[name]:12.3f}" if name in values else f"{'-':>12}" for values in (old, new)]
        both = name in old and name in new and old[name] != 0
        ratio = f"{new[name] / old[name]:8.2f}x" if both else ""
        lines.append(f"{name:<{wide}} {values[0]} {values[1]} {ratio}".rstrip())
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", type=existing)
    parser.add_argument("after", type=existing)
    options = parser.parse_args()
    print("\n".join(differences(json.loads(options.before.read_text()), json.loads(options.after.read_text()))))


if __name__ == "__main__":
    main()
