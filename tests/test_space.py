"""Parameters and spaces: every marginal against scipy, round trips, and what must be refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from shiftgauge.distributions import DISTRIBUTIONS
from shiftgauge.errors import SpaceError
from shiftgauge.infer import space_from_table
from shiftgauge.parameter import Parameter
from shiftgauge.space import Space

CASES = {
    "uniform": ({"low": -90, "high": 90}, stats.uniform(-90, 180)),
    "loguniform": ({"low": 0.1, "high": 10}, stats.loguniform(0.1, 10)),
    "normal": ({"mean": 1, "std": 2}, stats.norm(1, 2)),
    "truncnormal": ({"mean": 1, "std": 2, "low": 0, "high": 4}, stats.truncnorm(-0.5, 1.5, 1, 2)),
    "lognormal": ({"median": 2, "sigma": 0.5}, stats.lognorm(0.5, scale=2)),
    "beta": ({"a": 2, "b": 3, "low": -1, "high": 1}, stats.beta(2, 3, -1, 2)),
    "triangular": ({"low": 0, "mode": 1, "high": 4}, stats.triang(0.25, 0, 4)),
    "gamma": ({"shape": 2, "scale": 3, "low": 1}, stats.gamma(2, 1, 3)),
    "exponential": ({"scale": 2, "low": 1}, stats.expon(1, 2)),
}
ALL = {name: case[0] for name, case in CASES.items()} | {
    "choice": {"values": [3, 1, 2], "probabilities": [0.5, 0.25, 0.25]},
    "fixed": {"value": 4},
}


def make(kind: str, **more) -> Parameter:
    return Parameter(name="x", distribution=kind, options=ALL[kind], **more)


def test_the_table_of_cases_covers_every_distribution():
    assert set(ALL) == set(DISTRIBUTIONS)


@pytest.mark.parametrize("kind", CASES)
def test_a_continuous_marginal_equals_scipys(kind):
    parameter, oracle = make(kind), CASES[kind][1]
    u = np.linspace(0.01, 0.99, 37)
    np.testing.assert_allclose(parameter.ppf(u), oracle.ppf(u), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(parameter.cdf(oracle.ppf(u)), u, atol=1e-9)
    assert parameter.mean == pytest.approx(oracle.mean())
    assert parameter.variance == pytest.approx(oracle.var())
    assert parameter.support == pytest.approx(oracle.support())


@pytest.mark.parametrize("kind", ALL)
def test_sampled_moments_agree_with_mean_and_variance(kind):
    parameter = make(kind)
    values = parameter.ppf((np.arange(200_000) + 0.5) / 200_000)
    assert values.mean() == pytest.approx(parameter.mean, rel=2e-3, abs=2e-3)
    assert values.var() == pytest.approx(parameter.variance, rel=1e-2, abs=1e-9)


@pytest.mark.parametrize("kind", ALL)
def test_a_parameter_survives_its_yaml_form(kind):
    space = Space(
        [make(kind, unit="°", nominal=1.5), Parameter(name="y", distribution="normal", options=ALL["normal"])]
    )
    again = Space.from_yaml(space.to_yaml())
    assert again.to_dict() == space.to_dict()
    assert again.fingerprint == space.fingerprint


@pytest.mark.parametrize("kind", [k for k in ALL if k != "fixed"])
def test_quantiles_at_the_edges_stay_finite(kind):
    assert np.isfinite(make(kind).ppf(np.array([0.0, 1.0]))).all()
    low, high = make(kind).display_range()
    assert np.isfinite([low, high]).all()
    assert low < high


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_unit_to_physical_and_back_is_the_identity(values):
    space = Space([make("truncnormal"), Parameter(name="f", distribution="fixed", options={"value": 7})])
    unit = np.clip(np.array(values)[:, None], 1e-6, 1 - 1e-6)
    theta = space.to_physical(unit)
    assert theta.shape == (len(unit), 2)
    assert (theta[:, 1] == 7).all()
    np.testing.assert_allclose(space.to_unit(theta), unit, atol=1e-9)


def test_a_choice_is_drawn_with_its_probabilities_and_sorted():
    values, counts = np.unique(make("choice").ppf((np.arange(1000) + 0.5) / 1000), return_counts=True)
    assert values.tolist() == [1, 2, 3]
    assert counts.tolist() == [250, 250, 500]


@pytest.mark.parametrize("rank", [-0.7, 0.3, 0.9])
def test_the_copula_reproduces_the_rank_correlation(rank):
    matrix = np.array([[1, rank], [rank, 1]])
    space = Space([make("uniform"), Parameter(name="y", distribution="lognormal", options=ALL["lognormal"])], matrix)
    unit = np.random.default_rng(0).random((40_000, 2))
    theta = space.to_physical(unit)
    assert stats.spearmanr(theta).statistic == pytest.approx(rank, abs=0.01)
    np.testing.assert_allclose(space.to_unit(theta), unit, atol=1e-7)


def test_an_identity_matrix_means_independence():
    assert Space([make("uniform")], np.eye(1)).correlation is None


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"low": 1, "high": 0}, "inverted"),
        ({"low": 1, "high": 1}, "zero variance"),
        ({"distribution": "unifrom", "low": 0, "high": 1}, "did you mean `uniform`"),
        ({"low": 0, "hihg": 1}, "did you mean `high`"),
        ({"low": 0}, "needs high"),
        ({"low": "a", "high": 1}, "must be a number"),
        ({"low": float("nan"), "high": 1}, "finite"),
        ({"distribution": "normal", "mean": 0, "std": 0}, "must be > 0"),
        ({"distribution": "loguniform", "low": 0, "high": 1}, "must be > 0"),
        ({"distribution": "triangular", "low": 0, "mode": 3, "high": 1}, "mode"),
        ({"values": [1]}, "at least two"),
        ({"values": [1, 1]}, "twice"),
        ({"values": [1, 2], "probabilities": [0.5, 0.6]}, "sum to 1"),
        ({"low": 0, "high": 1, "nominal": "a"}, "nominal"),
        ("wide", "expected options"),
    ],
)
def test_a_wrong_entry_is_refused_with_the_reason(entry, words):
    with pytest.raises(SpaceError, match=words) as caught:
        Space.from_dict({"tilt": entry})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        ([[1, 0.5], [0.4, 1]], "symmetric"),
        ([[1, 2], [2, 1]], r"in \[-1, 1\]"),
        ([[1]], "2 × 2"),
        ([[1, 1], [1, 1]], "positive definite"),
    ],
)
def test_a_wrong_correlation_is_refused(matrix, words):
    pair = [make("uniform"), Parameter(name="y", distribution="normal", options=ALL["normal"])]
    with pytest.raises(SpaceError, match=words):
        Space(pair, np.array(matrix, float))


def test_a_space_needs_distinct_names_and_something_that_varies():
    with pytest.raises(SpaceError, match="given twice"):
        Space([make("uniform"), make("normal")])
    with pytest.raises(SpaceError, match="nothing varies"):
        Space([make("fixed")])


def test_malformed_yaml_is_one_line():
    with pytest.raises(SpaceError, match="not valid YAML") as caught:
        Space.from_yaml("a: [1")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("rule", ["range", "quantiles", "nonzero"])
def test_a_column_of_few_codes_is_drawn_as_often_as_the_table_holds_them(rule):
    stages = np.repeat([0, 1, 2], [50, 30, 20])
    columns = {"sex": stages > 0, "stage": stages, "scaled": np.where(stages > 0, 0.7, -1.3)}
    space = space_from_table(columns, rule=rule)
    for name, values, shares in (
        ("sex", [0, 1], [0.5, 0.5]),
        ("stage", [0, 1, 2], [0.5, 0.3, 0.2]),
        ("scaled", [-1.3, 0.7], [0.5, 0.5]),
    ):
        assert space[name].distribution == "choice"
        assert space[name].options == {"values": values, "probabilities": shares}
    assert space["stage"].nominal_value in stages
    drawn = space.to_physical(np.random.default_rng(0).random((1000, 3)))
    assert set(drawn[:, 1]) == {0, 1, 2}
    assert np.allclose(drawn.mean(axis=0), [0.5, 0.7, -0.3], atol=0.08)


def test_what_is_no_code_stays_uniform():
    columns = {
        "many": np.tile(np.arange(11), 9),
        "parts": np.tile([0.5, 1.5, 2.5], 33),
        "rows": np.arange(99) % 10 + np.linspace(0, 1e-9, 99),
    }
    assert {p.distribution for p in space_from_table(columns).parameters} == {"uniform"}
    assert space_from_table({"few": np.arange(5.0)})["few"].describe() == "uniform on [0, 4]"
    assert space_from_table({"sex": np.tile([0, 1], 9)}, most_levels=0)["sex"].describe() == "uniform on [0, 1]"
    with pytest.raises(SpaceError, match="most_levels"):
        space_from_table(columns, most_levels=-1)


def test_the_three_rules_read_a_table_as_documented():
    column = np.array([0.0, 0.0, 1.0, 2.0, 3.0, np.nan])
    assert space_from_table({"c": column})["c"].support == (0, 3)
    assert space_from_table({"c": column}, rule="nonzero")["c"].support == (1, 3)
    low, high = np.quantile(column[:5], [0.1, 0.9])
    assert space_from_table({"c": column}, rule="quantiles", quantiles=(0.1, 0.9))["c"].support == (low, high)
    assert space_from_table({"c": column, "d": np.ones(6)})["d"].is_fixed
    assert space_from_table({"c": column})["c"].nominal == 1.0
    with pytest.raises(SpaceError, match="no numbers"):
        space_from_table({"c": np.array(["a"])})
    with pytest.raises(SpaceError, match="no finite number"):
        space_from_table({"c": np.array([np.nan])})
