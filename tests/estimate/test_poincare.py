from math import inf, pi

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.linalg import eigh_tridiagonal
from scipy.special import jn_zeros

from shiftgauge.errors import SpaceError
from shiftgauge.estimate.poincare import poincare_constant, stein_kernel
from shiftgauge.parameter import Parameter


def parameter(distribution, **options):
    return Parameter(name="x", distribution=distribution, options=options)


BOUNDED = [
    parameter("uniform", low=-1, high=3),
    parameter("beta", a=2, b=5, low=-1, high=2),
    parameter("beta", a=0.6, b=0.8),
    parameter("beta", a=8, b=1.5),
    parameter("triangular", low=0, mode=1, high=2),
    parameter("triangular", low=0, mode=0.3, high=2),
    parameter("triangular", low=-1, mode=-1, high=1),
    parameter("triangular", low=-1, mode=1, high=1),
    parameter("loguniform", low=0.01, high=1),
    parameter("loguniform", low=2, high=3),
    parameter("loguniform", low=0.02, high=10),
    parameter("truncnormal", mean=0, std=1, low=-1, high=2),
    parameter("truncnormal", mean=3, std=0.5, low=-1, high=2),
    parameter("truncnormal", mean=0, std=1, low=-9, high=9),
]
OTHERS = [
    parameter("normal", mean=2, std=3),
    parameter("gamma", shape=3, scale=2, low=1),
    parameter("gamma", shape=1.5, scale=1),
    parameter("exponential", scale=2),
    parameter("lognormal", median=2, sigma=0.7),
]


def by_finite_elements(p, low, high, m=4000):
    """Slow and plain: the eigenproblem on a grid, by the mass between nodes."""
    spaced = np.geomspace if p.distribution == "loguniform" else np.linspace
    edges = spaced(low, high, m + 1)
    middle = (edges[:-1] + edges[1:]) / 2
    rough = p.options.get("a", 1) < 1  # infinite density at the ends, where the middle of a cell says little
    mass = np.diff(p.frozen.cdf(edges)) if rough else np.diff(edges) * p.frozen.pdf(middle)
    link = p.frozen.pdf(edges[1:-1]) / np.diff(middle)
    diagonal = np.concatenate([[0], link]) + np.concatenate([link, [0]])
    scaled = -link / np.sqrt(mass[1:] * mass[:-1])
    return 1 / eigh_tridiagonal(diagonal / mass, scaled, eigvals_only=True, select="i", select_range=(1, 1))[0]


@pytest.mark.parametrize("p", BOUNDED, ids=lambda p: p.describe())
def test_constant_equals_the_eigenproblem_on_a_grid(p):
    rough = p.options.get("a", 1) < 1  # the density is infinite at the ends
    assert poincare_constant(p) == pytest.approx(by_finite_elements(p, *p.support), rel=5e-3 if rough else 2e-5)


def test_gamma_constant_equals_the_eigenproblem_on_a_long_grid():
    for shape in (2.0, 3.0, 10.0):
        p = parameter("gamma", shape=shape, scale=2)
        high = p.frozen.isf(1e-30)
        assert poincare_constant(p) == pytest.approx(by_finite_elements(p, 0, high, 20000), rel=1e-3)


def test_known_constants():
    assert poincare_constant(parameter("uniform", low=1, high=1 + 2 * pi)) == pytest.approx(4)
    assert poincare_constant(parameter("normal", mean=1, std=3)) == 9
    assert poincare_constant(parameter("exponential", scale=3)) == 36
    assert poincare_constant(parameter("gamma", shape=1, scale=3)) == 36
    assert poincare_constant(parameter("gamma", shape=0.4, scale=3)) == 36
    assert poincare_constant(parameter("lognormal", median=1, sigma=0.1)) == inf
    assert poincare_constant(parameter("beta", a=1, b=1)) == pytest.approx(1 / pi**2)
    # half a normal: the even Hermite function of degree 2 is the first with slope 0 at the middle
    assert poincare_constant(parameter("truncnormal", mean=0, std=2, low=0, high=20)) == pytest.approx(2)
    assert poincare_constant(parameter("triangular", low=0, mode=0, high=1)) == pytest.approx(jn_zeros(1, 1)[0] ** -2)


@pytest.mark.parametrize("p", BOUNDED + OTHERS, ids=lambda p: p.describe())
def test_weight_is_the_integral_that_defines_it(p):
    low, high = p.ppf(np.array([1e-12, 1 - 1e-12]))
    for x in p.ppf(np.array([0.001, 0.4, 0.9999])):
        above = quad(lambda t: (t - p.mean) * p.frozen.pdf(t), x, high, limit=200)[0]
        below = quad(lambda t: (p.mean - t) * p.frozen.pdf(t), low, x, limit=200)[0]
        best = above if x > p.mean else below
        assert stein_kernel(p, np.array([x]))[0] == pytest.approx(best / p.frozen.pdf(x), rel=1e-4)


@pytest.mark.parametrize("p", BOUNDED + OTHERS, ids=lambda p: p.describe())
def test_mean_weight_is_the_variance_and_the_constant_no_smaller(p):
    u = (np.arange(20_000) + 0.5) / 20_000
    assert stein_kernel(p, p.ppf(u)).mean() == pytest.approx(p.variance, rel=2e-2)
    assert poincare_constant(p) >= p.variance * (1 - 1e-9)


@pytest.mark.parametrize("p", BOUNDED + OTHERS, ids=lambda p: p.describe())
def test_inequalities_hold_for_many_functions(p):
    x = p.ppf((np.arange(10_000) + 0.5) / 10_000)
    scaled = (x - p.mean) / np.sqrt(p.variance)
    for frequency in (0.3, 1.0, 2.5, 6.0):
        for phase in (0.0, 0.8, 1.6):
            g = np.sin(frequency * scaled + phase)
            slope = frequency * np.cos(frequency * scaled + phase) / np.sqrt(p.variance)
            assert g.var() <= poincare_constant(p) * np.mean(slope**2) * (1 + 5e-3) + 1e-12
            assert g.var() <= np.mean(stein_kernel(p, x) * slope**2) * (1 + 5e-3) + 1e-12


@pytest.mark.parametrize(
    "p", [parameter("choice", values=[0, 1]), parameter("fixed", value=2)], ids=lambda p: p.distribution
)
def test_discrete_and_fixed_parameters_are_refused(p):
    for call in (poincare_constant, lambda q: stein_kernel(q, np.zeros(1))):
        with pytest.raises(SpaceError, match="no derivative"):
            call(p)


def test_constant_scales_with_the_square_of_the_unit():
    for wide, narrow in (
        (parameter("triangular", low=0, mode=30, high=100), parameter("triangular", low=0, mode=0.3, high=1)),
        (parameter("loguniform", low=1, high=100), parameter("loguniform", low=0.01, high=1)),
        (parameter("beta", a=2, b=3, high=100), parameter("beta", a=2, b=3)),
    ):
        assert poincare_constant(wide) == pytest.approx(1e4 * poincare_constant(narrow), rel=1e-10)


@pytest.mark.parametrize(("mean", "constant"), [(-10, 0.0306962), (-20, 0.0089680), (-30, 0.0041694), (50, 0.00182316)])
def test_truncation_far_in_the_tail_keeps_the_constant(mean, constant):
    """Expected: finite differences of the equation for u with 4,000 steps on the part that matters."""
    assert poincare_constant(parameter("truncnormal", mean=mean, std=1, low=0, high=4)) == pytest.approx(constant, 5e-5)
