import tracemalloc

import numpy as np
import pytest
from scipy.stats import kstest

from shiftgauge.errors import ConfigError, DataError, NumericalError
from shiftgauge.estimate.dependence import hsic
from shiftgauge.estimate.kernel import gaussian_factor, label_factor
from shiftgauge.estimate.reference import ISHIGAMI

ABC = ["a", "b", "c"]


def draw(n, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (n, 3))
    return x, np.column_stack([x[:, 0] + 0.5 * rng.normal(size=n), np.cos(3 * x[:, 1]) * x[:, 2]])


def gram(v, h):
    return np.exp(-((v[:, None] - v) ** 2) / (2 * h**2))


def plain(k, m, kind):
    n = len(k)
    if kind == "v":
        h = np.eye(n) - 1 / n
        return np.trace(k @ h @ m @ h) / n**2
    k, m = (a - np.diag(np.diag(a)) for a in (k, m))
    total = np.trace(k @ m) + k.sum() * m.sum() / ((n - 1) * (n - 2)) - 2 / (n - 2) * (k @ m).sum()
    return total / (n * (n - 3))


@pytest.mark.parametrize("kind", ["u", "v"])
@pytest.mark.parametrize("bandwidth", ["std", "median"])
def test_statistic_equals_the_one_of_full_matrices(kind, bandwidth):
    x, y = draw(60)
    found = hsic(x, y, names=ABC, outputs=["y", "z"], statistic=kind, bandwidth=bandwidth, permutations=0)

    def width(v):
        distance = np.abs(v[:, None] - v)[np.triu_indices(60, 1)]
        return v.std(ddof=1) if bandwidth == "std" else np.median(distance)

    for i in range(3):
        for q in range(2):
            k, m = gram(x[:, i], width(x[:, i])), gram(y[:, q], width(y[:, q]))
            assert found.hsic[q, i] == pytest.approx(plain(k, m, kind), abs=1e-8)
            scale = np.sqrt(plain(k, k, kind) * plain(m, m, kind))
            assert found.r2[q, i] == pytest.approx(plain(k, m, kind) / scale, abs=1e-6)


# OpenTURNS 1.27.post1: x = default_rng(0).uniform(-pi, pi, (500, 3))[:200], y = Ishigami(x), SquaredExponential kernels
# with scale np.std(ddof=1), HSICEstimatorGlobalSensitivity with HSICVStat / HSICUStat: getHSICIndices, getR2HSICIndices
FROZEN = {
    "v": (
        [0.012462453355285754, 0.0015273781110898851, 0.002835285501405939],
        [0.14959912421340532, 0.018745065880429672, 0.03344545227357807],
    ),
    "u": (
        [0.011743164647984953, 0.00061024857287987, 0.001809026166741062],
        [0.140993902187291, 0.00749381429993187, 0.021337671734559097],
    ),
}


@pytest.mark.parametrize("kind", ["u", "v"])
def test_another_package_gives_the_same(kind):
    x = np.random.default_rng(0).uniform(-np.pi, np.pi, (500, 3))[:200]
    y = ISHIGAMI.function(x)
    found = hsic(x, y, names=ABC, outputs=["y"], statistic=kind, bandwidth="std", permutations=500)
    assert found.hsic[0] == pytest.approx(FROZEN[kind][0], abs=1e-9)
    assert found.r2[0] == pytest.approx(FROZEN[kind][1], abs=1e-7)
    assert found.p_value[0] == pytest.approx([0.0, 0.13, 0.016], abs=0.06)  # theirs, of 1000 permutations


@pytest.mark.parametrize("kind", ["u", "v"])
def test_p_values_are_uniform_under_independence(kind):
    p = []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        x = np.column_stack([rng.random(40), rng.integers(0, 3, 40)])
        found = hsic(
            x,
            rng.exponential(size=(40, 2)),
            names=["a", "k"],
            outputs=["y", "z"],
            categorical=["k"],
            statistic=kind,
            permutations=99,
            seed=seed,
        )
        p.append(found.p_value)
    p = np.array(p)
    for one in p.reshape(150, -1).T:  # independent over the seeds
        assert kstest(one - 0.005, "uniform").pvalue > 1e-4
        assert abs(one.mean() - 0.5) < 4 * np.sqrt(1 / 12 / 150)
        assert np.mean(one <= 0.05) < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 150)


def test_p_value_equals_the_one_of_permuted_matrices():
    from shiftgauge.random import generator

    x, y = draw(30)
    found = hsic(x, y, names=ABC, outputs=["y", "z"], permutations=50, bandwidth="std", seed=4)
    rng, orders = generator(4, "permutation", 30), []
    for _ in range(50):
        orders.append(rng.permutation(30))
    for i in range(3):
        k, m = gram(x[:, i], x[:, i].std(ddof=1)), gram(y[:, 1], y[:, 1].std(ddof=1))
        reached = sum(plain(k, m[np.ix_(o, o)], "u") >= plain(k, m, "u") for o in orders)
        assert found.p_value[1, i] == (1 + reached) / 51


def test_intervals_cover_the_value_of_a_very_large_sample():
    x, y = draw(20_000, 999)
    truth = hsic(x, y, names=ABC, outputs=["y", "z"], permutations=0).r2
    hits = []
    for seed in range(150):
        found = hsic(*draw(200, seed), names=ABC, outputs=["y", "z"], permutations=0)
        hits.append((found.r2_interval[..., 0] <= truth) & (truth <= found.r2_interval[..., 1]))
    for q, i in ((0, 0), (1, 1), (1, 2)):  # the pairs that depend on each other
        assert np.mean(hits, axis=0)[q, i] >= 0.95 - 4 * np.sqrt(0.95 * 0.05 / 150)


def test_dependence_without_correlation_is_found():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, 300)
    found = hsic(x[:, None], x**2, names=["a"], outputs=["y"], permutations=200)
    assert found.p_value[0, 0] == pytest.approx(1 / 201)
    assert abs(np.corrcoef(x, x**2)[0, 1]) < 0.1


def test_itself_has_r2_one():
    x, _ = draw(200)
    found = hsic(x, 3 - 2 * x[:, 1], names=ABC, outputs=["y"], permutations=10)
    assert found.r2[0, 1] == pytest.approx(1, abs=1e-6)


def test_labels_have_no_order():
    rng = np.random.default_rng(2)
    label = rng.integers(0, 4, 200)
    y = np.array([0.0, 3.0, 1.0, 2.0])[label] + rng.normal(size=200)
    wanted = (y > 1).astype(float)
    renamed = np.array([7.0, -1.0, 3.0, 100.0])[label]
    one, two = (
        hsic(
            v[:, None].astype(float),
            np.column_stack([y, wanted]),
            names=["k"],
            outputs=["y", "class"],
            categorical=["k"],
            categorical_outputs=["class"],
            permutations=50,
        )
        for v in (label, renamed)
    )
    assert np.allclose(one.hsic, two.hsic)
    assert np.array_equal(one.p_value, two.p_value)
    expected = plain(np.equal.outer(label, label).astype(float), np.equal.outer(wanted, wanted).astype(float), "u")
    assert one.hsic[1, 0] == pytest.approx(expected)


def test_blocks_of_permutations_and_outputs_change_nothing(monkeypatch):
    x, y = draw(80)
    whole = hsic(x, y, names=ABC, outputs=["y", "z"], permutations=60)
    monkeypatch.setattr("shiftgauge.estimate.dependence._BLOCK", 80 * 40 * 7)
    pieces = hsic(x, y, names=ABC, outputs=["y", "z"], permutations=60)
    assert np.array_equal(whole.p_value, pieces.p_value)
    alone = hsic(x[:, 1:2], y[:, 1], names=["b"], outputs=["z"], permutations=60)
    assert alone.p_value[0, 0] == whole.p_value[1, 1]
    assert alone.r2[0, 0] == pytest.approx(whole.r2[1, 1])


def test_memory_does_not_grow_with_the_square_of_the_rows():
    x, y = draw(8000)
    tracemalloc.start()
    hsic(x, y, names=ABC, outputs=["y", "z"], permutations=2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8000 * 8000 * 8 / 3


def test_factors_reproduce_their_kernels():
    v = np.concatenate([np.random.default_rng(0).normal(size=100), [50.0, 1e-9, 1e-9]])
    factor = gaussian_factor(v, "std")
    assert np.allclose(factor @ factor.T, gram(v, v.std(ddof=1)), atol=1e-6)
    assert gaussian_factor(np.ones(5), "median").tolist() == [[1.0]] * 5
    labels = label_factor(np.array([2, 9, 2]))
    assert (labels @ labels.T).tolist() == [[1, 0, 1], [0, 1, 0], [1, 0, 1]]


def test_odd_samples_are_said():
    x, y = draw(50)
    x[:, 2] = 4.0
    found = hsic(x, np.column_stack([y[:, 0], np.zeros(50)]), names=ABC, outputs=["y", "flat"], permutations=20)
    assert {s.code for s in found.status} == {"constant_output", "constant_input", "few_rows"}
    assert found.hsic[0, 2] == pytest.approx(0, abs=1e-12)
    assert found.p_value[0, 2] == 1
    assert np.isnan(found.r2[1]).all()
    assert np.isnan(found.p_value[1]).all()


def test_wrong_arguments_are_refused():
    x, y = draw(50)
    with pytest.raises(ConfigError, match="statistic"):
        hsic(x, y, names=ABC, outputs=["y", "z"], statistic="w")
    with pytest.raises(ConfigError, match="bandwidth"):
        hsic(x, y, names=ABC, outputs=["y", "z"], bandwidth="mean")
    with pytest.raises(ConfigError, match="output"):
        hsic(x, y, names=ABC, outputs=["y", "z"], categorical_outputs=["q"])
    with pytest.raises(DataError, match="at least 16"):
        hsic(x[:8], y[:8], names=ABC, outputs=["y", "z"])
    y[3, 0] = np.nan
    with pytest.raises(NumericalError, match="row 3"):
        hsic(x, y, names=ABC, outputs=["y", "z"])
    assert hsic(x, y, names=ABC, outputs=["y", "z"], permutations=0, on_failure="drop").n_evaluations == 49
