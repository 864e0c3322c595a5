"""Blur, jitter and scale: plain loops, seeds, gradients carried back."""

import math

import numpy as np
import pytest
import torch

from shiftgauge.errors import ConfigError
from shiftgauge.explain.operators import GaussianBlur, Grey, Jitter, Scale


def image(n=2, channels=3, height=9, width=7):
    return torch.rand(n, channels, height, width, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("sigma", [0.5, 1.3])
def test_blur_equals_a_plain_loop_with_repeated_edges(sigma):
    given, radius = image(), math.ceil(3 * sigma)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    weights = np.outer(weights, weights) / weights.sum() ** 2
    padded = np.pad(given.numpy(), ((0, 0), (0, 0), (radius, radius), (radius, radius)), mode="edge")
    found = GaussianBlur(sigma_px=sigma).apply(given, 0)
    for y, x in ((0, 0), (4, 3), (8, 6), (0, 5)):
        window = padded[:, :, y : y + 2 * radius + 1, x : x + 2 * radius + 1]
        assert np.allclose(found[:, :, y, x], (window * weights).sum(axis=(2, 3)))


def test_blur_comes_at_every_so_many_steps():
    given, blur = image(), GaussianBlur(every=3)
    same = [torch.equal(blur.apply(given, step), given) for step in range(6)]
    assert same == [False, True, True, False, True, True]


def test_jitter_is_a_whole_shift_that_is_undone_in_the_gradient():
    given, jitter = image().requires_grad_(), Jitter(pixels=3)
    weight = image(n=1)
    shifts = set()
    for step in range(40):
        seen = jitter.look(given, step, 0)
        (slope,) = torch.autograd.grad((seen * weight).sum(), given)
        places = [
            (dy, dx)
            for dy in range(-3, 4)
            for dx in range(-3, 4)
            if torch.equal(seen.detach(), given.detach().roll((dy, dx), (2, 3)))
        ]
        assert len(places) == 1
        shifts.add(places[0])
        dy, dx = places[0]
        assert torch.equal(slope, weight.roll((-dy, -dx), (2, 3)).expand_as(slope))
    assert len(shifts) > 15
    assert {dy for dy, _ in shifts} == set(range(-3, 4))


def test_scale_of_one_leaves_an_image_and_others_keep_its_centre():
    given = image(height=9, width=9)
    assert torch.allclose(Scale(low=1, high=1).look(given, 0, 0), given)
    larger = Scale(low=2, high=2).look(given, 0, 0)
    assert torch.allclose(larger[:, :, 4, 4], given[:, :, 4, 4])
    assert torch.allclose(larger[:, :, 4, 6], given[:, :, 4, 5])
    assert torch.allclose(Scale().look(torch.ones(1, 1, 8, 8), 3, 0), torch.ones(1, 1, 8, 8))


@pytest.mark.parametrize("view", [Jitter(pixels=4), Scale(low=0.5, high=2)])
def test_view_depends_on_seed_and_step_and_on_no_other_image(view):
    given = image()
    assert torch.equal(view.look(given, 5, 1), view.look(given, 5, 1))
    assert torch.allclose(view.look(given, 5, 1)[1:], view.look(given[1:], 5, 1))
    assert any(not torch.equal(view.look(given, s, 1), view.look(given, s, 2)) for s in range(5))
    assert any(not torch.equal(view.look(given, s, 1), view.look(given, s + 1, 1)) for s in range(5))


@pytest.mark.parametrize(
    ("cls", "wrong"),
    [
        (GaussianBlur, {"sigma_px": 0}),
        (GaussianBlur, {"sigma_px": float("nan")}),
        (GaussianBlur, {"every": 0}),
        (Jitter, {"pixels": 0}),
        (Scale, {"low": 0}),
        (Scale, {"low": 1.2, "high": 1.1}),
    ],
)
def test_wrong_options_are_refused(cls, wrong):
    with pytest.raises(ConfigError):
        cls(**wrong)


def test_grey_is_the_mean_of_the_channels_and_gives_all_of_them_one_slope():
    given = image().requires_grad_()
    seen = Grey().look(given, 0, 0)
    assert np.allclose(seen.detach(), given.detach().numpy().mean(axis=1, keepdims=True))
    (slope,) = torch.autograd.grad((seen * image(n=2)).sum(), given)
    assert np.allclose(slope, image(n=2).numpy().mean(axis=1, keepdims=True))
