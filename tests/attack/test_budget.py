"""What an attack may change: ε and decibels, pixels and the network's own scale."""

import json
import math

import numpy as np
import pytest
import torch

from attack_cases import images_of
from shiftgauge.attack.budget import Budget, budgets_at, budgets_at_snr
from shiftgauge.attack.snr import image_rms, set_rms, set_snr_db, snr_db
from shiftgauge.errors import ConfigError, DataError
from shiftgauge.models.input_scale import InputScale

SCALE = InputScale(mean=(0.5, 0.4, 0.3), std=(0.25, 0.2, 0.1))


def test_a_ratio_holds_for_each_image_or_for_the_set():
    images = images_of(5) * torch.linspace(0.2, 1, 5).view(5, 1, 1, 1)
    each = Budget.from_snr(30).radii(images, None)
    np.testing.assert_allclose(each, image_rms(images) * 10**-1.5)
    whole = Budget.from_snr(30, of="set").radii(images, None)
    np.testing.assert_allclose(whole, set_rms(images) * 10**-1.5)
    signs = torch.where(torch.rand(images.shape) < 0.5, -1.0, 1.0).double()
    np.testing.assert_allclose(snr_db(images.double(), images + each.view(5, 1, 1, 1) * signs), 30)
    assert set_snr_db(images.double(), images + whole.view(5, 1, 1, 1) * signs) == pytest.approx(30)


def test_input_unit_is_sigma_times_epsilon_in_pixels():
    images = images_of(2)
    budget = Budget(epsilon=0.5, unit="input")
    ball = budget.ball(images, budget.radii(images, SCALE), SCALE)
    np.testing.assert_allclose(ball.radius.flatten(1), [[0.125, 0.1, 0.05]] * 2)
    moved = ball.along(torch.ones_like(images))
    seen = SCALE.of_pixels(moved.double()) - SCALE.of_pixels(images.double())
    np.testing.assert_allclose(seen, 0.5, atol=1e-6)


def test_ratio_in_the_input_unit_is_one_of_what_the_network_sees():
    images = images_of(3)
    radii = Budget.from_snr(40, unit="input").radii(images, SCALE)
    np.testing.assert_allclose(radii, image_rms(SCALE.of_pixels(images)) / 100)
    with pytest.raises(ConfigError, match="no input scale was given"):
        Budget.from_snr(40, unit="input").radii(images, None)


def test_epsilon_of_each_image_may_be_a_list_an_array_or_a_tensor():
    images = images_of(3)
    for epsilon in ([0.1, 0.2, 0.3], np.array([0.1, 0.2, 0.3]), torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64)):
        budget = Budget(epsilon=epsilon)
        assert budget.radii(images, None).tolist() == [0.1, 0.2, 0.3]
        assert budget.per_image
        hash(budget)
    assert Budget(epsilon=torch.tensor(0.25)).epsilon == 0.25
    with pytest.raises(ConfigError, match="one for each of 2 images, got 3"):
        Budget(epsilon=[0.1, 0.2, 0.3]).radii(images[:2], None)


def test_no_change_is_asked_for_with_an_infinite_ratio():
    assert Budget.from_snr(math.inf).radii(images_of(2), None).tolist() == [0, 0]
    assert json.dumps(Budget.from_snr(math.inf).to_dict()).count("inf") == 2


def test_noise_asked_for_in_decibels_has_the_length_of_the_ratio():
    assert Budget.from_snr(30).for_noise().norm == "l2"
    assert Budget(epsilon=0.1).for_noise().norm == "linf"
    images = images_of(4)
    np.testing.assert_allclose(
        Budget.from_snr(20).for_noise().radii(images, None), images.double().flatten(1).norm(dim=1) / 10
    )


def test_series_of_budgets_share_all_but_the_size():
    assert [b.epsilon for b in budgets_at([0, 0.5], norm="l2", bounds=(0, 1))] == [0.0, 0.5]
    assert {b.snr_of for b in budgets_at_snr([50, 40], of="set")} == {"set"}


def test_what_makes_no_sense_is_refused():
    for given, message in (
        ({}, "either `epsilon` or `snr_db`"),
        ({"epsilon": 0.1, "snr_db": 30}, "either `epsilon` or `snr_db`"),
        ({"epsilon": -0.1}, "`epsilon` must be ≥ 0"),
        ({"epsilon": float("nan")}, "`epsilon`"),
        ({"snr_db": -math.inf}, "`snr_db` must be finite"),
        ({"epsilon": 0.1, "norm": "l1"}, "unknown norm"),
        ({"epsilon": 0.1, "unit": "pixels"}, "did you mean `pixel`"),
        ({"epsilon": 0.1, "bounds": (1, 0)}, "`bounds` must rise"),
    ):
        with pytest.raises(ConfigError, match=message):
            Budget(**given)


def test_images_outside_the_range_are_told_before_anything_is_done():
    with pytest.raises(DataError, match=r"from -0.5 to 1, outside `bounds` from 0 to 1"):
        Budget(epsilon=0.1, bounds=(0, 1)).check_images(torch.tensor([[[[-0.5, 1.0]]]]))
    with pytest.raises(DataError, match="divide by 255"):
        Budget(epsilon=0.1).check_images(torch.tensor([[[[0.0, 200.0]]]]))
    edge = torch.full((1, 1, 1, 1), 0.1)
    Budget(epsilon=0.1, bounds=(0.1, 0.9)).check_images(edge)
