"""Rank correlation between methods: SciPy as the oracle, ties, constant maps, intervals, what cannot be compared."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from shiftgauge.errors import ConfigError, DataError
from shiftgauge.explain.agreement import agreement, rank_correlation
from shiftgauge.explain.attribution import Attribution
from shiftgauge.explain.attribution_options import AttributionOptions

RNG = np.random.default_rng(3)


def made(method, values, places=None):
    values = np.asarray(values, np.float32)
    n = len(values)
    return Attribution(
        values=values,
        method=method,
        targets=("a",) * n,
        places=np.zeros(n, np.int64) if places is None else np.asarray(places),
        layer=None,
        completeness_error=np.full(n, np.nan),
        output_change=np.full(n, np.nan),
        options=AttributionOptions(),
    )


def test_correlations_are_those_of_scipy_also_with_ties():
    a, b = RNG.normal(size=(4, 3, 5, 6)), np.maximum(RNG.normal(size=(4, 1, 5, 6)), 0)
    for kind, first in (("magnitude", np.abs(a).sum(axis=1)), ("signed", a.sum(axis=1))):
        found = agreement([made("saliency", a), made("grad_cam", b)], maps=kind)
        own = [stats.spearmanr(x.ravel(), y.ravel()).statistic for x, y in zip(first, b[:, 0], strict=True)]
        np.testing.assert_allclose(found.correlation[:, 0, 1], own, atol=1e-6)
        np.testing.assert_allclose(found.correlation[:, 1, 0], own, atol=1e-6)
        np.testing.assert_allclose(found.correlation[:, 0, 0], 1)
        interval = stats.ttest_1samp(own, 0).confidence_interval(0.95)
        np.testing.assert_allclose([found.low[0, 1], found.high[0, 1]], interval, atol=1e-6)
    row = found.table().iloc[0]
    assert (row["method"], row["other"], row["images"]) == ("saliency", "grad_cam", 4)
    assert row["mean"] == pytest.approx(np.mean(own), abs=1e-6)
    assert found.dataset()["correlation"].dims == ("image", "method", "other")


def test_a_constant_map_counts_for_nothing():
    a, b = RNG.normal(size=(3, 1, 4, 4)), RNG.normal(size=(3, 1, 4, 4))
    b[1] = 0
    found = agreement({"x": made("saliency", a), "y": made("saliency", b)})
    assert np.isnan(found.correlation[1, 0, 1])
    assert found.counted[0, 1] == 2
    assert np.isfinite(found.mean[0, 1])
    assert found.methods == ("x", "y")


def test_one_image_has_no_interval():
    found = agreement([made("x", RNG.normal(size=(1, 1, 4, 4))), made("y", RNG.normal(size=(1, 1, 4, 4)))])
    assert np.isnan(found.low).all()
    assert np.isfinite(found.mean).all()


def test_order_alone_counts():
    values = RNG.random((2, 50))
    np.testing.assert_allclose(rank_correlation(values, np.exp(5 * values)), 1)
    np.testing.assert_allclose(rank_correlation(values, -(values**3)), -1)


def test_what_cannot_be_compared_is_refused():
    a, b = made("x", np.ones((2, 1, 4, 4))), made("y", np.ones((2, 1, 4, 4)))
    with pytest.raises(ConfigError, match="at least two"):
        agreement([a])
    with pytest.raises(ConfigError, match="given twice"):
        agreement([a, a])
    with pytest.raises(ConfigError, match="between 0 and 1"):
        agreement([a, b], confidence_level=1)
    with pytest.raises(ConfigError, match="did you mean `signed`"):
        agreement([a, b], maps="sign")
    for other in (
        made("y", np.ones((3, 1, 4, 4))), made("y", np.ones((2, 1, 5, 4))), made("y", a.values, [0, 1]),
        replace(b, fingerprint="another"), replace(b, image_hash="another"),
    ):  # fmt: skip
        with pytest.raises(DataError, match="other images, classes or another network"):
            agreement([a, other])
