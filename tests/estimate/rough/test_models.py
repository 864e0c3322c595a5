import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from shiftgauge.estimate.rough.models import fit_gaussian, fit_trees, gaussian_kernel, one_thread


@pytest.fixture
def cube():
    return np.random.default_rng(0).uniform(-1, 1, (1500, 3))


def left(model, x, g, f):
    return np.mean((f - g - model.predict(x, g)) ** 2) / np.mean((f - g) ** 2)


def test_trees_turn_a_smooth_trend_into_a_step(cube):
    trend = cube @ [1.0, 0.8, 0.6]
    step = (trend > 0).astype(float)
    seen = fit_trees(cube[:1000], trend[:1000], step[:1000])
    blind = fit_trees(cube[:1000], 0 * trend[:1000], step[:1000])
    rest = slice(1000, None)
    assert left(seen, cube[rest], trend[rest], step[rest]) < 0.01
    assert left(blind, cube[rest], 0 * trend[rest], step[rest]) > 0.05


def test_trees_without_the_trend_fit_the_values_themselves(cube):
    box = ((cube[:, 0] > 0) & (cube[:, 1] < 0.5)).astype(float)
    trend = np.sin(5 * cube[:, 2])
    model = fit_trees(cube, trend, box, on_trend=False)
    assert np.abs(trend + model.predict(cube, trend) - box).mean() < 0.01
    assert np.allclose(model.predict(cube, trend + 1), model.predict(cube, trend) - 1)


def test_stages_end_with_the_prediction(cube):
    model = fit_trees(cube, cube[:, 0], cube[:, 1] ** 2, rounds=12)
    stages = list(model.stages(cube, cube[:, 0]))
    assert len(stages) == 12
    assert np.array_equal(stages[-1], model.predict(cube, cube[:, 0]))


def test_a_category_is_split_in_any_order():
    level = np.tile(np.arange(20.0), 60)
    value = np.where(np.isin(level, [0, 3, 4, 9, 13, 18]), 1.0, -1.0)
    model = fit_trees(level[:, None], 0 * level, value, categorical=(0,), rounds=30)
    assert np.allclose(model.predict(level[:, None], 0 * level), value, atol=0.02)


def test_gaussian_process_equals_its_closed_form(cube):
    x, g = cube[:200], 0.3 * cube[:200, 0]
    f = np.sin(4 * x[:, 0]) * x[:, 1]
    model, kernel = fit_gaussian(x, g, f, n_metric=3)
    scale, spread = (f - g).std(), g.std()
    lengths = np.append(kernel.k1.k2.length_scale, [])
    nugget = kernel.k2.noise_level

    def covariance(a, b):
        d = np.sqrt(3) * np.sqrt((((a[:, None] - b[None]) / lengths) ** 2).sum(axis=-1))
        return kernel.k1.k1.constant_value * (1 + d) * np.exp(-d)

    seen = np.column_stack([x, g / spread])
    new = np.column_stack([cube[200:220], 0.3 * cube[200:220, 0] / spread])
    inner = covariance(seen, seen) + (nugget + 1e-10) * np.eye(200)
    expected = scale * covariance(new, seen) @ np.linalg.solve(inner, (f - g) / scale)
    assert np.allclose(model.predict(cube[200:220], 0.3 * cube[200:220, 0]), expected, atol=1e-7)
    assert left(model, cube[200:], 0.3 * cube[200:, 0], np.sin(4 * cube[200:, 0]) * cube[200:, 1]) < 0.02


def test_kernel_finds_the_inputs_that_matter_and_the_noise():
    rng = np.random.default_rng(1)
    x = rng.uniform(-1.7, 1.7, (300, 2))
    y = np.sqrt(2) * np.sin(4 * x[:, 0])
    kernel = gaussian_kernel(x, y + 0.3 * rng.normal(size=300))
    first, second = kernel.k1.k2.length_scale
    assert second > 5 * first
    assert 0.05 < kernel.k2.noise_level < 0.2


def test_constant_residual_is_predicted():
    x = np.linspace(0, 1, 60)[:, None]
    g = np.zeros(60)
    assert np.allclose(fit_trees(x, g, g).predict(x, g), 0)
    assert np.allclose(fit_gaussian(x, g, g, n_metric=1)[0].predict(x, g), 0)


def test_bits_do_not_depend_on_the_number_of_threads(cube):
    values = np.sign(cube[:, 0]) * cube[:, 1]
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads), one_thread():
            assert {pool["num_threads"] for pool in threadpool_info()} == {1}
            trees = fit_trees(cube, cube[:, 2], values)
            process, _ = fit_gaussian(cube[:200], cube[:200, 2], values[:200], n_metric=3)
            found.append((trees.predict(cube, cube[:, 2]), process.predict(cube, cube[:, 2])))
    assert np.array_equal(found[0][0], found[1][0])
    assert np.array_equal(found[0][1], found[1][1])
