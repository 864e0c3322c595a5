"""Networks held against each other on the same folds: differences by ε, what hardening keeps, and whose order holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import xarray as xr

from shiftgauge.estimate.resampling import percentile_interval
from shiftgauge.random import generator
from shiftgauge.studies.eye_attacks import ATTACKS, FGSM_NAME, PGD_NAME
from shiftgauge.studies.eye_models import AS_PUBLISHED
from shiftgauge.studies.eye_pooled import Pooled
from shiftgauge.studies.eye_published import TABLE_8, TABLE_10, PublishedTable
from shiftgauge.train.crossval import compare_folds
from shiftgauge.types import FloatArray

ORDER_DRAWS: Final = 2000


def pair_arrays(pooled: Pooled, pairs: Sequence[tuple[str, str]], test_ratio: float) -> xr.Dataset:
    """Accuracy of the first of two networks less that of the second, each attacked on itself, on the same folds.

    The corrected resampled t-test of `train.crossval.compare_folds`: it knows that another training would give other
    networks, as far as folds show it.

    Args:
        pooled: Answers.
        pairs: First and second.
        test_ratio: Images held out over training images.

    Returns:
        pair_difference, pair_p over (pair, attack, epsilon), the former with `_interval`.
    """
    grid = sorted({e for values in pooled.epsilon.values() for e in values})
    shape = (len(pairs), len(ATTACKS), len(grid))
    value, ends, chance = np.full(shape, np.nan), np.full((*shape, 2), np.nan), np.full(shape, np.nan)
    for a, attack in enumerate(ATTACKS):
        by_fold = {model: pooled.by_fold(model, attack) for model in pooled.models}
        for p, (first, second) in enumerate(pairs):
            for b, epsilon in enumerate(pooled.epsilon[attack]):
                found = compare_folds(
                    by_fold[first][b],
                    by_fold[second][b],
                    test_ratio=test_ratio,
                    confidence_level=pooled.level,
                    seed=pooled.seed,
                )
                at = (p, a, grid.index(epsilon))
                value[at], ends[at], chance[at] = found.difference, (found.low, found.high), found.p_value
    axes = ("pair", "attack", "epsilon")
    return xr.Dataset(
        {
            "pair_difference": (axes, value),
            "pair_difference_interval": ((*axes, "bound"), ends),
            "pair_p": (axes, chance),
            "pair_first": ("pair", [first for first, _ in pairs]),
            "pair_second": ("pair", [second for _, second in pairs]),
        },
        coords={
            "pair": [f"{first} less {second}" for first, second in pairs],
            "attack": list(ATTACKS),
            "epsilon": grid,
            "bound": ["low", "high"],
        },
    )


def loss_arrays(pooled: Pooled, hardened: Mapping[str, str], epsilon: float) -> xr.Dataset:
    """Accuracy that white-box PGD takes from a network, over what it takes from the same one without hardening.

    Persons are drawn anew, the same ones for both networks, which stay as they are. A ratio of 1/3 says that three
    times as little is lost.

    Args:
        pooled: Answers.
        hardened: Network → the same one without adversarial training.
        epsilon: ε of the attack; 0 is among those of PGD.

    Returns:
        lost (hardened, side), side `hardened` and `plain`; loss_ratio (hardened,) with `_interval`. The ratio is NaN
        where nothing is lost to begin with.
    """
    drawn, at = pooled.bootstrap(PGD_NAME), pooled.place(PGD_NAME, epsilon)
    clean = pooled.place(PGD_NAME, 0.0)
    lost, ratio, ends = [], [], []
    for model, plain in hardened.items():
        columns = []
        for name in (model, plain):
            right = pooled.right(name, PGD_NAME).astype(float)
            columns.append(right[clean] - right[at])
        sums = drawn.sums(np.stack(columns, axis=1))
        means = [float(c.mean()) for c in columns]
        known = means[1] > 0 and len(sums) > 0 and bool((sums[:, 1] > 0).all())
        lost.append(means)
        ratio.append(means[0] / means[1] if means[1] > 0 else np.nan)
        ends.append(percentile_interval(sums[:, 0] / sums[:, 1], pooled.level) if known else np.full(2, np.nan))
    return xr.Dataset(
        {
            "lost": (("hardened", "side"), np.array(lost)),
            "loss_ratio": ("hardened", np.array(ratio)),
            "loss_ratio_interval": (("hardened", "bound"), np.array(ends)),
            "hardened_plain": ("hardened", list(hardened.values())),
        },
        coords={"hardened": list(hardened), "side": ["hardened", "plain"], "bound": ["low", "high"]},
    )


def order_arrays(pooled: Pooled, epsilon: float, test_ratio: float) -> xr.Dataset:
    """Whether the order of the published networks comes back: on clean crops and at one ε, as published and white-box.

    Folds are drawn anew with replacement; an order holds in a draw where the means of the drawn folds have it, none of
    them equal. Of pairs that stand next to each other in the published order it is told how many of ours are
    surely so, and surely not.

    Args:
        pooled: Answers.
        epsilon: ε of the attack, the largest that both published tables nearly share.
        test_ratio: Images held out over training images.

    Returns:
        Over `order`: order_published, order_here (names, best first), order_kept (share of draws in which our own order
        stays), order_same (share in which the published one is found), order_sure, order_against, order_pairs.
    """
    rows = []
    for table, family in ((TABLE_8, "WRN"), (TABLE_10, "CNN")):
        for title, attack, side, at in (
            ("clean", FGSM_NAME, "white", 0.0),
            ("FGSM, as published", FGSM_NAME, "published", epsilon),
            ("FGSM, white-box", FGSM_NAME, "white", epsilon),
            ("PGD, white-box", PGD_NAME, "white", epsilon),
        ):
            published = _published_order(table, clean=at == 0)
            values = np.stack([_fold_values(pooled, table, name, attack, side, at) for name in published])
            rows.append({"order": f"{family}, {title}", **_stability(published, values, pooled, test_ratio)})
    return xr.Dataset(
        {f"order_{key}": ("order", [row[key] for row in rows]) for key in rows[0] if key != "order"},
        coords={"order": [row["order"] for row in rows]},
    )


def _published_order(table: PublishedTable, *, clean: bool) -> list[str]:
    """Names in the table, best first, on clean images or at its largest ε."""
    place = 0 if clean else -1
    return sorted(table.accuracy, key=lambda name: -table.accuracy[name][place])


def _fold_values(
    pooled: Pooled, table: PublishedTable, name: str, attack: str, side: str, epsilon: float
) -> FloatArray:
    model = AS_PUBLISHED[name]
    if side == "published":
        side = "white" if table.source[name] == name else "transfer"
    return pooled.by_fold(model, attack, side)[pooled.place(attack, epsilon)]


def _stability(published: list[str], values_mj: FloatArray, pooled: Pooled, test_ratio: float) -> dict[str, object]:
    """How often our order and the published one hold when folds are drawn anew; `values_mj` in the published order."""
    m, k = values_mj.shape
    ours = np.argsort(-values_mj.mean(axis=1), kind="stable")
    folds = generator(pooled.seed, "order of networks").integers(0, k, (ORDER_DRAWS, k))
    drawn = values_mj[:, folds].mean(axis=2)
    kept = (np.diff(drawn[ours], axis=0) < 0).all(axis=0)
    same = (np.diff(drawn, axis=0) < 0).all(axis=0)
    gaps = [
        compare_folds(values_mj[i], values_mj[i + 1], test_ratio=test_ratio, confidence_level=pooled.level)
        for i in range(m - 1)
    ]
    return {
        "published": " > ".join(published),
        "here": " > ".join(published[i] for i in ours),
        "kept": float(kept.mean()),
        "same": float(same.mean()),
        "sure": sum(gap.low > 0 for gap in gaps),
        "against": sum(gap.high < 0 for gap in gaps),
        "pairs": m - 1,
    }
