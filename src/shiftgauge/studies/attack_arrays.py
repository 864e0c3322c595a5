"""From finished parts to the arrays of a result: accuracies and differences with their intervals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import xarray as xr

from shiftgauge.estimate.group_bootstrap import GroupBootstrap
from shiftgauge.estimate.proportion import PairedDifference, paired_difference, share_interval
from shiftgauge.studies.attack_options import NaturalLevels
from shiftgauge.studies.attack_subject import Subject

_ENDS: Final = ("", "_low", "_high")
_WIDEST: Final = 0.999
"""Largest level of an interval that stands for many comparisons."""
_MOST_COMPARED: Final = 6
"""Models of which every pair is compared; of more, each is compared with the first."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Row:
    """One model under one way at one loudness.

    Args:
        model: Name.
        way: Name of the attack, noise or shift.
        kind: `attack`, `noise` or `shift`.
        level: ε, mean over images, or the shift's value.
        unit: Of the level.
        asked: Ratio or ε asked for; NaN for shifts.
        set_snr: Ratio of the set in dB.
        image_snr: Ratio of each image (N,).
        right: Whether the model is right (N,).
        zero_gradient: Images whose gradients were all 0.
        reached: Whether the target is reached (N,), or None without one.
    """

    model: str
    way: str
    kind: str
    level: float
    unit: str
    asked: float
    set_snr: float
    image_snr: npt.NDArray[np.floating]
    right: npt.NDArray[np.bool_]
    zero_gradient: int = 0
    reached: npt.NDArray[np.bool_] | None = None


class Intervals:
    """Intervals of shares and of their differences, over images or over whole groups.

    Args:
        subject: What is attacked.
    """

    def __init__(self, subject: Subject) -> None:
        options = subject.options
        self.level, self.groups = options.confidence_level, subject.groups
        n, drawn = len(subject.dataset), {"resamples": options.resamples, "seed": options.seed}
        self._bootstrap = None if self.groups is None else GroupBootstrap.of(self.groups, n, **drawn)

    def share(self, hit_xn: npt.NDArray[Any]) -> tuple[npt.NDArray[np.float64], ...]:
        """Share of images and the ends of its interval along the last axis."""
        return share_interval(np.asarray(hit_xn, bool), self._bootstrap, self.level)

    def paired(self, first: npt.NDArray[Any], second: npt.NDArray[Any], *, of: int = 1) -> PairedDifference:
        """Share of the first minus that of the second on the same images.

        Args:
            first: Whether the first is right (N,).
            second: Whether the second is.
            of: Comparisons of which the most telling is looked for: the interval is as much wider that any of them
                misses no more often than one does (Bonferroni), up to 99.9 %.
        """
        level = max(self.level, min(1 - (1 - self.level) / of, _WIDEST))
        return paired_difference(first, second, groups=self._bootstrap, confidence_level=level)


def curve_rows(subject: Subject, parts: Mapping[tuple[str, str], xr.Dataset]) -> list[Row]:
    """Rows of attacks and noise.

    Args:
        subject: What is attacked.
        parts: (model, way) → its curve.
    """
    options, found = subject.options, []
    for (model, way), part in parts.items():
        kind = "noise" if options.attacks[way].is_noise else "attack"
        for b, asked in enumerate(options.asked):
            found.append(
                Row(
                    model=model,
                    way=way,
                    kind=kind,
                    level=float(part["epsilon"].values[b]),
                    unit=f"ε, {options.unit}, {part.attrs['norm']}",
                    asked=asked,
                    set_snr=float(part["set_snr"].values[b]),
                    image_snr=part["image_snr"].values[b],
                    right=part["right"].values[b] > 0,
                    zero_gradient=int(part["zero_gradient"].values.sum()),
                    reached=part["reached"].values[b] > 0 if "reached" in part and kind == "attack" else None,
                )
            )
    return found


def natural_rows(subject: Subject, shift: NaturalLevels, part: xr.Dataset) -> list[Row]:
    """Rows of a natural shift.

    Args:
        subject: What is looked at.
        shift: The shift.
        part: What was found.
    """
    return [
        Row(
            model=model,
            way=shift.name,
            kind="shift",
            level=level,
            unit=shift.unit,
            asked=np.nan,
            set_snr=float(part["set_snr"].values[m, k]),
            image_snr=part["image_snr"].values[m, k],
            right=part["right"].values[m, k] > 0,
        )
        for m, model in enumerate(subject.models)
        for k, level in enumerate(shift.levels)
    ]


def row_arrays(rows: Sequence[Row], intervals: Intervals) -> xr.Dataset:
    """Rows with their accuracies and intervals, (row) and (row, image)."""
    if not rows:
        return xr.Dataset()
    right = np.stack([row.right for row in rows])
    texts = {"model": [r.model for r in rows], "way": [r.way for r in rows], "kind": [r.kind for r in rows]}
    texts["level_unit"] = [r.unit for r in rows]
    snr = np.stack([row.image_snr for row in rows])
    numbers = {
        "level": [r.level for r in rows],
        "asked": [r.asked for r in rows],
        "set_snr": [r.set_snr for r in rows],
        "median_snr": np.quantile(snr, 0.5, axis=1, method="lower"),
        "zero_gradient": [r.zero_gradient for r in rows],
    }
    variables: dict[str, Any] = {f"row_{k}": (("row",), np.array(v, dtype=object)) for k, v in texts.items()}
    variables |= {f"row_{k}": (("row",), np.asarray(v)) for k, v in numbers.items()}
    variables |= _ends("row_accuracy", ("row",), intervals.share(right))
    variables["row_right"] = (("row", "image"), right.astype(np.int8))
    variables["row_image_snr"] = (("row", "image"), snr.astype(np.float32))
    if any(row.reached is not None for row in rows):
        reached = np.stack([np.zeros_like(r.right) if r.reached is None else r.reached for r in rows])
        known = np.array([r.reached is not None for r in rows])
        variables |= _ends("row_reached", ("row",), [np.where(known, v, np.nan) for v in intervals.share(reached)])
    return xr.Dataset(variables)


def clean_arrays(subject: Subject, probability: Mapping[str, np.ndarray], intervals: Intervals) -> xr.Dataset:
    """What models say of the images as given: clean_right (model, image) and the accuracies (model)."""
    labels = np.array(subject.labels)
    right = np.stack([values.argmax(axis=1) == labels for values in probability.values()])
    names = np.array([subject.class_names[k] for k in labels], dtype=object)
    variables: dict[str, Any] = {
        "clean_right": (("model", "image"), right.astype(np.int8)),
        "image_label": (("image",), names),
        **_ends("clean_accuracy", ("model",), intervals.share(right)),
    }
    if subject.groups is not None:
        variables["image_group"] = (("image",), np.array(subject.groups, dtype=object))
    return xr.Dataset(variables, {"model": list(subject.models), "image": list(subject.dataset.names)})


def transfer_arrays(
    subject: Subject,
    curves: Mapping[tuple[str, str], xr.Dataset],
    parts: Mapping[tuple[str, str], xr.Dataset],
    intervals: Intervals,
) -> xr.Dataset:
    """The matrix source × target of every attack and budget, with paired differences to white-box.

    Args:
        subject: What is attacked.
        curves: (model, way) → its curve, which is the diagonal.
        parts: (source, way) → what its images do to the others.
        intervals: How intervals are taken.
    """
    ways, models, asked = subject.options.adversarial, list(subject.models), subject.options.asked
    shape = (len(ways), len(asked), len(models), len(models))
    right = np.zeros((*shape, len(subject.dataset)), bool)
    for a, way in enumerate(ways):
        for s, source in enumerate(models):
            others = [t for t in range(len(models)) if t != s]
            right[a, :, s, s] = curves[source, way]["right"].values > 0
            right[a][:, s, others] = parts[source, way]["right"].values > 0
    difference = np.zeros((3, *shape))
    for a, b, s, t in np.ndindex(*shape):
        if s != t:
            found = intervals.paired(right[a, b, s, t], right[a, b, t, t])
            difference[:, a, b, s, t] = found.difference, found.low, found.high
    axes = ("attack", "budget", "source", "target")
    of_source = {
        f"transfer_{name}": (axes[:3], np.array([[[curves[m, w][name].values[b] for m in models]
                                                  for b in range(len(asked))] for w in ways]))
        for name in ("epsilon", "set_snr")
    }  # fmt: skip
    variables: dict[str, Any] = {
        **_ends("transfer_accuracy", axes, intervals.share(right)),
        **_ends("transfer_difference", axes, difference),
        "transfer_right": ((*axes, "image"), right.astype(np.int8)),
        **of_source,
    }
    return xr.Dataset(variables, {"attack": list(ways), "budget": list(asked), "source": models, "target": models})


def comparison_arrays(subject: Subject, clean: xr.Dataset, rows: Sequence[Row], intervals: Intervals) -> xr.Dataset:
    """Differences of pairs of models at each loudness, and on images as given, (comparison)."""
    models = list(subject.models)
    pairs = list(combinations(models, 2)) if len(models) <= _MOST_COMPARED else [(m, models[0]) for m in models[1:]]
    places: dict[tuple[str, float], dict[str, npt.NDArray[Any]]] = {}
    right = clean["clean_right"].values > 0
    places["none", 0.0] = {model: right[m] for m, model in enumerate(models)}
    for row in rows:
        at = row.level if row.kind == "shift" else row.asked
        places.setdefault((row.way, at), {})[row.model] = row.right
    found = [
        (second, first, way, at, intervals.paired(of[second], of[first]))
        for first, second in pairs
        for (way, at), of in places.items()
    ]
    if not found:
        return xr.Dataset()
    columns = list(zip(*found, strict=True))
    texts = dict(zip(("first", "second", "way"), columns, strict=False))
    values = [[each.difference for each in columns[4]], [e.low for e in columns[4]], [e.high for e in columns[4]]]
    variables: dict[str, Any] = {
        f"comparison_{k}": (("comparison",), np.array(v, dtype=object)) for k, v in texts.items()
    }
    variables["comparison_at"] = (("comparison",), np.array(columns[3], float))
    return xr.Dataset(variables | _ends("comparison_difference", ("comparison",), values))


def picture_arrays(
    subject: Subject, parts: Mapping[tuple[str, str], xr.Dataset], probability: Mapping[str, np.ndarray]
) -> xr.Dataset:
    """The images that are shown, as given and attacked.

    Args:
        subject: What is attacked.
        parts: (model, way) → its pictures.
        probability: Model → probabilities (N, K) on images as given.
    """
    rows, names = subject.shown(), np.array(subject.class_names, dtype=object)
    if not parts or subject.options.pictures is None:
        return xr.Dataset()
    clean = np.stack([probability[model][rows] for model in subject.models])
    axes, one = ("series", "panel", "shown"), list(parts.values())
    stacked = {
        key: np.stack([part[key].values for part in one]) for key in ("picture", "epsilon", "snr", "probability")
    }
    variables: dict[str, Any] = {
        "picture": (("shown", "channel", "y", "x"), subject.images[rows].numpy()),
        "shown_name": (("shown",), np.array([subject.dataset.names[k] for k in rows], dtype=object)),
        "shown_label": (("shown",), names[[subject.labels[k] for k in rows]]),
        "shown_said": (("model", "shown"), names[clean.argmax(axis=-1)]),
        "shown_probability": (("model", "shown"), clean.max(axis=-1)),
        "series_model": (("series",), np.array([model for model, _ in parts], dtype=object)),
        "series_way": (("series",), np.array([way for _, way in parts], dtype=object)),
        "panel_asked": (("panel",), np.array(subject.options.pictures.snr_db)),
        "attacked_picture": ((*axes, "channel", "y", "x"), stacked.pop("picture")),
        "attacked_said": (axes, names[np.stack([part["predicted"].values for part in one])]),
        **{f"attacked_{key}": (axes, values) for key, values in stacked.items()},
    }
    return xr.Dataset(variables)


def _ends(name: str, axes: tuple[str, ...], values: Iterable[Any]) -> dict[str, Any]:
    return {f"{name}{end}": (axes, np.asarray(found)) for end, found in zip(_ENDS, values, strict=True)}
