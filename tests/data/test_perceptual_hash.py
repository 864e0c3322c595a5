import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shiftgauge.data.arrays import from_arrays
from shiftgauge.data.perceptual_hash import perceptual_hash, thumbnails

RNG = np.random.default_rng(3)
SMOOTH = np.kron(RNG.random((1, 13, 13)), np.ones((1, 5, 5)))[:, :64, :64]


def slow_hash(grey: np.ndarray) -> int:
    """The definition, one coefficient after the other, for a grey image of 32 × 32."""
    x = np.arange(32)
    found = np.empty((8, 8))
    for u in range(1, 9):
        for v in range(1, 9):
            wave = np.cos(np.pi * u * (2 * x + 1) / 64)[:, None] * np.cos(np.pi * v * (2 * x + 1) / 64)
            found[u - 1, v - 1] = (grey * wave).sum()
    bits = (found > np.median(found)).ravel()
    return sum(int(bit) << (63 - k) for k, bit in enumerate(bits))


@pytest.mark.parametrize("seed", range(5))
def test_the_hash_is_its_definition(seed):
    grey = np.random.default_rng(seed).random((32, 32))
    assert perceptual_hash(grey[None]) == slow_hash(grey)


@settings(max_examples=25, deadline=None)
@given(st.floats(0.2, 1.0), st.floats(0.0, 1.0))
def test_exposure_and_contrast_leave_the_hash(gain, share):
    changed = gain * SMOOTH + share * (1 - gain)
    assert (perceptual_hash(changed) ^ perceptual_hash(SMOOTH)).bit_count() <= 1


def test_size_and_noise_move_few_bits():
    larger = np.kron(SMOOTH, np.ones((1, 3, 2)))
    noisy = np.clip(SMOOTH + RNG.normal(0, 0.03, SMOOTH.shape), 0, 1)
    assert perceptual_hash(larger) == perceptual_hash(SMOOTH)
    assert (perceptual_hash(noisy) ^ perceptual_hash(SMOOTH)).bit_count() <= 6
    assert (perceptual_hash(RNG.random((1, 64, 64))) ^ perceptual_hash(SMOOTH)).bit_count() > 16


def test_a_grey_image_and_its_colour_copy_have_one_hash():
    assert perceptual_hash(np.repeat(SMOOTH, 3, axis=0)) == perceptual_hash(SMOOTH)


@pytest.mark.parametrize("level", [0.0, 0.3, 1.0])
def test_an_image_without_contrast_has_the_hash_zero(level):
    assert perceptual_hash(np.full((3, 20, 30), level)) == 0


def test_thumbnails_have_mean_zero_and_norm_one_or_are_empty():
    found = thumbnails(from_arrays(np.stack([SMOOTH[0], np.full((64, 64), 0.5)]), ["a", "b"]))
    first = found.pixels[0].astype(float)
    assert abs(first.mean()) < 1e-4
    assert np.linalg.norm(first) == pytest.approx(1, abs=1e-3)
    assert not found.pixels[1].any()


def test_the_mirrored_thumbnails_are_those_of_the_mirrored_images():
    data = from_arrays(RNG.random((4, 32, 32)), list("aabb"))
    turned = from_arrays(np.stack([data.load(i)[0, ::-1] for i in range(4)]), list("aabb"))
    np.testing.assert_array_equal(thumbnails(data).mirrored(True, False).bits, thumbnails(turned).bits)
