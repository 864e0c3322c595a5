"""The numbers of the eye-state study as CSV files, one for each of its parts."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pandas as pd
import xarray as xr

from shiftgauge.files import write_atomic
from shiftgauge.results.study import StudyResult

_PARTS: Final = {
    "attacks": ("white", "transfer", "overstated"),
    "pairs": ("pair_difference", "pair_p"),
    "shifts": ("shifted",),
    "contrasts": ("contrast_difference", "contrast_p", "contrast_flip_p"),
    "losses": ("loss_ratio",),
    "orders": (
        "order_published", "order_here", "order_kept", "order_same", "order_sure", "order_against", "order_pairs",
    ),
    "certified": ("certified",),
    "layers": (
        "layer_smallest", "layer_largest", "layer_factor", "layer_norm", "layer_norm_bound", "layer_constrained",
    ),
}  # fmt: skip
_FOLDS: Final = {
    "attack_folds": ("white_fold", "transfer_fold"),
    "copy_folds": ("copies_clean",),
    "copy_attack_folds": ("copies_fgsm", "copies_noise"),
    "learning": ("learned",),
    "roc": ("roc",),
}


def write_tables(result: StudyResult, folder: str | Path) -> list[Path]:
    """Writes every part as a CSV file and returns the paths.

    Raises:
        StoreError: The folder cannot be written to.
    """
    tables = {name: part_table(result.arrays, names) for name, names in (_PARTS | _FOLDS).items()}
    tables["published"] = result.arrays[[n for n in result.arrays if str(n).startswith("table_")]].to_dataframe()
    return [write_atomic(Path(folder) / f"{name}.csv", table.to_csv(index=False)) for name, table in tables.items()]


def part_table(arrays: xr.Dataset, names: tuple[str, ...]) -> pd.DataFrame:
    """Variables over the same axes as a long table, with the ends of their intervals; rows without a value left out.

    Args:
        arrays: Of the study.
        names: Variables; where there is `NAME_interval`, its ends are `NAME_low` and `NAME_high`.

    Example:
        >>> a = xr.Dataset({"v": ("m", [1.0]), "v_interval": (("m", "bound"), [[0.5, 2.0]])}, coords={"m": ["x"]})
        >>> part_table(a, ("v",)).values.tolist()
        [['x', 1.0, 0.5, 2.0]]
    """
    columns: dict[str, xr.DataArray] = {}
    for name in names:
        columns[name] = arrays[name]
        if f"{name}_interval" in arrays:
            ends = arrays[f"{name}_interval"]
            columns |= {f"{name}_{end}": ends.isel(bound=k, drop=True) for k, end in enumerate(("low", "high"))}
    frame = xr.Dataset({name: value.drop_vars([c for c in value.coords if c not in value.dims])
                        for name, value in columns.items()}).to_dataframe()  # fmt: skip
    return frame.dropna(how="all").reset_index()
