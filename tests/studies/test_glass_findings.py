"""Every verdict of the glass study follows from the numbers: other numbers give another verdict."""

import pytest

from glass_arrays import study_arrays
from shiftgauge.studies.glass_findings import find, headline, messages, weakest_label

PUBLISHED = "both on test, as published"


def findings(**changes):
    return {f.topic: f for f in find(study_arrays(**changes))}


CASES = [
    ("Micro F1 speaks for the whole", {}, "differs"),
    ("A score “on validation”", {"watch": {PUBLISHED: 0.02}}, "differs"),
    ("A score “on validation”", {"watch": {PUBLISHED: 0.002}}, "partly"),
    ("A score “on validation”", {"watch": {PUBLISHED: -0.01}}, "agrees"),
    ("A score “on validation”", {}, "agrees"),
    ("Thresholds for each label", {"ablation": {"thresholds 0.5": -0.02}}, "agrees"),
    ("Thresholds for each label", {"ablation": {"thresholds 0.5": -0.002}}, "partly"),
    ("Thresholds for each label", {"ablation": {"thresholds 0.5": 0.01}}, "differs"),
    ("Class weights lift the rare labels", {"ablation": {"without class weights": -0.1}}, "agrees"),
    ("Class weights lift the rare labels", {"ablation": {"without class weights": -0.003}}, "partly"),
    ("Class weights lift the rare labels", {}, "differs"),
    ("Resolution matters", {"ablation": {"smaller input": -0.05}}, "agrees"),
    ("Resolution matters", {"ablation": {"smaller input": 0.05}}, "differs"),
    ("Averaging over flips", {"ablation": {"without averaging": -0.05}}, "agrees"),
    ("Averaging over flips", {"ablation": {"without averaging": -0.001}}, "partly"),
    ("“No defect” as a label of its own", {}, "agrees"),
    ("“No defect” as a label of its own", {"inconsistent": (3, 0)}, "differs"),
    ("“No defect” as a label of its own", {"inconsistent": (0, 1)}, "differs"),
]


@pytest.mark.parametrize(("topic", "changes", "agreement"), CASES)
def test_a_verdict_follows_from_the_numbers(topic, changes, agreement):
    assert findings(**changes)[topic].agreement == agreement


def test_micro_f1_that_is_close_to_macro_f1_speaks_for_the_whole():
    arrays = study_arrays()
    arrays["ablation_score"].loc[{"figure": "macro F1"}] = 0.94
    assert find(arrays)[0].agreement == "agrees"


def test_what_was_not_measured_is_not_judged():
    assert "A score “on validation”" not in findings(watched=False)
    arrays = study_arrays().sel(
        ablation=["the recipe", "without averaging", "thresholds 0.5", "thresholds of every score"]
    )
    topics = [f.topic for f in find(arrays)]
    assert "Resolution matters" not in topics
    assert "Class weights lift the rare labels" not in topics


def test_the_headline_says_data_scores_and_the_worth_of_the_leak():
    arrays = study_arrays(watch={PUBLISHED: 0.0123})
    text = headline(arrays, find(arrays))
    assert all(part in text for part in ("On glass", "0.950", "0.840", "1,000 test images", "0.0123 more", "7 claims"))
    assert "0.0100 less" in headline(study_arrays(watch={PUBLISHED: -0.01}), ())
    assert "as published" not in headline(study_arrays(watched=False), ())


def test_other_data_and_smaller_trainings_are_said():
    codes = {m.code for m in messages(study_arrays(original=0, quick=1, published_recipe=0))}
    assert {"other_data", "quick", "own_recipe", "one_seed"} <= codes
    assert not {"other_data", "quick", "own_recipe"} & {m.code for m in messages(study_arrays())}


def test_the_weakest_label_is_that_with_the_smallest_f1():
    assert weakest_label(study_arrays()) == "stain"


def test_no_negative_zero_is_printed():
    assert "-0.0000" not in " ".join(f.measured for f in find(study_arrays()))
