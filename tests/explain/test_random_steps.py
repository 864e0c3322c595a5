"""Random steps: as long as those of an ascent, within its bounds, to and fro or straight on."""

import numpy as np
import pytest
import torch

from shiftgauge.errors import ConfigError
from shiftgauge.explain.ascent import ActivationMaximization
from shiftgauge.explain.map_shape import raised_share
from shiftgauge.explain.operators import Grey
from shiftgauge.explain.random_steps import random_steps
from shiftgauge.models.input_scale import InputScale

SCALE = InputScale(mean=(0.5,), std=(0.2,))


def options(**given):
    return ActivationMaximization(
        **({"steps": 16, "step_size": 0.05, "penalty_size": 0, "gradient": "normalised"} | given)
    )


def walked(anew, **given):
    start = torch.full((3, 1, 20, 20), 0.5)
    gone = random_steps(start, SCALE, options(**given), anew=anew) - start.numpy()
    return np.sqrt((gone.astype(float) ** 2).sum(axis=(1, 2, 3)))


def test_straight_steps_add_up_and_others_go_by_the_root_of_their_number():
    assert walked(False) == pytest.approx(16 * 0.05 * 0.2, rel=1e-4)
    assert walked(True) == pytest.approx(4 * 0.05 * 0.2, rel=0.2)


def test_images_of_a_call_go_different_ways_and_a_seed_repeats_them():
    start = torch.full((2, 1, 8, 8), 0.5)
    first, again, other = (random_steps(start, SCALE, options(seed=seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)
    assert not np.allclose(first[0], first[1])


@pytest.mark.parametrize("anew", [True, False])
def test_black_images_become_brighter_alone(anew):
    found = random_steps(torch.zeros(1, 1, 8, 8), SCALE, options(step_size=3.0), anew=anew)
    assert found.min() >= 0
    assert raised_share(found[:, 0]).tolist() == [1]


def test_without_colour_all_channels_change_alike():
    scale = InputScale(mean=(0.5,) * 3, std=(0.2,) * 3)
    found = random_steps(torch.full((1, 3, 8, 8), 0.5), scale, options(views=(Grey(),)))
    assert found[:, 0] == pytest.approx(found[:, 2], abs=1e-6)
    assert not np.allclose(found, 0.5)


def test_steps_without_a_length_are_refused():
    with pytest.raises(ConfigError, match="normalised"):
        random_steps(torch.zeros(1, 1, 8, 8), SCALE, options(gradient="plain"))
