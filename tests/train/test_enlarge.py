"""Copies of training images: which, of what group, at which values, and that their control differs in nothing else."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from shiftgauge.data.arrays import from_arrays
from shiftgauge.errors import ConfigError, DataError, NumericalError
from shiftgauge.train.batches import batches_of
from shiftgauge.train.enlarge import equal_updates, originals, with_copies
from shiftgauge.train.images import ReadPixels, read_part
from shiftgauge.train.pixels import ChosenPixels, FloatPixels, JoinedPixels
from shiftgauge.train.sampling import SamplingOptions, epoch_batches
from train.toy import PREPROCESSING, options, run, same, stripes


def brighter(images, targets, rows):
    return images + 0.001


@given(st.lists(st.integers(0, 3), min_size=1, max_size=80), st.floats(0.01, 1), st.integers(0, 5))
def test_a_share_of_every_class_is_drawn_and_no_image_twice(classes, share, seed):
    targets = np.array(classes)
    rows = originals(targets, share, seed=seed)
    assert len(rows) == len(set(rows.tolist())) == max(1, round(share * len(targets)))
    for value in set(classes):
        wanted = (targets == value).sum() * len(rows) / len(targets)
        assert abs((targets[rows] == value).sum() - wanted) <= 2 + len(set(classes)) / 2


def test_they_are_not_the_first_ones_and_a_larger_share_holds_a_smaller_one():
    targets = np.arange(400) % 3
    drawn = [set(originals(targets, share).tolist()) for share in (0.25, 0.5, 0.75, 1)]
    assert drawn[0] < drawn[1] < drawn[2] < drawn[3]
    assert 0.2 < np.mean([row < 200 for row in drawn[0]]) < 0.8
    assert drawn[0] != set(originals(targets, 0.25, seed=1).tolist())


def test_sets_of_labels_count_as_classes():
    targets = np.repeat(np.array([[0, 0], [1, 0], [1, 1]], np.float32), 20, axis=0)
    rows = originals(targets, 0.5)
    assert [((rows >= 20 * k) & (rows < 20 * k + 20)).sum() for k in range(3)] == [10, 10, 10]


@pytest.mark.parametrize("memory_gb", [4, 0])
def test_copies_keep_values_that_a_byte_cannot_hold_and_originals_keep_theirs(memory_gb):
    held = stripes(30)
    data = from_arrays(held.pixels.bytes_nchw[:, 0].numpy(), ["a"] * 30, groups=[str(k // 2) for k in range(30)])
    part = read_part(data, PREPROCESSING, memory_gb=memory_gb)
    assert isinstance(part.pixels, ReadPixels) == (memory_gb == 0)
    rows = np.array([4, 9, 28])
    larger = with_copies(part, rows, brighter)
    plain = held.pixels.batch(range(30))
    assert torch.equal(
        larger.pixels.batch([4, 32, 9, 0]), torch.stack([plain[4], plain[28] + 0.001, plain[9], plain[0]])
    )
    whole = torch.cat([images for images, _ in larger.batches(7)])
    assert torch.equal(whole, torch.cat([plain, plain[rows] + 0.001]))
    assert larger.groups[30:] == ("2", "4", "14")
    assert larger.names[30:] == tuple(f"{part.names[k]}, copy" for k in rows)
    assert torch.equal(larger.targets[30:], part.targets[rows])


def test_batches_of_copies_alone_and_of_originals_alone_are_found():
    part = with_copies(stripes(6), np.arange(6), brighter)
    wanted = [[6, 7], [0, 1], [11, 0], [5]]
    plain = stripes(6).pixels.batch(range(6))
    full = torch.cat([plain, plain + 0.001])
    assert all(torch.equal(a, full[rows]) for a, rows in zip(part.pixels.batches(wanted), wanted, strict=True))


def test_clean_copies_are_the_originals_on_the_same_batches():
    part, rows = stripes(40), originals(stripes(40).targets.numpy(), 0.5)
    pushed, clean = with_copies(part, rows, brighter), with_copies(part, rows, None)
    assert (pushed.names, pushed.groups) == (clean.names, clean.groups)
    assert torch.equal(clean.pixels.batch(range(40, 60)), part.pixels.batch(rows))
    batches = [
        epoch_batches(SamplingOptions(batch_size=8), p.targets.numpy(), seed=0, epoch=2) for p in (pushed, clean)
    ]
    assert all(np.array_equal(a, b) for a, b in zip(*batches, strict=True))


def test_copies_that_change_nothing_train_like_clean_ones(tmp_path):
    part, rows = stripes(40), np.arange(20)
    makes = (None, lambda images, targets, rows: images)
    parts = [with_copies(part, rows, make) for make in makes]
    nets = [run(tmp_path / str(k), chosen=options(epochs=1), train=p)[0] for k, p in enumerate(parts)]
    assert same(*nets)


@pytest.mark.parametrize("kind", ["shuffle", "balanced", "oversample"])
@pytest.mark.parametrize("drop_last", [False, True])
def test_as_many_steps_are_made_without_the_copies(kind, drop_last):
    part = stripes(50)
    larger = with_copies(part, np.arange(27), None)
    chosen = options(sampling=SamplingOptions(kind=kind, batch_size=16, drop_last=drop_last))
    fewer = equal_updates(chosen, part, larger, each=2)
    counts = [len(batches_of(p, o, 1, each=2, n_devices=1)) for o, p in ((chosen, larger), (fewer, part))]
    assert counts[0] == counts[1] > 50 // 16


def test_what_cannot_be_copied_is_said():
    part = stripes(6)
    with pytest.raises(ConfigError, match="`share` must be above 0"):
        originals(np.zeros(3, np.int64), 0)
    with pytest.raises(DataError, match="no image to copy"):
        originals(np.zeros(0, np.int64), 1)
    with pytest.raises(DataError, match=r"from 0 to 5, got 2 … 6"):
        with_copies(part, np.array([2, 6]), None)
    with pytest.raises(DataError, match=r"copies must be \(2, 1, 12, 12\), got \(1, 1, 12, 12\)"):
        with_copies(part, np.array([2, 3]), lambda images, targets, rows: images[:1])
    with pytest.raises(NumericalError, match="NaN or infinity"):
        with_copies(part, np.array([2]), lambda images, targets, rows: images / 0)
    with pytest.raises(ConfigError, match="fewer than 6; give them the other way"):
        equal_updates(options(), part, stripes(5))
    with pytest.raises(DataError, match="float32"):
        FloatPixels(torch.zeros(2, 2))


def test_chosen_images_may_repeat_and_join():
    held = FloatPixels(torch.arange(4.0).view(4, 1, 1, 1))
    chosen = JoinedPixels(ChosenPixels(held, np.array([3, 3, 0])), ChosenPixels(held, np.array([1])))
    assert len(chosen) == 4
    assert chosen.batch([3, 1, 2, 0]).flatten().tolist() == [1, 3, 0, 3]
