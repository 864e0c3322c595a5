"""The ball that images are kept in: exactly, in rational numbers."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from shiftgauge.attack.ball import Ball

PIXEL = st.floats(0, 1, width=32) | st.sampled_from([0.0, 1.0, 0.5, float(np.float32(1e-30)), float(np.float32(0.1))])
EPSILON = st.floats(1e-9, 3) | st.sampled_from([8 / 255, 0.03, 0.1, 1e-4, 2**-5])
SIGMA = st.floats(0.05, 2)
NORM = st.sampled_from(["linf", "l2"])


def _ball(pixels, epsilon, norm, bounds=None, sigma=1.0):
    centre = torch.tensor(pixels, dtype=torch.float32).view(1, 1, 1, -1)
    return Ball(
        centre=centre,
        epsilon=torch.tensor([epsilon], dtype=torch.float64),
        weight=torch.full((1, 1, 1, 1), sigma, dtype=torch.float64),
        norm=norm,
        bounds=bounds,
    )


def _away(ball, images):
    """Exact differences."""
    pairs = zip(images.flatten().tolist(), ball.centre.flatten().tolist(), strict=True)
    return [Fraction(x) - Fraction(c) for x, c in pairs]


def _inside(ball, images):
    away, weight = _away(ball, images), Fraction(float(ball.weight))
    epsilon = Fraction(float(ball.epsilon))
    if ball.norm == "linf":
        return max(abs(d) for d in away) <= Fraction(float(ball.radius))
    return sum((d / weight) ** 2 for d in away) <= epsilon**2


@settings(max_examples=300, deadline=None)
@given(
    st.lists(PIXEL, min_size=1, max_size=12), EPSILON, SIGMA, st.booleans(), st.sampled_from(["linf", "l2"]), st.data()
)
def test_nothing_leaves_the_ball_or_the_range_in_exact_arithmetic(pixels, epsilon, sigma, bounded, norm, data):
    ball = _ball(pixels, epsilon, norm, (0.0, 1.0) if bounded else None, sigma)
    sizes = data.draw(st.lists(st.floats(-1, 1, width=32), min_size=len(pixels), max_size=len(pixels)))
    direction = torch.tensor(sizes, dtype=torch.float32).view(1, 1, 1, -1)
    anywhere = ball.centre + 5 * direction
    for images in (
        ball.along(ball.unit(direction)),
        ball.along(direction.sign() if norm == "linf" else ball.unit(direction)),
        ball.settle(anywhere),
        ball.settle(ball.step(anywhere, ball.unit(direction), 0.3)),
    ):
        assert _inside(ball, images)
        assert not bounded or (float(images.min()) >= 0 and float(images.max()) <= 1)


@settings(max_examples=200, deadline=None)
@given(st.lists(PIXEL, min_size=1, max_size=12), EPSILON)
def test_a_sign_step_is_at_most_one_float_short_of_the_published_formula(pixels, epsilon):
    ball = _ball(pixels, epsilon, "linf")
    moved = ball.along(torch.ones_like(ball.centre))
    published = ball.centre + torch.tensor(epsilon, dtype=torch.float32)
    below = torch.nextafter(torch.nextafter(published, ball.centre), ball.centre)
    assert bool(((moved <= published) & (moved >= below)).all())


@given(st.lists(st.integers(0, 64), min_size=1, max_size=12), st.integers(1, 32))
def test_where_sums_are_exact_a_sign_step_is_the_published_formula(grid, steps):
    ball = _ball([g / 64 for g in grid], steps / 64, "linf")
    signs = torch.tensor([(-1.0) ** i for i in range(len(grid))]).view(1, 1, 1, -1)
    assert torch.equal(ball.along(signs), ball.centre + steps / 64 * signs)
    assert float(ball.distance(ball.along(signs))) == steps / 64


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_projection_gives_the_nearest_image_of_the_ball(norm):
    rng = np.random.default_rng(0)
    ball = _ball(rng.random(6), 0.2, norm)
    outside = ball.centre + torch.from_numpy(rng.normal(size=6)).float().view(1, 1, 1, 6)
    nearest = ball.project(outside)
    gone = float((nearest - outside).norm())
    for _ in range(2000):
        way = torch.from_numpy(rng.normal(size=6)).float().view(1, 1, 1, 6)
        other = ball.project(ball.centre + way * float(rng.random()))
        assert gone <= float((other - outside).norm()) + 1e-6
    assert torch.allclose(ball.project(nearest), nearest, atol=1e-7)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_what_lies_inside_stays_bit_for_bit(norm):
    ball = _ball([0.2, 0.5, 0.9], 0.3, norm, (0.0, 1.0))
    inside = ball.centre + 0.05
    assert torch.equal(ball.settle(inside), inside)


def test_empty_ball_holds_the_image_alone():
    for norm in ("linf", "l2"):
        ball = _ball([0.0, 0.3, 1.0], 0.0, norm)
        for images in (ball.along(torch.ones_like(ball.centre)), ball.settle(ball.centre + 0.4)):
            assert torch.equal(images, ball.centre)


def test_each_image_has_its_own_radius_and_each_channel_its_own_unit():
    centre = torch.full((2, 2, 1, 1), 0.5)
    weight = torch.tensor([0.5, 0.25], dtype=torch.float64).view(1, 2, 1, 1)
    epsilon = torch.tensor([0.25, 0.5], dtype=torch.float64)
    ball = Ball(centre=centre, epsilon=epsilon, weight=weight, norm="linf")
    moved = (ball.along(torch.ones_like(centre)) - centre).flatten(1)
    assert moved.tolist() == [[0.125, 0.0625], [0.25, 0.125]]
    assert ball.distance(ball.along(torch.ones_like(centre))).tolist() == [0.25, 0.5]
    assert ball.take(torch.tensor([1])).radius.flatten().tolist() == [0.25, 0.125]


def test_steepest_direction_of_l2_is_steepest_in_the_unit_of_the_ball():
    centre = torch.full((1, 2, 1, 1), 0.5)
    weight = torch.tensor([1.0, 0.5], dtype=torch.float64).view(1, 2, 1, 1)
    ball = Ball(centre=centre, epsilon=torch.tensor([0.1], dtype=torch.float64), weight=weight, norm="l2")
    gradient = torch.tensor([3.0, 8.0]).view(1, 2, 1, 1)
    gain = float(((ball.along(ball.steepest(gradient)) - centre) * gradient).sum())
    assert gain == pytest.approx(0.1 * 5, rel=1e-5)
    for angle in np.linspace(0, 2 * np.pi, 50):
        way = torch.tensor([np.cos(angle), np.sin(angle)], dtype=torch.float32).view(1, 2, 1, 1)
        assert float(((ball.along(way) - centre) * gradient).sum()) <= gain + 1e-6


def test_direction_of_a_zero_gradient_is_zero():
    ball = _ball([0.5, 0.5], 0.1, "l2")
    assert not ball.steepest(torch.zeros_like(ball.centre)).any()
