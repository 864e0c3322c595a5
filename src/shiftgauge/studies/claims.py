"""What studies say alike of their claims: numbers with intervals, and what a quick run leaves open."""

from __future__ import annotations

import math

from shiftgauge.report.format import signed_interval

Bounds = tuple[float, float, float]
"""A number, and the lower and upper bound of its interval."""


def shown(value: Bounds, digits: int = 3) -> str:
    """A number and its interval in words; the number alone where there is no interval.

    Args:
        value: The number and its bounds.
        digits: After the point.

    Example:
        >>> shown((0.5, 0.4, 0.6)), shown((0.5, float("nan"), float("nan")), 1)
        ('0.500 [0.400, 0.600]', '0.5')
    """
    if math.isnan(value[1]):
        return f"{value[0]:.{digits}f}"
    return f"{value[0]:.{digits}f} [{value[1]:.{digits}f}, {value[2]:.{digits}f}]"


def signed(value: Bounds, digits: int = 3) -> str:
    """A difference and its interval in words, each with its sign.

    Args:
        value: The difference and its bounds.
        digits: After the point.

    Example:
        >>> signed((0.5, -0.4, 0.6))
        '+0.500 [−0.400, +0.600]'
    """
    return signed_interval(*value, decimals=digits)


def quick_headline(text: str) -> str:
    """The headline of a quick run, which is no result.

    Args:
        text: What a whole run would say.

    Example:
        >>> quick_headline("Accuracy is 0.5.")
        'Quick run, no result: accuracy is 0.5.'
    """
    return f"Quick run, no result: {text[0].lower()}{text[1:]}"
