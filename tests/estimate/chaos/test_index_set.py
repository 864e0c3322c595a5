from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shiftgauge.errors import ConfigError
from shiftgauge.estimate.chaos.index_set import tensor, total_degree, total_degree_size, with_levels


def test_weld_study_sizes():
    assert len(tensor([6, 6, 6])) == 343
    assert len(total_degree(3, 6)) == 84
    assert [total_degree_size(8, p) for p in (1, 2, 3, 4, 5)] == [9, 45, 165, 495, 1287]


@given(
    d=st.integers(1, 4),
    degree=st.integers(0, 5),
    q=st.sampled_from([1.0, 0.8, 0.5, 0.3]),
    order=st.sampled_from([None, 1, 2]),
)
@settings(max_examples=60, deadline=None)
def test_set_holds_exactly_what_its_definition_says(d, degree, q, order):
    found = total_degree(d, degree, q_norm=q, interaction_order=order)
    wanted = {
        a
        for a in product(range(degree + 1), repeat=d)
        if sum(v**q for v in a if v) ** (1 / q) <= degree + 1e-9 and (order is None or sum(1 for v in a if v) <= order)
    }
    assert {tuple(row) for row in found.tolist()} == wanted
    assert len(found) == len(wanted)
    assert not found[0].any()
    assert (np.diff(found.sum(axis=1)) >= 0).all()


def test_limits_cap_each_input():
    found = total_degree(2, 5, limits=[1, 9])
    assert found[:, 0].max() == 1
    assert found[:, 1].max() == 5


def test_levels_multiply_the_low_terms():
    shift = np.column_stack([np.zeros(10, int), total_degree(2, 3)])
    found = with_levels(shift, 0, n_levels=4, degree=1)
    assert len(found) == 10 + 4 * 3
    assert len(np.unique(found, axis=0)) == len(found)
    assert len(with_levels(shift, 0, n_levels=4, degree=-1)) == 10


def test_too_many_terms_are_refused():
    with pytest.raises(ConfigError, match="more than 20000 terms"):
        total_degree(30, 6)
    with pytest.raises(ConfigError, match="more than 20000 terms"):
        tensor([20] * 5)
    with pytest.raises(ConfigError, match="q_norm"):
        total_degree(3, 2, q_norm=2)


def test_thousands_of_inputs_cost_no_more_than_their_terms():
    linear = total_degree(3_072, 1)
    assert linear.shape == (3_073, 3_072)
    assert linear[0].sum() == 0
    assert (linear[1:] == np.eye(3_072, dtype=int)).all()
    with pytest.raises(ConfigError, match="more than 500 terms"):
        total_degree(3_072, 2, most=500)  # millions of terms: found out after 500 of them
