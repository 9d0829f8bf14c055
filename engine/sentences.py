"""What others say, or callers gave, within one of our sentences."""

from __future__ import annotations

LONGEST = 80  # of a value that is shown


def one_line(message: object) -> str:
    """An error or its message without line breaks, and without the full stop that our sentence has."""
    return " ".join(str(message).split()).rstrip(".")


def shown(value: object) -> str:
    """A value as Python writes it, on one line, its middle left out where it is long."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # whole numbers of thousands of digits, and what others' classes do
        text = f"a {type(value).__name__}"
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]}...{text[-LONGEST // 4 :]}"
