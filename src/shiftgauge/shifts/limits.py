"""What the options of the shifts may be, stated once for pipeline, options and configuration."""

from typing import Final, Literal, TypeAlias

Fill: TypeAlias = Literal["constant", "edge", "reflect"]
"""What lies outside the picture."""
Interpolation: TypeAlias = Literal["bilinear", "bicubic", "nearest"]
"""How geometric shifts resample."""
FIELD_OF_VIEW_DEG: Final = (5.0, 150.0)
"""Smallest and largest angle under which the pinhole camera may see the longer side, in degrees."""
