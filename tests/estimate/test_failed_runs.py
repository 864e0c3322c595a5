import numpy as np
import pytest

from shiftgauge.errors import ConfigError, NumericalError
from shiftgauge.estimate.analysis import analyse
from shiftgauge.estimate.designs import PickFreezeDesign, PlainDesign
from shiftgauge.estimate.gauge import gauge_table
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.estimate.pick_freeze import pick_freeze
from shiftgauge.estimate.reference import ISHIGAMI

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
