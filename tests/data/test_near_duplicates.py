import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_data import needs, real
from shiftgauge.data import near_duplicates
from shiftgauge.data.arrays import from_arrays
from shiftgauge.data.near_duplicates import exact_groups, merge_groups, near_duplicate_groups, near_duplicate_pairs
from shiftgauge.data.perceptual_hash import perceptual_hash
from shiftgauge.errors import DataError


def scenes(n: int, seed: int = 0, size: int = 32) -> np.ndarray:
    coarse = np.random.default_rng(seed).random((n, 6, 6))
    return np.kron(coarse, np.ones((1, 1 + size // 6, 1 + size // 6)))[:, :size, :size]


def slow_groups(n: int, pairs: list[tuple[int, int]]) -> list[int]:
    parent = list(range(n))
    for a, b in pairs:
        while parent[a] != a:
            a = parent[a]
        while parent[b] != b:
            b = parent[b]
        parent[max(a, b)] = min(a, b)
    roots = []
    for i in range(n):
        while parent[i] != i:
            i = parent[i]
        roots.append(i)
    return [sorted(set(roots)).index(r) for r in roots]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=14))
def test_merged_groups_are_those_of_a_plain_union_find(pairs):
    first, second = (np.array([p[k] for p in pairs], np.int64) for k in (0, 1))
    assert merge_groups(np.arange(12), first, second).tolist() == slow_groups(12, pairs)


def test_other_exposure_noise_and_size_stay_in_the_group():
    base = scenes(6)
    rng = np.random.default_rng(1)
    noisy = np.clip(base + rng.normal(0, 0.02, base.shape), 0, 1)
    data = from_arrays(np.concatenate([base, 0.2 + 0.6 * base, noisy]), ["x"] * 18)
    assert near_duplicate_groups(data).tolist() == [*range(6)] * 3


@pytest.mark.parametrize("tile", [(1024, 8192), (3, 5), (1, 1)])
def test_groups_and_pairs_are_those_of_the_plain_comparison(monkeypatch, tile):
    monkeypatch.setattr(near_duplicates, "_TILE", tile)
    base = scenes(9, seed=4)
    images = np.clip(np.concatenate([base, base + np.random.default_rng(2).normal(0, 0.15, base.shape)]), 0, 1)
    data = from_arrays(images, ["x"] * 18)
    hashes = [perceptual_hash(data.load(i)) for i in range(18)]
    flat = np.stack([data.load(i).ravel() for i in range(18)]).astype(float)
    r = np.corrcoef(flat)
    expected = [
        (i, j, (hashes[i] ^ hashes[j]).bit_count())
        for i in range(18)
        for j in range(i + 1, 18)
        if (hashes[i] ^ hashes[j]).bit_count() <= 14 and r[i, j] >= 0.5
    ]
    found = near_duplicate_pairs(data, distance=14, correlation=0.5)
    assert len(expected) > 3
    rows = zip(found.first.tolist(), found.second.tolist(), found.distance.tolist(), strict=True)
    assert sorted(rows) == expected
    assert found.total == len(expected)
    np.testing.assert_allclose(found.correlation, r[found.first, found.second], atol=2e-3)
    groups = near_duplicate_groups(data, distance=14, correlation=0.5)
    assert groups.tolist() == slow_groups(18, [(i, j) for i, j, _ in expected])


def test_pairs_come_with_the_most_alike_first_and_the_total():
    base = scenes(5)
    data = from_arrays(np.concatenate([base, base, np.clip(base + 0.1 * scenes(5, seed=9), 0, 1)]), ["x"] * 15)
    whole = near_duplicate_pairs(data, distance=16)
    some = near_duplicate_pairs(data, distance=16, limit=4)
    assert (np.diff(whole.distance) >= 0).all()
    assert whole.distance[:5].tolist() == [0] * 5
    assert len(some.first) == 4
    assert some.total == whole.total == len(whole.first)
    np.testing.assert_array_equal(some.first, whole.first[:4])


def test_hundreds_of_frames_of_one_scene_are_one_group_whichever_way_they_are_compared(monkeypatch):
    rng = np.random.default_rng(0)
    frames = np.clip(scenes(1, size=16) + rng.normal(0, 0.01, (300, 16, 16)), 0, 1)
    data = from_arrays(np.concatenate([frames, scenes(5, seed=7, size=16)]), ["x"] * 305)
    expected = [0] * 300 + [1, 2, 3, 4, 5]
    for dense in (0.0, 1.0):
        monkeypatch.setattr(near_duplicates, "_DENSE", dense)
        assert near_duplicate_groups(data).tolist() == expected
    few = near_duplicate_pairs(data, limit=7)
    assert (len(few.first), few.total) == (7, 300 * 299 // 2)


@pytest.mark.parametrize("turn", [(1, -1), (-1, 1), (-1, -1)])
def test_mirror_images_are_found_only_when_asked(turn):
    base = scenes(4, seed=5)
    data = from_arrays(np.concatenate([base, base[:, :: turn[0], :: turn[1]]]), ["x"] * 8)
    assert len(set(near_duplicate_groups(data))) == 8
    assert near_duplicate_groups(data, flips=True).tolist() == [*range(4)] * 2
    assert near_duplicate_pairs(data, flips=True).total == 4


def test_flat_images_are_alike_only_where_they_are_equal():
    levels = np.array([10, 10, 200, 90], np.uint8)
    data = from_arrays(np.broadcast_to(levels[:, None, None], (4, 16, 16)), ["x"] * 4)
    assert near_duplicate_groups(data, correlation=-1, distance=32).tolist() == [0, 0, 1, 2]
    assert near_duplicate_pairs(data).first.tolist() == [0]


def test_plain_stripes_of_another_place_are_told_apart_by_correlation():
    stripes = np.zeros((3, 32, 32))
    stripes[0, :, 4:8], stripes[1, :, 20:26], stripes[2, :, 4:8] = 1, 1, 0.7
    data = from_arrays(stripes, ["x"] * 3)
    assert near_duplicate_groups(data).tolist() == [0, 1, 0]
    assert near_duplicate_groups(data, correlation=-1).tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"distance": -1}, "`distance` must be a whole number ≥ 0"),
        ({"distance": 33}, "beyond half of the bits"),
        ({"distance": 2.5}, "whole number"),
        ({"correlation": 1.5}, r"in \[-1, 1\]"),
        ({"correlation": float("nan")}, "correlation"),
    ],
)
def test_options_out_of_range_are_one_line(options, message):
    with pytest.raises(DataError, match=message):
        near_duplicate_groups(from_arrays(scenes(2), ["a", "b"]), **options)


@needs("xsdd")
def test_the_nine_exact_duplicates_of_the_steel_set_and_two_overlapping_cuts_are_found():
    data = real("xsdd")
    exact = np.bincount(exact_groups(data))
    assert (exact == 2).sum() == 9
    assert exact.max() == 2
    found = near_duplicate_pairs(data)
    assert found.total == 11
    names = [{data.names[i], data.names[j]} for i, j in zip(found.first[9:], found.second[9:], strict=True)]
    assert [{n.split(".")[0] for n in pair} for pair in names] == [{"6166", "6171"}, {"6151", "6179"}]


@needs("magnetic_tile")
def test_the_default_distance_finds_the_tiles_that_were_photographed_again():
    data = real("magnetic_tile")
    number = np.array([int(name.split("_num_")[1].split(".")[0]) for name in data.names])
    found = near_duplicate_pairs(data)
    near = np.abs(number[found.first] - number[found.second]) <= 300
    assert near.mean() > 0.9
    sizes = np.bincount(near_duplicate_groups(data))
    assert (len(sizes), (sizes > 1).sum(), sizes.max()) == (405, 246, 15)
