"""Numbers that callers give: Python's or NumPy's, but neither text nor True."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np

from engine.errors import OptionError
from engine.sentences import shown

NO_NUMBERS = (bool, np.timedelta64)  # though they are registered as whole ones


def whole_number(name: str, value: Any, low: int, high: int, unit: str = "") -> int:
    """The value, if it is a whole number from low to high; raises OptionError."""
    is_whole = isinstance(value, Integral) and not isinstance(value, NO_NUMBERS)
    if is_whole and low <= value <= high:
        return int(value)
    raise OptionError(f"{name} must be a whole number{unit} from {low} to {high}, not {shown(value)}.")


def number(name: str, value: Any, low: float, high: float) -> float:
    """The value, if it is a number from low to high; raises OptionError."""
    is_number = isinstance(value, Real) and not isinstance(value, NO_NUMBERS)
    if is_number and low <= value <= high:  # NaN isn't
        return float(value)
    raise OptionError(f"{name} must be a number from {low:g} to {high:g}, not {shown(value)}.")
