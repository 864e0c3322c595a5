import numpy as np
import pytest

from shiftgauge.estimate.chaos.basis import input_bases
from shiftgauge.estimate.chaos.candidates import ChaosOptions, candidate_sets
from shiftgauge.estimate.crossfit import cross_fit
from shiftgauge.estimate.designs import PickFreezeDesign
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.estimate.reference import ISHIGAMI, rough_ishigami
from shiftgauge.estimate.rough import search as module
from shiftgauge.estimate.rough.points import ResidualPoints


def step(x):
    return (x[:, 0] + x[:, 1] > 1).astype(float)


def line(x):
    return x @ [1.0, 2.0, 0.5]


def setting(functions, n_base=200, degree=3, **options):
    design = PickFreezeDesign(inputs=Inputs(space=ISHIGAMI.space), n_base=n_base, **options)
    x = design.rows(0, design.n_rows).theta
    values = np.column_stack([f(x) for f in functions])
    values -= values.mean(axis=0)
    bases = input_bases(design.inputs, None, 0)
    fit = cross_fit(design, values, bases, candidate_sets(bases, ChaosOptions(degree=degree), 500), 5)
    return design, values, fit, ResidualPoints(inputs=design.inputs, bases=bases, with_features=False)


def search(found, surrogate="auto", kept=None):
    design, values, fit, points = found
    kept = np.ones(design.n_base, bool) if kept is None else kept
    return module.fit_residuals(design, values, fit, points, surrogate=surrogate, kept=kept)


def test_only_what_the_polynomial_does_not_explain_gets_a_residual_surrogate():
    found = search(setting([line, step, lambda x: 0 * x[:, 0]]))
    assert list(found) == [1]
    assert found[1].kind in ("trees", "gp")
    assert found[1].ratio < 0.4
    assert len(found[1].models) == 5


def test_gaussian_process_is_taken_where_it_is_better():
    ripple = rough_ishigami(frequency=6).function
    found = search(setting([ripple], degree=8, n_base=256))
    assert found[0].kind == "gp"
    assert found[0].ratio < 0.5


def test_nothing_is_added_where_nothing_can_be_learnt():
    noise = setting([lambda x: np.random.default_rng(3).normal(size=len(x))])
    assert not search(noise)
    assert not search(noise, "chaos")
    assert search(noise, "trees")[0].kind == "trees"


def test_a_small_sample_is_left_to_the_polynomial_unless_asked():
    found = setting([step], n_base=128)
    assert not search(found)
    assert list(search(found, "trees")) == [0]


def test_a_large_sample_is_left_to_the_polynomial_unless_asked(monkeypatch):
    monkeypatch.setattr(module, "_AUTO_ROWS", 1100)
    found = setting([step, lambda x: (x[:, 2] > 1.5).astype(float)])  # 1000 rows
    assert len(search(found)) == 1
    assert list(search(found, "gp")) == [0, 1]


def refit(design, values, spoilt, fit, points, kept, monkeypatch, kind):
    """The fit to spoilt values by the recipe that the true ones gave: the trial on fold 0 may see other folds."""
    (_, sample), *_ = module._samples(design, values, fit, points, np.array([0]), kept)
    with module.one_thread():
        recipe = module._pilot(sample, points, (kind,), design)
    with monkeypatch.context() as patch:
        patch.setattr(module, "_pilot", lambda *_: recipe)
        return search((design, spoilt, fit, points), kind, kept)[0]


@pytest.mark.parametrize("kind", ["trees", "gp"])
def test_a_surrogate_never_sees_its_own_fold_nor_dropped_blocks(kind, monkeypatch):
    design, values, fit, points = setting([step])
    kept = np.arange(200) != 21
    first = search((design, values, fit, points), kind, kept)[0]
    block = np.arange(design.n_rows) // design.rows_per_block
    fold = design.grouping.of_block(block) % 5
    rng = np.random.default_rng(0)
    for k in (2, 4):
        spoilt = values.copy()
        own = (fold == k) | (block == 21)
        spoilt[own] = rng.normal(size=(own.sum(), 1))
        again = refit(design, values, spoilt, fit, points, kept, monkeypatch, kind)
        own_rows = (fold == k) & (block != 21)
        assert np.array_equal(again.left_out[own_rows], first.left_out[own_rows])
        assert not np.array_equal(again.left_out[(fold == 1)], first.left_out[(fold == 1)])
    assert not first.left_out[block == 21].any()


def test_left_out_values_come_from_the_models():
    design, values, fit, points = setting([step])
    found = search((design, values, fit, points), "trees")[0]
    rows = design.rows(0, design.n_rows)
    x = points.matrix(design.inputs.coordinates(rows.unit))
    trend = fit.predict_left_out(design)[:, 0]
    fold = design.grouping.of_block(np.arange(design.n_rows) // design.rows_per_block) % 5
    for k, model in enumerate(found.models):
        assert np.allclose(found.left_out[fold == k], model.predict(x[fold == k], trend[fold == k]))
    error = values[:, 0] - trend
    assert found.ratio == pytest.approx(np.sum((error - found.left_out) ** 2) / np.sum(error**2))
