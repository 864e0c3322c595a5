"""Accuracy of several models under attacks, noise and natural shifts, on one scale of decibels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from shiftgauge.attack.budget import SnrOf
from shiftgauge.attack.snr import NormName
from shiftgauge.checks import require_in
from shiftgauge.errors import ConfigError
from shiftgauge.estimate.proportion import PairedDifference, paired_difference
from shiftgauge.models.input_scale import ScaleName
from shiftgauge.results.status import Message
from shiftgauge.types import FloatArray

WayKind: TypeAlias = Literal["attack", "noise", "shift"]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ScaleCurve:
    """One model under one kind of change, at L sizes of it.

    Args:
        model: Name.
        way: Name of the attack, noise or shift.
        kind: `attack` (made on the model itself), `noise` or `shift`.
        level: ε, mean over images, or the shift's strength, (L,).
        level_unit: Unit of the level.
        asked_snr_db: Ratio asked for, (L,); NaN for shifts, whose ratio is what it turns out to be.
        set_snr_db: Ratio of the set, (L,).
        image_snr_db: Ratio of each image, (L, N).
        predicted: Class with the largest output, (L, N).
        right: Whether the model is right, (L, N).
        accuracy: Share of images, (L,).
        low: Lower end of its interval, (L,).
        high: Upper end.
    """

    model: str
    way: str
    kind: WayKind
    level: FloatArray
    level_unit: str
    asked_snr_db: FloatArray
    set_snr_db: FloatArray
    image_snr_db: FloatArray
    predicted: npt.NDArray[np.int64]
    right: npt.NDArray[np.bool_]
    accuracy: FloatArray
    low: FloatArray
    high: FloatArray

    def __repr__(self) -> str:
        """Model, way and range on one line."""
        return f"ScaleCurve({self.model}, {self.way}, accuracy={np.round(self.accuracy, 4).tolist()})"

    def accuracy_at(self, snr_db: float) -> float:
        """Accuracy at a ratio of the set, straight between the two next to it; NaN outside of what was measured.

        Args:
            snr_db: In dB, finite.
        """
        counted = np.isfinite(self.set_snr_db)
        order = np.argsort(self.set_snr_db[counted])
        if not len(order):
            return np.nan
        known = self.set_snr_db[counted][order], self.accuracy[counted][order]
        return float(np.interp(snr_db, *known, left=np.nan, right=np.nan))


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class OneScale:
    """Curves of accuracy against the signal-to-noise ratio.

    Args:
        curves: One for each model and way.
        models: Names.
        ways: Names of attacks, noises and shifts, in this order.
        labels: Classes of the images, (N,).
        clean: Whether each model is right about the images as given (model, image).
        clean_accuracy: Share of images (model,).
        clean_low: Lower end of its interval.
        clean_high: Upper end.
        unit: Unit in which ε and ratios are taken, `pixel` or `input`.
        norm: Norm of the balls of attacks.
        snr_of: Whether ratios asked for hold for each image or for the set.
        groups: Group of each image, or None.
        confidence_level: Of the intervals.
        resamples: Of groups.
        seed: Of all draws.
        options: Attacks and noises with their options.
        fingerprints: Content hash of each model.
        evaluations: Images that passed forward through a network.
        gradients: Images that passed backward.
        seconds: Wall time.
        messages: What to know before relying on it.
    """

    curves: tuple[ScaleCurve, ...]
    models: tuple[str, ...]
    ways: tuple[str, ...]
    labels: npt.NDArray[np.int64]
    clean: npt.NDArray[np.bool_]
    clean_accuracy: FloatArray
    clean_low: FloatArray
    clean_high: FloatArray
    unit: ScaleName
    norm: NormName
    snr_of: SnrOf
    groups: tuple[str, ...] | None
    confidence_level: float
    resamples: int
    seed: int
    options: Mapping[str, Mapping[str, Any]]
    fingerprints: Mapping[str, str]
    evaluations: int
    gradients: int
    seconds: float
    messages: tuple[Message, ...] = ()

    def __repr__(self) -> str:
        """Models and ways on one line."""
        return f"OneScale({', '.join(self.models)}; {', '.join(self.ways)})"

    def curve(self, model: str, way: str) -> ScaleCurve:
        """The curve of a model and a way.

        Raises:
            ConfigError: An unknown name.
        """
        require_in("model", model, self.models)
        require_in("way", way, self.ways)
        return next(c for c in self.curves if (c.model, c.way) == (model, way))

    def compare(self, first: str, second: str, way: str) -> tuple[PairedDifference, ...]:
        """Accuracy of one model minus that of another at each size of a way, on the same images.

        Raises:
            ConfigError: An unknown name.
        """
        rows = zip(self.curve(first, way).right, self.curve(second, way).right, strict=True)
        return tuple(self._paired(*pair) for pair in rows)

    def compare_ways(self, model: str, first: str, second: str) -> tuple[PairedDifference, ...]:
        """Accuracy of a model under one way minus that under another, at each ratio; both must be asked for in dB.

        Raises:
            ConfigError: An unknown name, or a natural shift, which has no ratio asked for.
        """
        one, other = self.curve(model, first), self.curve(model, second)
        if "shift" in (one.kind, other.kind):
            raise ConfigError("natural shifts have no common ratios with other ways; compare them at `accuracy_at`")
        return tuple(self._paired(*pair) for pair in zip(one.right, other.right, strict=True))

    def to_dataframe(self) -> pd.DataFrame:
        """One row for each model, way and size, with level, ratios, accuracy and its interval; clean rows first."""
        n = len(self.labels)
        rows: list[dict[str, Any]] = [
            {"model": model, "way": "none", "kind": "clean", "level": 0.0, "level_unit": "", "asked_snr_db": np.inf,
             "set_snr_db": np.inf, "median_image_snr_db": np.inf, "accuracy": self.clean_accuracy[m],
             "low": self.clean_low[m], "high": self.clean_high[m], "n": n}
            for m, model in enumerate(self.models)
        ]  # fmt: skip
        for c in self.curves:
            for i in range(len(c.level)):
                rows.append(
                    {"model": c.model, "way": c.way, "kind": c.kind, "level": c.level[i], "level_unit": c.level_unit,
                     "asked_snr_db": c.asked_snr_db[i], "set_snr_db": c.set_snr_db[i],
                     "median_image_snr_db": _median(c.image_snr_db[i]), "accuracy": c.accuracy[i], "low": c.low[i],
                     "high": c.high[i], "n": n}
                )  # fmt: skip
        return pd.DataFrame(rows)

    def table(self, snr_db: Sequence[float]) -> pd.DataFrame:
        """Accuracy of each model and way at ratios of the set, straight between those that were measured.

        Args:
            snr_db: In dB, infinite for images as given.

        Returns:
            Rows (model, way), one column for each ratio; NaN outside of what was measured.
        """
        clean = dict(zip(self.models, self.clean_accuracy.tolist(), strict=True))
        rows = {
            (c.model, c.way): [clean[c.model] if np.isinf(db) else c.accuracy_at(db) for db in snr_db]
            for c in self.curves
        }
        index = pd.MultiIndex.from_tuples(list(rows), names=["model", "way"])
        return pd.DataFrame(list(rows.values()), index=index, columns=pd.Index(list(snr_db), name="snr_db"))

    def _paired(self, first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_]) -> PairedDifference:
        return paired_difference(
            first,
            second,
            groups=self.groups,
            confidence_level=self.confidence_level,
            resamples=self.resamples,
            seed=self.seed,
        )


def _median(ratios_n: FloatArray) -> float:
    """Middle ratio of the images; infinite ones are counted."""
    return float(np.quantile(ratios_n, 0.5, method="lower"))
