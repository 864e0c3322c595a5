import numpy as np
import pytest

from shiftgauge.estimate.chaos.basis import input_bases
from shiftgauge.estimate.chaos.candidates import ChaosOptions
from shiftgauge.estimate.chaos.far_tails import tail_trial
from shiftgauge.estimate.chaos.gpc import gpc
from shiftgauge.estimate.designs import PickFreezeDesign, PlainDesign
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.space import Space

EXPONENTIAL = {"distribution": "exponential", "scale": 1.0}
LOGNORMAL = {"distribution": "lognormal", "median": 1.0, "sigma": 1.0}
NORMAL = {"distribution": "normal", "mean": 0.0, "std": 1.0}
GAMMA = {"distribution": "gamma", "shape": 2.0, "scale": 1.0}
BOUNDED = {"low": -2.0, "high": 2.0}


def found(kind, function, n=128, seed=0, **options):
    design = PlainDesign(inputs=Inputs(space=Space.from_dict({"a": kind, "b": kind})), n=n, seed=seed, method="random")
    y = function(*design.rows(0, n).theta.T)
    return gpc(design, y[:, None], outputs=["y"], resamples=20, **options)


def tails(result):
    return [s.level for s in result.status if s.code == "far_tails"]


@pytest.mark.parametrize(
    ("kind", "function"),
    [
        (EXPONENTIAL, lambda a, b: np.exp(-a) + 0.3 * b),
        (LOGNORMAL, lambda a, b: a * np.sqrt(b)),
        (NORMAL, lambda a, b: np.sin(2 * a) + 0.5 * b),
        (GAMMA, lambda a, b: a / (1 + b)),
    ],
)
def test_polynomials_that_follow_the_points_alone_are_named(kind, function):
    results = [found(kind, function, seed=seed) for seed in range(20)]
    alarmed = [any(s.level in ("error", "warning") for s in r.status) for r in results]
    assert sum(alarmed) >= 18
    assert sum("error" in tails(r) for r in results) >= 12


@pytest.mark.parametrize(
    ("kind", "function"),
    [
        (NORMAL, lambda a, b: a + 2 * b),
        (NORMAL, lambda a, b: a**3 + b),
        (NORMAL, lambda a, b: np.exp(0.3 * a) + b),
        (EXPONENTIAL, lambda a, b: a * b),
        (BOUNDED, lambda a, b: np.sin(2 * a) + 0.5 * b),
        (BOUNDED, lambda a, b: np.abs(a) + 0.5 * b),
    ],
)
def test_what_polynomials_continue_and_bounded_inputs_raise_no_alarm(kind, function):
    assert not any(tails(found(kind, function, seed=seed)) for seed in range(10))


@pytest.mark.parametrize("residual", ["noise", "misfit"])
def test_noise_is_no_tail(residual):
    noise = np.random.default_rng(3)
    results = [
        found(NORMAL, lambda a, b: a + 2 * b + 0.2 * noise.standard_normal(len(a)), seed=seed, residual=residual)
        for seed in range(30)
    ]
    assert sum(bool(tails(r)) for r in results) <= 2


def test_only_the_output_and_the_rows_in_question_count():
    space = Space.from_dict({"a": NORMAL, "b": BOUNDED})
    design = PickFreezeDesign(inputs=Inputs(space=space), n_base=64)
    a, b = design.rows(0, design.n_rows).theta.T
    y = np.column_stack([np.abs(a) + b, a - np.sin(2 * b), np.zeros_like(a)])
    plain = gpc(design, y, outputs=["bent", "straight", "nothing"], resamples=20)
    assert [s.message.split("`")[1] for s in plain.status if s.code == "far_tails"] == ["bent"]
    y[5] = np.nan  # its block has other rows, of which `gpc` takes two
    dropped = gpc(design, y, outputs=["bent", "straight", "nothing"], resamples=20, on_failure="drop")
    assert [s.message.split("`")[1] for s in dropped.status if s.code == "far_tails"] == ["bent"]


def test_too_many_terms_for_the_trial_are_a_warning():
    result = found(NORMAL, lambda a, b: a + b**2, n=32, chaos=ChaosOptions(degree=6))
    (status,) = [s for s in result.status if s.code == "far_tails"]
    assert status.level == "warning"
    assert "too many terms" in status.message


def test_trial_error_is_that_of_a_fit_by_hand():
    inputs = Inputs(space=Space.from_dict({"x": NORMAL}))
    unit = np.random.default_rng(0).random((80, 1))
    x = inputs.coordinates(unit)[:, 0]
    y = np.cos(x)
    trial = tail_trial(inputs, input_bases(inputs, None, 0), np.arange(4)[:, None], unit, y[:, None])
    inner = np.abs(unit[:, 0] - 0.5) <= np.quantile(np.abs(unit[:, 0] - 0.5), 0.75)
    fit = np.polynomial.Polynomial.fit(x[inner], y[inner], 3)
    assert trial is not None
    assert trial.error[0] == pytest.approx(np.sum((fit(x) - y)[~inner] ** 2) / np.sum((y - y.mean()) ** 2))
