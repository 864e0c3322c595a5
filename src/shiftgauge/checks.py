"""One form of message for wrong values, shapes and unknown names."""

import difflib
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from shiftgauge.errors import ConfigError, NumericalError, ShiftgaugeError


def nearest(name: str, allowed: Iterable[str]) -> str | None:
    """Returns the allowed name that looks most like `name`, or None.

    Example:
        >>> nearest("rotatoin", ["rotation", "tilt"])
        'rotation'
    """
    found = difflib.get_close_matches(name, list(allowed), n=1, cutoff=0.5)
    return found[0] if found else None


def unknown_name(kind: str, name: str, allowed: Iterable[str]) -> str:
    """Builds the message for a name that is not in a list of allowed names."""
    names = sorted(allowed)
    guess = nearest(name, names)
    hint = f"did you mean `{guess}`?" if guess else f"allowed are {', '.join(names)}"
    return f"unknown {kind} `{name}`; {hint}"


def shortened(names: Sequence[str], shown: int = 3) -> str:
    """Lists the first names and counts the others.

    Example:
        >>> shortened(["a.png", "b.png", "c.png"], 2)
        '`a.png`, `b.png` and 1 more'
    """
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(f"`{name}`" for name in names[:shown]) + more


def require_in(kind: str, name: str, allowed: Iterable[str], error: type[ShiftgaugeError] = ConfigError) -> str:
    """Returns `name` when it is allowed.

    Raises:
        ShiftgaugeError: The class given as `error`, with the nearest allowed name.
    """
    names = list(allowed)
    if name not in names:
        raise error(unknown_name(kind, str(name), names))
    return name


def require_range(
    name: str,
    value: Any,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    hint: str = "",
    error: type[ShiftgaugeError] = ConfigError,
) -> float:
    """Returns `value` when it is a finite number in [low, high].

    Raises:
        ShiftgaugeError: The class given as `error`; NaN and infinity are refused as well.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise error(f"`{name}` must be a number, got {value!r}{_tail(hint)}")
    if not math.isfinite(value) or not low <= value <= high:
        raise error(f"`{name}` must be {_range_text(low, high)}, got {value:g}{_tail(hint)}")
    return float(value)


def require_positive_int(name: str, value: Any, *, low: int = 1, error: type[ShiftgaugeError] = ConfigError) -> int:
    """Returns `value` when it is a whole number not below `low`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < low:
        raise error(f"`{name}` must be a whole number ≥ {low}, got {value!r}")
    return int(value)


def require_bool(name: str, value: Any, *, error: type[ShiftgaugeError] = ConfigError) -> bool:
    """Returns `value` when it is true or false; text such as "no" would count as true."""
    if not isinstance(value, (bool, np.bool_)):
        raise error(f"`{name}` must be true or false, got {value!r}")
    return bool(value)


def require_finite(name: str, values: np.ndarray, *, error: type[ShiftgaugeError] = NumericalError) -> np.ndarray:
    """Returns `values` when every entry is finite; otherwise names the first bad position."""
    bad = ~np.isfinite(values)
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        count = int(bad.sum())
        raise error(f"`{name}` holds {count} value(s) that are NaN or infinite, the first at {where}")
    return values


def _range_text(low: float, high: float) -> str:
    if math.isinf(low) and math.isinf(high):
        return "finite"
    if math.isinf(high):
        return f"≥ {low:g}"
    if math.isinf(low):
        return f"≤ {high:g}"
    return f"in [{low:g}, {high:g}]"


def _tail(hint: str) -> str:
    return f"; {hint}" if hint else ""
