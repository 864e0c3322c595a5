import numpy as np
import pytest

from shiftgauge.errors import ConfigError, DataError
from shiftgauge.estimate.aggregate import aggregated_indices
from shiftgauge.estimate.analysis import analyse
from shiftgauge.estimate.chaos.candidates import ChaosOptions
from shiftgauge.estimate.designs import PickFreezeDesign, PlainDesign
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.estimate.pick_freeze import pick_freeze
from shiftgauge.estimate.reference import ISHIGAMI
from shiftgauge.estimate.streaming import stream_pick_freeze
from shiftgauge.parameter import Parameter
from shiftgauge.space import Space

TABLES = ("first_order", "total_order", "second_order", "closed", "total_interaction")


def sample(n_base=512, **options):
    design = PickFreezeDesign(inputs=Inputs(space=ISHIGAMI.space), n_base=n_base, second_order=True, **options)
    x = design.rows(0, design.n_rows).theta
    y = ISHIGAMI.function(x)
    return design, np.column_stack([y, 2 * x[:, 0] + x[:, 1], y**2 / 10, x[:, 2] * x[:, 1]])


@pytest.mark.parametrize("options", [{}, {"replicates": 1}, {"method": "random"}])
@pytest.mark.parametrize("name", [*TABLES, "first_order_interval", "total_order_interval", "closed_interval"])
def test_one_output_alone_is_its_own_aggregate(options, name):
    found = pick_freeze(*sample(128, **options), outputs=list("abcd"), resamples=50)
    alone = aggregated_indices(found, outputs=["c"], weights=[3.0])
    assert np.allclose(getattr(alone, name)[0], getattr(found, name)[2], equal_nan=True)
    assert alone.variance[0] == pytest.approx(3 * found.variance[2])


@pytest.mark.parametrize("estimator", ["pick_freeze", "assisted"])
def test_an_aggregate_is_the_mean_of_indices_weighted_by_variance(estimator):
    design, y = sample(64)
    chaos = ChaosOptions(degree=3) if estimator == "assisted" else None
    found = analyse(design, y, outputs=list("abcd"), estimator=estimator, chaos=chaos, resamples=10)
    weights = np.array([1.0, 0.0, 4.0])
    shares = weights * found.variance[[0, 1, 3]]
    together = aggregated_indices(found, outputs=["a", "b", "d"], weights=weights)
    assert together.outputs == ("aggregated",)
    assert together.variance[0] == pytest.approx(shares.sum())
    for name in TABLES:
        wanted = np.tensordot(shares / shares.sum(), getattr(found, name)[[0, 1, 3]], axes=1)
        assert np.allclose(getattr(together, name)[0], wanted, equal_nan=True)


def test_rotating_the_outputs_changes_no_aggregate():
    design, y = sample()
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0]
    one, two = (aggregated_indices(pick_freeze(design, v, outputs=list("abcd"))) for v in (y, y @ turn))
    for name in (*TABLES, "total_order_interval", "first_order_interval"):
        assert np.allclose(getattr(one, name), getattr(two, name), equal_nan=True)


def linear_pair():
    names = ("p", "q", "r")
    options = {"low": -1, "high": 1}
    space = Space([Parameter(name=n, distribution="uniform", options=options) for n in names])
    design_options = {"inputs": Inputs(space=space), "n_base": 256}
    matrix = np.array([[1.0, 2.0, 0.0], [3.0, 0.0, 1.0]])
    return design_options, matrix, (matrix**2).sum(axis=0) / (matrix**2).sum()


def test_intervals_hold_the_exact_index_of_a_linear_vector_as_often_as_they_say():
    options, matrix, exact = linear_pair()
    hits = []
    for seed in range(80):
        design = PickFreezeDesign(**options, seed=seed, method="random")
        y = design.rows(0, design.n_rows).theta @ matrix.T
        found = aggregated_indices(pick_freeze(design, y, outputs=["a", "b"], resamples=300))
        low, high = np.moveaxis(np.concatenate([found.first_order_interval[0], found.total_order_interval[0]]), 1, 0)
        hits.append((low <= np.tile(exact, 2)) & (np.tile(exact, 2) <= high))
    assert np.mean(hits) > 0.89  # 95 % less 4 standard errors, were the six intervals of a design one


def test_streamed_moments_serve_as_well():
    options, matrix, exact = linear_pair()
    design = PickFreezeDesign(**options)
    found = stream_pick_freeze(lambda x: x @ matrix.T, design, outputs=["a", "b"])
    together = aggregated_indices(found)
    assert together.first_order[0] == pytest.approx(exact, abs=0.05)
    assert together.total_interaction is None


def test_many_outputs_are_taken_in_pieces(monkeypatch):
    design, y = sample(64)
    found = pick_freeze(design, np.hstack([y, y[:, :3] ** 2]), outputs=list("abcdefg"), resamples=20)
    whole = aggregated_indices(found)
    monkeypatch.setattr("shiftgauge.estimate.aggregate._NUMBERS", 1)
    assert np.allclose(aggregated_indices(found).total_order_interval, whole.total_order_interval)


def test_the_aggregate_of_one_output_has_its_intervals_after_dropped_runs():
    design, y = sample(64)
    values = y[:, :1].copy()
    for block in [j for j in range(64) if j % 16 in (2, 9)] + [3]:  # two replicates lose all their blocks
        values[block * design.rows_per_block] = np.nan
    found = pick_freeze(design, values, outputs=["a"], on_failure="drop")
    again = aggregated_indices(found)
    for name in ("first_order", "total_order", "total_interaction"):
        own, wanted = (getattr(r, f"{name}_interval") for r in (again, found))
        assert np.allclose(own, wanted, equal_nan=True)
        assert np.isfinite(own[0, 0, 1]).all()


def test_constant_outputs_have_no_part_and_alone_no_index():
    design, y = sample(64)
    flat = np.column_stack([y[:, 0], np.full(len(y), 5.0)])
    found = pick_freeze(design, flat, outputs=["a", "flat"], resamples=20)
    assert np.allclose(aggregated_indices(found).total_order[0], found.total_order[0])
    alone = aggregated_indices(found, outputs=["flat"])
    assert alone.defined.tolist() == [False]
    assert np.isnan(alone.first_order).all()
    assert "constant_output" in [s.code for s in alone.status]


def test_bad_requests_are_refused():
    design, y = sample(64)
    found = pick_freeze(design, y, outputs=list("abcd"), resamples=0)
    assert np.isnan(aggregated_indices(found).first_order_interval).all()
    for weights in ([1.0], [1, 1, 1, -1], [0, 0, 0, 0], [1, 1, 1, np.nan]):
        with pytest.raises(DataError, match="weights"):
            aggregated_indices(found, weights=weights)
    for outputs in ([], ["a", "a"], ["z"]):
        with pytest.raises(ConfigError):
            aggregated_indices(found, outputs=outputs)
    plain = PlainDesign(inputs=design.inputs, n=256)
    y = ISHIGAMI.function(plain.rows(0, 256).theta)
    with pytest.raises(ConfigError, match="`gpc` has none"):
        aggregated_indices(analyse(plain, y[:, None], outputs=["y"], estimator="gpc", resamples=0))
