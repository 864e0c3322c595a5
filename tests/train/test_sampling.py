from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shiftgauge.errors import ConfigError, DataError
from shiftgauge.train.sampling import SamplingOptions, epoch_batches, sample_groups


def _targets(*counts):
    labels = np.repeat(np.arange(len(counts)), counts)
    return np.random.default_rng(0).permutation(labels)


def _counts(targets, batch, n):
    return np.bincount(targets[batch], minlength=n).tolist()


def test_balanced_batches_of_32_hold_16_and_16_at_ten_to_one():
    targets = _targets(500, 50)
    batches = epoch_batches(SamplingOptions(kind="balanced", batch_size=32), targets, seed=0, epoch=0)
    assert len(batches) == -(-550 // 32)
    assert all(_counts(targets, batch, 2) == [16, 16] for batch in batches)


@given(
    counts=st.lists(st.integers(1, 30), min_size=1, max_size=7),
    size=st.integers(1, 20),
    epoch=st.integers(0, 5),
    seed=st.integers(0, 10),
)
@settings(max_examples=60, deadline=None)
def test_counts_of_a_balanced_batch_differ_by_one_at_most_and_even_out_over_batches(counts, size, epoch, seed):
    targets = _targets(*counts)
    n = len(counts)
    options = SamplingOptions(kind="balanced", batch_size=size, batches_per_epoch=2 * n)
    table = np.array([_counts(targets, b, n) for b in epoch_batches(options, targets, seed=seed, epoch=epoch)])
    assert (table.sum(axis=1) == size).all()
    assert (np.ptp(table, axis=1) <= 1).all()
    assert np.ptp(table.sum(axis=0)) == 0  # 2 n batches: every group had its turns


@given(
    counts=st.lists(st.integers(1, 30), min_size=1, max_size=6),
    kind=st.sampled_from(["shuffle", "balanced"]),
    batches=st.one_of(st.none(), st.integers(1, 30)),
)
@settings(max_examples=60, deadline=None)
def test_two_images_of_a_group_are_drawn_equally_often_up_to_one(counts, kind, batches):
    targets = _targets(*counts)
    options = SamplingOptions(kind=kind, batch_size=5, batches_per_epoch=batches)
    drawn = Counter(np.concatenate(epoch_batches(options, targets, seed=1, epoch=0)).tolist())
    for group in [np.arange(len(targets))] if kind == "shuffle" else sample_groups(targets):
        times = [drawn[int(i)] for i in group]
        assert max(times) - min(times) <= 1


def test_shuffle_takes_every_image_once_and_cuts_the_rest_short_or_off():
    targets = _targets(7, 6)
    batches = epoch_batches(SamplingOptions(batch_size=4), targets, seed=0, epoch=3)
    assert [len(b) for b in batches] == [4, 4, 4, 1]
    assert sorted(np.concatenate(batches).tolist()) == list(range(13))
    dropped = epoch_batches(SamplingOptions(batch_size=4, drop_last=True), targets, seed=0, epoch=3)
    assert [len(b) for b in dropped] == [4, 4, 4]
    assert all(np.array_equal(a, b) for a, b in zip(batches, dropped, strict=False))


def test_oversampling_makes_every_group_as_large_as_the_largest():
    targets = _targets(40, 9, 3)
    drawn = np.concatenate(epoch_batches(SamplingOptions(kind="oversample", batch_size=16), targets, seed=0, epoch=0))
    assert np.bincount(targets[drawn]).tolist() == [40, 40, 40]
    assert set(drawn.tolist()) == set(range(52))
    assert len(set(targets[drawn][:20].tolist())) == 3  # shuffled, not one group after the other


@pytest.mark.parametrize("kind", ["shuffle", "balanced", "oversample"])
def test_batches_are_a_function_of_seed_and_epoch(kind):
    targets, options = _targets(30, 8, 5), SamplingOptions(kind=kind, batch_size=8)

    def drawn(seed, epoch):
        return np.concatenate(epoch_batches(options, targets, seed=seed, epoch=epoch)).tolist()

    assert drawn(0, 4) == drawn(0, 4)
    assert drawn(0, 4) != drawn(0, 5)
    assert drawn(0, 4) != drawn(1, 4)


@pytest.mark.parametrize("kind", ["shuffle", "balanced", "oversample"])
@pytest.mark.parametrize("batches", [1, 40])
def test_an_epoch_has_the_wanted_number_of_full_batches(kind, batches):
    options = SamplingOptions(kind=kind, batch_size=8, batches_per_epoch=batches)
    made = epoch_batches(options, _targets(30, 8, 5), seed=0, epoch=0)
    assert [len(b) for b in made] == [8] * batches
    assert all(b.dtype == np.int64 for b in made)


def test_label_sets_are_the_distinct_rows_and_are_balanced_exactly():
    rng = np.random.default_rng(0)
    targets = (rng.random((200, 3)) < 0.3).astype(np.float32)
    groups = sample_groups(targets)
    assert sorted(np.concatenate(groups).tolist()) == list(range(200))
    sets = [{tuple(targets[i].tolist()) for i in group} for group in groups]
    assert all(len(found) == 1 for found in sets)
    assert (0.0, 0.0, 0.0) in set().union(*sets)
    options = SamplingOptions(kind="balanced", batch_size=len(groups) * 2)
    for batch in epoch_batches(options, targets, seed=0, epoch=0):
        assert set(Counter(map(tuple, targets[batch].tolist())).values()) == {2}


def test_balancing_by_labels_gives_every_label_and_the_images_without_any_their_share():
    rng = np.random.default_rng(0)
    targets = (rng.random((500, 4)) < [0.4, 0.1, 0.02, 0.05]).astype(np.float32)
    options = SamplingOptions(kind="balanced", batch_size=20, grouping="labels")
    for batch in epoch_batches(options, targets, seed=0, epoch=0):
        assert (targets[batch].sum(axis=0) >= 4).all()
        assert (~targets[batch].any(axis=1)).sum() == 4


def test_a_label_that_nobody_bears_makes_no_group():
    targets = np.array([[1, 0], [0, 0]])
    assert [g.tolist() for g in sample_groups(targets, "labels")] == [[0], [1]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "balance"}, "did you mean `balanced`"),
        ({"batch_size": 0}, "`batch_size` must be a whole number ≥ 1"),
        ({"batches_per_epoch": 0}, "`batches_per_epoch`"),
        ({"grouping": "sets"}, "grouping `sets`"),
        ({"drop_last": "no"}, "`drop_last` must be true or false"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        SamplingOptions(**options)


@pytest.mark.parametrize("kind", ["shuffle", "balanced"])
def test_dropping_the_only_batch_is_refused(kind):
    with pytest.raises(ConfigError, match="do not fill one batch of 8"):
        epoch_batches(SamplingOptions(kind=kind, batch_size=8, drop_last=True), np.zeros(5, np.int64), seed=0, epoch=0)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (np.zeros((0,), np.int64), "at least one image"),
        (np.zeros((2, 2, 2)), "at least one image"),
        (np.array([0.0, 1.0]), "whole numbers"),
        (np.array([[0.0, 2.0]]), "must be 0 or 1"),
    ],
)
def test_targets_of_another_form_are_refused(targets, message):
    with pytest.raises(DataError, match=message):
        epoch_batches(SamplingOptions(), targets, seed=0, epoch=0)
