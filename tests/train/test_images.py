import threading
import time

import numpy as np
import pytest
import torch

from shiftgauge.data.arrays import from_arrays
from shiftgauge.errors import DataError
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.train.images import READ_AHEAD, HeldPixels, Part, ReadPixels, read_part

SMALL = Preprocessing(height=8, width=8, channels=1)


def photographs(n=70):
    rng = np.random.default_rng(0)
    return from_arrays(rng.integers(0, 256, (n, 12, 10)).astype(np.uint8), ["a", "b"] * (n // 2))


def test_held_and_read_images_are_the_same():
    data = photographs()
    held, read = read_part(data, SMALL), read_part(data, SMALL, memory_gb=0)
    assert isinstance(held.pixels, HeldPixels)
    assert isinstance(read.pixels, ReadPixels)
    rows = [3, 69, 3, 0]
    assert torch.equal(held.pixels.batch(rows), read.pixels.batch(rows))


def test_pixels_are_those_of_the_audit_up_to_half_a_level():
    data = photographs(4)
    part = read_part(data, SMALL)
    expected = torch.cat([SMALL.prepare(torch.from_numpy(data.load(i))[None]) for i in range(4)])
    assert (part.pixels.batch(range(4)) - expected).abs().max() <= 0.5 / 255 + 1e-6


def test_batches_give_every_image_once():
    part = read_part(photographs(), SMALL)
    images, targets = zip(*part.batches(32), strict=True)
    assert [len(b) for b in images] == [32, 32, 6]
    assert torch.equal(torch.cat(targets), part.targets)
    assert torch.equal(torch.cat(images), part.pixels.batch(range(70)))
    assert part.counts(3).tolist() == [35, 35, 0]


class Counted:
    """Images that count how many were decoded; reading number `broken` fails."""

    def __init__(self, data, broken=None):
        self.data, self.broken, self.read = data, broken, []

    def __len__(self):
        return len(self.data)

    def load(self, row):
        if row == self.broken:
            raise DataError(f"image {row} cannot be read")
        self.read.append(row)
        return self.data.load(row)


def _soon(holds):
    for _ in range(200):
        if holds():
            return True
        time.sleep(0.02)
    return False


def test_the_next_two_batches_are_read_while_one_is_at_work():
    images = Counted(photographs())
    found = ReadPixels(images, SMALL).batches([[0, 1], [2, 3], [4, 5], [6, 7]])
    next(found)
    assert _soon(lambda: sorted(images.read) == [0, 1, 2, 3, 4, 5])
    time.sleep(0.1)
    assert len(images.read) == 6
    next(found)
    assert _soon(lambda: len(images.read) == 8)


def test_batches_that_are_read_ahead_come_in_their_order_and_again_the_same():
    data, rng = photographs(), np.random.default_rng(0)
    rows = [rng.integers(0, 70, 5) for _ in range(9)]
    held, read = read_part(data, SMALL), read_part(data, SMALL, memory_gb=0)
    for _ in range(2):
        for one, other in zip(held.pixels.batches(rows), read.pixels.batches(rows), strict=True):
            assert torch.equal(one, other)
    for (one, classes), (other, same) in zip(held.batches(32), read.batches(32), strict=True):
        assert torch.equal(one, other)
        assert torch.equal(classes, same)


def test_an_image_that_cannot_be_read_ends_the_batches_where_it_is():
    found = ReadPixels(Counted(photographs(), broken=5), SMALL).batches([[0, 1], [2, 3], [4, 5], [6, 7]])
    assert [len(next(found)), len(next(found))] == [2, 2]
    with pytest.raises(DataError, match="image 5 cannot be read"):
        next(found)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(READ_AHEAD)]


def test_batches_that_are_left_early_leave_no_thread_behind_and_decoding_has_one_pool():
    pixels = ReadPixels(photographs(), SMALL)
    before = None
    for _ in range(5):
        found = pixels.batches([[k] for k in range(40)])
        next(found)
        found.close()
        assert not [thread for thread in threading.enumerate() if thread.name.startswith(READ_AHEAD)]
        pool = sorted(thread.ident for thread in threading.enumerate() if thread.name.startswith("decode"))
        assert len(pool) <= 8
        assert before is None or set(before) <= set(pool)
        before = pool


def test_an_empty_part_is_refused():
    with pytest.raises(DataError, match="holds no image"):
        read_part(photographs().select([]), SMALL)


def test_lengths_must_agree():
    with pytest.raises(DataError, match="do not go together"):
        Part(pixels=HeldPixels(torch.zeros(2, 1, 4, 4, dtype=torch.uint8)), targets=torch.zeros(3), names=("a", "b"))
