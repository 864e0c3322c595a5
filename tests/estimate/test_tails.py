import numpy as np
import pytest

from shiftgauge.estimate.assisted import assisted
from shiftgauge.estimate.chaos.basis import input_bases
from shiftgauge.estimate.chaos.candidates import ChaosOptions
from shiftgauge.estimate.chaos.index_set import total_degree
from shiftgauge.estimate.chaos.indices import chaos_columns, component_matrix, group_support
from shiftgauge.estimate.chaos.vandermonde import vandermonde
from shiftgauge.estimate.designs import PickFreezeDesign
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.estimate.moments import MomentLayout, pick_freeze_columns
from shiftgauge.estimate.tails import Tails
from shiftgauge.parameter import Parameter
from shiftgauge.space import Space

OPTIONS = {
    "exponential": {"scale": 0.7, "low": 0},
    "normal": {"mean": 0, "std": 2},
    "uniform": {"low": 0, "high": 1},
    "gamma": {"shape": 2, "scale": 0.5, "low": 1},
    "lognormal": {"median": 1, "sigma": 0.5},
}
INPUTS = Inputs(space=Space([Parameter(name=k, distribution=k, options=o) for k, o in OPTIONS.items()]), n_images=3)
BASES = input_bases(INPUTS, np.eye(3), 5)
LAYOUT = MomentLayout(d=5, second_order=True)
GROUPS = [(0, 1), (2,), (3,), (4,), (5,)]


def tails(edge):
    return Tails(inputs=INPUTS, plain=BASES, edge=edge)


def terms():
    full = total_degree(5, 3)
    indices = np.zeros((len(full) + 2, 6), np.int64)
    indices[: len(full), 1:] = full
    indices[-2:, 0] = 1, 2
    return indices, np.random.default_rng(0).normal(size=(len(indices), 2))


def test_only_unbounded_inputs_are_bent():
    assert tails(0.01).bent.tolist() == [False, True, True, False, True, True]


@pytest.mark.parametrize("column", [2, 5])
def test_functions_of_higher_degree_stay_constant_under_normal_and_lognormal_inputs(column):
    x = INPUTS.parameters[column].ppf(np.array([0.001, 0.02, 0.03, 0.5, 0.97, 0.98, 0.999]))
    bent, plain = tails(0.02).bases[column].evaluate(x, 6), BASES[column].evaluate(x, 6)
    assert np.allclose(bent[:3], plain[:3])
    assert np.allclose(bent[3:, 1:-1], plain[3:, 1:-1])
    assert np.allclose(bent[3:, [0, -1]], plain[3:, [1, -2]])


@pytest.mark.parametrize("column", [1, 4])
def test_functions_are_the_polynomials_inside_and_straight_outside_under_heavy_tails(column):
    parameter = INPUTS.parameters[column]
    x = parameter.ppf(np.array([0.01, 0.03, 0.5, 0.97, 0.99]))
    bent, plain = tails(0.02).bases[column], BASES[column]
    assert np.allclose(bent.evaluate(x[1:4], 6), plain.evaluate(x[1:4], 6))
    high = parameter.ppf(np.array([0.98]))[0]
    s = np.log if plain.log else np.asarray
    far = np.array([high * (1 - 1e-7), high, high * 1.5, high * 2.5])
    values, place = bent.evaluate(far, 6), s(far)
    slope = (values[:, 1] - values[:, 0]) / (place[1] - place[0])
    assert np.allclose(values[:, 2:], values[:, 1:2] + slope[:, None] * (place[2:] - place[1]), rtol=1e-4, atol=1e-4)


def test_moments_without_tails_are_those_of_orthonormal_functions():
    indices, c = terms()
    plain = chaos_columns(c, component_matrix(group_support(indices, GROUPS), LAYOUT))
    assert np.allclose(tails(1e-12).columns(indices, c, GROUPS, LAYOUT), plain, rtol=1e-3)
    assert np.allclose(tails(1e-12).gram(2, 5), np.eye(6), atol=1e-5)


def test_moments_agree_with_a_large_sample():
    indices, c = terms()
    bent = tails(0.02)
    design = PickFreezeDesign(inputs=INPUTS, n_base=8192, second_order=True, groups={"ie": INPUTS.names[:2]})
    points = INPUTS.coordinates(design.rows(0, design.n_rows).unit)
    g = (vandermonde(bent.bases, indices, points).T @ c).reshape(8192, -1, 2)
    columns = pick_freeze_columns(np.ascontiguousarray(np.moveaxis(g, 0, -1)), LAYOUT)
    means = columns.reshape(*columns.shape[:2], -1, 16).mean(axis=2)
    error = means.mean(axis=-1) - bent.columns(indices, c, GROUPS, LAYOUT)
    assert (np.abs(error) < 5.5 * means.std(axis=-1, ddof=1) / 4).all()
    assert np.abs(error[1]).max() < 0.03 * means[1].max()


@pytest.mark.parametrize("kind", ["exponential", "gamma"])
def test_indices_under_a_heavy_tail_are_right_where_polynomials_run_away(kind):
    a, b = (
        (Parameter(name=n, distribution=kind, options={"scale": 0.7, "low": 0}) for n in "ab")
        if (kind == "exponential")
        else (Parameter(name=n, distribution=kind, options={"shape": 2, "scale": 0.5}) for n in "ab")
    )
    unit = (np.arange(200_000) + 0.5) / 200_000
    t, e = np.tanh(a.ppf(unit)), np.exp(-b.ppf(unit))
    parts = np.array([t.var() * e.mean() ** 2, e.var() * t.mean() ** 2, t.var() * e.var()])
    exact = np.array([[parts[0], parts[1]], [parts[0] + parts[2], parts[1] + parts[2]]]) / parts.sum()
    errors = []
    for seed in range(12):
        design = PickFreezeDesign(inputs=Inputs(space=Space([a, b])), n_base=64, seed=seed)
        x = design.rows(0, design.n_rows).theta
        y = (np.tanh(x[:, 0]) * np.exp(-x[:, 1]))[:, None]
        found = assisted(design, y, outputs=["y"], chaos=ChaosOptions(max_terms=40))
        errors.append(np.abs(np.stack([found.first_order[0], found.total_order[0]]) - exact).max())
    assert max(errors) < 0.05


def test_a_polynomial_of_heavy_inputs_stays_exact():
    space = Space([Parameter(name=k, distribution=k, options=OPTIONS[k]) for k in ("exponential", "normal")])
    design = PickFreezeDesign(inputs=Inputs(space=space), n_base=64)
    x = design.rows(0, design.n_rows).theta
    step = (x[:, 0] > 1).astype(float)
    found = assisted(design, np.column_stack([x[:, 0] ** 2 + x[:, 1], step]), outputs=["polynomial", "step"])
    variance = np.array([20 * 0.7**4, 4.0])
    assert np.allclose(found.first_order[0], variance / variance.sum(), atol=1e-7)
    assert found.surrogate.q2[1] < 0.98
