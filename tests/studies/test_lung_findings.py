"""Which verdict the claims of the lung study get from which numbers."""

import pytest

from lung_arrays import study_arrays
from shiftgauge.studies.lung_findings import find, headline, messages
from shiftgauge.studies.lung_folds import CUT, INTENSITY, PAINTED, POOLED, WHOLE


def verdict(topic, **given):
    return next(f for f in find(study_arrays(**given)) if f.topic == topic).agreement


@pytest.mark.parametrize(("value", "expected"), [(0.6, "differs"), (0.93, "unclear"), (0.97, "agrees")])
def test_the_published_accuracy_is_held_against_unseen_recordings(value, expected):
    assert verdict("How good the network is", score={WHOLE: value}) == expected


@pytest.mark.parametrize(
    ("breadth", "expected"), [((0.3, 0.6), "agrees"), ((0.6, 0.3), "differs"), ((0.5, 0.51), "unclear")]
)
def test_grad_cam_is_broader_when_the_interval_says_so(breadth, expected):
    assert verdict("Grad-CAM is broader", breadth=breadth) == expected


@pytest.mark.parametrize(("border", "expected"), [(0.5, "agrees"), (0.2, "differs"), (0.36, "unclear")])
def test_the_border_is_held_against_its_area(border, expected):
    assert verdict("Borders are falsely activated", border=border) == expected


def test_a_gain_by_preprocessing_is_in_part_at_most():
    topic = "Preprocessing the border"
    assert verdict(topic, score={CUT: 0.8}) == "partly"
    assert verdict(topic, score={CUT: 0.4, PAINTED: 0.4}) == "differs"
    assert verdict(topic) == "unclear"


def test_the_headline_says_what_beats_what_and_that_a_quick_run_is_none():
    text = headline(study_arrays(score={INTENSITY: 0.45}))
    assert "0.600 [0.580, 0.620]" in text
    assert "is better by +0.150 [+0.130, +0.170]" in text
    assert "is worse by" in headline(study_arrays(score={INTENSITY: 0.7}))
    quick = study_arrays(quick=1)
    assert headline(quick).startswith("Quick run, no result")
    assert messages(quick, ())[0].level == "alarm"


def test_what_a_pool_of_frames_claims_is_stated_as_a_fact():
    found = next(f for f in find(study_arrays(score={POOLED: 0.9})) if f.topic == "Frames in one pool")
    assert found.agreement == "fact"
    assert "+0.300 [+0.280, +0.320] against" in found.measured
