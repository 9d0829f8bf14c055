"""What others' errors say, within one of our sentences."""

from __future__ import annotations


def one_line(message: object) -> str:
    """An error or its message without line breaks, and without the full stop that our sentence has."""
    return " ".join(str(message).split()).rstrip(".")
