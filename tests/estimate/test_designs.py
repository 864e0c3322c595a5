import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shiftgauge.errors import ConfigError
from shiftgauge.estimate.designs import PickFreezeDesign, PlainDesign
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.estimate.points import METHODS, unit_design
from shiftgauge.parameter import Parameter
from shiftgauge.space import Space


def space(n=3):
    return Space([Parameter(name=f"x{i}", distribution="uniform", options={"low": 0, "high": 1}) for i in range(n)])


INPUTS = Inputs(space=space(), n_images=8, repeat=True)


@pytest.mark.parametrize("method", METHODS)
def test_unit_design_is_reproducible_and_depends_on_the_seed(method):
    first, again, other = (unit_design(64, 3, method, seed) for seed in (5, 5, 6))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.shape == (64, 3)
    assert first.min() >= 0
    assert first.max() < 1


@pytest.mark.parametrize("n", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("method", METHODS)
def test_any_number_of_points_is_drawn_without_a_warning(method, n):
    assert unit_design(n, 2, method).shape == (n, 2)


@pytest.mark.parametrize("method", ["sobol", "lhs"])
def test_each_column_has_one_point_in_each_stratum(method):
    cells = np.floor(unit_design(128, 4, method, seed=3) * 128).astype(int)
    assert all(len(np.unique(column)) == 128 for column in cells.T)


@pytest.mark.parametrize("method", ["sobol", "halton", "random"])
def test_more_points_keep_the_earlier_ones_across_pages(method):
    assert np.array_equal(unit_design(8192, 2, method)[:4096], unit_design(4096, 2, method))


@given(data=st.data(), method=st.sampled_from(METHODS), second_order=st.booleans())
@settings(max_examples=40, deadline=None)
def test_rows_do_not_depend_on_how_they_are_cut(data, method, second_order):
    design = PickFreezeDesign(inputs=INPUTS, n_base=16, second_order=second_order, method=method, seed=2)
    whole = PickFreezeDesign(inputs=INPUTS, n_base=16, second_order=second_order, method=method, seed=2).rows(
        0, design.n_rows
    )
    start = data.draw(st.integers(0, design.n_rows))
    stop = data.draw(st.integers(start, design.n_rows))
    part = design.rows(start, stop)
    for field in ("unit", "image", "theta", "stream"):
        assert np.array_equal(getattr(part, field), getattr(whole, field)[start:stop])


def test_a_block_picks_and_freezes_each_input():
    design = PickFreezeDesign(inputs=INPUTS, n_base=8, second_order=True)
    d = INPUTS.n_inputs
    assert design.rows_per_block == 2 * d + 2
    rows = design.rows(0, design.n_rows)
    for j in range(8):
        block = slice(j * design.rows_per_block, (j + 1) * design.rows_per_block)
        values = np.column_stack([rows.unit[block], rows.stream[block]])
        a, b = values[0], values[1]
        assert a[-1] == 2 * j
        assert b[-1] == 2 * j + 1
        assert (a[:-2] != b[:-2]).all()
        for i in range(d):
            own = [d] if INPUTS.names[i] == "repeat" else [i]
            ab, ba = a.copy(), b.copy()
            ab[own], ba[own] = b[own], a[own]
            assert np.array_equal(values[2 + i], ab)
            assert np.array_equal(values[2 + d + i], ba)


def test_doubling_the_blocks_keeps_the_rows():
    small, large = (PickFreezeDesign(inputs=INPUTS, n_base=n, seed=4) for n in (16, 32))
    assert np.array_equal(small.rows(0, small.n_rows).unit, large.rows(0, small.n_rows).unit)


@pytest.mark.parametrize("method", ["sobol", "halton"])
@pytest.mark.parametrize("replicates", [1, 7, 16])
def test_more_blocks_keep_the_earlier_ones_across_pages(method, replicates):
    def base(n):
        return PickFreezeDesign(inputs=Inputs(space=space(1)), n_base=n, method=method, replicates=replicates)

    small, large = base(1000), base(4500)
    assert np.array_equal(small.rows(0, small.n_rows).unit, large.rows(0, small.n_rows).unit)


@pytest.mark.parametrize("method", ["sobol", "halton", "lhs"])
def test_replicates_are_whole_designs_that_know_nothing_of_each_other(method):
    design = PickFreezeDesign(inputs=Inputs(space=space()), n_base=1024, method=method, replicates=8)
    base = design.rows(0, design.n_rows).unit.reshape(1024, -1, 3)[:, 0]
    parts = [base[k::8] for k in range(8)]
    for part in parts:  # each fills the line evenly by itself
        assert np.abs(np.sort(part[:, 0]) - (np.arange(128) + 0.5) / 128).max() < 0.03
    means = np.array([np.exp(part[:, 1]).mean() for part in parts])
    assert len(np.unique(means)) == 8


def test_blocks_of_a_random_design_have_no_replicates():
    assert PickFreezeDesign(inputs=INPUTS, n_base=64, method="random").grouping.n_groups == 64
    assert PickFreezeDesign(inputs=INPUTS, n_base=64).grouping.n_groups == 16
    assert PickFreezeDesign(inputs=INPUTS, n_base=64, replicates=1).grouping.n_groups == 64


def test_images_are_drawn_equally_often():
    rows = PlainDesign(inputs=INPUTS, n=64).rows(0, 64)
    assert np.bincount(rows.image, minlength=8).tolist() == [8] * 8
    assert np.array_equal(rows.stream, np.arange(64))


def test_a_group_moves_as_one():
    groups = {"shape": ["x0", "x2"]}
    design = PickFreezeDesign(inputs=Inputs(space=space()), n_base=4, groups=groups)
    assert design.names == ("shape", "x1")
    a, b, shape, x1 = design.rows(0, 4).unit
    assert np.array_equal(shape, [b[0], a[1], b[2]])
    assert np.array_equal(x1, [a[0], b[1], a[2]])


def test_one_image_is_no_input():
    inputs = Inputs(space=space(1), n_images=1)
    assert inputs.names == ("x0",)
    assert PlainDesign(inputs=inputs, n=4).rows(0, 4).image.tolist() == [0] * 4


def test_fixed_parameters_are_filled_in_and_are_no_input():
    fixed = Parameter(name="zoom", distribution="fixed", options={"value": 3})
    inputs = Inputs(space=Space([fixed, *space(1).parameters]))
    rows = PlainDesign(inputs=inputs, n=4).rows(0, 4)
    assert inputs.names == ("x0",)
    assert rows.theta[:, 0].tolist() == [3] * 4


def test_a_large_design_is_streamed_without_being_held():
    design = PickFreezeDesign(inputs=INPUTS, n_base=1 << 22, method="sobol")
    assert len(design.rows(design.n_rows - 5, design.n_rows)) == 5


def test_rows_are_named_for_messages():
    design = PickFreezeDesign(inputs=INPUTS, n_base=4, second_order=True)
    assert design.row_name(1) == "row 1 (B of base sample 0)"
    assert design.row_name(12 + 3) == "row 15 (AB of `x0`, base sample 1)"
    assert design.row_name(2 + 5) == "row 7 (BA of `image`, base sample 0)"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: unit_design(0, 2), "≥ 1"),
        (lambda: unit_design(4, 2, "sobl"), "did you mean `sobol`"),
        (lambda: unit_design(4, 2, seed=-1), "seed"),
        (lambda: unit_design(4, 30_000), "21201"),
        (lambda: PickFreezeDesign(inputs=INPUTS, n_base=100, replicates=0), "≥ 1"),
        (lambda: PickFreezeDesign(inputs=INPUTS, n_base=100, replicates=3), "1 or at least 4"),
        (lambda: PickFreezeDesign(inputs=INPUTS, n_base=1), "≥ 2"),
        (lambda: PickFreezeDesign(inputs=INPUTS, n_base=4, groups={"g": ["x9"]}), "x9"),
        (lambda: PickFreezeDesign(inputs=INPUTS, n_base=4, groups={"g": ["x0"], "h": ["x0"]}), "two groups"),
        (lambda: PickFreezeDesign(inputs=INPUTS, n_base=4, groups={"x1": ["x0"]}), "another name"),
        (lambda: PlainDesign(inputs=INPUTS, n=4).rows(0, 5), "outside the design"),
        (lambda: Inputs(space=space(), n_images=-1), "n_images"),
        (
            lambda: Inputs(
                space=Space([Parameter(name="image", distribution="normal", options={"mean": 0, "std": 1})]), n_images=3
            ),
            "another name",
        ),
    ],
)
def test_bad_input_is_refused_in_one_line(make, message):
    with pytest.raises(ConfigError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("method", ["sobol", "random"])
def test_thousands_of_inputs_are_nested_and_cut_anywhere(method):
    def base(n):
        return PickFreezeDesign(inputs=Inputs(space=space(600)), n_base=n, method=method, seed=1)

    small, large = base(1024), base(2048)
    width = large.rows_per_block
    for block in (0, 1023, 300):  # in no order: pages are made anew
        start, stop = block * width + 1, block * width + 9
        assert np.array_equal(large.rows(start, stop).theta, small.rows(start, stop).theta)
    assert np.array_equal(large.base(1000, 1024)[0], small.base(1000, 1024)[0])
    assert np.array_equal(large.base(1000, 1003)[0], large.base(900, 1024)[0][100:103])


def test_replicates_of_thousands_of_columns_are_even_and_differ():
    design = PickFreezeDesign(inputs=Inputs(space=space(600)), n_base=512, replicates=4)
    unit, theta = design.base(0, 512)
    assert np.array_equal(unit, theta)  # uniform on [0, 1]
    for k in range(4):
        for column in (0, 1, 599):
            cells = np.floor(unit[k::4, 1, column] * 128).astype(int)
            assert len(np.unique(cells)) == 128
    starts = unit[:4].reshape(4, -1)
    assert np.abs(np.corrcoef(starts) - np.eye(4)).max() < 0.15
