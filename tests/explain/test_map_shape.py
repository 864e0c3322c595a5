"""The shape of maps: closed forms and plain loops."""

import numpy as np
import pytest

from shiftgauge.data.border import border_mask
from shiftgauge.errors import DataError
from shiftgauge.explain.map_shape import border_share, breadth, cell_means, half_area, map_correlation, raised_share


def test_an_even_map_has_the_share_of_the_area_and_breadth_one():
    even = np.ones((2, 40, 50))
    assert border_share(even) == pytest.approx(0.36)
    assert breadth(even) == pytest.approx(1)
    assert half_area(even) == pytest.approx(0.5)


def test_a_map_inside_or_on_the_border_alone():
    mask = border_mask(40, 40)
    assert border_share([mask, ~mask]).tolist() == [1, 0]


@pytest.mark.parametrize("cells", [(4, 4), (5, 7), (14, 14)])
def test_the_share_over_cells_is_that_of_the_map_drawn_with_flat_cells(cells):
    coarse = np.random.default_rng(0).random((2, *cells))
    size = (cells[0] * 10, cells[1] * 10)
    drawn = np.kron(coarse, np.ones((1, 10, 10)))
    assert border_share(coarse, pixels=size) == pytest.approx(border_share(drawn))


@pytest.mark.parametrize("k", [1, 16, 100])
def test_breadth_counts_the_cells_that_are_filled(k):
    cells = np.zeros(256)
    cells[np.random.default_rng(0).permutation(256)[:k]] = 3.0
    maps = cells.reshape(1, 16, 16)
    assert breadth(maps) == pytest.approx(k / 256)
    assert half_area(maps) == pytest.approx(-(-k // 2) / 256)


def test_cells_may_be_uneven_and_measures_do_not_depend_on_scale():
    maps = np.random.default_rng(0).random((3, 37, 50))
    slow = [[[m[37 * i // 16 : 37 * (i + 1) // 16, 50 * j // 16 : 50 * (j + 1) // 16].mean() for j in range(16)]
             for i in range(16)] for m in maps]  # fmt: skip
    assert cell_means(maps, (16, 16)) == pytest.approx(np.array(slow))
    for measure in (breadth, half_area, border_share):
        assert measure(7 * maps) == pytest.approx(measure(maps))
    with pytest.raises(DataError, match="51 cells"):
        cell_means(maps, (1, 51))


def test_a_map_without_anything_has_no_measure():
    nothing = np.zeros((1, 20, 20))
    assert all(np.isnan(m(nothing)).all() for m in (breadth, half_area, border_share, raised_share))
    assert np.isnan(map_correlation(nothing, np.random.default_rng(0).random((1, 20, 20)))).all()


def test_correlation_is_that_of_numpy_and_brightening_that_of_a_loop():
    one, two = np.random.default_rng(0).normal(size=(2, 3, 6, 5))
    expected = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(one, two, strict=True)]
    assert map_correlation(one, two) == pytest.approx(expected)
    slow = [sum(v for v in m.ravel() if v > 0) / sum(abs(v) for v in m.ravel()) for m in one]
    assert raised_share(one) == pytest.approx(slow)
