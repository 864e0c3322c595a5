"""Numbers and names as people read them; every outside string is made harmless to show.

Escaping itself belongs to the place of use (Jinja for the page, `svg` for drawings, `rich.text.Text` in a terminal);
`clean` is the step before it: it takes away what escaping does not touch, such as terminal codes and half characters.
"""

from __future__ import annotations

import math
import unicodedata
from typing import Any, Final

_BIDI: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")
_DASH: Final = "–"
_QUANTITY: Final = {
    "probability": "Probability of the true class",
    "margin": "Logit margin of the true class",
    "cross_entropy": "Cross-entropy",
    "correct": "Correct or not",
    "accuracy": "Accuracy",
}
_INPUT: Final = {"image": "image (the part)", "repeat": "repeat (noise)"}


def clean(text: Any) -> str:
    """Returns the text without characters that could act on a reader: control, bidirectional and broken ones.

    Line breaks and tabs become spaces; every other one becomes �.

    Example:
        >>> clean("a\\x1b[31m\\nb")
        'a�[31m b'
    """
    out = []
    for char in str(text):
        if char in "\n\r\t\u2028\u2029\x85":
            out.append(" ")
        elif char in _BIDI or unicodedata.category(char) in ("Cc", "Cs"):
            out.append("\ufffd")
        else:
            out.append(char)
    return "".join(out)


def shorten(text: Any, length: int) -> str:
    """Returns the cleaned text, its middle left out when it is longer than `length` characters.

    Example:
        >>> shorten("a_very_long_file_name.png", 12)
        'a_very_….png'
    """
    plain = clean(text)
    if len(plain) <= length:
        return plain
    tail = max((length - 1) // 3 + 1, 1)
    return f"{plain[: length - 1 - tail]}…{plain[-tail:]}"


def number(value: float, digits: int = 3) -> str:
    """Returns a number with `digits` significant digits, with a true minus sign; `–` when it is undefined.

    Example:
        >>> number(-0.12345), number(12345.6), number(float("nan"))
        ('−0.123', '12,346', '–')
    """
    if not math.isfinite(value):
        return _DASH
    if value == 0:
        return "0"
    if abs(value) >= 10**digits:
        text = f"{value:,.0f}" if abs(value) < 1e7 else f"{value:.{digits - 1}e}"
    elif abs(value) < 1e-4:
        text = f"{value:.{digits - 1}e}"
    else:
        text = f"{value:.{max(digits - 1 - math.floor(math.log10(abs(value))), 0)}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    return text.replace("-", "−")


def fixed(value: float, decimals: int = 3) -> str:
    """Returns a number with a fixed count of decimals, for columns; `–` when it is undefined.

    Example:
        >>> fixed(0.5), fixed(-0.0001)
        ('0.500', '0.000')
    """
    if not math.isfinite(value):
        return _DASH
    text = f"{value:.{decimals}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")


def signed(value: float, decimals: int = 3) -> str:
    """Returns a difference with its sign and a fixed count of decimals; `–` when it is undefined.

    Example:
        >>> signed(0.5), signed(-0.25, 2), signed(float("nan"))
        ('+0.500', '−0.25', '–')
    """
    text = fixed(value, decimals)
    return text if text.startswith(("−", _DASH)) else f"+{text}"


def signed_interval(value: float, low: float, high: float, decimals: int = 3) -> str:
    """Returns a difference and its bounds, each with its sign; the difference alone where it is undefined.

    Example:
        >>> signed_interval(0.5, -0.4, 0.6)
        '+0.500 [−0.400, +0.600]'
    """
    if not math.isfinite(value):
        return signed(value)
    return f"{signed(value, decimals)} [{signed(low, decimals)}, {signed(high, decimals)}]"


def percent(share: float, decimals: int = 1) -> str:
    """Returns a share as per cent; `–` when it is undefined.

    Example:
        >>> percent(0.4567)
        '45.7\\xa0%'
    """
    return _DASH if not math.isfinite(share) else f"{fixed(100 * share, decimals)}\u00a0%"


def interval(low: float, high: float, decimals: int = 3) -> str:
    """Returns `[low, high]`, or nothing when a bound is undefined.

    Example:
        >>> interval(0.1, 0.25, 2)
        '[0.10, 0.25]'
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f"[{fixed(low, decimals)}, {fixed(high, decimals)}]"


def percent_interval(low: float, high: float, decimals: int = 1) -> str:
    """Returns an interval of shares as per cent, the sign left to the value beside it.

    Example:
        >>> percent_interval(0.1, 0.25)
        '[10.0, 25.0]'
    """
    return interval(100 * low, 100 * high, decimals)


def with_unit(value: float, unit: str, digits: int = 3) -> str:
    """Returns a number with its unit; degrees, per cent and × stand close to it.

    Example:
        >>> with_unit(-90, "°"), with_unit(2.0, "px")
        ('−90°', '2\\xa0px')
    """
    text, name = number(value, digits), clean(unit).strip()
    if text == _DASH or not name:
        return text
    return f"{text}{name}" if name in ("°", "×", "%") else f"{text}\u00a0{name}"


def duration(seconds: float) -> str:
    """Returns a time span in the two largest units.

    Example:
        >>> duration(9.26), duration(3725)
        ('9.3 s', '1 h 2 min')
    """
    if not math.isfinite(seconds):
        return _DASH
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = int(seconds // 60)
    if minutes < 60:
        return f"{minutes} min {int(seconds % 60)} s"
    return f"{minutes // 60} h {minutes % 60} min"


def quantity_label(name: str) -> str:
    """Returns what a quantity of interest is called on the page.

    Example:
        >>> quantity_label("probability[cat]"), quantity_label("cross_entropy")
        ('Probability of “cat”', 'Cross-entropy')
    """
    plain = clean(name)
    if plain.startswith("probability[") and plain.endswith("]"):
        return f"Probability of “{plain[12:-1]}”"
    known = _QUANTITY.get(plain)
    if known:
        return known
    words = plain.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def input_label(name: str) -> str:
    """Returns what an input is called on the page.

    Example:
        >>> input_label("gaussian_blur"), input_label("image")
        ('gaussian blur', 'image (the part)')
    """
    plain = clean(name)
    return _INPUT.get(plain, plain.replace("_", " "))
