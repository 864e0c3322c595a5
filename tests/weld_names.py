"""Names and ranges of the synthetic weld audit, harmless and hostile."""

from __future__ import annotations

HOSTILE_CLASSES = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "$\\frac{1}{0}$ [bold red]x[/] \x1b[31m {{ 7*7 }} |=1+1 \u202etxt \u2028 \ud800 日本",
)
"""Class names that try markup, mathtext, terminal codes, templates, bidirectional tricks and broken Unicode."""
HOSTILE_TITLE = "</title><script>alert(3)</script> $x_{$ [link=http://x]t[/link]"
SHIFTS: dict[str, tuple[str, float, float, float, str]] = {
    "rotation": ("°", -90.0, 90.0, 0.0, "geometry"),
    "brightness": ("×", 0.0, 2.0, 1.0, "scene"),
    "tilt": ("°", -20.0, 20.0, 0.0, "geometry"),
    "gaussian_blur": ("px", 0.0, 3.0, 0.0, "optics"),
    "noise": ("", 0.0, 0.12, 0.0, "sensor"),
}
"""Unit, low, high, identity, stage of the shifts of the synthetic audit."""
QUANTITIES = ("probability", "margin", "cross_entropy", "correct")
IMAGES, CLASSES, GRID, SLICES = 24, ("good weld", "burn through", "lack of fusion"), 31, 7
