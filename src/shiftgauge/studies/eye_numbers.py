"""Numbers of the eye-state study with the bounds of their intervals, and how a sentence gives them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import xarray as xr

from shiftgauge.results.study import Agreement
from shiftgauge.studies.claims import Bounds
from shiftgauge.studies.eye_recipe import MARKED


def accuracy_of(a: xr.Dataset, model: str, attack: str, epsilon: float, side: str = "white") -> Bounds:
    """Accuracy under an attack with its bounds; `side` may be `overstated` too."""
    return _bounds(a, side, model=model, attack=attack, epsilon=epsilon)


def score_of(a: xr.Dataset, model: str, figure: str = "accuracy") -> Bounds:
    """A main figure of a network with its bounds."""
    return _bounds(a, "model_score", model=model, figure=figure)


def pair_of(a: xr.Dataset, first: str, second: str, attack: str, epsilon: float) -> Bounds:
    """By how much one network is better than another under an attack on itself, with bounds over folds."""
    return _bounds(a, "pair_difference", pair=f"{first} less {second}", attack=attack, epsilon=epsilon)


def contrast_of(a: xr.Dataset, contrast: str, scope: str | None = None) -> Bounds:
    """By how much one kind of copies is better than another, with bounds over folds."""
    return _bounds(a, "contrast_difference", contrast=contrast, scope=scope or str(a["scope"].values[0]))


def p_of(a: xr.Dataset, contrast: str) -> float:
    """Its p-value, of the mean over all cells."""
    return float(a["contrast_p"].sel(contrast=contrast).values[0])


def ratio_of(a: xr.Dataset, model: str) -> Bounds:
    """What PGD takes from a hardened network over what it takes from the plain one, with bounds."""
    return _bounds(a, "loss_ratio", hardened=model)


def snr_of(a: xr.Dataset, attack: str, epsilon: float) -> float:
    """Ratio of the set at an ε, dB."""
    return float(a["snr"].sel(attack=attack, epsilon=epsilon))


def db(a: xr.Dataset, attack: str, epsilon: float) -> str:
    """That ratio in words.

    Example:
        >>> a = xr.Dataset({"snr": (("attack", "epsilon"), [[np.inf, 33.149]])},
        ...                coords={"attack": ["PGD"], "epsilon": [0.0, 0.022]})
        >>> db(a, "PGD", 0.022), db(a, "PGD", 0.0)
        ('33.1 dB', 'clean')
    """
    ratio = snr_of(a, attack, epsilon)
    return "clean" if math.isinf(ratio) else f"{ratio:.1f} dB"


def judged(gaps: Sequence[Bounds], limit: float = 0.0) -> Agreement:
    """Agrees if all are surely above a limit, differs if all are surely below; NaN cannot be told.

    Example:
        >>> judged([(0.2, 0.1, 0.3)]), judged([(0.2, 0.1, 0.3), (0.0, -0.1, 0.1)]), judged([(-0.2, -0.3, -0.1)])
        ('agrees', 'unclear', 'differs')
    """
    if all(low > limit for _, low, _ in gaps):
        return "agrees"
    return "differs" if all(high < limit for _, _, high in gaps) else "unclear"


def where_sure(a: xr.Dataset, first: str, second: str, attack: str) -> tuple[list[str], list[str]]:
    """Ratios at which the first of two networks is surely better, and surely worse, of those of tables."""
    better, worse = [], []
    for epsilon in (0.0, *MARKED):
        _, low, high = pair_of(a, first, second, attack, epsilon)
        if low > 0:
            better.append(db(a, attack, epsilon))
        elif high < 0:
            worse.append(db(a, attack, epsilon))
    return better, worse


def _bounds(a: xr.Dataset, name: str, **where: str | float) -> Bounds:
    low, high = np.asarray(a[f"{name}_interval"].sel(where).values, float).tolist()
    return float(a[name].sel(where)), low, high
