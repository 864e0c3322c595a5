import numpy as np
import pytest

from shiftgauge.estimate.assisted import assisted
from shiftgauge.estimate.chaos.basis import input_bases
from shiftgauge.estimate.chaos.candidates import ChaosOptions, candidate_sets
from shiftgauge.estimate.crossfit import cross_fit
from shiftgauge.estimate.designs import PickFreezeDesign
from shiftgauge.estimate.extrapolation import extrapolation_ratio
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.estimate.tails import Tails
from shiftgauge.parameter import Parameter
from shiftgauge.space import Space

NORMAL = Space([Parameter(name=f"x{i}", distribution="normal", options={"mean": 0, "std": 1}) for i in range(4)])
SINE = (1 - np.exp(-8)) / 2
CURVED = np.exp(0.09) * (np.exp(0.09) - 1)


def ratios(values, n_base=128, seed=0):
    design = PickFreezeDesign(inputs=Inputs(space=NORMAL), n_base=n_base, seed=seed)
    bases = input_bases(design.inputs, None, 0)
    candidates = candidate_sets(bases, ChaosOptions(), 150)
    y = np.column_stack(values(design.rows(0, design.n_rows).theta.T))
    y = y - y.mean(axis=0)
    fit = cross_fit(design, y, bases, candidates, 5)
    return extrapolation_ratio(design, y, fit, candidates, Tails(inputs=design.inputs, plain=bases, edge=4 / n_base))


def test_trial_tells_what_polynomials_continue_from_what_they_only_follow():
    found = ratios(lambda x: [x[0] ** 3 + x[1], np.exp(0.3 * x[0]) + x[1] * x[2], np.sin(2 * x[0]), np.abs(x[0])])
    assert (found[:2] < 1e-4).all()
    assert (found[2:] > 1e-3).all()


def estimates(part, variance, n_seeds):
    """Estimates and intervals of y = x0 + part(x1) + x0 x2 + exp(0.3 x3), and the exact indices."""
    whole = 1 + variance + 1 + CURVED
    exact = np.array([[1, variance, 0, CURVED], [2, variance, 1, CURVED]]).ravel() / whole
    found, intervals = [], []
    for seed in range(n_seeds):
        design = PickFreezeDesign(inputs=Inputs(space=NORMAL), n_base=128, seed=seed)
        x = design.rows(0, design.n_rows).theta.T
        y = x[0] + part(x[1]) + x[0] * x[2] + np.exp(0.3 * x[3])
        one = assisted(design, y[:, None], outputs=["y"])
        found.append(np.concatenate([one.first_order[0], one.total_order[0]]))
        intervals.append(np.concatenate([one.first_order_interval[0], one.total_order_interval[0]]))
    return np.array(found), np.array(intervals), exact


def test_no_far_point_decides_the_indices_of_a_wave_of_normal_inputs():
    found, interval, exact = estimates(lambda x: np.sin(2 * x), SINE, 40)
    assert np.sqrt(((found - exact) ** 2).mean()) < 0.01  # 0.14 with tails of polynomials
    held = (interval[..., 0] <= exact) & (exact <= interval[..., 1])
    assert held.mean() > 0.85  # 0.27 with tails of polynomials


@pytest.mark.parametrize("power", [2, 3])
def test_what_polynomials_continue_stays_as_sharp_as_they_are(power):
    variance = {2: 2.0, 3: 15.0}[power]
    part = (lambda x: x**2) if power == 2 else (lambda x: x**3)
    found, _, exact = estimates(part, variance, 4)
    assert np.abs(found - exact).max() < 1e-4
