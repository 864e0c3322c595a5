from __future__ import annotations

import numpy as np
import pytest

from shiftgauge.errors import ConfigError, ShiftgaugeError, SpaceError
from shiftgauge.shifts.catalog import CATALOG, PRESETS
from shiftgauge.studies.shift_space import preset_order, shift_parameter, shift_space


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_becomes_a_space_that_changes_nothing_at_its_nominal_point(name: str) -> None:
    space = shift_space(preset=name)
    assert space.names == PRESETS[name].names
    assert space.nominal.tolist() == [CATALOG[n].identity for n in space.names]


def test_parameters_are_laid_over_the_preset_one_shift_at_a_time() -> None:
    space = shift_space({"tilt": (-5, 5), "rotation": None, "hue": 10, "gamma": {"values": [1, 2]}}, preset="weld")
    assert space.names == ("brightness", "tilt", "hue", "gamma")
    assert space["tilt"].support == (-5, 5)
    assert space["hue"].is_fixed
    assert space["gamma"].levels is not None


def test_units_come_from_the_catalogue() -> None:
    assert shift_parameter("exposure", (-1, 1)).unit == "EV"


@pytest.mark.parametrize("name", CATALOG)
def test_the_usual_spread_of_every_shift_is_valid(name: str) -> None:
    parameter = shift_parameter(name, CATALOG[name].default)
    assert parameter.nominal == CATALOG[name].identity


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"rotatoin": (0, 1)}, "unknown shift `rotatoin`; did you mean `rotation`"),
        ({"brightness": (-0.2, 1)}, "`brightness` must be in .*got -0.2"),
        ({"brightness": 99}, "`brightness` must be in .*got 99"),
        ({"gaussian_blur": {"distribution": "normal", "mean": 0, "std": 1}}, "`gaussian_blur` must be in"),
        ({"rotation": (5, -5)}, "inverted"),
        ({"rotation": (5, 5)}, "zero variance"),
        ({"rotation": "fast"}, r"takes a distribution, \[low, high\] or a number"),
        ({"rotation": True}, r"takes a distribution, \[low, high\] or a number"),
        ({"rotation": {"low": 0, "hgh": 1}}, "did you mean `high`"),
        ({"motion_blur_angle": (0, 90)}, "only qualifies `motion_blur`"),
        ({"hue": 3}, "nothing varies"),
    ],
)
def test_a_mistake_is_said_in_one_line(entries: dict, message: str) -> None:
    with pytest.raises(ShiftgaugeError, match=message) as caught:
        shift_space(entries)
    assert "\n" not in str(caught.value)


def test_an_unknown_preset_suggests_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean `weld`"):
        shift_space(preset="wled")


def test_correlations_are_put_in_their_places() -> None:
    space = shift_space({"hue": 3}, preset="weld", correlation={"rotation": {"tilt": 0.5}})
    assert space.correlation is not None
    expected = np.eye(3)
    expected[1, 2] = expected[2, 1] = 0.5
    np.testing.assert_array_equal(space.correlation, expected)


@pytest.mark.parametrize(
    ("correlation", "message"),
    [
        ({"rotation": {"tlt": 0.5}}, "did you mean `tilt`"),
        ({"tilt": {"tilt": 0.5}}, "tied to itself"),
        ({"tilt": {"rotation": 0.5}, "rotation": {"tilt": 0.4}}, "given twice"),
        ({"tilt": {"rotation": 0.9, "brightness": 0.9}, "rotation": {"brightness": -0.9}}, "contradict"),
    ],
)
def test_a_mistaken_correlation_is_refused(correlation: dict, message: str) -> None:
    with pytest.raises((ConfigError, SpaceError), match=message):
        shift_space(preset="weld", correlation=correlation)


def test_a_widened_preset_keeps_its_order_and_puts_the_rest_where_the_camera_does() -> None:
    names = ["brightness", "rotation", "gaussian_blur", "exposure", "gaussian_noise"]
    assert preset_order("weld", names) == ("exposure", "brightness", "rotation", "gaussian_blur", "gaussian_noise")
    assert preset_order("inspection", names) is None
