"""The border of an image, and images without it."""

import numpy as np
import pytest

from lung_arrays import lung_dataset
from shiftgauge.data.border import border_mask, treated, without_border
from shiftgauge.errors import ConfigError


def test_the_border_is_the_band_along_each_side():
    slow = [[y < 4 or y >= 36 or x < 5 or x >= 45 for x in range(50)] for y in range(40)]
    assert border_mask(40, 50).tolist() == slow


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
