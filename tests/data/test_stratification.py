import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shiftgauge.data.stratification import deal_units

SHARES = st.sampled_from([[0.6, 0.2, 0.2], [0.75, 0.25], [0.5, 0.5], [0.25] * 4, [0.9, 0.1]])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=80), SHARES, st.integers(0, 5))
def test_single_images_of_one_label_are_within_less_than_one_of_their_share_and_no_part_is_empty(labels, shares, seed):
    one_hot = np.eye(4)[labels]
    part = deal_units(one_hot, np.arange(len(labels)), shares, seed=seed)
    sizes = np.bincount(part, minlength=len(shares))
    assert (sizes > 0).sum() == min(len(shares), len(labels))
    if (sizes < 2).any():  # a part that would have stayed empty was given an image
        return
    for p, share in enumerate(shares):
        assert (np.abs(one_hot[part == p].sum(axis=0) - share * one_hot.sum(axis=0)) < 1 + 1e-9).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), SHARES)
def test_a_unit_is_never_divided_and_the_seed_alone_decides(seed, shares):
    rng = np.random.default_rng(seed)
    units = rng.integers(0, 30, 120)
    labels = (rng.random((120, 5)) < [0.5, 0.3, 0.2, 0.1, 0.02]).astype(float)
    part = deal_units(labels, units, shares, seed=seed)
    assert all(len(set(part[units == u])) == 1 for u in set(units))
    np.testing.assert_array_equal(part, deal_units(labels, units, shares, seed=seed))


def test_several_labels_are_spread_more_evenly_than_by_lot():
    rng = np.random.default_rng(0)
    labels = (rng.random((2000, 6)) < [0.4, 0.2, 0.1, 0.05, 0.02, 0.01]).astype(float)

    def spread(part):
        share = np.stack([labels[part == p].sum(axis=0) for p in range(3)]) / labels.sum(axis=0)
        return np.abs(share - np.array([0.6, 0.2, 0.2])[:, None]).max()

    dealt = spread(deal_units(labels, np.arange(2000), [0.6, 0.2, 0.2], seed=0))
    by_lot = [spread(rng.choice(3, 2000, p=[0.6, 0.2, 0.2])) for _ in range(20)]
    assert dealt < 0.03
    assert dealt < min(by_lot)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1000), SHARES)
def test_a_class_with_a_unit_for_every_part_has_one_in_every_part(seed, shares):
    rng = np.random.default_rng(seed)
    units = rng.permutation(np.repeat(np.arange(16), rng.integers(1, 12, 16)))
    labels = np.eye(3)[rng.choice(3, 16, p=[0.6, 0.3, 0.1])][units]
    part = deal_units(labels, units, shares, seed=seed)
    assert all(len(set(part[units == u])) == 1 for u in set(units))
    for k in range(3):
        if len(set(units[labels[:, k] > 0])) >= len(shares):
            assert all(labels[part == p, k].any() for p in range(len(shares)))


def test_two_recordings_of_each_class_are_on_both_sides():
    labels = np.eye(4)[np.repeat(np.arange(4), 20)]
    part = deal_units(labels, np.arange(80) // 10, [0.8, 0.2], seed=0)
    assert labels[part == 1].sum(axis=0).tolist() == [10, 10, 10, 10]


def test_other_seeds_deal_otherwise():
    labels, units = np.ones((50, 1)), np.arange(50)
    parts = [deal_units(labels, units, [0.5, 0.5], seed=seed).tolist() for seed in range(3)]
    assert parts[0] != parts[1] != parts[2]
