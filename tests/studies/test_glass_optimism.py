"""Luck of choosing on the images that are scored: none where there is none, much where all is chance."""

import numpy as np
from sklearn.metrics import f1_score

from shiftgauge.studies.glass_optimism import _best, choose_and_judge, optimism_arrays
from shiftgauge.studies.glass_recipe import PUBLISHED_GRID


def case(seed=0, epochs=6, n=80, signal=0.0):
    rng = np.random.default_rng(seed)
    truth = (rng.random((n, 3)) < 0.3).astype(float)
    return np.clip(signal * truth + (1 - signal) * rng.random((epochs, n, 3)), 0, 1), truth


def test_what_is_only_chance_looks_better_where_it_was_chosen():
    said, truth = case()
    found = choose_and_judge(said, truth, np.arange(80), divisions=200)
    assert found.optimism[:, 0].mean() > 0.01
    few = choose_and_judge(said[:1], truth, np.arange(80), divisions=200)
    assert found.optimism[:, 0].mean() > few.optimism[:, 0].mean()  # more epochs to choose from


def test_what_is_right_everywhere_has_no_luck():
    said, truth = case(signal=1.0)
    found = choose_and_judge(said, truth, np.arange(80), divisions=50)
    assert np.allclose(found.claimed, 1)
    assert np.allclose(found.optimism, 0)


def test_luck_is_not_the_difference_between_choosing_on_validation_and_on_test():
    """On a test part of another kind the published way gains much without any luck."""
    truth = np.tile([[0.0], [1.0]], (200, 1))
    said = 0.12 + 0.1 * truth  # thresholds of validation, one half say, decide nothing here
    assert f1_score(truth, said >= 0.5, zero_division=0) == 0
    assert abs(choose_and_judge(said[None], truth, np.arange(400), divisions=50).optimism).max() < 1e-12


def test_scores_of_a_division_are_those_of_scikit_learn():
    said, truth = case(seed=3, epochs=1, n=12, signal=0.3)
    units = np.arange(12) // 3
    found = choose_and_judge(said, truth, units, divisions=1, seed=5)
    candidates = []
    for a in range(4):
        for b in range(a):
            half = np.isin(units, (a, b))
            both = []
            for own, other in ((half, ~half), (~half, half)):
                grid = np.array(PUBLISHED_GRID)
                f1 = np.array(
                    [[f1_score(truth[own, k], said[0, own, k] >= t, zero_division=0) for t in grid] for k in range(3)]
                )
                t = grid[_best(f1[None])[0, :, 0]]
                both.append([f1_score(truth[s], said[0, s] >= t, average="micro") for s in (own, other)])
            candidates.append(np.mean(both, axis=0))
    assert any(np.allclose((found.claimed[0, 0], found.fresh[0, 0]), c) for c in candidates)


def test_of_equal_thresholds_the_middle_one_is_taken():
    assert _best(np.array([[[0.1, 0.9, 0.9, 0.9, 0.2], [0.0, 0.0, 0.0, 0.0, 0.0]]]))[..., 0].tolist() == [[2, 2]]


def test_groups_stay_together_and_too_few_give_nothing():
    said, truth = case()
    twice = [np.concatenate([said, said], axis=1), np.concatenate([truth, truth])]
    together = choose_and_judge(*twice, np.tile(np.arange(80), 2), divisions=100).optimism
    assert np.allclose(together, choose_and_judge(said, truth, np.arange(80), divisions=100).optimism)
    assert not optimism_arrays(said, truth, np.arange(80) % 3, {"x": slice(None)}, level=0.95, seed=0)


def test_bounds_hold_the_mean():
    said, truth = case()
    found = optimism_arrays(said, truth, np.arange(80), {"a": slice(0, 1), "b": slice(None)}, level=0.95, seed=0)
    low, high = (found["watch_optimism_interval"].sel(bound=b) for b in ("low", "high"))
    assert ((low <= found["watch_optimism"]) & (found["watch_optimism"] <= high)).all()
    assert np.allclose(found["watch_optimism"], found["watch_half_claimed"] - found["watch_half_fresh"])
