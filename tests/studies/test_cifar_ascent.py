import numpy as np
import torch

from shiftgauge.studies.cifar_ascent import as_bytes, clamped_share, roughness


def test_a_change_that_is_blurred_is_less_rough():
    fine = np.random.default_rng(0).normal(size=(1, 3, 16, 16))
    coarse = np.kron(fine[:, :, ::4, ::4], np.ones((4, 4)))
    assert roughness(coarse)[0] < roughness(fine)[0]


def test_roughness_does_not_depend_on_size():
    change = np.random.default_rng(1).normal(size=(2, 3, 8, 8))
    np.testing.assert_allclose(roughness(change), roughness(10 * change))


def test_no_change_has_no_roughness():
    assert np.isnan(roughness(np.zeros((1, 3, 8, 8)))).all()


def test_mid_grey_itself_is_not_moved_by_the_published_clamp():
    assert clamped_share(torch.tensor([[[[0.5, 0.49]]]])).tolist() == [0.5]


def test_bytes_are_rounded_and_cut():
    assert as_bytes(np.array([-0.1, 0.5, 1.2])).tolist() == [0, 128, 255]
