"""What headline, messages and gates of an audit ask of its arrays."""

from __future__ import annotations

from typing import Final

import numpy as np
import xarray as xr

from shiftgauge.results.audit import is_factual

_NOTHING: Final = 1e-9
"""Total indices below this are rounding."""


def surrogate_alone(arrays: xr.Dataset) -> bool:
    """Whether the indices are those of a surrogate that is no good stand-in for the classifier."""
    return not is_factual(arrays, str(arrays.attrs["quantity_of_interest"]))


def is_indifferent(arrays: xr.Dataset, quantity: str) -> bool:
    """Whether the quantity varies between images, but no shift has a hand in it."""
    total = arrays["total_order"].sel(quantity=quantity, input=list(arrays["shift"].values)).values
    return bool(np.isfinite(total).all() and np.abs(total).max() < _NOTHING)


def only_class(arrays: xr.Dataset) -> str | None:
    """The class that the classifier names for every image without shifts, where the images have several; else None."""
    if "image_predicted" not in arrays or len(np.unique(arrays["image_label"].values)) < 2:
        return None
    named = np.unique(arrays["image_predicted"].values)
    return str(named[0]) if len(named) == 1 else None


def readable(name: str) -> str:
    """A name for running text: underscores become blanks.

    Example:
        >>> readable("gaussian_blur")
        'gaussian blur'
    """
    words = {"probability": "probability of the true class", "margin": "logit margin", "correct": "correctness"}
    return words.get(name, name.replace("_", " "))
