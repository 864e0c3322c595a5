"""Verdicts of the weld study follow from its numbers: each rule at numbers on both sides of its limits."""

import numpy as np
import pytest
import xarray as xr

from shiftgauge.studies import weld_findings as rules
from shiftgauge.studies import weld_ways
from shiftgauge.studies.weld_compare import ORDERS, PUBLISHED_ORDER

SHIFTS = ["brightness", "rotation", "tilt"]
WAYS = [
    "camera",
    "larger input",
    "other order",
    "corners after resizing",
    "as published",
    "as published, large picture",
]


def arrays(**changed):
    values = {
        "class_weight": ("class", [0.5, 1.5]),
        "order_terms": ("order", [len(t) for t in ORDERS.values()]),
        "order_q2": ("order", [0.5, 0.95, 0.6, 0.7, 0.8]),
        "order_total_order": (("order", "shift"), np.tile([0.5, 0.4, 0.2], (5, 1))),
        "total_order": (("quantity", "input"), [[0.5, 0.4, 0.2]]),
        "total_order_interval": (("quantity", "input", "bound"), [[[0.45, 0.55], [0.35, 0.45], [0.15, 0.25]]]),
        "all_total_order": ("all_input", [0.05, 0.6, 0.4, 0.2]),
        "all_total_order_interval": (("all_input", "bound"), np.tile([0.0, 0.1], (4, 1))),
        "variant_total_order": (("variant", "shift"), np.tile([0.5, 0.4, 0.2], (6, 1))),
        "variant_reference": ("variant", np.array(["camera"] * 4 + ["larger input"] * 2, object)),
        "variant_q2": ("variant", np.full(6, 0.8)),
        "variant_mean": ("variant", np.full(6, 0.3)),
        "variant_gap": (("variant", "shift"), np.zeros((6, 3))),
        "variant_gap_interval": (("variant", "shift", "bound"), np.zeros((6, 3, 2))),
        "variant_correlation_interval": (("variant", "bound"), np.ones((6, 2))),
        "variant_difference": ("variant", np.zeros(6)),
        "variant_correlation": ("variant", np.ones(6)),
        "watch_chosen": ("resample", [0.90, 0.92]),
        "watch_fresh": ("resample", [0.90, 0.92]),
        "watch_last": ("resample", [0.90, 0.92]),
    }
    coords = {
        "quantity": ["probability"],
        "input": SHIFTS,
        "shift": SHIFTS,
        "all_input": ["image", *SHIFTS],
        "order": list(ORDERS),
        "variant": WAYS,
        "watch_epoch": [1, 2, 3],
    }
    found = xr.Dataset(values, coords)
    found.attrs = {"quantity_of_interest": "probability", "points": 10000, "n_test": 30, "other_size": 244}
    found.attrs |= {"watch_images": 60, "quick": changed.pop("quick", 0)}
    found.attrs["points"] = changed.pop("points", 10000)
    for name, value in changed.items():
        found[name] = (found[name].dims, value)
    return found


def gapped(way, gap, half=0.0, together=1.0, q2=0.8):
    """The total index of tilt is larger by a gap under one way, known to within a half."""
    place = WAYS.index(way)
    totals, gaps, bounds = np.tile([0.5, 0.4, 0.2], (6, 1)), np.zeros((6, 3)), np.zeros((6, 3, 2))
    totals[place, 2] += gap
    gaps[place, 2] = gap
    bounds[place, 2] = gap - half, gap + half
    return arrays(
        variant_total_order=totals,
        variant_gap=gaps,
        variant_gap_interval=bounds,
        variant_correlation=np.full(6, together),
        variant_correlation_interval=np.full((6, 2), together),
        variant_q2=np.full(6, q2),
    )


def test_the_printed_weights_are_balanced_ones():
    found = rules.class_weights(arrays())
    assert found.agreement == "fact"
    assert "sum to 1.000000" in found.measured


def test_two_epochs_never_reach_the_fall_of_the_rate():
    found = rules.schedule(arrays())
    assert found.agreement == "fact"
    assert "first falls in epoch 5" in found.measured


def test_order_six_has_the_published_number_of_terms():
    found = rules.terms(arrays())
    assert found.agreement == "fact"
    assert "343 terms" in found.measured
    assert "84" in found.measured


@pytest.mark.parametrize(("q2", "verdict"), [(0.9, "agrees"), (0.89, "partly"), (0.5, "partly"), (0.49, "differs")])
def test_a_surrogate_is_judged_by_its_q2(q2, verdict):
    values = [0.5, q2, 0.4, 0.4, 0.4]
    assert rules.surrogate_fit(arrays(order_q2=values)).agreement == verdict


def test_a_surrogate_worse_than_the_mean_is_called_so():
    assert "worse than the mean" in rules.surrogate_fit(arrays(order_q2=[0.1, -3.0, 0.1, 0.1, 0.1])).why


@pytest.mark.parametrize(("total", "verdict"), [(0.56, "agrees"), (0.6, "partly"), (0.8, "differs")])
def test_indices_of_the_surrogate_are_judged_by_the_classifiers_interval(total, verdict):
    totals = np.tile([0.5, 0.4, 0.2], (5, 1))
    totals[list(ORDERS).index(PUBLISHED_ORDER), 0] = total
    assert rules.surrogate_indices(arrays(order_total_order=totals)).agreement == verdict


def test_intervals_too_wide_to_tell_make_no_agreement():
    wide = [[[0.0, 1.0], [0.35, 0.45], [0.15, 0.25]]]
    found = rules.surrogate_indices(arrays(total_order_interval=wide))
    assert found.agreement == "unclear"
    assert "too roughly to tell" in found.why


@pytest.mark.parametrize(("share", "verdict"), [(0.05, "agrees"), (0.3, "partly"), (0.7, "differs")])
def test_one_image_is_judged_by_the_total_index_of_the_picture(share, verdict):
    assert rules.one_image(arrays(all_total_order=[share, 0.6, 0.4, 0.2])).agreement == verdict


@pytest.mark.parametrize(("gap", "verdict"), [(0.04, "agrees"), (0.1, "partly"), (0.2, "differs")])
@pytest.mark.parametrize(
    ("rule", "way"),
    [
        (weld_ways.input_size, "larger input"),
        (weld_ways.drag, "corners after resizing"),
        (weld_ways.perspective, "as published"),
        (weld_ways.fold, "as published, large picture"),
        (weld_ways.order_of_shifts, "other order"),
    ],
)
def test_a_way_of_shifting_is_judged_by_the_largest_difference_of_a_total_index(rule, way, gap, verdict):
    found = rule(gapped(way, gap, half=0.005))
    assert found.agreement == verdict
    assert bool(found.why) == (verdict != "agrees")


@pytest.mark.parametrize(("together", "verdict"), [(0.95, "agrees"), (0.7, "partly"), (0.4, "differs")])
def test_alike_indices_of_unlike_answers_make_no_agreement(together, verdict):
    assert weld_ways.input_size(gapped("larger input", 0.0, together=together)).agreement == verdict


@pytest.mark.parametrize(
    ("gap", "half", "verdict"),
    [
        (0.2, 0.04, "differs"),
        (0.2, 0.06, "partly"),
        (0.2, 0.18, "unclear"),
        (0.02, 0.02, "agrees"),
        (0.02, 0.06, "unclear"),
        (0.1, 0.04, "partly"),
    ],
)
def test_only_an_interval_beyond_a_limit_makes_a_verdict(gap, half, verdict):
    found = weld_ways.input_size(gapped("larger input", gap, half))
    assert found.agreement == verdict
    assert f"{gap - half:+.2f} to {gap + half:+.2f}" in found.measured


def test_indices_of_a_surrogate_that_holds_little_decide_nothing():
    found = weld_ways.input_size(gapped("larger input", 0.3, q2=0.4))
    assert found.agreement == "unclear"
    assert "holds 40% of the variance" in found.why
    assert weld_ways.input_size(gapped("larger input", 0.0, q2=0.4)).agreement == "unclear"
    assert weld_ways.input_size(gapped("larger input", 0.3, together=0.3, q2=0.4)).agreement == "differs"


def test_the_published_ways_are_held_against_ours_at_their_own_size():
    assert "ours at the same input size" in weld_ways.perspective(arrays()).measured
    assert "beside ours, at the same points" in weld_ways.drag(arrays()).measured
    assert "nearest pixel" in weld_ways.perspective(gapped("as published", 0.3)).why


@pytest.mark.parametrize(("mean", "words"), [(1.0, "is 1.000 at every point"), (np.nan, "gives no number")])
def test_a_way_whose_output_has_no_indices_is_said_in_words(mean, words):
    values = {"variant_q2": [0.8, np.nan, *[0.8] * 4], "variant_mean": [0.3, mean, *[0.3] * 4]}
    still = arrays(**values, variant_correlation=[1, np.nan, 1, 1, np.nan, np.nan])
    for rule in (weld_ways.input_size, weld_ways.perspective):
        found = rule(still)
        assert found.agreement == "unclear"
        assert words in found.measured


def test_a_probability_that_never_changes_has_no_verdicts_and_no_error():
    nothing = np.full((1, 3), np.nan)
    still = arrays(
        order_q2=np.full(5, np.nan),
        order_total_order=np.full((5, 3), np.nan),
        total_order=nothing,
        total_order_interval=np.full((1, 3, 2), np.nan),
    )
    assert rules.surrogate_fit(still).agreement == rules.surrogate_indices(still).agreement == "unclear"
    assert "never changes" in rules.one_image(still).measured
    still["all_total_order"][:] = np.nan
    assert rules.one_image(still).agreement == "unclear"


@pytest.mark.parametrize("rule", [rules.surrogate_fit, rules.surrogate_indices])
def test_published_and_used_points_are_both_stated(rule):
    found = rule(arrays(points=4096))
    assert "10,000 points" in found.published
    assert "4,096 points" in found.measured


def test_fewer_points_than_published_may_be_overfitting():
    values = [0.5, 0.2, 0.4, 0.4, 0.4]
    found = rules.surrogate_fit(arrays(order_q2=values, points=4096))
    assert found.agreement == "unclear"
    assert "overfitting" in found.why
    assert rules.surrogate_fit(arrays(points=4096)).agreement == "agrees"


def test_indices_of_a_poor_published_surrogate_never_agree():
    found = rules.surrogate_indices(arrays(order_q2=[0.5, 0.49, 0.6, 0.7, 0.8]))
    assert found.agreement == "unclear"
    assert "Q² 0.49" in found.why


@pytest.mark.parametrize(("gap", "verdict"), [(0.004, "agrees"), (0.01, "partly"), (0.03, "differs")])
def test_watching_is_judged_by_how_much_too_good_the_chosen_epoch_looks(gap, verdict):
    found = rules.watching(arrays(watch_chosen=[0.90 + gap, 0.92 + gap]))
    assert found.agreement == verdict
    assert f"{100 * gap:.2f} points higher" in found.measured


def test_watching_cannot_be_told_where_divisions_disagree():
    found = rules.watching(arrays(watch_chosen=[0.88, 0.96]))
    assert found.agreement == "unclear"
    assert "1.00 points higher" in found.measured


def test_without_a_watched_training_nothing_is_said_of_it():
    whole = arrays()
    assert len(rules.find(whole)) == 12
    assert len(rules.find(whole.drop_vars("watch_chosen"))) == 11


def test_a_quick_run_has_facts_but_no_verdict():
    kinds = {f.agreement for f in rules.find(arrays(quick=1))}
    assert kinds == {"fact", "unclear"}
