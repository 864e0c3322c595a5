"""Tables of attacks: accuracies, the transfer matrix and the differences of models, each with its interval."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
import xarray as xr

_ENDS: Final = ("", "_low", "_high")
_ACCURACY: Final = ["model", "way", "kind", "asked", "level", "level_unit", "set_snr_db", "median_image_snr_db",
                    "accuracy", "low", "high", "images", "zero_gradient"]  # fmt: skip
_TRANSFER: Final = ["attack", "asked", "source", "target", "white_box", "epsilon", "set_snr_db", "accuracy", "low",
                    "high", "difference", "difference_low", "difference_high", "images"]  # fmt: skip
_MEASURED: Final = [f"{name}{end}" for name in ("accuracy", "difference") for end in _ENDS]
_COMPARISON: Final = ["first", "second", "way", "at", "difference", "low", "high", "images"]


def accuracy_table(arrays: xr.Dataset) -> pd.DataFrame:
    """One row for each model, way and loudness; images as given come first, as the way `none`.

    Columns: model, way, kind (clean, attack, noise or shift), asked (ratio in dB or ε asked for; empty for shifts),
    level (ε in the mean over images, or the shift's value), level_unit, set_snr_db (ratio of the whole set),
    median_image_snr_db, accuracy, low, high, images, zero_gradient (images whose gradients were all 0) and, with a
    target, reached (share that reaches it) with reached_low and reached_high.

    Args:
        arrays: Of a result.
    """
    n = arrays.sizes["image"]
    rows: list[dict[str, Any]] = [
        {"model": str(model), "way": "none", "kind": "clean", "asked": np.nan, "level": 0.0, "level_unit": "",
         "set_snr_db": np.inf, "median_image_snr_db": np.inf, "images": n, "zero_gradient": 0,
         **{key: float(arrays[f"clean_accuracy{end}"].values[m]) for key, end in _named("accuracy")}}
        for m, model in enumerate(arrays["model"].values)
    ]  # fmt: skip
    targeted = "row_reached" in arrays
    for k in range(arrays.sizes.get("row", 0)):
        row = {name: arrays[f"row_{name}"].values[k] for name in ("model", "way", "kind", "level_unit")}
        row |= {name: float(arrays[f"row_{name}"].values[k]) for name in ("asked", "level")}
        row |= {"set_snr_db": float(arrays["row_set_snr"].values[k]), "images": n}
        row |= {"median_image_snr_db": float(arrays["row_median_snr"].values[k])}
        row |= {"zero_gradient": int(arrays["row_zero_gradient"].values[k])}
        row |= {key: float(arrays[f"row_accuracy{end}"].values[k]) for key, end in _named("accuracy")}
        if targeted:
            row |= {f"reached{end}": float(arrays[f"row_reached{end}"].values[k]) for end in _ENDS}
        rows.append(row)
    columns = [*_ACCURACY, *(f"reached{end}" for end in _ENDS if targeted)]
    return pd.DataFrame(rows, columns=columns)


def transfer_table(arrays: xr.Dataset) -> pd.DataFrame:
    """One row for each attack, budget, source (model that images were made on) and target (model that they met).

    Columns: attack, asked, source, target, white_box, epsilon, set_snr_db, accuracy, low, high, difference (accuracy
    minus that of the target on images made on itself) with difference_low and difference_high, images.

    Args:
        arrays: Of a result.
    """
    rows = []
    if "transfer_accuracy" in arrays:
        names = [[str(name) for name in arrays[axis].values] for axis in ("attack", "source", "target")]
        asked = np.asarray(arrays["budget"].values, float)
        known = {name: np.asarray(arrays[f"transfer_{name}"].values) for name in _MEASURED}
        for a, b, s, t in np.ndindex(*arrays["transfer_accuracy"].shape):
            at = (a, b, s, t)
            rows.append(
                (names[0][a], float(asked[b]), names[1][s], names[2][t], names[1][s] == names[2][t],
                 float(arrays["transfer_epsilon"].values[a, b, s]), float(arrays["transfer_set_snr"].values[a, b, s]),
                 *(float(values[at]) for values in known.values()), arrays.sizes["image"])
            )  # fmt: skip
    return pd.DataFrame(rows, columns=_TRANSFER)


def comparison_table(arrays: xr.Dataset) -> pd.DataFrame:
    """Accuracy of one model minus that of another at each loudness of each way, on the same images.

    Each model meets the images that were made on itself. Columns: first, second, way (`none` for images as given), at
    (ratio or ε asked for, or the shift's value), difference, low, high, images.

    Args:
        arrays: Of a result.
    """
    rows = []
    for k in range(arrays.sizes.get("comparison", 0)):
        texts = (str(arrays[f"comparison_{name}"].values[k]) for name in ("first", "second", "way"))
        numbers = (float(arrays[f"comparison_difference{end}"].values[k]) for end in _ENDS)
        rows.append((*texts, float(arrays["comparison_at"].values[k]), *numbers, arrays.sizes["image"]))
    return pd.DataFrame(rows, columns=_COMPARISON)


def _named(name: str) -> list[tuple[str, str]]:
    return [(name if not end else end[1:], end) for end in _ENDS]


TABLES: Final[Mapping[str, Callable[[xr.Dataset], pd.DataFrame]]] = {
    "accuracy.csv": accuracy_table,
    "transfer.csv": transfer_table,
    "comparison.csv": comparison_table,
}
"""Tables of a run folder by the name of the file."""
