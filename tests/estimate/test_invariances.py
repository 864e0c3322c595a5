import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shiftgauge.estimate.analysis import analyse
from shiftgauge.estimate.chaos.candidates import ChaosOptions
from shiftgauge.estimate.designs import PickFreezeDesign, PlainDesign
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.estimate.pick_freeze import pick_freeze
from shiftgauge.estimate.points import METHODS
from shiftgauge.estimate.reference import ISHIGAMI, sobol_g
from shiftgauge.parameter import Parameter
from shiftgauge.space import Space

TABLES = ("first_order", "total_order", "second_order", "closed", "total_interaction")
INTERVALS = tuple(f"{name}_interval" for name in TABLES)


def space(names):
    options = {"low": -1, "high": 1}
    return Space([Parameter(name=n, distribution="uniform", options=options) for n in names])


def design_of(names, n_base=64, **options):
    options = {"second_order": True, **options}
    return PickFreezeDesign(inputs=Inputs(space=space(names)), n_base=n_base, **options)


def random_function(seed, names="abcd"):
    """A random polynomial with interactions; takes the columns by name."""
    rng = np.random.default_rng(seed)
    powers, weights = rng.integers(0, 3, size=(8, len(names))), rng.normal(size=8)

    def function(x, order):
        columns = x[:, [order.index(n) for n in names]]
        return (weights * np.prod(columns[:, None, :] ** powers, axis=2)).sum(axis=1)

    return function


@given(shift=st.floats(-1e4, 1e4), scale=st.floats(1e-3, 1e3), turn=st.booleans(), seed=st.integers(0, 9))
@settings(max_examples=25, deadline=None)
def test_an_affine_change_of_the_output_changes_no_index(shift, scale, turn, seed):
    design = design_of("abcd", replicates=(1, 16)[seed % 2])
    y = random_function(seed)(design.rows(0, design.n_rows).theta, "abcd")
    scale = -scale if turn else scale
    one, two = (pick_freeze(design, v, outputs=["y"], resamples=20) for v in (y, shift + scale * y))
    assert two.mean[0] == pytest.approx(shift + scale * one.mean[0], rel=1e-9, abs=1e-9 * scale**2)
    assert two.variance[0] == pytest.approx(scale**2 * one.variance[0], rel=1e-5)
    for name in (*TABLES, *INTERVALS):
        assert np.allclose(getattr(one, name), getattr(two, name), rtol=1e-5, atol=1e-5, equal_nan=True)


@pytest.mark.parametrize("estimator", ["assisted", "gpc"])
def test_an_affine_change_changes_no_index_of_a_surrogate(estimator):
    design = design_of("abcd") if estimator == "assisted" else PlainDesign(inputs=Inputs(space=space("abcd")), n=200)
    y = random_function(3)(design.rows(0, design.n_rows).theta, "abcd")[:, None]
    chaos = ChaosOptions(degree=2)
    options = {"outputs": ["y"], "estimator": estimator, "chaos": chaos, "resamples": 20}
    one, two = (analyse(design, v, **options) for v in (y, 40 - 3 * y))
    for name in ("first_order", "total_order", "total_order_interval"):
        assert np.allclose(getattr(one, name), getattr(two, name), rtol=1e-6, atol=1e-6)


@given(order=st.permutations(range(4)), seed=st.integers(0, 9))
@settings(max_examples=20, deadline=None)
def test_renumbering_the_rows_of_every_block_renumbers_the_indices(order, seed):
    """Exact, since an estimate depends on the values of the rows and not on where their inputs stand."""
    design = design_of("abcd")
    y = random_function(seed)(design.rows(0, design.n_rows).theta, "abcd")
    moved = y.reshape(64, 10)[:, [0, 1, *(2 + k for k in order), *(6 + k for k in order)]]
    one, two = (pick_freeze(design, v.ravel(), outputs=["y"], resamples=20) for v in (y, moved))
    for name in ("first_order", "total_order_interval"):
        assert np.allclose(getattr(one, name)[0][order], getattr(two, name)[0], rtol=1e-12)
    for name in TABLES[2:]:
        assert np.allclose(getattr(one, name)[0][np.ix_(order, order)], getattr(two, name)[0], equal_nan=True)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("order", ["dcba", "bdac"])
def test_reordering_the_inputs_moves_the_indices_with_them_within_the_intervals(order, method):
    found = {}
    for names in ("abcd", order):
        design = design_of(names, 512, method=method)
        y = random_function(1)(design.rows(0, design.n_rows).theta, names)
        found[names] = pick_freeze(design, y, outputs=["y"], resamples=300, confidence_level=0.999)
    place = [order.index(n) for n in "abcd"]
    for name in ("first_order", "total_order"):
        moved = getattr(found[order], f"{name}_interval")[0][place]
        low, high = np.moveaxis(getattr(found["abcd"], f"{name}_interval")[0], 1, 0)
        assert ((low <= moved[:, 1]) & (moved[:, 0] <= high)).all()  # the intervals of both orders meet


@given(seed=st.integers(0, 10_000), method=st.sampled_from(METHODS))
@settings(max_examples=25, deadline=None)
def test_a_total_index_is_no_less_than_the_first_within_error(seed, method):
    design = design_of("abcd", 128, method=method, seed=seed)
    y = random_function(seed)(design.rows(0, design.n_rows).theta, "abcd")
    found = pick_freeze(design, y, outputs=["y"], resamples=200, confidence_level=0.999)
    assert (found.total_order >= 0).all()
    assert (found.total_order_interval[0, :, 1] >= found.first_order_interval[0, :, 0]).all()
    low = found.closed_interval[0, ..., 0][np.triu_indices(4, 1)]
    assert (low <= 1 + 1e-9).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("replicates", [1, 16])
def test_the_same_seed_gives_the_same_bytes_and_zero_is_a_seed(method, replicates):
    def run(seed):
        design = PickFreezeDesign(
            inputs=Inputs(space=ISHIGAMI.space), n_base=64, method=method, seed=seed, replicates=replicates
        )
        y = ISHIGAMI.function(design.rows(0, design.n_rows).theta)
        found = pick_freeze(design, y, outputs=["y"], resamples=20, seed=seed)
        return pickle.dumps([getattr(found, name) for name in ("first_order", "total_order_interval")]), found.seed

    assert run(0) == run(0)
    assert run(7) == run(7)
    assert len({run(seed)[0] for seed in (0, 1, 7)}) == 3
    assert run(0)[1] == 0


def additive(x):
    return x[:, 0] + 2 * x[:, 1] + 3 * x[:, 2] ** 2 + x[:, 3]


def test_an_additive_groups_index_is_the_sum_of_its_members():
    groups = {"p": ["a", "c"], "q": ["b", "d"]}
    alone, together = design_of("abcd", 1024), design_of("abcd", 1024, groups=groups)
    one, two = (pick_freeze(d, additive(d.rows(0, d.n_rows).theta), outputs=["y"]) for d in (alone, together))
    for name in ("first_order", "total_order"):
        single = getattr(one, name)[0]
        assert getattr(two, name)[0] == pytest.approx([single[0] + single[2], single[1] + single[3]], abs=0.03)
    # A and B are the same rows
    assert two.mean[0] == pytest.approx(one.mean[0], rel=1e-12)


def test_a_group_of_everything_explains_everything():
    g = sobol_g((0.0, 1.0, 4.5))
    options = {"n_base": 512, "second_order": True, "groups": {"all": ["x1", "x2", "x3"]}}
    design = PickFreezeDesign(inputs=Inputs(space=g.space), **options)
    y = g.function(design.rows(0, design.n_rows).theta)
    found = pick_freeze(design, y, outputs=["y"], confidence_level=0.999)
    for name in ("first_order_interval", "total_order_interval"):
        low, high = getattr(found, name)[0, 0]
        assert low <= 1 <= high


def test_a_group_of_one_and_an_input_alone_give_the_same_bytes():
    designs = [design_of("abcd", 64, groups=groups) for groups in (None, {"b": ["b"], "c": ["c"]})]
    one, two = (pick_freeze(d, additive(d.rows(0, d.n_rows).theta), outputs=["y"]) for d in designs)
    assert one.names == two.names
    assert np.array_equal(one.total_order_interval, two.total_order_interval)


@pytest.mark.parametrize("chosen", [["x1", "x2"], ["x1", "x3"], ["x2", "x3"]])
def test_the_first_order_of_a_group_is_the_closed_index_of_that_set(chosen):
    design = PickFreezeDesign(inputs=Inputs(space=ISHIGAMI.space), n_base=1024, groups={"set": chosen})
    found = pick_freeze(design, ISHIGAMI.function(design.rows(0, design.n_rows).theta), outputs=["y"])
    i, j = (ISHIGAMI.space.names.index(name) for name in chosen)
    k = found.names.index("set")
    low, high = found.first_order_interval[0, k]
    assert low - 0.01 <= ISHIGAMI.closed[i, j] <= high + 0.01
    rest = 3 - i - j  # what the set does not explain alone, the input left over has a hand in
    assert found.total_order[0, 1 - k] == pytest.approx(1 - ISHIGAMI.closed[i, j], abs=0.05)
    assert ISHIGAMI.total_order[rest] == pytest.approx(1 - ISHIGAMI.closed[i, j])
