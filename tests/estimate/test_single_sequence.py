"""Published kind of indices: one sequence, rows A, B, AB, bootstrap over points."""

import numpy as np
import pytest

from shiftgauge.errors import ConfigError, DataError
from shiftgauge.estimate.designs import PickFreezeDesign
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.estimate.reference import ISHIGAMI
from shiftgauge.estimate.single_sequence import single_sequence


def design_of(n, **options):
    return PickFreezeDesign(inputs=Inputs(space=ISHIGAMI.space), n_base=n, second_order=True, **options)


def values_of(design):
    return ISHIGAMI.function(design.rows(0, design.n_rows).theta)


def test_indices_converge_to_the_exact_ones_and_intervals_like_the_square_root():
    design = design_of(4096, replicates=1)
    found = single_sequence(design, values_of(design), [256, 4096])
    assert np.allclose(found.first_order[-1], ISHIGAMI.first_order, atol=0.01)
    assert np.allclose(found.total_order[-1], ISHIGAMI.total_order, atol=0.01)
    shrunk = found.total_order_half[0] / found.total_order_half[1]
    assert (shrunk > 2).all()
    assert (shrunk < 8).all()


def test_it_is_the_plain_formula_on_half_of_the_rows():
    design = design_of(64, replicates=1)
    y = values_of(design)
    a, b, *ab = y.reshape(64, -1)[:, :5].T
    centred = np.concatenate([a, b]).mean()
    variance = np.concatenate([a, b]).var()
    first = [((b - centred) * (m - a)).mean() / variance for m in ab]
    total = [((a - m) ** 2).mean() / 2 / variance for m in ab]
    found = single_sequence(design, y, [64])
    assert np.allclose(found.first_order[0], first)
    assert np.allclose(found.total_order[0], total)


def test_the_bootstrap_half_width_is_that_of_the_delta_method_on_independent_points():
    design = design_of(2048, method="random", replicates=1)
    y = values_of(design)
    a, b, *ab = y.reshape(2048, -1)[:, :5].T
    v = np.concatenate([a, b]).var()
    terms = (a - ab[0]) ** 2 / 2
    influence = terms / v - terms.mean() / v**2 * ((a - y.mean()) ** 2 + (b - y.mean()) ** 2) / 2
    wanted = 1.96 * influence.std() / np.sqrt(2048)
    found = single_sequence(design, y, [2048], resamples=400).total_order_half[0, 0]
    assert found == pytest.approx(wanted, rel=0.2)


def test_wrong_designs_sizes_and_values_are_one_line_errors():
    with pytest.raises(ConfigError, match="replicates=1"):
        single_sequence(design_of(64), np.zeros(64 * 8), [64])
    design = design_of(64, replicates=1)
    with pytest.raises(ConfigError, match="sizes"):
        single_sequence(design, values_of(design), [128])
    with pytest.raises(DataError, match="512 rows"):
        single_sequence(design, np.zeros(3), [64])
