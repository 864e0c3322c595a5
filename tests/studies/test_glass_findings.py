"""Every verdict of the glass study follows from the numbers: other numbers give another verdict."""

import pytest

from glass_arrays import study_arrays
from shiftgauge.studies.glass_findings import find, rarest_label, weakest_label
from shiftgauge.studies.glass_outcome import headline, messages

PUBLISHED = "both on test, as published"


def findings(**changes):
    return {f.topic: f for f in find(study_arrays(**changes))}


CASES = [
    ("Micro F1 speaks for the whole", {}, "differs"),
    ("A score “on validation”", {"luck": (0.02, 0.01, 0.03)}, "differs"),
    ("A score “on validation”", {"luck": (0.02, -0.01, 0.05)}, "unclear"),
    ("A score “on validation”", {"luck": (0.0005, 0.0, 0.001)}, "agrees"),
    ("A score “on validation”", {"watch": {PUBLISHED: 0.02}}, "unclear"),
    ("Thresholds for each label", {"ablation": {"thresholds 0.5": -0.02}}, "agrees"),
    ("Thresholds for each label", {"ablation": {"thresholds 0.5": -0.002}}, "unclear"),
    ("Thresholds for each label", {"ablation": {"thresholds 0.5": 0.002}}, "unclear"),
    ("Thresholds for each label", {"ablation": {"thresholds 0.5": 0.01}}, "differs"),
    ("Class weights lift the rare labels", {"ablation": {"without class weights": -0.1}}, "partly"),
    ("Class weights lift the rare labels", {"ablation": {"without class weights": 0.1}}, "partly"),
    ("Class weights lift the rare labels", {"ablation": {"without class weights": 0.001}}, "unclear"),
    ("Resolution matters", {"ablation": {"smaller input": -0.003}}, "unclear"),
    ("Resolution matters", {"ablation": {"smaller input": -0.05}}, "partly"),
    ("Resolution matters", {"ablation": {"smaller input": 0.05}}, "partly"),
    ("Averaging over flips", {"ablation": {"without averaging": -0.05}}, "agrees"),
    ("Averaging over flips", {"ablation": {"without averaging": -0.001}}, "unclear"),
    ("Averaging over flips", {"ablation": {"without averaging": 0.001}}, "unclear"),
    ("Averaging over flips", {"ablation": {"without averaging": 0.05}}, "differs"),
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
    assert "+0.0200 of what is claimed is luck" in headline(study_arrays(luck=(0.02, 0.01, 0.03)), ())
    assert "0.0100 less" in headline(study_arrays(watch={PUBLISHED: -0.01}), ())
    assert "as published" not in headline(study_arrays(watched=False), ())


def test_what_cannot_be_told_is_counted_apart_from_what_holds_in_part():
    arrays = study_arrays(ablation={"without class weights": 0.001, "smaller input": -0.05})
    kinds = [f.agreement for f in find(arrays)]
    assert kinds.count("partly") == 1
    assert kinds.count("unclear") > 1
    assert f"1 hold in part, {kinds.count('differs')} do not, and of {kinds.count('unclear')} it cannot be told." in (
        headline(arrays, find(arrays))
    )


def test_a_quick_run_judges_nothing():
    assert {f.agreement for f in find(study_arrays(quick=1, luck=(0.02, 0.01, 0.03)))} == {"unclear"}


def test_a_quick_run_counts_nothing():
    arrays = study_arrays(quick=1)
    text = headline(arrays, find(arrays))
    assert text.startswith("Quick run, no result:")
    assert not any(word in text for word in ("claims", "hold", "as published"))


def test_the_judged_label_is_chosen_without_looking_at_test():
    arrays = study_arrays(ablation={"without class weights": -0.1})
    assert rarest_label(arrays) == ("stain", 40)
    arrays["split_count"].loc[{"split_part": "train", "label": "scratch"}] = 7
    for label in ("chipped edge", "stain"):
        arrays["ablation_score"].loc[{"ablation": "without class weights", "figure": label}] = 0.01
    text = {f.topic: f for f in find(arrays)}["Class weights lift the rare labels"].measured
    assert text.startswith("scratch, with 7 training images the rarest, 0.700")


def test_two_trainings_say_why_they_cannot_agree():
    for topic in ("Class weights lift the rare labels", "Resolution matters"):
        assert "One training each way" in findings(ablation={"smaller input": -0.05})[topic].why


@pytest.mark.parametrize(
    ("native", "said"), [(300, "no new detail beyond 300"), (224, "no new detail:"), (64, "no new detail:")]
)
def test_enlarged_images_are_said_to_have_no_new_detail(native, said):
    found = findings(native_size=native)["Resolution matters"]
    assert said in found.why
    assert "(enlarged)" in found.measured
    assert "enlarged" not in findings(native_size=336)["Resolution matters"].why


def test_an_interval_that_holds_nothing_is_said_to_tell_nothing():
    assert "cannot be told" in findings(ablation={"without averaging": 0.001})["Averaging over flips"].why
    assert "cannot be told" not in findings(ablation={"without averaging": 0.05})["Averaging over flips"].why


def test_other_data_and_smaller_trainings_are_said():
    codes = {m.code for m in messages(study_arrays(original=0, quick=1, published_recipe=0))}
    assert {"other_data", "quick", "own_recipe", "one_seed"} <= codes
    assert not {"other_data", "quick", "own_recipe"} & {m.code for m in messages(study_arrays())}


def test_notes_on_images_split_and_thresholds_are_passed_on_and_missing_labels_are_a_caution():
    arrays = study_arrays()
    arrays["split_count"].loc[{"split_part": "validation", "label": "stain"}] = 0
    found = messages(
        arrays,
        data_notes=("12 of 18 images have no label file",),
        split_notes=("class `stain` has no image in `validation`, 40 in all", "3 images left out"),
        threshold_notes=("no image bears `stain`, so its threshold stays at 0.5",),
    )
    texts = {m.code: (m.level, m.text) for m in found}
    missing = "No image in validation of stain: epoch and thresholds are chosen without them"
    assert texts["missing_in_validation"] == ("caution", missing)
    assert texts["threshold"] == ("caution", "No image bears `stain`, so its threshold stays at 0.5")
    assert texts["data_notes"] == ("info", "12 of 18 images have no label file")
    assert texts["split"] == ("info", "3 images left out")
    assert [m.level for m in found] == sorted((m.level for m in found), key=["alarm", "caution", "info"].index)


def test_the_weakest_label_is_that_with_the_smallest_f1():
    assert weakest_label(study_arrays()) == "stain"


def test_no_negative_zero_is_printed():
    assert "-0.0000" not in " ".join(f.measured for f in find(study_arrays()))
