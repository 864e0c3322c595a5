"""What a cross-validation gave: figures of every fold, their spread, predictions, and comparisons on the same folds."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from shiftgauge.checks import require_in
from shiftgauge.data.splits import Split
from shiftgauge.errors import ConfigError, StoreError
from shiftgauge.estimate.proportion import PairedDifference, paired_difference
from shiftgauge.files import write_atomic
from shiftgauge.studies.enlargement import CROSS_VALIDATED
from shiftgauge.studies.fold_outcome import METRICS, FoldOutcome, read_fold
from shiftgauge.train.crossval import FoldSpread, PairedComparison, compare_folds, fold_spread, mean_test_ratio
from shiftgauge.types import FloatArray

FOLD_FOLDER: Final = "fold-{:02d}"
"""Folder of a fold within that of the cross-validation, counted from 1 over all repeats."""
_IMAGES_FILE: Final = "images.npz"
_PARTS: Final = ("train", "validation", "test")


@dataclass(frozen=True, kw_only=True, eq=False)
class CrossValidation:
    """A recipe, measured in folds.

    Args:
        recipe: What was trained, as plain values.
        folds: How images were divided, as plain values.
        outcomes: What each fold gave, repeat by repeat.
        division_jn: Part of each image in each fold, int8 (J, n): 0 train, 1 validation, 2 held out.
        units: int64 (n,); images with the same number belong together and are on one side of every fold.
        class_names: Classes or labels.
        names: A name per image.
        targets: Classes (n,), or 0 and 1 (n, K).
        data: Content hash of the images.
        folder: Where it lies.
        notes: What dividing the images could not do, such as a class that a part lacks.
    """

    recipe: Mapping[str, Any]
    folds: Mapping[str, Any]
    outcomes: tuple[FoldOutcome, ...]
    division_jn: npt.NDArray[np.int8]
    units: npt.NDArray[np.int64]
    class_names: tuple[str, ...]
    names: tuple[str, ...]
    targets: npt.NDArray[Any]
    data: str
    folder: Path
    notes: tuple[str, ...] = ()

    @property
    def table(self) -> pd.DataFrame:
        """A row for each fold: its figures on the images held out, numbers of images, epochs, seconds."""
        rows = []
        for number, outcome in enumerate(self.outcomes):
            repeat, fold = divmod(number, int(self.folds["k"]))
            counts = {f"n_{part}": outcome.n_images[part] for part in (*_PARTS, "copies")}
            done = {"best_epoch": outcome.best_epoch + 1, "epochs": len(outcome.history)}
            place = {"repeat": repeat + 1, "fold": fold + 1}
            rows.append({**place, **outcome.values, **counts, **done, "seed": outcome.seed, "seconds": outcome.seconds})
        return pd.DataFrame(rows)

    @property
    def history(self) -> pd.DataFrame:
        """A row for each epoch of each fold, for learning curves with their spread."""
        numbered = [
            {"fold": number + 1, "epoch": epoch + 1, **values}
            for number, outcome in enumerate(self.outcomes)
            for epoch, values in enumerate(outcome.history)
        ]
        return pd.DataFrame(numbered)

    @property
    def predictions(self) -> pd.DataFrame:
        """A row for each image held out in each fold: name, fold, unit, whether it is right, and logits by class."""
        parts = []
        for number, outcome in enumerate(self.outcomes):
            logits = {f"logit {name}": outcome.logits_nk[:, k] for k, name in enumerate(self.class_names)}
            place = {"name": [self.names[row] for row in outcome.rows], "fold": number + 1}
            found = {**place, "unit": self.units[outcome.rows], "right": self.right(number).astype(int), **logits}
            parts.append(pd.DataFrame(found))
        return pd.concat(parts, ignore_index=True)

    def right(self, fold: int) -> npt.NDArray[np.bool_]:
        """Whether the class, or every label, of each image held out in a fold (from 0) is right."""
        outcome = self.outcomes[fold]
        truth = self.targets[outcome.rows]
        if truth.ndim == 1:
            return outcome.logits_nk.argmax(axis=1) == truth
        return ((outcome.logits_nk >= 0) == (truth > 0)).all(axis=1)

    def values(self, metric: str = "accuracy") -> FloatArray:
        """One of `METRICS` on the images held out of each fold (J,).

        Raises:
            ConfigError: An unknown figure; the nearest name is suggested.
        """
        require_in("figure of a fold", metric, METRICS)
        return np.array([outcome.values[metric] for outcome in self.outcomes])

    @property
    def test_ratio(self) -> float:
        """Images held out over training images, the mean over folds; copies are not counted."""
        counts = [[outcome.n_images[part] for outcome in self.outcomes] for part in ("test", "train")]
        return mean_test_ratio(*counts)

    def spread(self, metric: str = "accuracy", *, confidence_level: float = 0.95) -> FoldSpread:
        """Mean over folds with its spread and interval; read `train.crossval.fold_spread` for what they mean.

        Raises:
            ConfigError: An unknown figure.
        """
        return fold_spread(self.values(metric), test_ratio=self.test_ratio, confidence_level=confidence_level)

    def compare(
        self, other: CrossValidation, metric: str = "accuracy", *, confidence_level: float = 0.95
    ) -> PairedComparison:
        """Compares this recipe with another on the same folds; see `train.crossval.compare_folds`.

        Returns:
            The difference this minus other, with intervals and p-values of two tests.

        Raises:
            ConfigError: The other one has other images or folds, or an unknown figure.
        """
        self._require_same_folds(other)
        pair = (self.values(metric), other.values(metric))
        return compare_folds(*pair, test_ratio=self.test_ratio, confidence_level=confidence_level)

    def compare_images(
        self, other: CrossValidation, *, confidence_level: float = 0.95, resamples: int = 2000, seed: int = 0
    ) -> PairedDifference:
        """Compares the accuracies over all images held out, with an interval that resamples what belongs together.

        It says how the trained networks differ on other persons, and takes the networks as they are; that other
        training images would give others is what `compare` is about.

        Raises:
            ConfigError: The other one has other images or folds, or images are held out several times.
        """
        self._require_same_folds(other)
        if int(self.folds["repeats"]) > 1:
            raise ConfigError(
                f"with {self.folds['repeats']} repeats every image is held out as often; compare images over one repeat"
            )
        first, second = (np.concatenate([cv.right(f) for f in range(len(cv.outcomes))]) for cv in (self, other))
        units = [str(unit) for outcome in self.outcomes for unit in self.units[outcome.rows]]
        options: dict[str, Any] = {"confidence_level": confidence_level, "resamples": resamples, "seed": seed}
        return paired_difference(first, second, groups=units, **options)

    def _require_same_folds(self, other: CrossValidation) -> None:
        if self.data != other.data:
            raise ConfigError(f"{other.folder} is of other images than {self.folder}; compare recipes on the same ones")
        if not np.array_equal(self.division_jn, other.division_jn):
            raise ConfigError(
                f"{other.folder} has other folds than {self.folder}; give both the same `folds`, its seed included"
            )

    @property
    def summary(self) -> pd.DataFrame:
        """A row for each figure: mean, spread, standard errors and interval."""
        return self.summary_at(0.95)

    def summary_at(self, confidence_level: float) -> pd.DataFrame:
        """The same with intervals of another level."""
        spreads = {name: self.spread(name, confidence_level=confidence_level) for name in METRICS}
        return pd.DataFrame([{"metric": name, **asdict(spread)} for name, spread in spreads.items()])

    def written(self) -> CrossValidation:
        """Writes `folds.csv`, `summary.csv`, `history.csv`, `predictions.csv` and, last, the record.

        Raises:
            StoreError: The folder cannot be written to.
        """
        names = ("table", "summary", "history", "predictions")
        for name, file in zip(names, ("folds", "summary", "history", "predictions"), strict=True):
            write_atomic(self.folder / f"{file}.csv", getattr(self, name).to_csv(index=False))
        content = io.BytesIO()
        arrays = {"division": self.division_jn, "units": self.units, "targets": self.targets}
        np.savez_compressed(content, names=np.array(self.names), **arrays)
        write_atomic(self.folder / _IMAGES_FILE, content.getvalue())
        record = {"recipe": self.recipe, "folds": self.folds, "classes": list(self.class_names), "data": self.data}
        record["notes"] = list(self.notes)
        write_atomic(self.folder / CROSS_VALIDATED, json.dumps(record, indent=1, ensure_ascii=False) + "\n")
        return self

    @classmethod
    def from_disk(cls, folder: str | Path) -> CrossValidation:
        """Reads a finished cross-validation; neither models nor images are needed.

        Raises:
            StoreError: No finished cross-validation there, or a damaged file.
        """
        source = Path(folder)
        try:
            record = json.loads((source / CROSS_VALIDATED).read_text(encoding="utf-8"))
            with np.load(source / _IMAGES_FILE, allow_pickle=False) as images:
                arrays = {name: images[name] for name in ("division", "units", "targets", "names")}
            division = arrays["division"]
            places = [source / FOLD_FOLDER.format(j + 1) for j in range(len(division))]
            held = [np.flatnonzero(row == _PARTS.index("test")) for row in division]
            return cls(
                recipe=record["recipe"],
                folds=record["folds"],
                outcomes=tuple(read_fold(place, rows) for place, rows in zip(places, held, strict=True)),
                division_jn=division,
                units=arrays["units"],
                class_names=tuple(record["classes"]),
                names=tuple(arrays["names"].tolist()),
                targets=arrays["targets"],
                data=record["data"],
                folder=source,
                notes=tuple(record["notes"]),
            )
        except FileNotFoundError as error:
            raise StoreError(f"{source} holds no finished cross-validation: {error.filename} is missing") from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            text = " ".join(str(error).split())
            raise StoreError(f"{source} cannot be read as a cross-validation: {text}") from error


def division_of(splits: Sequence[Split], n: int) -> npt.NDArray[np.int8]:
    """The part of each image in each fold, int8 (J, n).

    Args:
        splits: Each with `train`, `validation` and `test`.
        n: Number of images.

    Example:
        >>> division_of([Split(parts={"train": [0, 3], "validation": [1], "test": [2]})], 4).tolist()
        [[0, 1, 2, 0]]
    """
    found = np.full((len(splits), n), -1, np.int8)
    for row, split in zip(found, splits, strict=True):
        for code, part in enumerate(_PARTS):
            row[split.parts[part]] = code
    return found
