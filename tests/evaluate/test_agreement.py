"""When another way of running agrees with plain float32."""

import numpy as np
import pytest

from shiftgauge.evaluate.agreement import SPREAD_LIMIT, relative_difference, verdict_on

RNG = np.random.default_rng(0)


def test_independent_differences_at_the_limit_add_less_than_a_twentieth_of_a_percent_to_the_variance():
    values = RNG.normal(size=200_000)
    noise = RNG.normal(size=200_000) * SPREAD_LIMIT
    assert relative_difference(values + noise, values) == pytest.approx(SPREAD_LIMIT, rel=0.01)
    assert (values + noise).var() / values.var() - 1 < 0.0005


def test_differences_between_fixed_images_are_no_spread():
    image = np.repeat([0, 1], 500)
    values = 10.0 * image + RNG.normal(size=1000) * 0.1
    found = values + 0.01
    assert relative_difference(found, values, image) == pytest.approx(0.1, rel=0.05)
    assert relative_difference(found, values) == pytest.approx(0.002, rel=0.05)


def test_a_quantity_without_spread_may_not_differ_at_all():
    flat = np.ones(5)
    assert relative_difference(flat, flat) == 0.0
    assert relative_difference(flat + 1e-9, flat) == np.inf


def test_other_rows_that_fail_are_no_agreement():
    values, found = np.array([1.0, 2.0, np.nan]), np.array([1.0, np.nan, np.nan])
    assert relative_difference(found, values) == np.inf
    assert relative_difference(values, values) == 0.0


@pytest.mark.parametrize(
    ("difference", "relative", "refused"),
    [(0.001, 0.01, ""), (0.02, 0.01, "tolerance"), (0.001, 0.5, "spread"), (0.001, float("nan"), "")],
)
def test_the_verdict_names_what_decided(difference, relative, refused):
    found = verdict_on(difference, relative, 0.01)
    assert (found["refused_by"], found["agrees"]) == (refused, not refused)
