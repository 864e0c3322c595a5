import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shiftgauge.errors import ConfigError, DataError, NumericalError
from shiftgauge.estimate.rank import rank_indices
from shiftgauge.estimate.reference import ISHIGAMI, DependentLinear, linear_gaussian, polynomial, sobol_g
from shiftgauge.space import Space

DISCRETE = polynomial(
    Space.from_dict({"k": {"values": [0, 1, 2]}, "m": {"values": list(range(20))}, "c": {"low": 0, "high": 1}}),
    {(2, 0, 0): 1.0, (0, 1, 1): 0.1, (1, 0, 1): 0.5, (0, 0, 1): 1.0},
)
TIED = DependentLinear(weights=(1.0, 1.0, 2.0), covariance=[[1, 0.5, 0.2], [0.5, 1, -0.3], [0.2, -0.3, 2]])


def draw(reference, n, seed=0):
    space = reference.space
    x = space.to_physical(np.random.default_rng(seed).random((n, space.n_varying)))
    return x, reference.function(x)


def indices(x, y, **options):
    y = np.asarray(y)
    outputs = [f"y{q}" for q in range(1 if y.ndim == 1 else y.shape[1])]
    return rank_indices(x, y, names=[f"x{i}" for i in range(x.shape[1])], outputs=outputs, **options)


@pytest.mark.parametrize("reference", [ISHIGAMI, sobol_g((0.0, 1.0, 4.5)), linear_gaussian(), DISCRETE, TIED])
def test_intervals_hold_the_exact_indices(reference):
    found = indices(*draw(reference, 20_000), confidence_level=0.999)
    low, high = np.moveaxis(found.first_order_interval[0], 1, 0)
    assert ((low <= reference.first_order) & (reference.first_order <= high)).all()
    assert np.abs(found.first_order[0] - reference.first_order).max() < 0.03


def test_estimate_equals_half_the_squared_differences_of_neighbours():
    x, y = draw(ISHIGAMI, 50)
    found = indices(x, y).first_order[0]
    for i in range(3):
        ordered = y[np.argsort(x[:, i])]
        left = sum((ordered[j + 1] - ordered[j]) ** 2 / 2 for j in range(49)) / 49
        assert found[i] == pytest.approx(1 - left / y.var(ddof=1))


def test_another_package_gives_the_same_up_to_its_last_pair():
    # OpenTURNS 1.27.post1: x = default_rng(0).uniform(-pi, pi, (500, 3)), y = Ishigami(x);
    # RankSobolSensitivityAlgorithm(Sample(x), Sample(y[:, None])).getFirstOrderIndices()
    x = np.random.default_rng(0).uniform(-np.pi, np.pi, (500, 3))
    y = ISHIGAMI.function(x)
    found = indices(x, y).first_order[0]
    expected = [0.25147466646886446, 0.4071512037580265, -0.01010333685974034]
    for i in range(3):
        ends = y[x[:, i].argmax()] - y[x[:, i].argmin()]  # the pair of last and first, which they add
        left = ((1 - found[i]) * y.var(ddof=1) * 499 + ends**2 / 2) / 500
        # their numerator has 1/n and their variance 1/(n - 1)
        assert (1 - left / y.var()) * 499 / 500 == pytest.approx(expected[i], abs=1e-9)


def test_intervals_cover_the_truth_as_often_as_they_say():
    for reference, n in ((ISHIGAMI, 400), (sobol_g((0.0, 1.0, 4.5)), 400), (DISCRETE, 400), (TIED, 400)):
        hits = []
        for seed in range(200):
            found = indices(*draw(reference, n, seed), seed=seed)
            low, high = np.moveaxis(found.first_order_interval[0], 1, 0)
            hits.append((low <= reference.first_order) & (reference.first_order <= high))
        assert 0.91 <= np.mean(hits) <= 0.985  # 95 % less and plus four standard errors of 600 trials
        assert (np.mean(hits, axis=0) >= 0.88).all()


def test_classes_equal_the_analysis_of_variance():
    x, y = draw(DISCRETE, 300)
    found = indices(x, y).first_order[0, 0]
    left = sum(np.sum(x[:, 0] == v) * y[x[:, 0] == v].var(ddof=1) for v in (0, 1, 2)) / 300
    assert found == pytest.approx(1 - left / y.var(ddof=1))


def test_labels_without_an_order_may_be_renamed():
    x, y = draw(DISCRETE, 400)
    renamed = x.copy()
    renamed[:, 1] = np.random.default_rng(5).permutation(20)[x[:, 1].astype(int)]
    one, two = (indices(z, y, categorical=["x1"]).first_order[0] for z in (x, renamed))
    assert one == pytest.approx(two)


def test_small_classes_are_put_in_random_order_by_the_seed():
    rng = np.random.default_rng(0)
    x = np.repeat(np.arange(100.0), 3)[:, None]
    y = x[:, 0] / 30 + rng.normal(size=300)
    one, again, other = (indices(x, y, seed=s).first_order[0, 0] for s in (0, 0, 1))
    assert one == again
    assert one != other
    assert one == pytest.approx(other, abs=0.15)


@settings(deadline=None, max_examples=20)
@given(scale=st.floats(0.01, 100), shift=st.floats(-1e3, 1e3), seed=st.integers(0, 3))
def test_units_and_the_order_of_rows_do_not_matter(scale, shift, seed):
    x, y = draw(ISHIGAMI, 64, seed)
    plain = indices(x, y)
    order = np.random.default_rng(seed).permutation(64)
    moved = indices(np.exp(x[order]), shift + scale * y[order])
    assert np.allclose(plain.first_order, moved.first_order, atol=1e-9)
    assert np.allclose(plain.first_order_interval, moved.first_order_interval, atol=1e-9)


def test_many_outputs_equal_one_at_a_time(monkeypatch):
    x, y = draw(ISHIGAMI, 200)
    values = np.column_stack([y, y**2, -y, np.ones(200), x[:, 0]])
    monkeypatch.setattr("shiftgauge.estimate.rank._WORK", 400)
    together = indices(x, values)
    for q in (0, 1, 2, 4):
        alone = indices(x, values[:, q])
        assert np.allclose(together.first_order[q], alone.first_order[0])
        assert np.allclose(together.first_order_interval[q], alone.first_order_interval[0])
    assert together.defined.tolist() == [True, True, True, False, True]
    assert np.isnan(together.first_order[3]).all()
    assert [s.code for s in together.status] == ["constant_output"]
    assert together.first_order[4, 0] == pytest.approx(1, abs=0.01)


def test_an_independent_input_has_an_interval_around_zero():
    rng = np.random.default_rng(1)
    found = indices(rng.random((1000, 4)), rng.normal(size=1000), confidence_level=0.999)
    low, high = np.moveaxis(found.first_order_interval[0], 1, 0)
    assert ((low < 0) & (high > 0)).all()


def test_odd_samples_are_said():
    x, y = draw(ISHIGAMI, 100)
    x[:, 2] = 1.0
    x[:, 1] = np.arange(100) // 2
    x[:60, 1] = np.arange(60) + 1000
    found = indices(x, y, categorical=["x1"])
    assert {s.code for s in found.status} == {"few_rows", "constant_input", "rare_categories"}
    assert found.first_order[0, 2] == pytest.approx(0, abs=1e-12)
    lonely = indices(np.arange(100.0)[:, None], y, categorical=["x0"])
    assert np.isnan(lonely.first_order).all()


def test_rows_with_gaps_are_refused_or_dropped():
    x, y = draw(ISHIGAMI, 300)
    y[7] = np.nan
    x[9, 1] = np.inf
    with pytest.raises(NumericalError, match=r"2 row\(s\) hold NaN or infinity, the first is row 7"):
        indices(x, y)
    found = indices(x, y, on_failure="drop")
    assert found.n_evaluations == 298
    assert "2 of 300 rows" in found.status[0].message
    kept = np.delete(np.arange(300), [7, 9])
    assert np.allclose(found.first_order, indices(x[kept], y[kept]).first_order)


def test_wrong_arguments_are_refused():
    x, y = draw(ISHIGAMI, 100)
    with pytest.raises(DataError, match="equal n"):
        indices(x[:50], y)
    with pytest.raises(DataError, match="at least 16"):
        indices(x[:10], y[:10])
    with pytest.raises(DataError, match="are named"):
        rank_indices(x, y, names=["a"], outputs=["y"])
    with pytest.raises(ConfigError, match="input"):
        indices(x, y, categorical=["x9"])
    with pytest.raises(ConfigError, match="on_failure"):
        indices(x, y, on_failure="ignore")
