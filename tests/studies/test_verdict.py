"""Headline, messages and gates, read off arrays whose content is known."""

import numpy as np
import pytest
import xarray as xr

from shiftgauge.errors import ConfigError
from shiftgauge.studies.verdict import find_messages, headline, withhold_gauge
from shiftgauge.studies.verdict_gates import check_gates, judge_gates


def arrays(total=(0.5, 0.2), half=0.02, share=0.95, estimator="assisted", clean=0.9, n_images=100) -> xr.Dataset:
    inputs = ["image", "tilt", "blur"]
    values = np.array([[0.4, *total], [0.4, *total]])
    interval = np.stack([values - half, values + half], axis=-1)
    q = ["probability", "correct"]
    return xr.Dataset(
        {
            "total_order": (("quantity", "input"), values),
            "total_order_interval": (("quantity", "input", "bound"), interval),
            "first_order": (("quantity", "input"), values / 2),
            "first_order_interval": (("quantity", "input", "bound"), interval / 2),
            "surrogate_share": ("quantity", [share, share]),
            "mean": ("quantity", [0.7, 0.8]),
            "clean_mean": ("quantity", [0.95, clean]),
            "variance": ("quantity", [0.1, 0.2]),
            "gauge_ndc": ("quantity", [4.0, 3.0]),
            "gauge_study_variation": (("quantity", "component"), [[0.6, 1.0], [0.7, 1.0]]),
        },
        coords={
            "quantity": q, "input": inputs, "shift": ["tilt", "blur"], "bound": ["low", "high"],
            "component": ["Total gauge R&R", "Total variation"],
        },
        attrs={"quantity_of_interest": "probability", "confidence_level": 0.95, "estimator": estimator,
               "has_part": 1, "n_images": n_images},
    )  # fmt: skip


def codes(data: xr.Dataset, skipped: int = 0) -> dict[str, str]:
    return {m.code: m.level for m in find_messages(data, skipped)}


def test_the_headline_names_the_strongest_and_weakest_shift_with_numbers():
    text = headline(arrays())
    assert "depends most on tilt: its total index is 0.50 (95% interval 0.48 to 0.52)" in text
    assert "least on blur, 0.20" in text
    assert "accuracy goes from 90.0% without shifts to 80.0% on average" in text


def test_the_headline_states_no_index_of_a_poor_surrogate_or_of_shifts_without_effect():
    assert "No index" in headline(arrays(share=0.4, estimator="gpc"))
    assert "None of the shifts moves" in headline(arrays(total=(0.0, 0.0)))


def test_shifts_without_effect_get_no_gauge_verdict():
    data = arrays(total=(0.0, 0.0)).assign(gauge_verdict=("quantity", np.array(["acceptable"] * 2, dtype=object)))
    taken = withhold_gauge(data)
    assert taken["gauge_verdict"].values.tolist() == ["undefined", "undefined"]
    assert np.isnan(taken["gauge_ndc"].values).all()
    kept = withhold_gauge(arrays().assign(gauge_verdict=("quantity", np.array(["acceptable"] * 2, dtype=object))))
    assert kept["gauge_verdict"].values.tolist() == ["acceptable", "acceptable"]


def named(*predicted: str, labels: tuple[str, ...] = ("good", "crack", "pore")) -> xr.Dataset:
    columns = {"image_label": ("image", np.array(labels, object)), "image_predicted": ("image", np.array(predicted))}
    verdicts = ("quantity", np.array(["acceptable"] * 2, dtype=object))
    return arrays().assign(columns).assign(gauge_verdict=verdicts)


def test_a_classifier_that_names_one_class_alone_is_an_alarm_and_gets_no_gauge_verdict():
    data = named("good", "good", "good")
    assert codes(data)["one_class"] == "alarm"
    assert "every image is called good" in find_messages(data, 0)[0].text
    assert withhold_gauge(data)["gauge_verdict"].values.tolist() == ["undefined", "undefined"]


def test_one_class_named_is_no_alarm_where_the_images_have_one_or_two_are_named():
    alike = named("good", "good", "good", labels=("good", "good", "good"))
    for data in (named("good", "crack", "good"), alike):
        assert "one_class" not in codes(data)
        assert withhold_gauge(data)["gauge_verdict"].values.tolist() == ["acceptable", "acceptable"]


def test_a_setting_that_was_insisted_on_is_told():
    (message,) = find_messages(arrays(), 0, {"max_difference": 0.031, "relative_difference": 0.76})
    assert (message.level, message.code) == ("caution", "forced_execution")
    assert "differed by 0.031 and the quantity of interest by 76% of its spread" in message.text


def test_a_result_in_order_has_no_messages():
    assert codes(arrays()) == {}


@pytest.mark.parametrize(
    ("data", "skipped", "expected"),
    [
        (arrays(share=0.5), 0, {"surrogate_poor": "info"}),
        (arrays(share=0.5, estimator="gpc"), 0, {"surrogate_poor": "alarm"}),
        (arrays(half=0.2), 0, {"wide_interval": "caution"}),
        (arrays(clean=0.3), 0, {"low_accuracy": "caution"}),
        (arrays(n_images=4), 0, {"few_images": "caution"}),
        (arrays(total=(0.0, 0.0)), 0, {"no_effect": "alarm"}),
        (arrays(n_images=1).assign_attrs(has_part=0), 0, {"one_image": "info"}),
        (arrays(), 2, {"skipped_images": "caution"}),
        (arrays(total=(np.nan, np.nan)).assign(total_order=lambda d: d["total_order"] * np.nan), 0,
         {"constant_output": "alarm"}),
    ],
)  # fmt: skip
def test_each_weakness_is_said_at_its_level(data, skipped, expected):
    assert codes(data, skipped) == expected


def test_a_wide_interval_says_how_many_more_evaluations_help():
    (message,) = find_messages(arrays(half=0.2), 0)
    assert "about 4 times the evaluations" in message.text


def test_gates_compare_in_the_right_direction():
    limits = check_gates(
        {"min_accuracy": 0.8, "max_total_order": {"tilt": 0.4, "blur": 0.4}, "max_study_variation": 50,
         "min_mean": 0.75, "min_clean_accuracy": 0.9, "min_surrogate_share": 0.9, "min_categories": 5,
         "max_variance": 0.1, "max_first_order": 0.3},
        ("tilt", "blur"),
    )  # fmt: skip
    passed = {gate.name: gate.passed for gate in judge_gates(limits, arrays())}
    assert passed == {
        "min_accuracy": True, "max_total_order.tilt": False, "max_total_order.blur": True,
        "max_study_variation": False, "min_mean": False, "min_clean_accuracy": True, "min_surrogate_share": True,
        "min_categories": False, "max_variance": True, "max_first_order.tilt": True, "max_first_order.blur": True,
    }  # fmt: skip


def test_a_gate_on_something_undefined_does_not_pass():
    data = arrays().drop_vars(["gauge_ndc", "gauge_study_variation"])
    (gate,) = judge_gates({"max_study_variation": 50.0}, data)
    assert not gate.passed
    assert "no part is drawn" in gate.text


def test_a_poor_surrogate_alone_establishes_no_index():
    limits = {"max_total_order.tilt": 0.9, "min_accuracy": 0.5}
    found = {g.name: g.passed for g in judge_gates(limits, arrays(share=0.5, estimator="gpc"))}
    assert found == {"max_total_order.tilt": False, "min_accuracy": True}
    assert all(g.passed for g in judge_gates(limits, arrays(share=0.95, estimator="gpc")))


def test_one_number_limits_every_shift():
    assert check_gates({"max_total_order": 0.5}, ("a", "b")) == {"max_total_order.a": 0.5, "max_total_order.b": 0.5}
    assert check_gates({"min_accuracy": None}, ("a",)) == {}
    with pytest.raises(ConfigError, match="≥ 0"):
        check_gates({"max_total_order": -1}, ("a",))
