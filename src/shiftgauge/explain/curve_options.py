"""How deletion and insertion curves are drawn."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from shiftgauge.checks import require_in, require_positive_int, require_range
from shiftgauge.errors import ConfigError
from shiftgauge.explain.attribution import MapKind
from shiftgauge.explain.baselines import BASELINES, BaselineName
from shiftgauge.random import check_seed


@dataclass(frozen=True, kw_only=True)
class CurveOptions:
    """Options of `deletion_insertion`.

    Args:
        steps: Equal parts into which the pixels are cut, ≥ 1; curves have one point more.
        deletion_baseline: What takes the place of a pixel that is taken away: `zero` (black), `mean` or `blur`.
        insertion_baseline: The image that pixels are given back to; `blur` as published, which hides what is in the
            image without making edges.
        blur_px: Standard deviation of the blur in pixels, > 0.
        quantity: `probability` of the class, or its `logit`.
        maps: Whether an attribution orders pixels by its `signed` values, so that what speaks against the class comes
            last, or by their `magnitude`.
        random_orders: Random orders of each image to compare with, ≥ 1.
        confidence_level: Of the intervals of means over images, between 0 and 1.
        seed: Of the random orders, and of the order among pixels of equal value.
    """

    steps: int = 20
    deletion_baseline: BaselineName = "mean"
    insertion_baseline: BaselineName = "blur"
    blur_px: float = 5.0
    quantity: Literal["probability", "logit"] = "probability"
    maps: MapKind = "signed"
    random_orders: int = 4
    confidence_level: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        require_positive_int("steps", self.steps)
        require_in("deletion_baseline", self.deletion_baseline, BASELINES)
        require_in("insertion_baseline", self.insertion_baseline, BASELINES)
        if not require_range("blur_px", self.blur_px, 0) > 0:
            raise ConfigError("`blur_px` must be > 0, got 0; the baseline would be the image itself")
        require_in("quantity", self.quantity, ("probability", "logit"))
        require_in("maps", self.maps, ("magnitude", "signed"))
        require_positive_int("random_orders", self.random_orders)
        if require_range("confidence_level", self.confidence_level, 0, 1) in (0, 1):
            raise ConfigError(f"`confidence_level` must lie between 0 and 1, got {self.confidence_level:g}")
        check_seed(self.seed)

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as plain values."""
        return asdict(self)
