r"""Whether methods of attribution say the same: rank correlation between their maps.

For the maps $a$ and $b$ of one image, with $R$ the ranks of their pixels (the mean rank where values are equal),

$$ \rho = \frac{\mathrm{Cov}(R_a, R_b)}{\sqrt{\mathrm{Var}(R_a) \, \mathrm{Var}(R_b)}} . $$

Ranks are compared, because the units of the methods differ. A high $\rho$ does not say that the maps are right: maps
that show edges agree with one another and with an edge detector (see `randomisation`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from scipy.stats import rankdata

from shiftgauge.checks import require_range
from shiftgauge.errors import ConfigError, DataError
from shiftgauge.explain.attribution import Attribution, MapKind
from shiftgauge.results.mean_interval import mean_interval
from shiftgauge.types import FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Agreement:
    """Rank correlations between methods.

    Args:
        methods: Their names, M.
        correlation: Spearman's ρ, axes (image, method, other); NaN where a map is constant.
        mean: Over images, axes (method, other).
        low: Lower end of Student's interval of the mean, same axes; NaN with fewer than two images.
        high: Upper end.
        counted: Images whose ρ is a number, same axes.
        maps: Which maps were compared, `magnitude` or `signed`.
        confidence_level: Of the intervals.
    """

    methods: tuple[str, ...]
    correlation: FloatArray
    mean: FloatArray
    low: FloatArray
    high: FloatArray
    counted: npt.NDArray[np.int64]
    maps: str
    confidence_level: float

    def table(self) -> pd.DataFrame:
        """A row for each pair of methods: method, other, mean, low, high, images."""
        pairs = [(a, b) for a in range(len(self.methods)) for b in range(a + 1, len(self.methods))]
        rows = [
            {
                "method": self.methods[a],
                "other": self.methods[b],
                "mean": self.mean[a, b],
                "low": self.low[a, b],
                "high": self.high[a, b],
                "images": int(self.counted[a, b]),
            }
            for a, b in pairs
        ]
        return pd.DataFrame(rows, columns=["method", "other", "mean", "low", "high", "images"])

    def dataset(self) -> xr.Dataset:
        """Returns the arrays with named axes: image, method, other."""
        pair = ("method", "other")
        named = {name: (pair, getattr(self, name)) for name in ("mean", "low", "high", "counted")}
        return xr.Dataset(
            {"correlation": (("image", *pair), self.correlation), **named},
            coords={"method": list(self.methods), "other": list(self.methods)},
            attrs={"maps": self.maps, "confidence_level": self.confidence_level},
        )


def agreement(
    attributions: Mapping[str, Attribution] | Sequence[Attribution],
    *,
    maps: MapKind = "magnitude",
    confidence_level: float = 0.95,
) -> Agreement:
    """Correlates the maps of several methods of the same images and classes, image by image.

    Args:
        attributions: At least two, by name, or in a list where their methods differ.
        maps: `magnitude` compares Σ_c |values|, `signed` Σ_c values; methods without a sign (`saliency`, a rectified
            Grad-CAM) belong to the first.
        confidence_level: Of the intervals of the mean over images, in (0, 1). Images count as independent.

    Raises:
        ConfigError: Fewer than two, a name given twice, an unknown kind of map.
        DataError: They are of other images, classes or networks.

    Example:
        >>> from shiftgauge.explain.attribution_options import AttributionOptions
        >>> def made(method, rows):
        ...     return Attribution(
        ...         values=np.array(rows, np.float32)[:, None, None], method=method, targets=("a",) * len(rows),
        ...         places=np.zeros(len(rows), np.int64), layer=None, completeness_error=np.zeros(len(rows)),
        ...         output_change=np.zeros(len(rows)), options=AttributionOptions())
        >>> found = agreement([made("x", [[1, 2, 3], [1, 2, 3]]), made("y", [[1, 4, 9], [9, 4, 1]])])
        >>> found.correlation[:, 0, 1].round(6).tolist()
        [1.0, -1.0]

    References:
        Spearman, C. (1904). The proof and measurement of association between two things. doi:10.2307/1412159
    """
    named = _named(attributions)
    level = require_range("confidence_level", confidence_level, 0, 1)
    if level in (0, 1):
        raise ConfigError(f"`confidence_level` must lie between 0 and 1, got {level:g}")
    stacked = np.stack([found.maps(maps) for found in named.values()], axis=1)
    flat = stacked.reshape(*stacked.shape[:2], -1)
    correlation = rank_correlation(flat[:, :, None], flat[:, None])
    mean, low, high = mean_interval(correlation, level)
    return Agreement(
        methods=tuple(named),
        correlation=correlation,
        mean=mean,
        low=np.maximum(low, -1),
        high=np.minimum(high, 1),
        counted=np.isfinite(correlation).sum(axis=0),
        maps=maps,
        confidence_level=level,
    )


def rank_correlation(a: npt.ArrayLike, b: npt.ArrayLike) -> FloatArray:
    """Returns Spearman's ρ along the last axis; other axes follow NumPy's rules of shapes.

    Returns:
        In [−1, 1]; NaN where either is constant.

    Example:
        >>> rank_correlation([[1.0, 2.0, 3.0]], [[0.1, 0.2, 0.9]]).round(6).tolist()
        [1.0]
    """
    x, y = (rankdata(values, axis=-1) - (np.shape(values)[-1] + 1) / 2 for values in (np.asarray(a), np.asarray(b)))
    scale = np.sqrt((x**2).sum(axis=-1) * (y**2).sum(axis=-1))
    some = scale > 0
    return np.where(some, np.clip((x * y).sum(axis=-1) / np.where(some, scale, 1), -1, 1), np.nan)


def _named(attributions: Mapping[str, Attribution] | Sequence[Attribution]) -> dict[str, Attribution]:
    """Attributions by name, of the same images, classes and network."""
    if isinstance(attributions, Mapping):
        named = dict(attributions)
    else:
        names = [found.method for found in attributions]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise ConfigError(f"`{twice[0]}` is given twice; name each by a mapping, name → attribution")
        named = dict(zip(names, attributions, strict=True))
    if len(named) < 2:
        raise ConfigError(f"give at least two attributions to compare, got {len(named)}")
    first = next(iter(named.values()))
    for name, found in named.items():
        same = (
            len(found.values) == len(first.values)
            and found.values.shape[2:] == first.values.shape[2:]
            and np.array_equal(found.places, first.places)
            and found.fingerprint == first.fingerprint
            and found.image_hash == first.image_hash
        )
        if not same:
            raise DataError(
                f"`{name}` is of other images, classes or another network than `{next(iter(named))}`; compare "
                "attributions of the same"
            )
    return named
