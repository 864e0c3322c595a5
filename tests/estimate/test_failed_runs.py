import numpy as np
import pytest

from shiftgauge.errors import ConfigError, NumericalError
from shiftgauge.estimate.analysis import analyse
from shiftgauge.estimate.conditional import KucherenkoDesign, PermutationDesign, SubsetDesign
from shiftgauge.estimate.derivative import derivative_bounds
from shiftgauge.estimate.designs import PickFreezeDesign, PlainDesign
from shiftgauge.estimate.gauge import gauge_table
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.estimate.kucherenko import kucherenko
from shiftgauge.estimate.morris import elementary_effects
from shiftgauge.estimate.pick_freeze import pick_freeze
from shiftgauge.estimate.reference import ISHIGAMI, DependentLinear, linear_gaussian
from shiftgauge.estimate.screening import screen_then_estimate
from shiftgauge.estimate.shapley import shapley_effects
from shiftgauge.estimate.trajectories import MorrisDesign

FAILED = (3, 40, 41, 200)


def sample(n_base=256, **options):
    design = PickFreezeDesign(inputs=Inputs(space=ISHIGAMI.space), n_base=n_base, second_order=True, **options)
    return design, ISHIGAMI.function(design.rows(0, design.n_rows).theta)[:, None]


def broken(design, y, blocks=FAILED, value=np.nan):
    y = y.copy()
    for k, block in enumerate(blocks):
        y[block * design.rows_per_block + k % design.rows_per_block] = value
    return y


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("estimator", ["pick_freeze", "assisted"])
def test_only_the_blocks_with_a_failed_run_are_left_out(estimator, value):
    design, y = sample()
    found = analyse(design, broken(design, y, value=value), outputs=["y"], estimator=estimator, on_failure="drop")
    assert found.n_dropped == 4
    (status,) = [s for s in found.status if s.code == "dropped_blocks"]
    assert status.level == "warning"
    assert status.message.startswith("4 of 256 blocks")
    others = y.copy()  # whatever else stands in those blocks has no part either
    for block in FAILED:
        others[block * 8 : (block + 1) * 8] = np.nan
    again = analyse(design, others, outputs=["y"], estimator=estimator, on_failure="drop")
    assert np.array_equal(found.total_order_interval, again.total_order_interval)
    for name in ("first_order", "total_order"):
        low, high = np.moveaxis(getattr(found, f"{name}_interval")[0], 1, 0)
        half = np.maximum((high - low) / 2, 1e-9)
        assert (np.abs(getattr(found, name)[0] - getattr(ISHIGAMI, name)) < 3 * half + 0.01).all()


def test_what_a_surrogate_makes_of_failed_cases_has_no_part_in_the_indices():
    design = PickFreezeDesign(inputs=Inputs(space=ISHIGAMI.space), n_base=256)
    theta = design.rows(0, design.n_rows).theta
    y = ISHIGAMI.function(theta)[:, None]
    y[theta[:, 0] > 2.5] = np.nan
    plain, found = (
        analyse(design, y, outputs=["y"], estimator=name, on_failure="drop") for name in ("pick_freeze", "assisted")
    )
    assert found.n_dropped > 20
    assert np.array_equal(found.total_order_interval, plain.total_order_interval)
    assert "surrogate_unused" in [s.code for s in found.status]


def test_dropping_equals_the_textbook_sums_over_the_other_blocks():
    design, y = sample()
    found = pick_freeze(design, broken(design, y), outputs=["y"], on_failure="drop")
    f = np.delete(y.reshape(256, 8), FAILED, axis=0)
    a, b, ab, ba = f[:, 0], f[:, 1], f[:, 2:5], f[:, 5:]
    assert found.mean[0] == pytest.approx((a + b).mean() / 2)
    total = (((a[:, None] - ab) ** 2).mean(axis=0) + ((b[:, None] - ba) ** 2).mean(axis=0)) / 4
    assert found.total_order[0] == pytest.approx(total / found.variance[0])


@pytest.mark.parametrize("options", [{"replicates": 1}, {"method": "random"}, {}])
def test_no_failed_run_makes_drop_and_raise_the_same(options):
    design, y = sample(64, **options)
    first, second = (pick_freeze(design, y, outputs=["y"], on_failure=mode) for mode in ("raise", "drop"))
    assert first.n_dropped == second.n_dropped == 0
    assert np.array_equal(first.first_order_interval, second.first_order_interval)


def test_a_replicate_without_a_block_takes_no_part_in_the_error():
    design, y = sample(64)
    lost = [j for j in range(64) if j % 16 in (2, 9)]
    found = pick_freeze(design, broken(design, y, lost), outputs=["y"], on_failure="drop")
    groups = [k for k in range(16) if k not in (2, 9)]
    f = y.reshape(64, 8)
    kept = np.isin(np.arange(64) % 16, groups)
    means = np.array([f[np.arange(64) % 16 == k, :2].mean() for k in groups])
    half = 2.160369 * means.std(ddof=1) / np.sqrt(14)  # t with 13 degrees of freedom
    assert found.mean[0] == pytest.approx(f[kept, :2].mean())
    assert found.mean_interval[0] == pytest.approx([means.mean() - half, means.mean() + half], rel=1e-5)


def test_too_few_blocks_are_refused():
    design, y = sample(64)
    with pytest.raises(NumericalError, match="33 of 64 blocks"):
        pick_freeze(design, broken(design, y, range(33)), outputs=["y"], on_failure="drop")
    small, y = sample(8, replicates=4)
    with pytest.raises(NumericalError, match="only 3 of 4 replicates"):
        pick_freeze(small, broken(small, y, (0, 4)), outputs=["y"], on_failure="drop")
    with pytest.raises(ConfigError, match="on_failure"):
        pick_freeze(small, y, outputs=["y"], on_failure="ignore")


@pytest.mark.parametrize("layout", ["plain", "blocks"])
def test_chaos_leaves_out_failed_rows(layout):
    design = PlainDesign(inputs=Inputs(space=ISHIGAMI.space), n=512) if layout == "plain" else sample()[0]
    y = ISHIGAMI.function(design.rows(0, design.n_rows).theta)[:, None]
    y[[8, 16]] = np.nan  # rows A of two blocks
    with pytest.raises(NumericalError, match="row 8"):
        analyse(design, y, outputs=["y"], estimator="gpc")
    found = analyse(design, y, outputs=["y"], estimator="gpc", on_failure="drop", resamples=20)
    assert found.n_dropped == 2
    assert [s.message[:10] for s in found.status if s.code == "dropped_rows"] == ["2 of 512 r"]
    assert np.abs(found.total_order[0] - ISHIGAMI.total_order).max() < 1e-3


def test_the_gauge_table_leaves_the_same_blocks_out():
    inputs = Inputs(space=ISHIGAMI.space, n_images=4)
    design = PickFreezeDesign(inputs=inputs, n_base=256)
    rows = design.rows(0, design.n_rows)
    y = (rows.image + ISHIGAMI.function(rows.theta) / 4)[:, None]
    whole = pick_freeze(design, y, outputs=["y"])
    part = pick_freeze(design, broken(design, y), outputs=["y"], on_failure="drop")
    labels = [0, 0, 1, 1]
    first, second = (gauge_table(found, output="y", image_labels=labels) for found in (whole, part))
    assert [r.name for r in first.rows] == [r.name for r in second.rows]
    for one, two in zip(first.rows, second.rows, strict=True):
        assert two.variance == pytest.approx(one.variance, abs=0.15)


def tied(kind, n_base=256):
    reference = DependentLinear(weights=(1.0, 1.0, 2.0), covariance=[[1, 0.5, 0.2], [0.5, 1, -0.3], [0.2, -0.3, 2]])
    design = kind(inputs=Inputs(space=reference.space), n_base=n_base)
    return design, reference.function(design.rows(0, design.n_rows).theta)[:, None]


@pytest.mark.parametrize(
    ("kind", "estimate", "table"),
    [
        (KucherenkoDesign, kucherenko, "total_order"),
        (SubsetDesign, shapley_effects, "shapley"),
        (PermutationDesign, shapley_effects, "shapley"),
    ],
)
def test_estimators_for_dependent_inputs_leave_out_the_same_blocks(kind, estimate, table):
    design, y = tied(kind)
    failed = broken(design, y)
    with pytest.raises(NumericalError, match="on_failure"):
        estimate(design, failed, outputs=["y"])
    found = estimate(design, failed, outputs=["y"], on_failure="drop")
    assert found.n_dropped == 4
    assert [s.message[:16] for s in found.status if s.code == "dropped_blocks"] == ["4 of 256 blocks "]
    kept = np.isin(np.arange(256), FAILED, invert=True)
    f = y.reshape(256, -1)[kept]
    own = {KucherenkoDesign: f[:, :2], SubsetDesign: f[:, :1], PermutationDesign: f[:, [0, -1]]}[kind]
    assert found.mean[0] == pytest.approx(own.mean())
    whole = estimate(design, y, outputs=["y"])
    assert getattr(found, table)[0] == pytest.approx(getattr(whole, table)[0], abs=0.05)
    half = np.diff(getattr(whole, f"{table}_interval")[0], axis=-1)
    assert np.diff(getattr(found, f"{table}_interval")[0], axis=-1) == pytest.approx(half, rel=1.0)
    with pytest.raises(NumericalError, match="129 of 256 blocks"):
        estimate(design, broken(design, y, range(129)), outputs=["y"], on_failure="drop")


def test_elementary_effects_leave_out_whole_trajectories():
    design = MorrisDesign(inputs=Inputs(space=ISHIGAMI.space), n_trajectories=40)
    y = ISHIGAMI.function(design.rows(0, design.n_rows).theta)[:, None]
    failed = broken(design, y, (3, 17))
    with pytest.raises(NumericalError, match="on_failure"):
        elementary_effects(design, failed, outputs=["y"])
    found, whole = (elementary_effects(design, v, outputs=["y"], on_failure="drop") for v in (failed, y))
    assert (found.n_dropped, whole.n_dropped, found.n_trajectories) == (2, 0, 38)
    assert np.array_equal(found.effects, np.delete(whole.effects, (3, 17), axis=-1))
    assert found.mu_star[0] == pytest.approx(np.abs(found.effects[0]).mean(axis=-1))
    assert found.sigma[0] == pytest.approx(found.effects[0].std(axis=-1, ddof=1))
    assert "dropped_trajectories" in [s.code for s in found.status]
    with pytest.raises(NumericalError, match="21 of 40 trajectories"):
        elementary_effects(design, broken(design, y, range(21)), outputs=["y"], on_failure="drop")


def test_derivative_bounds_and_screening_leave_out_failed_rows():
    reference = linear_gaussian()
    calls = []

    def gradient(x):
        slope = np.tile([1.0, 2.0, 3.0], (len(x), 1))
        slope[np.abs(x[:, 0]) > 2.2] = np.nan
        calls.append(x)
        return reference.function(x), slope

    with pytest.raises(NumericalError, match=r"row \d+; .* on_failure"):
        derivative_bounds(gradient, reference.space, outputs=["y"], n=1024)
    calls.clear()
    found = derivative_bounds(gradient, reference.space, outputs=["y"], n=1024, on_failure="drop")
    x = np.concatenate(calls)
    y = reference.function(x[np.abs(x[:, 0]) <= 2.2])
    assert found.n_dropped == len(x) - len(y) > 0
    assert found.mean[0] == pytest.approx(y.mean())
    assert found.variance[0] == pytest.approx(y.var(ddof=1))
    assert found.gradient_square[0] == pytest.approx([1, 4, 9])
    assert found.poincare_bound[0] == pytest.approx(np.array([1, 4, 9]) / y.var(ddof=1))
    assert "dropped_rows" in [s.code for s in found.status]
    with pytest.raises(NumericalError, match="64 of 64 rows"):
        derivative_bounds(lambda x: (x[:, 0] * np.nan, x), reference.space, outputs=["y"], n=64, on_failure="drop")

    def function(x):
        return np.where(np.abs(x[:, 0]) > 2.2, np.nan, reference.function(x))

    both = screen_then_estimate(function, gradient, reference.space, outputs=["y"], n_base=128, on_failure="drop")
    assert both.bounds.n_dropped == found.n_dropped
    assert both.indices.n_dropped > 0
