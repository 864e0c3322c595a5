"""The border of a frame: closed forms of the measures, and frames without it."""

import numpy as np
import pytest

from lung_arrays import lung_dataset
from shiftgauge.errors import ConfigError
from shiftgauge.studies.lung_border import border_mask, border_share, breadth, half_area, treated, without_border


def test_an_even_map_has_the_share_of_the_area_and_breadth_one():
    even = np.ones((2, 40, 50))
    assert border_share(even) == pytest.approx(0.36)
    assert breadth(even) == pytest.approx(1)
    assert half_area(even) == pytest.approx(0.5)


def test_a_map_inside_or_on_the_border_alone():
    mask = border_mask(40, 40)
    assert border_share([mask, ~mask]).tolist() == [1, 0]


@pytest.mark.parametrize("k", [1, 16, 100])
def test_breadth_counts_the_cells_that_are_filled(k):
    cells = np.zeros(256)
    cells[np.random.default_rng(0).permutation(256)[:k]] = 3.0
    maps = np.kron(cells.reshape(16, 16), np.ones((4, 4)))[None]
    assert breadth(maps) == pytest.approx(k / 256)
    assert half_area(maps) == pytest.approx(-(-k // 2) / 256)


def test_measures_do_not_depend_on_scale_and_cells_may_be_uneven():
    maps = np.random.default_rng(0).random((3, 37, 50))
    for measure in (breadth, half_area, border_share):
        assert measure(7 * maps) == pytest.approx(measure(maps))
    slow = [[m[37 * i // 16 : 37 * (i + 1) // 16, 50 * j // 16 : 50 * (j + 1) // 16].mean() for i in range(16)
             for j in range(16)] for m in maps]  # fmt: skip
    expected = [np.sum(c) ** 2 / (256 * np.sum(np.square(c))) for c in slow]
    assert breadth(maps) == pytest.approx(expected)


def test_a_map_without_anything_has_no_measure():
    nothing = np.zeros((1, 20, 20))
    assert all(np.isnan(measure(nothing)).all() for measure in (breadth, half_area, border_share))


def test_painted_cut_and_alone():
    image = np.random.default_rng(0).random((1, 20, 30)).astype(np.float32)
    painted, alone = without_border(image, "painted"), without_border(image, "alone")
    assert np.array_equal(painted + alone, image)
    assert not painted[:, :2].any()
    assert np.array_equal(without_border(image, "cut"), image[:, 2:18, 3:27])


def test_treated_frames_keep_labels_and_recordings_and_get_hashes_of_their_own():
    plain = lung_dataset()
    found = treated(plain, "cut").select([3, 1])
    assert found.load(1).shape == (1, 20, 20)
    assert (found.groups, found.labels.tolist()) == (plain.select([3, 1]).groups, plain.labels[[3, 1]].tolist())
    assert not set(found.hashes) & set(plain.hashes)
    assert treated(plain, "cut").fingerprint != treated(plain, "painted").fingerprint


@pytest.mark.parametrize("share", [0, 0.5, 0.7])
def test_a_border_that_is_none_is_refused(share):
    with pytest.raises(ConfigError, match="share"):
        border_mask(10, 10, share)
