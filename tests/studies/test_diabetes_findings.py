"""Every verdict of the diabetes study follows from the numbers: other numbers give another verdict."""

import numpy as np
import pytest

from diabetes_arrays import FIRST, LOCAL, TOTAL, around, by_name, study_arrays
from shiftgauge.studies.diabetes_findings import find, headline, messages

ORDERED = [0.014, 0.013, 0.012, 0.011]


def findings(**changes):
    return {f.topic: f for f in find(study_arrays(**changes))}


def scores(trailing, leading=0.805, full=0.80):
    return np.array([[[v] * 4] * 3 for v in (full, leading, trailing)])


def pairs_of(value, others=0.001):
    second = np.full((1, 8, 8), others)
    second[0, 1, 5] = value
    return second


def curve(*halves):
    return np.stack([around([FIRST], h) for h in halves])


CASES = [
    ("Accuracy of the network", {}, "partly"),
    ("Accuracy of the network", {"accuracy": [0.7792, 0.825, 0.8]}, "agrees"),
    ("Accuracy of the network", {"accuracy": [0.70, 0.825, 0.8]}, "differs"),
    ("Leading features", {}, "agrees"),
    ("Leading features", {"total_order": [by_name(TOTAL, Insulin=0.2)]}, "partly"),
    (
        "Leading features",
        {"total_order": [by_name(TOTAL, Insulin=0.2)], "first_order": [by_name(FIRST, Insulin=0.2)]},
        "differs",
    ),
    ("Second-order indices", {"second_order": pairs_of(0.02, -0.001)}, "partly"),
    ("Second-order indices", {}, "agrees"),
    ("Second-order indices", {"second_order_interval": np.tile([-0.1, 0.1], (1, 8, 8, 1))}, "differs"),
    ("Intervals shrink with N", {}, "agrees"),
    ("Intervals shrink with N", {"curve_first_order_interval": curve(0.05, 0.04)}, "partly"),
    ("Intervals shrink with N", {"curve_first_order_interval": curve(0.05, 0.06)}, "differs"),
    ("Intervals shrink with N", {"single_first_half": np.array([[0.1], [0.2]]) * np.ones(8)}, "differs"),
    ("First hidden layer", {}, "differs"),
    ("First hidden layer", {"layer_first_order": [by_name([0.01] * 8, Insulin=0.5, BloodPressure=0.4)] * 4}, "partly"),
    ("First hidden layer", {"layer_first_order": [LOCAL] * 4}, "agrees"),
    ("Four leading features", {}, "agrees"),
    ("Four leading features", {"training_accuracy": scores(0.695, full=0.83)}, "partly"),
    ("Four leading features", {"training_accuracy": scores(0.695, leading=0.7)}, "differs"),
    ("Four trailing features", {}, "partly"),
    ("Four trailing features", {"majority": [0.6, 0.6, 0.6]}, "agrees"),
    ("Four trailing features", {"training_accuracy": scores(0.6)}, "differs"),
    ("Retraining with “the original parameters”", {}, "differs"),
    (
        "Retraining with “the original parameters”",
        {"training_epochs": [2000] * 3, "training_drop": [0] * 3},
        "partly",
    ),
    (
        "Retraining with “the original parameters”",
        {
            "training_epochs": [2000] * 3,
            "training_drop": [0] * 3,
            "training_accuracy": scores(0.7),
            "training_accuracy_leaked": scores(0.7),
        },
        "agrees",
    ),
    ("Four principal components", {}, "differs"),
    ("Four principal components", {"component_share": [[0.24, 0.20, 0.14, 0.13], [0.1] * 4]}, "agrees"),
    ("Leading features by components", {}, "agrees"),
    (
        "Leading features by components",
        {"component_importance": [by_name([0.1] * 8, BMI=0.2, Glucose=0.19, Insulin=0.18, BloodPressure=0.17)] * 2},
        "partly",
    ),
    (
        "Leading features by components",
        {"component_importance": [by_name([0.1] * 8, Glucose=0.2, BMI=0.19, Insulin=0.18, Age=0.17)] * 2},
        "differs",
    ),
    ("The ranges decide", {}, "partly"),
    ("The ranges decide", {"rule_total_order": [TOTAL] * 3}, "agrees"),
    ("The ranges decide", {"rule_total_order": [TOTAL, by_name(TOTAL, Age=0.6), TOTAL]}, "differs"),
    ("One network or the data", {}, "differs"),
    ("One network or the data", {"seed_total_order": [TOTAL] * 4}, "agrees"),
    ("One network or the data", {"seed_total_order": [*[TOTAL] * 3, by_name(TOTAL, Insulin=0.4)]}, "partly"),
]


@pytest.mark.parametrize(("topic", "changes", "verdict"), CASES)
def test_the_verdict_follows_from_the_numbers(topic, changes, verdict):
    assert findings(**changes)[topic].agreement == verdict


def test_every_claim_can_have_two_verdicts_at_least():
    known = {}
    for topic, _, verdict in CASES:
        known.setdefault(topic, set()).add(verdict)
    assert set(known) == set(findings())
    assert all(len(verdicts) > 1 for verdicts in known.values())


def test_the_sentences_say_what_the_verdict_says():
    order = "Leading features by components"
    assert "in that order" in findings()[order].why.lower()
    other = by_name([0.1] * 8, Glucose=0.2, BMI=0.19, Insulin=0.18, Age=0.17)
    assert findings(component_importance=[other] * 2)[order].why.startswith("BloodPressure is not among them")
    assert "do not give the printed" not in findings(accuracy=[0.779, 0.825, 0.8])["Accuracy of the network"].why
    assert "‖W‖" in findings()["First hidden layer"].why
    assert "‖W‖" not in findings(local_relative_closed=np.ones(8))["First hidden layer"].why
    assert "next to nothing" not in findings(majority=[0.6] * 3)["Four trailing features"].why
    assert "Insulin follows closely" in findings()["Leading features"].why
    assert findings(total_order=[by_name(TOTAL, Insulin=0.05)])["Leading features"].why == ""
    assert "10 of the 18" in findings()["Intervals shrink with N"].why


def test_the_steps_are_those_that_were_made():
    topic = "Retraining with “the original parameters”"
    assert findings()[topic].measured.startswith("2,500 steps instead of 2,000 and a drop of the learning rate at step")
    changed = findings(training_epochs=[40, 70, 70], training_drop=[0, 0, 0])[topic]
    assert changed.measured.startswith("70 steps instead of 40;")


def test_trainings_of_another_length_are_told_and_not_held_against_the_publication():
    arrays = study_arrays(recipe="own", training_epochs=[30] * 3, training_drop=[0] * 3)
    assert "Retraining with “the original parameters”" not in {f.topic for f in find(arrays)}
    (text,) = (m.text for m in messages(arrays) if m.code == "own_steps")
    assert "30 steps" in text
    assert "own_steps" not in {m.code for m in messages(study_arrays())}


def test_one_size_says_nothing_of_growth():
    assert "Intervals shrink with N" not in {f.topic for f in find(study_arrays().isel(n_base=[1]))}


def test_the_headline_counts_the_verdicts():
    arrays = study_arrays()
    found = find(arrays)
    text = headline(arrays, found)
    assert "Glucose (0.47), BMI (0.33) and Age (0.16) lead, as published; in 3 of 4 networks" in text
    assert f"Of {len(found)} claims looked at, 5 hold, 3 hold in part and 4 do not." in text
