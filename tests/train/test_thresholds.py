import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from shiftgauge.errors import ConfigError, DataError
from shiftgauge.train.decisions import decide
from shiftgauge.train.thresholds import GRID, choose_thresholds

rows = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9, 1.0]), st.booleans()), min_size=2, max_size=25
)


def _data(n=300, k=3, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.random((n, k)) < [0.5, 0.2, 0.05][:k]
    return 1 / (1 + np.exp(-(rng.normal(-1, 1.2, (n, k)) + 2 * truth))), truth.astype(int)


def _figures(p, y, t):
    said = p >= t
    tp, fp, fn = (said & y).sum(), (said & ~y).sum(), (~said & y).sum()
    return tp / max(tp + fp, 1), tp / max(tp + fn, 1), 2 * tp / max(2 * tp + fp + fn, 1), fp, fn


def test_the_grid_holds_both_of_its_ends():
    assert GRID[0] == 0.05
    assert GRID[-1] == 0.95
    assert len(GRID) == 19


@pytest.mark.parametrize("end", [0.05, 0.95])
def test_a_best_threshold_at_an_end_of_the_grid_is_found(end):
    score = np.array([0.93, 0.96]) if end == 0.95 else np.array([0.04, 0.07])
    found = choose_thresholds(score[:, None], np.array([[0], [1]]), search="grid")
    assert found.values == (end,)
    assert found.classes[0].f1 == 1


@given(rows)
@settings(max_examples=80, deadline=None)
def test_exact_search_reaches_the_best_f1_of_all_scores(pairs):
    p, y = np.array([s for s, _ in pairs]), np.array([t for _, t in pairs])
    if not y.any():
        return
    found = choose_thresholds(p[:, None], y[:, None].astype(int)).classes[0]
    best = max(_figures(p, y, t)[2] for t in np.unique(p))
    assert found.f1 == pytest.approx(best, abs=1e-12)
    assert _figures(p, y, found.value)[2] == pytest.approx(best, abs=1e-12)


@given(rows, st.sampled_from([0.3, 0.8, 1.0]))
@settings(max_examples=80, deadline=None)
def test_exact_search_reaches_the_best_precision_above_a_floor_of_recall(pairs, floor):
    p, y = np.array([s for s, _ in pairs]), np.array([t for _, t in pairs])
    if not y.any():
        return
    found = choose_thresholds(p[:, None], y[:, None].astype(int), aim="recall", recall_floor=floor).classes[0]
    allowed = [_figures(p, y, t)[:2] for t in np.unique(p) if _figures(p, y, t)[1] >= floor]
    assert found.met
    assert (found.precision, found.recall) == pytest.approx(max(allowed))


@given(rows, st.sampled_from([0.2, 1.0, 7.0]))
@settings(max_examples=80, deadline=None)
def test_exact_search_reaches_the_least_cost(pairs, ratio):
    p, y = np.array([s for s, _ in pairs]), np.array([t for _, t in pairs])
    if not y.any():
        return
    found = choose_thresholds(p[:, None], y[:, None].astype(int), aim="cost", cost_ratio=ratio).classes[0]
    tried = [*np.unique(p), 0.0] + ([1.0] if p.max() < 1 else [])
    best = min((_figures(p, y, t)[3] + ratio * _figures(p, y, t)[4]) / len(p) for t in tried)
    assert found.cost == pytest.approx(best, abs=1e-12)


def test_the_threshold_of_calibrated_probabilities_for_a_cost_ratio_is_one_over_one_plus_ratio():
    rng = np.random.default_rng(3)
    p = rng.random((200_000, 1))
    y = (rng.random(p.shape) < p).astype(int)
    for ratio in (1.0, 4.0):
        value = choose_thresholds(p, y, aim="cost", cost_ratio=ratio).values[0]
        assert value == pytest.approx(1 / (1 + ratio), abs=0.03)


def test_grid_search_is_that_of_a_loop():
    p, y = _data()
    found = choose_thresholds(p, y, search="grid")
    for k, chosen in enumerate(found.classes):
        scores = [f1_score(y[:, k], p[:, k] >= t) for t in GRID]
        assert chosen.f1 == pytest.approx(max(scores))
        assert chosen.value in GRID


def test_exact_is_never_worse_than_the_grid_on_its_own_images():
    for seed in range(5):
        p, y = _data(seed=seed)
        exact, grid = choose_thresholds(p, y), choose_thresholds(p, y, search="grid")
        assert all(a.f1 >= b.f1 for a, b in zip(exact.classes, grid.classes, strict=True))


def test_what_is_achieved_is_what_decisions_at_the_thresholds_give():
    p, y = _data()
    found = choose_thresholds(p, y)
    decided = decide(p, "multi", thresholds=found.values)
    np.testing.assert_allclose([c.f1 for c in found.classes], f1_score(y, decided, average=None))
    assert [c.support for c in found.classes] == y.sum(axis=0).tolist()


@pytest.mark.parametrize("search", ["exact", "grid"])
def test_thresholds_in_the_flat_stretch_serve_as_well_and_those_beside_it_do_not(search):
    p, y = _data(k=1)
    found = choose_thresholds(p, y, search=search).classes[0]
    low, high = found.flat
    truth = y[:, 0].astype(bool)
    assert low < found.value <= high
    for t in np.linspace(np.nextafter(low, 1), high, 50):
        assert _figures(p[:, 0], truth, t)[2] >= 0.99 * found.f1 - 1e-9
    for t in (low, np.nextafter(high, 1)):
        assert _figures(p[:, 0], truth, t)[2] < 0.99 * found.f1


def test_of_equally_good_grid_values_the_middle_one_is_taken():
    found = choose_thresholds(np.array([[0.1], [0.9]]), np.array([[0], [1]]), search="grid")
    assert found.values == (0.5,)


def test_of_equally_good_stretches_the_widest_one_is_taken_and_its_middle():
    """F1 is 2/3 in [0, 0.024] and in (0.419, 0.996]."""
    p, y = np.array([0.024, 0.187, 0.419, 0.996]), np.array([1, 0, 0, 1])
    found = choose_thresholds(p[:, None], y[:, None]).classes[0]
    assert found.f1 == pytest.approx(2 / 3)
    assert found.value == pytest.approx((0.419 + 0.996) / 2)


@given(rows, st.sampled_from(["f1", "recall", "cost"]))
@settings(max_examples=60, deadline=None)
def test_no_run_of_equally_good_thresholds_is_wider_than_the_chosen_one(pairs, aim):
    p, y = np.array([s for s, _ in pairs]), np.array([t for _, t in pairs])
    if not y.any():
        return
    value = choose_thresholds(p[:, None], y[:, None].astype(int), aim=aim, recall_floor=0.5).values[0]
    edges = np.unique([0.0, 1.0, *p])
    merits = []
    for t in edges[1:]:
        precision, recall, f1, fp, fn = _figures(p, y, t)
        merits.append({"f1": f1, "cost": -fp - fn, "recall": (precision, recall) if recall >= 0.5 else (-1, -1)}[aim])
    best, runs = max(merits), []
    for k, merit in enumerate(merits):
        if merit == best:
            opened = k > 0 and merits[k - 1] == best
            runs.append((runs.pop()[0], edges[k + 1]) if opened else (edges[k], edges[k + 1]))
    width = max((high - low for low, high in runs), default=0.0)
    assert any(low <= value <= high and high - low == width for low, high in runs) or value == 0


def test_a_label_without_an_image_keeps_one_half_and_says_so():
    p, y = _data()
    y[:, 2] = 0
    found = choose_thresholds(p, y, class_names=["a", "b", "c"])
    assert found.values[2] == 0.5
    assert found.notes == ("no image bears `c`, so its threshold stays at 0.5",)
    assert found.classes[2].flat == (0.5, 0.5)


def test_a_floor_that_no_grid_value_holds_is_said():
    p, y = np.array([[0.01], [0.6], [0.3]]), np.array([[1], [1], [0]])
    found = choose_thresholds(p, y, aim="recall", recall_floor=1, search="grid", class_names=["crack"])
    assert not found.classes[0].met
    assert found.values == (0.05,)
    assert "gives `crack` a recall of 1" in found.notes[0]


def test_the_curve_spans_all_thresholds_and_holds_the_chosen_one():
    p, y = _data(k=1)
    found = choose_thresholds(p, y).classes[0]
    curve = found.curve
    assert curve.threshold[0] == 0
    assert curve.threshold[-1] == 1
    place = curve.threshold.tolist().index(found.value)
    assert curve.f1[place] == found.f1 == np.nanmax(curve.f1)


def test_floors_and_ratios_may_differ_by_label():
    p, y = _data(k=2)
    found = choose_thresholds(p, y, aim="recall", recall_floor=[0.5, 0.99])
    assert all(c.recall >= floor for c, floor in zip(found.classes, (0.5, 0.99), strict=True))
    assert found.classes[0].precision > found.classes[1].precision


def test_thresholds_are_plain_values_for_a_record():
    p, y = _data()
    plain = json.loads(json.dumps(choose_thresholds(p, y).to_dict()))
    assert len(plain["values"]) == len(plain["classes"]) == 3


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"aim": "f2"}, ConfigError, "unknown aim `f2`"),
        ({"search": "random"}, ConfigError, "unknown search"),
        ({"recall_floor": 0}, ConfigError, "`recall_floor` must be above 0"),
        ({"recall_floor": 1.2}, ConfigError, r"in \[0, 1\], got 1.2"),
        ({"cost_ratio": -1}, ConfigError, "`cost_ratio` must be ≥ 0"),
        ({"cost_ratio": [1, 2]}, ConfigError, "2 numbers for 3 labels"),
        ({"search": "grid", "grid": ()}, ConfigError, "`grid` is empty"),
        ({"search": "grid", "grid": (0.5, 1.5)}, ConfigError, "got 1.5"),
        ({"class_names": ["a"]}, DataError, "1 names for 3 labels"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        choose_thresholds(*_data(), **options)
