"""Answers of the networks of all folds, image by image, and what is asked of them with intervals over persons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from shiftgauge.estimate.group_bootstrap import GroupBootstrap
from shiftgauge.estimate.proportion import paired_difference, share_interval
from shiftgauge.estimate.resampling import percentile_interval
from shiftgauge.studies.eye_attacks import ATTACKS, FGSM_NAME, NOISE, PGD_NAME, Arrays
from shiftgauge.types import FloatArray

RESAMPLES = 2000
_WAYS = {FGSM_NAME: "fgsm", PGD_NAME: "pgd", NOISE: "noise"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Pooled:
    """Every network's answers to attacked crops; each crop is answered by the network that was not trained on it.

    Args:
        models: Names.
        folds: Network → arrays of each fold, see `attack_models`.
        epsilon: ε of each attack.
        units_n: Images with the same number are of one person.
        level: Of intervals.
        seed: Of resamples.
    """

    models: tuple[str, ...]
    folds: Mapping[str, Sequence[Arrays]]
    epsilon: Mapping[str, tuple[float, ...]]
    units_n: npt.NDArray[np.int64]
    level: float
    seed: int

    def right(self, model: str, attack: str, side: str = "white") -> npt.NDArray[np.bool_]:
        """Whether a network is right (ε, image), the images in the order of the folds.

        Args:
            model: Name.
            attack: One of `ATTACKS`.
            side: `white` or `transfer`.
        """
        return np.concatenate([found[f"{side}_{_WAYS[attack]}"] for found in self.folds[model]], axis=1)

    def by_fold(self, model: str, attack: str, side: str = "white") -> FloatArray:
        """Accuracy at each ε in each fold, (ε, fold)."""
        key = f"{side}_{_WAYS[attack]}"
        return np.stack([found[key].mean(axis=1) for found in self.folds[model]], axis=1)

    def units(self, attack: str) -> list[str]:
        """Person of each of the images that an attack was tried on, in the order of the folds."""
        key = "pgd_rows" if attack == PGD_NAME else "rows"
        rows = np.concatenate([found[key] for found in self.folds[self.models[0]]])
        return [str(unit) for unit in self.units_n[rows]]

    def bootstrap(self, attack: str) -> GroupBootstrap:
        """Resamples of persons."""
        units = self.units(attack)
        return GroupBootstrap.of(units, len(units), resamples=RESAMPLES, seed=self.seed)

    def snr(self, attack: str) -> FloatArray:
        """Ratio of the set at each ε: mean over the folds of the first network."""
        ratios = np.stack([found[f"snr_{_WAYS[attack]}"] for found in self.folds[self.models[0]]])
        return ratios.mean(axis=0)

    def place(self, attack: str, epsilon: float) -> int:
        """Number of an ε within an attack's."""
        return self.epsilon[attack].index(epsilon)


def accuracy_arrays(pooled: Pooled) -> xr.Dataset:
    """Accuracy of every network under every attack, made on itself and on its source, with intervals over persons.

    Returns:
        white, transfer, overstated (transfer less white-box on the same images) over (model, attack, epsilon), each
        with `_interval`; white_fold, transfer_fold with the axis fold; snr (attack, epsilon). NaN where an attack was
        not tried at an ε.
    """
    grid = sorted({e for values in pooled.epsilon.values() for e in values})
    shape = (len(pooled.models), len(ATTACKS), len(grid))
    k = len(pooled.folds[pooled.models[0]])
    found: dict[str, Any] = {name: np.full(shape, np.nan) for name in ("white", "transfer", "overstated")}
    found |= {f"{name}_interval": np.full((*shape, 2), np.nan) for name in list(found)}
    found |= {f"{side}_fold": np.full((*shape, k), np.nan) for side in ("white", "transfer")}
    ratios = np.full(shape[1:], np.nan)
    for a, attack in enumerate(ATTACKS):
        places = [grid.index(e) for e in pooled.epsilon[attack]]
        drawn = pooled.bootstrap(attack)
        ratios[a, places] = pooled.snr(attack)
        for m, model in enumerate(pooled.models):
            sides = {side: pooled.right(model, attack, side) for side in ("white", "transfer")}
            for side, right in sides.items():
                value, low, high = share_interval(right, drawn, pooled.level)
                found[side][m, a, places] = value
                found[f"{side}_interval"][m, a, places] = np.stack([low, high], axis=-1)
                found[f"{side}_fold"][m, a, places] = pooled.by_fold(model, attack, side)
            gap, ends = _overstated(sides, drawn, pooled.level)
            found["overstated"][m, a, places], found["overstated_interval"][m, a, places] = gap, ends
    axes = ("model", "attack", "epsilon")
    last = {"_interval": ("bound",), "_fold": ("fold",)}
    variables = {
        n: ((*axes, *next((d for end, d in last.items() if n.endswith(end)), ())), v) for n, v in found.items()
    }
    coords = {"model": list(pooled.models), "attack": list(ATTACKS), "epsilon": grid, "bound": ["low", "high"]}
    return xr.Dataset({**variables, "snr": (axes[1:], ratios)}, coords=coords | {"fold": np.arange(1, k + 1)})


def _overstated(
    sides: Mapping[str, npt.NDArray[np.bool_]], drawn: GroupBootstrap, level: float
) -> tuple[FloatArray, FloatArray]:
    """By how much a transfer attack overstates accuracy at each ε, and the interval of that."""
    change_bn = sides["transfer"].astype(float) - sides["white"]
    counts = drawn.sums(np.ones((change_bn.shape[1], 1)))
    spread = drawn.sums(change_bn.T) / counts
    return change_bn.mean(axis=1), percentile_interval(spread.T, level)


def score_arrays(pooled: Pooled, clean: Mapping[str, npt.NDArray[np.bool_]], epsilon: float) -> xr.Dataset:
    """The main figures of every network and their differences from the first one, with intervals over persons.

    Args:
        pooled: Answers.
        clean: Network → whether it is right about each crop as given, in the order of the folds.
        epsilon: ε of the attacks.

    Returns:
        model_score, model_difference over (model, figure) with `_interval`.
    """
    figures = {"accuracy": (None, ""), "FGSM, white-box": (FGSM_NAME, "white"),
               "FGSM, transfer": (FGSM_NAME, "transfer"), "PGD, white-box": (PGD_NAME, "white")}  # fmt: skip
    shape = (len(pooled.models), len(figures))
    score, gap = np.empty(shape), np.empty(shape)
    score_ends, gap_ends = np.empty((*shape, 2)), np.empty((*shape, 2))
    for f, (attack, side) in enumerate(figures.values()):
        where = attack or FGSM_NAME
        drawn, units = pooled.bootstrap(where), pooled.units(where)
        rows = np.stack(
            [
                clean[m] if attack is None else pooled.right(m, attack, side)[pooled.place(attack, epsilon)]
                for m in pooled.models
            ]
        )
        score[:, f], score_ends[:, f, 0], score_ends[:, f, 1] = share_interval(rows, drawn, pooled.level)
        for m, right in enumerate(rows):
            found = paired_difference(
                right, rows[0], groups=units, confidence_level=pooled.level, resamples=RESAMPLES, seed=pooled.seed
            )
            gap[m, f], gap_ends[m, f] = found.difference, (found.low, found.high)
    axes = ("model", "figure")
    return xr.Dataset(
        {
            "model_score": (axes, score),
            "model_score_interval": ((*axes, "bound"), score_ends),
            "model_difference": (axes, gap),
            "model_difference_interval": ((*axes, "bound"), gap_ends),
        },
        coords={"model": list(pooled.models), "figure": list(figures), "bound": ["low", "high"]},
    )


def shift_arrays(pooled: Pooled, levels: Mapping[str, tuple[tuple[float, ...], str]]) -> xr.Dataset:
    """Accuracy under natural shifts.

    Args:
        pooled: Answers.
        levels: Shift → strengths and unit.

    Returns:
        shifted (model, shift, strength) with `_interval`, shift_snr and shift_level (shift, strength), unit (shift).
    """
    most = max(len(values) for values, _ in levels.values())
    shape = (len(pooled.models), len(levels), most)
    value, ends = np.full(shape, np.nan), np.full((*shape, 2), np.nan)
    ratio, level = np.full(shape[1:], np.nan), np.full(shape[1:], np.nan)
    drawn = pooled.bootstrap(FGSM_NAME)
    for s, (key, (values, _)) in enumerate(levels.items()):
        n = len(values)
        level[s, :n] = values
        ratio[s, :n] = np.mean([found[f"shift_snr_{key}"] for found in pooled.folds[pooled.models[0]]], axis=0)
        for m, model in enumerate(pooled.models):
            right = np.concatenate([found[f"shift_{key}"] for found in pooled.folds[model]], axis=1)
            value[m, s, :n], ends[m, s, :n, 0], ends[m, s, :n, 1] = share_interval(right, drawn, pooled.level)
    axes = ("model", "shift", "strength")
    return xr.Dataset(
        {
            "shifted": (axes, value),
            "shifted_interval": ((*axes, "bound"), ends),
            "shift_snr": (axes[1:], ratio),
            "shift_level": (axes[1:], level),
            "shift_unit": ("shift", [unit for _, unit in levels.values()]),
        },
        coords={"model": list(pooled.models), "shift": list(levels), "bound": ["low", "high"]},
    )
