import numpy as np
import pytest
import torch
from scipy import stats

from shiftgauge.shifts import draw

FIRST_NORMAL = [-1.5466001, -0.1248801, 2.0721459, 0.892127]
FIRST_UNIFORM = [0.3595505, 0.9816818, 0.4689713, 0.6762466]


def numbers(*values):
    return torch.tensor(values, dtype=torch.int64)


@pytest.mark.parametrize("make", [draw.normal, draw.uniform])
def test_a_draw_depends_on_seed_shift_and_stream_and_on_nothing_else(make):
    shape = (3, 7, 5)
    batch = make(0, "gaussian_noise", numbers(9, 4, 9, 11), shape)
    assert torch.equal(batch[0], batch[2])
    assert torch.equal(batch[1:2], make(0, "gaussian_noise", numbers(4), shape))
    assert not torch.equal(batch[0], batch[1])
    assert not torch.equal(batch[:1], make(1, "gaussian_noise", numbers(9), shape))
    assert not torch.equal(batch[:1], make(0, "noise_snr", numbers(9), shape))


def test_the_first_numbers_never_change():
    # A change here would make saved runs impossible to resume.
    z = draw.normal(0, "gaussian_noise", numbers(3), (4,))[0]
    u = draw.uniform(0, "salt_pepper", numbers(3), (4,))[0]
    assert np.allclose(z, FIRST_NORMAL, atol=1e-6)
    assert np.allclose(u, FIRST_UNIFORM, atol=1e-6)


def test_normal_numbers_have_the_normal_law():
    z = draw.normal(0, "gaussian_noise", torch.arange(8), (50_000,)).double().numpy().ravel()
    assert abs(z.mean()) < 4 / np.sqrt(z.size)
    assert abs(z.var() - 1) < 4 * np.sqrt(2 / z.size)
    assert abs((z**4).mean() - 3) < 0.06
    assert stats.kstest(z, "norm").statistic < 1.95 / np.sqrt(z.size) + 1e-5


def test_uniform_numbers_are_uniform_and_inside_the_open_interval():
    u = draw.uniform(0, "salt_pepper", torch.arange(8), (50_000,)).double().numpy().ravel()
    assert 0 < u.min() < u.max() < 1
    assert stats.kstest(u, "uniform").statistic < 1.95 / np.sqrt(u.size) + 1e-5


def test_neighbouring_pixels_and_streams_are_uncorrelated():
    z = draw.normal(0, "gaussian_noise", torch.arange(2), (100_000,)).double().numpy()
    assert abs(np.mean(z[0] * z[1])) < 4 / np.sqrt(100_000)
    assert abs(np.mean(z[0, 1:] * z[0, :-1])) < 4 / np.sqrt(100_000)
