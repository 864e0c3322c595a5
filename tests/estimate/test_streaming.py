import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shiftgauge.errors import ConfigError, DataError, NumericalError
from shiftgauge.estimate.designs import PickFreezeDesign
from shiftgauge.estimate.gauge import gauge_table
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.estimate.pick_freeze import pick_freeze
from shiftgauge.estimate.reference import ISHIGAMI
from shiftgauge.estimate.streaming import LinearFirst, stream_pick_freeze
from shiftgauge.parameter import Parameter
from shiftgauge.space import Space

FIELDS = ("mean", "mean_interval", "variance", "first_order", "first_order_interval", "total_order_interval")
PAIRS = ("total_interaction", "second_order", "closed_interval")


def space(n, *fixed, correlation=None):
    options = {"low": -1, "high": 2}
    varying = [Parameter(name=f"x{i}", distribution="uniform", options=options) for i in range(n)]
    constant = [Parameter(name=name, distribution="fixed", options={"value": 0.7}) for name in fixed]
    return Space([*varying[:2], *constant, *varying[2:]], correlation)


def network(d, width=7, outputs=3, dtype=float, seed=0):
    rng = np.random.default_rng(seed)
    last = rng.normal(size=(width, outputs)).astype(dtype)
    return LinearFirst(
        weight=rng.normal(size=(width, d)).astype(dtype),
        bias=rng.normal(size=width).astype(dtype),
        rest=lambda z: np.tanh(z) @ last,
    )


@pytest.mark.parametrize("second_order", [True, False])
@pytest.mark.parametrize("options", [{}, {"replicates": 1}, {"method": "random"}, {"n_base": 100}])
def test_streamed_estimates_equal_those_of_the_whole_sample(options, second_order):
    options = {"inputs": Inputs(space=ISHIGAMI.space), "n_base": 128, "second_order": second_order, **options}
    design = PickFreezeDesign(**options)
    y = ISHIGAMI.function(design.rows(0, design.n_rows).theta)
    whole = pick_freeze(design, np.column_stack([y, y**2]), outputs=["a", "b"], resamples=50)
    found = stream_pick_freeze(
        lambda x: np.column_stack([ISHIGAMI.function(x), ISHIGAMI.function(x) ** 2]),
        design,
        outputs=["a", "b"],
        resamples=50,
        pairs=True,
    )
    for name in (*FIELDS, *PAIRS):
        if getattr(whole, name) is None:
            assert getattr(found, name) is None
        else:
            assert np.allclose(getattr(found, name), getattr(whole, name), rtol=1e-12, atol=1e-14, equal_nan=True)
    assert found.status == whole.status


@given(chunk=st.integers(1, 300), second_order=st.booleans(), linear=st.booleans())
@settings(max_examples=25, deadline=None)
def test_the_size_of_a_chunk_changes_nothing(chunk, second_order, linear):
    design = PickFreezeDesign(inputs=Inputs(space=space(4)), n_base=70, second_order=second_order)
    net = network(4)
    exact = LinearFirst(weight=net.weight, bias=net.bias, rest=lambda z: z[:, 0] * z[:, 1] + z[:, 2] ** 3)
    function = exact if linear else lambda x: x[:, 0] * x[:, 1] + x[:, 2] ** 3
    one, two = (stream_pick_freeze(function, design, outputs=["y"], chunk=c) for c in (None, chunk))
    for name in FIELDS:
        assert np.allclose(getattr(one, name), getattr(two, name), rtol=1e-12 if linear else 0, atol=0)


@pytest.mark.parametrize("second_order", [True, False])
@pytest.mark.parametrize("groups", [None, {"g": ["x0", "x3"], "h": ["x1", "x2"]}])
@pytest.mark.parametrize("fixed", [(), ("f",)])
def test_rank_one_changes_give_the_plain_numbers(second_order, groups, fixed):
    inputs = Inputs(space=space(5, *fixed))
    design = PickFreezeDesign(inputs=inputs, n_base=80, second_order=second_order, groups=groups)
    net = network(5 + len(fixed))
    fast = stream_pick_freeze(net, design, outputs=["a", "b", "c"])
    plain = stream_pick_freeze(net.__call__, design, outputs=["a", "b", "c"])
    for name in FIELDS:
        assert np.allclose(getattr(fast, name), getattr(plain, name), rtol=1e-9, atol=1e-12)


def test_rank_one_changes_in_single_precision_stay_near():
    design = PickFreezeDesign(inputs=Inputs(space=space(40)), n_base=64)
    one, two = (stream_pick_freeze(network(40, dtype=t), design, outputs=["a", "b", "c"]) for t in (float, np.float32))
    assert np.allclose(one.total_order, two.total_order, atol=1e-5)


def test_correlated_parameters_are_not_changed_one_column_at_a_time():
    correlation = np.array([[1, 0.6, 0], [0.6, 1, 0], [0, 0, 1]])
    design = PickFreezeDesign(inputs=Inputs(space=space(3, correlation=correlation)), n_base=64)
    net = network(3)
    y = net(design.rows(0, design.n_rows).theta)
    found = stream_pick_freeze(net, design, outputs=["a", "b", "c"])
    assert np.allclose(found.total_order, pick_freeze(design, y, outputs=["a", "b", "c"]).total_order)


def test_linear_model_of_three_hundred_inputs_has_its_exact_indices():
    weight = np.exp(-np.arange(300) / 40)[None]
    design = PickFreezeDesign(inputs=Inputs(space=space(300)), n_base=256)
    model = LinearFirst(weight=weight, bias=np.zeros(1), rest=lambda z: z[:, 0])
    found = stream_pick_freeze(model, design, outputs=["y"])
    exact = weight[0] ** 2 / (weight**2).sum()
    low, high = np.moveaxis(found.total_order_interval[0], 1, 0)
    assert ((low <= exact) & (exact <= high)).mean() > 0.85
    assert np.abs(found.total_order[0] - exact).max() < 0.01


def test_memory_stays_far_below_that_of_the_design():
    design = PickFreezeDesign(inputs=Inputs(space=space(300)), n_base=256)
    net = network(300)
    tracemalloc.start()
    stream_pick_freeze(net, design, outputs=["a", "b", "c"])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * design.n_rows * 300 / 2.5  # the physical values alone


def test_images_and_realisations_are_given_as_design_rows():
    inputs = Inputs(space=ISHIGAMI.space, n_images=4, repeat=True)
    design = PickFreezeDesign(inputs=inputs, n_base=64, second_order=True)

    def function(rows):
        return rows.image + np.sin(rows.stream) + ISHIGAMI.function(rows.theta) / 4

    found = stream_pick_freeze(function, design, outputs=["y"], pairs=True)
    whole = pick_freeze(design, function(design.rows(0, design.n_rows)), outputs=["y"])
    assert np.allclose(found.total_order, whole.total_order)
    one, two = (gauge_table(i, output="y", image_labels=[0, 0, 1, 1]) for i in (found, whole))
    assert [r.variance for r in one.rows] == pytest.approx([r.variance for r in two.rows])
    with pytest.raises(ConfigError, match="LinearFirst"):
        stream_pick_freeze(network(3), design, outputs=["a", "b", "c"])


def test_failed_runs_drop_their_blocks():
    design = PickFreezeDesign(inputs=Inputs(space=ISHIGAMI.space), n_base=256)
    bad = np.concatenate([design.rows(k, k + 1).theta for k in (0, 5 * 7 + 3, 5 * 100 + 4)])

    def function(x):
        y = ISHIGAMI.function(x)
        y[(x[:, None] == bad).all(axis=2).any(axis=1)] = np.nan
        return y

    found = stream_pick_freeze(function, design, outputs=["y"], on_failure="drop")
    y = function(design.rows(0, design.n_rows).theta)
    whole = pick_freeze(design, y, outputs=["y"], on_failure="drop")
    assert found.n_dropped == whole.n_dropped == 3
    assert np.allclose(found.total_order, whole.total_order, rtol=1e-3)  # the variance holds a little of the centre
    assert np.allclose(found.first_order, whole.first_order, atol=5e-3)
    with pytest.raises(NumericalError, match=r"row 0 \(A of base sample 0\)"):
        stream_pick_freeze(function, design, outputs=["y"])


@pytest.mark.parametrize("function", [network(3), network(3).__call__])
def test_progress_counts_every_row_once(function):
    design = PickFreezeDesign(inputs=Inputs(space=space(3)), n_base=32, second_order=True)
    seen = []
    stream_pick_freeze(function, design, outputs=["a", "b", "c"], chunk=50, progress=lambda *s: seen.append(s))
    assert seen[-1] == (design.n_rows, design.n_rows)
    assert [s[0] for s in seen] == sorted({s[0] for s in seen})


def test_bad_requests_are_refused_in_one_line():
    design = PickFreezeDesign(inputs=Inputs(space=space(3)), n_base=32)
    net = network(3)
    huge = PickFreezeDesign(inputs=Inputs(space=space(600)), n_base=2048, method="random")
    with pytest.raises(DataError, match=r"must return \(64, 2\) values"):
        stream_pick_freeze(net, design, outputs=["a", "b"])
    with pytest.raises(DataError, match="5 columns"):
        stream_pick_freeze(network(5), design, outputs=["a", "b", "c"])
    with pytest.raises(DataError, match=r"`bias` \(h,\)"):
        LinearFirst(weight=net.weight, bias=np.zeros(3), rest=net.rest)
    with pytest.raises(ConfigError, match="leave out pairs"):
        stream_pick_freeze(network(600), huge, outputs=["a", "b", "c"], pairs=True)
    with pytest.raises(ConfigError, match="chunk"):
        stream_pick_freeze(net, design, outputs=["a", "b", "c"], chunk=0)
