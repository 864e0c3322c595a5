"""The result of a training: how it went, what the network scores on validation and test, thresholds, calibration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Final

import pandas as pd
import xarray as xr

from shiftgauge.checks import require_in
from shiftgauge.errors import ConfigError, StoreError
from shiftgauge.results.result import RunResult
from shiftgauge.results.run_folder import write_run_folder
from shiftgauge.results.schema import check_variables

KIND: Final = "train"
MODEL_FOLDER: Final = "model"
"""Where the model folder lies within the run folder."""
PREDICTIONS_FILE: Final = "predictions.csv"
"""What the network says of each image of validation and test."""
HISTORY: Final = (
    "train_loss",
    "loss",
    "accuracy",
    "macro_f1",
    "micro_f1",
    "average_precision",
    "learning_rate",
)
"""What is known of every epoch; all but the first and the last are of the validation part."""
_CLASS: Final = ("part", "measure", "class")
_OVERALL: Final = ("part", "summary")
_CURVE: Final = ("part", "class", "point")
_BINS: Final = ("part", "stage", "diagram", "bin")
_REQUIRED: Final[Mapping[str, tuple[str, ...]]] = {
    **{f"history_{name}": ("epoch",) for name in HISTORY},
    "class_metric": _CLASS,
    "class_metric_interval": (*_CLASS, "bound"),
    "overall": _OVERALL,
    "overall_interval": (*_OVERALL, "bound"),
    "support": ("part", "class"),
    "prevalence": ("part", "class"),
    "n_images": ("part",),
    **dict.fromkeys(("roc_false_positive_rate", "roc_true_positive_rate", "pr_recall", "pr_precision"), _CURVE),
    "split_images": ("split_part",),
    "split_units": ("split_part",),
    "split_count": ("split_part", "class"),
    **dict.fromkeys(("reliability_count", "reliability_confidence", "reliability_frequency"), _BINS),
    **dict.fromkeys(("reliability_low", "reliability_high"), _BINS),
    **dict.fromkeys(("calibration_error", "calibration_log_loss"), ("part", "stage")),
}
_TOGETHER: Final[tuple[Mapping[str, tuple[str, ...]], ...]] = (
    {"confusion": ("part", "class", "class_2")},
    dict.fromkeys(("pr_band_low", "pr_band_high", "roc_band_low", "roc_band_high"), ("part", "class", "share")),
    {"label_confusion": ("part", "class", "truth", "decision")},
    {
        "confusion_share": ("part", "class", "class_2"),
        "confusion_share_interval": ("part", "class", "class_2", "bound"),
    },
    {
        "label_confusion_share": ("part", "class", "truth", "decision"),
        "label_confusion_share_interval": ("part", "class", "truth", "decision", "bound"),
    },
    {
        **dict.fromkeys(("threshold", "threshold_low", "threshold_high"), ("class",)),
        **dict.fromkeys(("threshold_precision", "threshold_recall", "threshold_f1", "threshold_cost"), ("class",)),
        **dict.fromkeys(
            ("curve_threshold", "curve_precision", "curve_recall", "curve_f1", "curve_cost"), ("class", "at")
        ),
    },
    {"recall_floor": ("class",)},
    {"cost_ratio": ("class",)},
    {"n_wrong": ("part",)},
    {"inconsistent": ("part", "way_wrong"), "n_unlabelled": ("part",)},
    {
        "mistake_image": ("mistake", "*", "*", "rgb"),
        **dict.fromkeys(("mistake_name", "mistake_truth", "mistake_decision", "mistake_class"), ("mistake",)),
        "mistake_probability": ("mistake",),
    },
    {"averaging": ("part", "way", "summary"), "averaging_interval": ("part", "way", "summary", "bound")},
)
_ATTRIBUTES: Final = ("task", "quantity_of_interest", "confidence_level", "best_epoch", "monitor", "temperature")
_AXES: Final = ("epoch", "class", "part", "measure", "summary", "split_part", "stage", "diagram", "bound")


@dataclass(frozen=True, kw_only=True, repr=False)
class TrainResult(RunResult):
    """What a training gave.

    Args:
        config: The resolved configuration, plain values.
        provenance: Content hashes, versions, seed, times.
        cost: Epochs, images a second and seconds.
        headline: The verdict in plain sentences.
        arrays: xarray data set; its variables are listed in `docs/reference/run-folder.md`.
        messages: Findings about trust, most serious first.
        gates: The limits that were set and whether they were kept.
        folder: The run folder; the model folder lies in it.
    """

    _KIND: ClassVar[str] = KIND

    folder: Path

    @property
    def model_folder(self) -> Path:
        """The folder that every command takes as a model."""
        return self.folder / MODEL_FOLDER

    @property
    def task(self) -> str:
        """`single` or `multi`."""
        return str(self.arrays.attrs["task"])

    @property
    def part(self) -> str:
        """The part that the verdict is about: `test` where there is one, else `validation`."""
        return str(self.arrays["part"].values[-1])

    @property
    def history(self) -> pd.DataFrame:
        """One row for each epoch, counted from 1."""
        columns = {name: self.arrays[f"history_{name}"].values for name in HISTORY}
        return pd.DataFrame(columns, index=pd.Index(self.arrays["epoch"].values, name="epoch"))

    @property
    def best_epoch(self) -> int:
        """The epoch whose weights the model folder holds, counted from 1."""
        return int(self.arrays.attrs["best_epoch"])

    @property
    def thresholds(self) -> dict[str, float] | None:
        """Threshold of each label; None with one class an image."""
        if "threshold" not in self.arrays:
            return None
        values = self.arrays["threshold"].values.tolist()
        return dict(zip(self.arrays["class"].values.tolist(), values, strict=True))

    @property
    def predictions(self) -> pd.DataFrame:
        """`predictions.csv` of the run folder: what the network says of each image of validation and test.

        Raises:
            StoreError: There is no such file, or it cannot be read.
        """
        path = self.folder / PREDICTIONS_FILE
        try:
            return pd.read_csv(
                path, dtype={"path": str, "name": str, "truth": str, "decision": str}, keep_default_na=False
            )
        except (OSError, ValueError) as error:
            raise StoreError(f"cannot read {path}: {error}") from error

    def metric(self, name: str, *, part: str | None = None, of: str | None = None) -> tuple[float, float, float]:
        """A figure with its interval: (value, low, high); NaN where it is undefined.

        Args:
            name: Of the whole part, such as `macro_f1`, `micro_f1`, `accuracy`; of a class, such as `f1`, `recall`.
            part: `test` or `validation`; default the part that the verdict is about.
            of: Name of a class.

        Raises:
            ConfigError: No such figure, part or class; the nearest name is suggested.
        """
        _check_figure(self.arrays, name, part or self.part, of)
        where = {"part": part or self.part}
        kind = "overall" if of is None else "class_metric"
        where |= {"summary": name} if of is None else {"measure": name, "class": of}
        low, high = self.arrays[f"{kind}_interval"].sel(where).values.tolist()
        return float(self.arrays[kind].sel(where)), low, high

    def to_dataframe(self) -> pd.DataFrame:
        """All figures as a long table: part, class, measure, estimate, low, high, support, prevalence."""
        rows: list[dict[str, Any]] = []
        data = self.arrays
        for part in data["part"].values.tolist():
            count = int(data["n_images"].sel(part=part))
            for name in data["summary"].values.tolist():
                value, low, high = self.metric(name, part=part)
                rows.append(_row(part, "", name, (value, low, high), count, float("nan")))
            for label in data["class"].values.tolist():
                support, share = (float(data[k].sel({"part": part, "class": label})) for k in ("support", "prevalence"))
                for name in data["measure"].values.tolist():
                    rows.append(_row(part, label, name, self.metric(name, part=part, of=label), int(support), share))
        return pd.DataFrame(rows)

    def report(self, path: str | Path) -> Path:
        """Writes the page of this result as one self-contained HTML file and returns its path."""
        return import_module("shiftgauge.report.train_page").write_train_page(self, path)

    def to_disk(self, folder: str | Path) -> Path:
        """Writes `results.nc`, `metrics.csv`, `history.csv` and, last, `run.json`; returns the folder.

        Raises:
            StoreError: The folder cannot be written to.
        """
        tables = {"metrics.csv": self.to_dataframe().to_csv(index=False), "history.csv": self.history.to_csv()}
        return write_run_folder(folder, kind=KIND, record=self._record(), arrays=self.arrays, tables=tables)

    @classmethod
    def _own_parts(cls, record: Mapping[str, Any], arrays: xr.Dataset, folder: Path) -> dict[str, Any]:
        check_train_arrays(arrays)
        return {"folder": folder}


def check_train_arrays(arrays: xr.Dataset) -> None:
    """Checks that the arrays of a training can be shown.

    Args:
        arrays: What `results.nc` holds.

    Raises:
        StoreError: An attribute, an axis or a variable is missing, or a variable has other axes.

    Example:
        >>> check_train_arrays(xr.Dataset())
        Traceback (most recent call last):
        ...
        shiftgauge.errors.StoreError: results.nc holds no training: the attribute `task` is missing
    """
    for name in _ATTRIBUTES:
        if name not in arrays.attrs:
            raise StoreError(f"results.nc holds no training: the attribute `{name}` is missing")
    for name in _AXES:
        if name not in arrays.coords:
            raise StoreError(f"results.nc holds no training: the axis `{name}` is missing or unnamed")
    check_variables(arrays, _REQUIRED, _TOGETHER)


def _check_figure(arrays: xr.Dataset, name: str, part: str, of: str | None) -> None:
    """Refuses a figure, part or class that there is not."""
    require_in("part", part, arrays["part"].values.tolist())
    measures, summaries = arrays["measure"].values.tolist(), arrays["summary"].values.tolist()
    if of is not None:
        require_in("class", of, arrays["class"].values.tolist())
        if name in summaries and name not in measures:
            raise ConfigError(f"`{name}` is of the whole part; leave `of` out")
        require_in("figure of a class", name, measures)
    elif name in measures and name not in summaries:
        first = arrays["class"].values.tolist()[0]
        raise ConfigError(f"`{name}` is of a class; name it, such as `metric({name!r}, of={first!r})`")
    else:
        require_in("figure", name, [*summaries, *measures])


def _row(
    part: str, label: str, name: str, found: tuple[float, float, float], support: int, prevalence: float
) -> dict[str, Any]:
    value, low, high = found
    return {
        "part": part,
        "class": label,
        "measure": name,
        "estimate": value,
        "low": low,
        "high": high,
        "support": support,
        "prevalence": prevalence,
    }
