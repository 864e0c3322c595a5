"""Which verdict the claims of the lung study get from which numbers."""

import pytest

from lung_arrays import study_arrays
from shiftgauge.studies.lung_baselines import FROZEN, INTENSITY
from shiftgauge.studies.lung_findings import find, headline, messages
from shiftgauge.studies.lung_folds import CUT, PAINTED, POOLED, WHOLE


def verdict(topic, **given):
    return next(f for f in find(study_arrays(**given)) if f.topic == topic).agreement


@pytest.mark.parametrize(("known", "expected"), [(0.9, "differs"), ([[0.9, 0.97]] * 3, "unclear"), (0.97, "agrees")])
def test_the_published_accuracy_is_held_against_the_frames_of_training(known, expected):
    assert verdict("Accuracy on the frames of training", known=known) == expected


def test_of_another_network_than_the_published_one_verdicts_are_about_that_one():
    given = {"breadth": (0.3, 0.6, 0.9, 0.9), "border": (0.5, 0.1, 0.3, 0.3), "change": (-0.1, -0.1)}
    own, other = (find(study_arrays(**given, published_recipe=kind)) for kind in (1, 0))
    assert next(f for f in other if f.topic == "Accuracy on the frames of training").agreement == "fact"
    judged = [f for f in other if f.agreement in ("agrees", "differs")]
    assert len(judged) == 3
    assert all(f.why.startswith("The verdict is about this network, vgg16_bn from ImageNet") for f in judged)
    assert not any("about this network" in f.why for f in own)


def test_how_far_the_class_decides_a_map_is_a_fact_with_its_paired_difference():
    found = next(f for f in find(study_arrays()) if f.topic == "How far the class decides a map")
    assert found.agreement == "fact"
    for part in ("0.800 [0.780, 0.820]", "+0.100 [+0.080, +0.120]", "another seed 0.700"):
        assert part in found.measured
    assert "the two correlate by 0.80" in next(f for f in find(study_arrays()) if "brighter" in f.topic).why


def test_unseen_recordings_are_a_fact_whatever_they_give():
    assert {verdict("Accuracy on unseen recordings", score={WHOLE: v}) for v in (0.4, 0.94, 1)} == {"fact"}


@pytest.mark.parametrize(
    ("breadth", "expected"), [((0.3, 0.6), "agrees"), ((0.6, 0.3), "differs"), ((0.5, 0.51), "unclear")]
)
def test_grad_cam_is_broader_when_the_interval_says_so(breadth, expected):
    assert verdict("Grad-CAM is broader", breadth=(*breadth, 0.9, 0.9)) == expected


def test_a_layer_of_few_cells_tells_nothing_of_breadth():
    assert verdict("Grad-CAM is broader", breadth=(0.3, 0.6, 0.9, 0.9), cam_columns=9) == "unclear"


@pytest.mark.parametrize(
    ("border", "expected"),
    [
        ((0.5, 0.1, 0.4, 0.35), "agrees"),
        ((0.38, 0.1, 0.4, 0.3), "unclear"),
        ((0.2, 0.1, 0.4, 0.3), "unclear"),  # less than white noise: any network's padding may do that
        ((0.4, 0.1, 0.4, 0.4), "unclear"),
    ],
)
def test_the_border_is_held_against_both_kinds_of_random_steps(border, expected):
    assert verdict("Borders are falsely activated", border=border) == expected


@pytest.mark.parametrize(
    ("change", "expected"), [((-0.1, -0.1), "agrees"), ((0.1, 0.1), "differs"), ((-0.1, 0.0), "unclear")]
)
def test_preprocessing_is_judged_by_the_border_and_not_by_accuracy(change, expected):
    for cut in (0.4, 0.6, 0.8):
        assert verdict("Preprocessing the border", change=change, score={CUT: cut, PAINTED: cut}) == expected


def test_a_quick_run_has_no_verdicts():
    given = {"known": 0.97, "breadth": (0.3, 0.6, 0.9, 0.9), "border": (0.5, 0.1, 0.3, 0.3)}
    assert {f.agreement for f in find(study_arrays(**given))} > {"agrees", "fact"}
    assert {f.agreement for f in find(study_arrays(**given, quick=1))} == {"unclear", "fact"}
    judged = [f.why for f in find(study_arrays(**given, quick=1)) if f.agreement == "unclear"]
    assert set(judged) == {"A quick run tells nothing of it."}


def test_the_headline_says_what_beats_what_and_that_a_quick_run_is_none():
    text = headline(study_arrays(score={INTENSITY: 0.45}))
    assert "0.600 [0.580, 0.620]" in text
    assert "is better by +0.150 [+0.130, +0.170]" in text
    assert "is worse by" in headline(study_arrays(score={INTENSITY: 0.7}))
    assert "neither surely better nor worse: +0.000" in headline(study_arrays(score={FROZEN: 0.6}))
    quick = study_arrays(quick=1)
    assert headline(quick).startswith("Quick run, no result")
    assert messages(quick, ())[0].level == "alarm"
    assert "5 epochs" in messages(quick, ())[0].text


def test_what_a_pool_of_frames_claims_is_stated_as_a_fact():
    found = next(f for f in find(study_arrays(score={POOLED: 0.9})) if f.topic == "Frames in one pool")
    assert found.agreement == "fact"
    assert "+0.300 [+0.280, +0.320] against" in found.measured
