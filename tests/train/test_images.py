import numpy as np
import pytest
import torch

from shiftgauge.data.arrays import from_arrays
from shiftgauge.errors import DataError
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.train.images import HeldPixels, Part, ReadPixels, read_part

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


def test_an_empty_part_is_refused():
    with pytest.raises(DataError, match="holds no image"):
        read_part(photographs().select([]), SMALL)


def test_lengths_must_agree():
    with pytest.raises(DataError, match="do not go together"):
        Part(pixels=HeldPixels(torch.zeros(2, 1, 4, 4, dtype=torch.uint8)), targets=torch.zeros(3), names=("a", "b"))
