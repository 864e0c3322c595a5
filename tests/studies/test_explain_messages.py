"""What is said of the check by weights drawn anew is judged by its interval and its images."""

import numpy as np
import pytest
import xarray as xr

from shiftgauge.results.mean_interval import mean_interval
from shiftgauge.studies.explain_messages import find_explain_messages
from shiftgauge.studies.explain_options import ExplainOptions


def told(left):
    """Messages by code, from rank correlations of one method, axes (layer, image)."""
    left = np.asarray(left, float)[None]
    mean, low, high = mean_interval(left, axis=2)
    axes = ("checked_method", "weight_layer")
    variables = {"image_right": (("image",), np.ones(1, np.int8))}
    for kind in ("magnitude", "signed"):
        variables[f"randomised_{kind}"] = ((*axes, "checked_image"), left)
        for end, values in (("mean", mean), ("low", low), ("high", high)):
            variables[f"randomised_{kind}_{end}"] = (axes, values)
    coords = {"checked_method": ["grad_cam"], "weight_layer": [f"layer {k}" for k in range(left.shape[1])]}
    arrays = xr.Dataset(variables, coords=coords)
    return {message.code: message for message in find_explain_messages(arrays, ExplainOptions(), ())}


def test_maps_that_stay_the_same_in_every_image_survive():
    found = told([[0.9, 0.8, 0.9], [0.9, 0.85, 0.88]])
    assert set(found) == {"maps_survive"}
    assert "grad cam" in found["maps_survive"].text
    assert "convolutions and linear layers" in found["maps_survive"].text


def test_a_mean_above_the_limit_whose_interval_holds_it_is_not_called_a_survival():
    found = told([[0.9, 0.2, 0.9]])
    assert set(found) == {"survival_unclear"}
    assert "cannot be told" in found["survival_unclear"].text


def test_one_image_decides_nothing_and_those_left_out_are_counted():
    found = told([[0.5, 0.6, 0.4, 0.5], [np.nan, np.nan, np.nan, 0.86]])
    assert set(found) == {"survival_unclear", "images_left_out"}
    assert "grad cam 1 of 4" in found["images_left_out"].text
    assert found["images_left_out"].level == "caution"


@pytest.mark.parametrize("left", [[[0.1, 0.2, 0.1]], [[-0.9, -0.9, -0.8]]])
def test_maps_that_change_are_passed_over(left):
    assert not told(left)


def test_no_image_at_all_is_told():
    assert "grad cam 0 of 2" in told([[np.nan, np.nan]])["images_left_out"].text
