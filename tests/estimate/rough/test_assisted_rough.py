"""The assisted estimator with residual surrogates, against closed forms."""

import subprocess
import sys

import numpy as np
import pytest

from shiftgauge.estimate.assisted import assisted
from shiftgauge.estimate.chaos.candidates import ChaosOptions
from shiftgauge.estimate.designs import PickFreezeDesign
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.estimate.pick_freeze import pick_freeze
from shiftgauge.estimate.reference import ISHIGAMI, ImageStudy
from shiftgauge.parameter import Parameter
from shiftgauge.space import Space

LOW = ChaosOptions(degree=3)
SQUARE = Space([Parameter(name=n, distribution="uniform", options={"low": 0, "high": 1}) for n in ("x", "y")])
STEP = np.array([1 / 3, 1 / 3, 2 / 3, 2 / 3])
"""First and total indices of 1[x + y > 1]."""


def step_sample(n_base, **options):
    design = PickFreezeDesign(inputs=Inputs(space=SQUARE), n_base=n_base, **{"second_order": True, **options})
    return design, (design.rows(0, design.n_rows).theta.sum(axis=1) > 1).astype(float)[:, None]


def both(found, suffix=""):
    return np.concatenate([getattr(found, f"{name}_order{suffix}")[0] for name in ("first", "total")])


def width(found):
    return np.ptp(both(found, "_interval"), axis=1).mean()


@pytest.mark.parametrize(("surrogate", "method", "repetitions"), [("trees", "sobol", 20), ("gp", "random", 10)])
def test_intervals_hold_the_truth_and_the_estimate_is_unbiased(surrogate, method, repetitions):
    hits, errors = [], []
    for seed in range(repetitions):
        design, y = step_sample(64, method=method, seed=seed)
        found = assisted(design, y, outputs=["y"], surrogate=surrogate, chaos=LOW, resamples=200, seed=seed)
        low, high = both(found, "_interval").T
        hits.append((low <= STEP) & (high >= STEP))
        errors.append(both(found) - STEP)
    errors = np.array(errors)
    assert np.mean(hits) >= 0.8  # 40 dependent trials of 95 % or more
    assert (np.abs(errors.mean(axis=0)) < 5 * errors.std(axis=0) / np.sqrt(len(errors))).all()


def test_a_step_is_sharper_than_with_the_polynomial_alone():
    design, y = step_sample(256)
    plain = pick_freeze(design, y, outputs=["y"])
    chaos, auto = (assisted(design, y, outputs=["y"], surrogate=s, chaos=LOW) for s in ("chaos", "auto"))
    assert width(auto) < 0.6 * width(chaos)
    assert width(auto) < 0.5 * width(plain)
    assert chaos.surrogate.residual == ("none",)
    assert chaos.surrogate.assisted_q2[0] == pytest.approx(chaos.surrogate.q2[0])
    assert auto.surrogate.residual == ("trees",)
    assert auto.surrogate.assisted_q2[0] > 0.95 > auto.surrogate.q2[0]


def test_what_is_drawn_stays_the_polynomial():
    design, y = step_sample(128)
    chaos, trees = (assisted(design, y, outputs=["y"], surrogate=s, chaos=LOW) for s in ("chaos", "trees"))
    assert np.array_equal(chaos.surrogate.q2, trees.surrogate.q2)
    assert np.array_equal(chaos.surrogate.first_order, trees.surrogate.first_order)
    assert np.array_equal(chaos.surrogate.model.coefficients, trees.surrogate.model.coefficients)
    (status,) = [s for s in trees.status if s.code == "surrogate_poor"]
    assert "boosted trees on top bring it to" in status.message
    assert "curves and surfaces drawn from the surrogate show the smooth part alone" in status.message


def test_smooth_outputs_are_left_alone_beside_a_rough_one():
    design, y = step_sample(256)
    line = design.rows(0, design.n_rows).theta @ [[1.0], [2.0]]
    found = assisted(design, np.hstack([line, y, 0 * line + 4]), outputs=["line", "step", "constant"], chaos=LOW)
    assert found.surrogate.residual == ("none", "trees", "none")
    assert np.allclose(found.first_order[0], [0.2, 0.8], atol=1e-8)
    assert found.defined.tolist() == [True, True, False]


def test_sklearn_is_not_loaded_for_smooth_outputs():
    code = (
        "import sys; from shiftgauge.estimate.assisted import assisted;"
        "from shiftgauge.estimate.designs import PickFreezeDesign; from shiftgauge.estimate.inputs import Inputs;"
        "from shiftgauge.estimate.reference import linear_gaussian; ref = linear_gaussian();"
        "d = PickFreezeDesign(inputs=Inputs(space=ref.space), n_base=32);"
        "assisted(d, ref.function(d.rows(0, d.n_rows).theta)[:, None], outputs=['y']);"
        "print([m for m in ('sklearn', 'torch') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert shown.strip() == "[]"


@pytest.mark.parametrize("surrogate", ["trees", "gp"])
def test_images_and_noise_are_inputs_like_any_other(surrogate):
    study = ImageStudy(n_images=12, n_classes=4, noise=0.3, roughness=0.8)
    design = PickFreezeDesign(inputs=Inputs(space=study.space, n_images=12, repeat=True), n_base=512)
    y = study.function(design.rows(0, design.n_rows))[:, None]
    found = assisted(design, y, outputs=["y"], surrogate=surrogate, chaos=LOW, confidence_level=0.999)
    parts, total = study.components, sum(study.components.values())
    exact = np.array([parts[name] for name in ("image", "rotation", "brightness", "repeat")]) / total
    low, high = np.moveaxis(found.first_order_interval[0], 1, 0)
    assert ((low <= exact) & (exact <= high)).all()
    assert found.total_order_interval[0, 3, 0] <= parts["repeat"] / total <= found.total_order_interval[0, 3, 1]
    if surrogate == "trees":
        assert found.surrogate.assisted_q2[0] > found.surrogate.q2[0] + 0.1


def test_dropped_blocks_have_no_part():
    design, y = step_sample(128)
    y[[3, 100, 101, 500]] = np.nan
    found = assisted(design, y, outputs=["y"], surrogate="trees", chaos=LOW, on_failure="drop", confidence_level=0.999)
    assert found.n_dropped == len({r // 6 for r in (3, 100, 101, 500)})
    low, high = both(found, "_interval").T
    assert ((low <= STEP) & (high >= STEP)).all()
    whole = y.copy()
    for row in (3, 100, 101, 500):
        whole[row // 6 * 6 : row // 6 * 6 + 6] = np.inf
    again = assisted(design, whole, outputs=["y"], surrogate="trees", chaos=LOW, on_failure="drop")
    assert np.array_equal(both(again), both(found))


def test_groups_of_inputs_are_picked_together():
    design = PickFreezeDesign(inputs=Inputs(space=ISHIGAMI.space), n_base=256, groups={"pair": ("x1", "x3")})
    x = design.rows(0, design.n_rows).theta
    y = ((x[:, 0] > 0) & (x[:, 1] > 0)).astype(float)[:, None]
    found = assisted(design, y, outputs=["y"], surrogate="trees", chaos=LOW, confidence_level=0.999)
    low, high = np.moveaxis(found.total_order_interval[0], 1, 0)
    assert ((low <= 2 / 3) & (high >= 2 / 3)).all()


def test_same_seed_gives_the_same_bits():
    design, y = step_sample(64)
    one, two = (assisted(design, y, outputs=["y"], chaos=LOW, surrogate="trees") for _ in range(2))
    assert np.array_equal(both(one, "_interval"), both(two, "_interval"))


OPTIONS = {
    "uniform": {"low": -1, "high": 2},
    "loguniform": {"low": 0.1, "high": 3},
    "normal": {"mean": 1, "std": 0.5},
    "truncnormal": {"mean": 0, "std": 1, "low": -1, "high": 2},
    "lognormal": {"median": 1, "sigma": 0.5},
    "beta": {"a": 2, "b": 5, "low": 0, "high": 3},
    "triangular": {"low": 0, "mode": 0.5, "high": 2},
    "gamma": {"shape": 2, "scale": 0.5, "low": 0},
    "exponential": {"scale": 0.7, "low": 0},
    "choice": {"values": [0, 1, 3], "probabilities": [0.5, 0.3, 0.2]},
}


@pytest.mark.parametrize("kind", OPTIONS)
def test_every_marginal_agrees_with_a_large_pick_freeze_sample(kind):
    space = Space(
        [
            Parameter(name="a", distribution=kind, options=OPTIONS[kind]),
            Parameter(name="b", distribution="normal", options={"mean": 0, "std": 1}),
            Parameter(name="c", distribution=kind, options=OPTIONS[kind]),
        ]
    )

    def function(x):
        smooth = np.tanh(x[:, 0]) + 0.3 * x[:, 1] * np.exp(-x[:, 2])
        return np.column_stack([smooth, (smooth > 0.6).astype(float)])

    def estimate(estimator, n_base, **options):
        design = PickFreezeDesign(inputs=Inputs(space=space), n_base=n_base)
        y = function(design.rows(0, design.n_rows).theta)
        return estimator(design, y, outputs=["smooth", "step"], confidence_level=0.999, **options)

    found = estimate(assisted, 256, chaos=ChaosOptions(max_terms=60))
    large = estimate(pick_freeze, 16384)
    for name in ("first_order", "total_order"):
        half = [np.ptp(getattr(f, f"{name}_interval"), axis=-1) / 2 for f in (found, large)]
        assert (np.abs(getattr(found, name) - getattr(large, name)) < 1.5 * np.hypot(*half) + 0.005).all()
    plain = np.ptp(estimate(pick_freeze, 256).total_order_interval[0], axis=-1)
    assert (np.ptp(found.total_order_interval[0], axis=-1) < 0.3 * plain).all()
