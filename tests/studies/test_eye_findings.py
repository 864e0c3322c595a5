"""Which verdict the claims of the eye-state study get from which answers."""

import pytest

from eye_arrays import GRID, study_arrays
from shiftgauge.studies.eye_findings import find, headline, messages
from shiftgauge.studies.eye_models import AS_PUBLISHED, CNN, CNN_PARSEVAL, UNSCALED, WIDE, WIDE_FGSM, WIDE_PGD

LOST = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4]


def finding(topic, **given):
    return next(f for f in find(study_arrays(**given)) if f.topic == topic)


@pytest.mark.parametrize(
    ("gain", "expected"),
    [
        ({"fgsm": 0.03}, "agrees"),
        ({"fgsm": 0.03, "clean": 0.03, "steps": 0.03}, "unclear"),
        ({"fgsm": 0.03, "clean": 0.03}, "unclear"),
        ({"fgsm": -0.03}, "differs"),
    ],
)
def test_adversarial_copies_must_beat_both_controls(gain, expected):
    found = finding("Adversarial copies raise clean accuracy", gain=gain)
    assert found.agreement == expected
    if gain.get("clean"):  # without the control it would seem so
        assert "against no copies +0.0" in found.measured


def test_noisy_copies_are_held_against_adversarial_ones():
    assert finding("Adversarial copies are better than noisy ones", gain={"uniform_noise": 0.05}).agreement == "differs"


@pytest.mark.parametrize(("transfer", "expected"), [(0.8, "differs"), (0.5, "unclear")])
def test_a_transfer_that_overstates_is_no_white_box(transfer, expected):
    topic = "Robustness of adversarially trained networks is measured white-box"
    assert finding(topic, transfer={WIDE_FGSM: [0.9, *[transfer] * 5]}).agreement == expected


@pytest.mark.parametrize(("loss", "expected"), [(0.02, "agrees"), (0.39, "differs"), (0.135, "unclear")])
def test_hardening_must_surely_keep_three_times_as_much(loss, expected):
    own = [0.9, 0.9, 0.9, 0.9, 0.9 - loss, 0.4]
    assert finding("Adversarial training keeps most of it: WRN, PGD-trained", accuracy={WIDE_PGD: own}).agreement == (
        expected
    )


def test_a_plain_network_that_loses_nothing_leaves_the_ratio_open():
    found = finding("Adversarial training keeps most of it: WRN, PGD-trained", accuracy={WIDE: [0.9] * 6})
    assert found.agreement == "unclear"
    assert "loses nothing" in found.measured
    assert "nan" not in found.measured


@pytest.mark.parametrize(("lift", "expected"), [(0.1, "agrees"), (0.0, "unclear"), (-0.1, "differs")])
def test_parseval_helps_where_the_difference_is_surely_above_nothing(lift, expected):
    found = finding(f"The Parseval constraint helps: {CNN_PARSEVAL}", accuracy={CNN_PARSEVAL: [v + lift for v in LOST]})
    assert found.agreement == expected
    assert ("surely better at clean, 50.0 dB" in found.measured) == (lift > 0)
    assert f"less {CNN} at 33.2 dB" in found.measured


def test_the_order_is_found_or_not():
    def ordered(names):
        values = {AS_PUBLISHED[name]: 0.9 - 0.05 * k for k, name in enumerate(names)}
        return {model: [value] * len(GRID) for model, value in values.items()}

    first = ordered(("Parseval", "Parseval-ADV", "ResNet", "ResNet-ADV")) | ordered(
        ("CNN", "CNN_WD", "CNN_WD_ADV", "Parseval_OC")
    )
    a = study_arrays(accuracy=first)
    same = dict(zip(a["order"].values.tolist(), a["order_same"].values.tolist(), strict=True))
    assert (same["WRN, clean"], same["CNN, clean"], same["WRN, FGSM, as published"]) == (1.0, 1.0, 0.0)
    assert finding("The order of the networks is stable", accuracy=first).agreement == "unclear"
    backwards = {model: [1.7 - v for v in values] for model, values in first.items()}
    assert study_arrays(accuracy=backwards)["order_same"].values[0] == 0.0


@pytest.mark.parametrize(("norm", "expected"), [(3.0, "differs"), (1.0, "agrees")])
def test_tight_kernels_are_not_tight_layers(norm, expected):
    assert finding("Kernels near tight frames make layers that do not enlarge", norm=norm).agreement == expected


def test_a_verdict_names_its_crops():
    found = finding("Kernels near tight frames make layers that do not enlarge")
    assert found.why.startswith("The verdict is about eyes and WRN-16-1 and CNN at 24 × 24, 6 epochs.")


def test_a_quick_run_judges_nothing_and_says_so():
    arrays = study_arrays(gain={"fgsm": 0.03}, quick=1)
    assert {f.agreement for f in find(arrays)} == {"unclear", "fact"}
    assert headline(arrays).startswith("Quick run, no result: adding adversarial copies raises clean accuracy")
    assert messages(arrays, ())[0].code == "quick"


def test_the_headline_answers_in_order():
    text = headline(study_arrays(accuracy={UNSCALED: [v + 0.1 for v in LOST]}))
    assert "does not surely change clean accuracy beyond as many clean copies" in text
    assert "Parseval, unscaled is better than WRN by +0.100" in text
    assert "loses there 1.00 [1.00, 1.00] of what the plain one loses" in text


def test_crops_without_persons_are_an_alarm():
    found = messages(study_arrays(by_person=0), ("a note.",))
    assert [m.code for m in found if m.level == "alarm"] == ["no_persons"]
    assert found[-1].text == "A note"
