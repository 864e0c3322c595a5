"""Intervals of the sample alone as a floor for those that a surrogate has sharpened."""

from collections.abc import Sequence
from dataclasses import fields, replace

import numpy as np

from shiftgauge.estimate.result import Indices
from shiftgauge.types import FloatArray


def with_floor(found: Indices, plain: Indices, positions: Sequence[int]) -> Indices:
    """Widens intervals of some outputs, on each side to at least the width that the sample alone gives.

    Args:
        found: Indices that a surrogate has sharpened.
        plain: Those of the sample alone, of these outputs only, in this order.
        positions: The outputs in `found`.

    Returns:
        The indices, with the same estimates.
    """
    changed: dict[str, FloatArray] = {}
    for name in (f.name for f in fields(found) if f.name.endswith("_interval")):
        interval, floor = getattr(found, name), getattr(plain, name)
        if interval is None or floor is None:
            continue
        point, centre = (getattr(part, name.removesuffix("_interval")) for part in (found, plain))
        interval = np.array(interval)
        own, rows = interval[list(positions)], point[list(positions)]
        down = np.fmax(rows - own[..., 0], centre - floor[..., 0])
        up = np.fmax(own[..., 1] - rows, floor[..., 1] - centre)
        interval[list(positions)] = np.stack([rows - down, rows + up], axis=-1)
        changed[name] = interval
    return replace(found, **changed)
