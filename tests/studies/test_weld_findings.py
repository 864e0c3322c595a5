"""Verdicts of the weld study follow from its numbers: each rule at numbers on both sides of its limits."""

import numpy as np
import pytest
import xarray as xr

from shiftgauge.studies import weld_findings as rules
from shiftgauge.studies.weld_points import ORDERS, PUBLISHED_ORDER

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
    found.attrs = {"quantity_of_interest": "probability", "points": 4096, "n_test": 30, "other_size": 244}
    found.attrs["watch_images"] = 60
    for name, value in changed.items():
        found[name] = (found[name].dims, value)
    return found


def test_the_printed_weights_are_balanced_ones():
    assert rules.class_weights(arrays()).agreement == "agrees"


def test_two_epochs_never_reach_the_fall_of_the_rate():
    found = rules.schedule(arrays())
    assert found.agreement == "partly"
    assert "first falls in epoch 5" in found.measured


def test_order_six_has_the_published_number_of_terms():
    found = rules.terms(arrays())
    assert found.agreement == "agrees"
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
    assert found.agreement == "partly"
    assert "too roughly to tell" in found.why


@pytest.mark.parametrize(("share", "verdict"), [(0.05, "agrees"), (0.3, "partly"), (0.7, "differs")])
def test_one_image_is_judged_by_the_total_index_of_the_picture(share, verdict):
    assert rules.one_image(arrays(all_total_order=[share, 0.6, 0.4, 0.2])).agreement == verdict


@pytest.mark.parametrize(("gap", "verdict"), [(0.04, "agrees"), (0.1, "partly"), (0.2, "differs")])
@pytest.mark.parametrize(
    ("rule", "way"),
    [
        (rules.input_size, "larger input"),
        (rules.perspective, "as published"),
        (rules.fold, "as published, large picture"),
        (rules.order_of_shifts, "other order"),
    ],
)
def test_a_way_of_shifting_is_judged_by_the_largest_difference_of_a_total_index(rule, way, gap, verdict):
    totals = np.tile([0.5, 0.4, 0.2], (6, 1))
    totals[WAYS.index(way), 2] += gap
    found = rule(arrays(variant_total_order=totals))
    assert found.agreement == verdict
    assert bool(found.why) == (verdict != "agrees")


@pytest.mark.parametrize(("together", "verdict"), [(0.95, "agrees"), (0.7, "partly"), (0.4, "differs")])
def test_alike_indices_of_unlike_answers_make_no_agreement(together, verdict):
    assert rules.input_size(arrays(variant_correlation=np.full(6, together))).agreement == verdict


@pytest.mark.parametrize(("gap", "verdict"), [(0.004, "agrees"), (0.01, "partly"), (0.03, "differs")])
def test_watching_is_judged_by_how_much_too_good_the_chosen_epoch_looks(gap, verdict):
    found = rules.watching(arrays(watch_chosen=[0.90 + gap, 0.92 + gap]))
    assert found.agreement == verdict
    assert f"{100 * gap:.2f} points higher" in found.measured


def test_without_a_watched_training_nothing_is_said_of_it():
    whole = arrays()
    assert len(rules.find(whole)) == 11
    assert len(rules.find(whole.drop_vars("watch_chosen"))) == 10
