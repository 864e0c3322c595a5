"""Tables of a look inside leave out what is undefined and count what is not."""

import numpy as np
import pytest
import xarray as xr

from shiftgauge.results.explain_tables import TABLES, curve_table, profile_table, randomisation_table


def test_an_undefined_value_is_left_out_and_not_counted():
    relative = np.array([[1.0, 3.0], [np.nan, np.nan], [3.0, 5.0]])[:, None]
    arrays = xr.Dataset(
        {
            "sensitivity": (("counted", "block", "pushed"), np.ones((3, 1, 2))),
            "relative_sensitivity": (("counted", "block", "pushed"), relative),
            "channel_share": (("block",), [0.5]),
            "channel_share_of_images": (("counted", "block"), np.ones((3, 1))),
        },
        coords={"block": ["stem"], "pushed": ["red", "green"]},
    )
    rows = profile_table(arrays).set_index("pushed")
    assert rows.loc["all", ["images", "relative_images", "relative_mean"]].tolist() == [3, 2, 3.0]
    assert rows.loc["red", "relative_standard_deviation"] == pytest.approx(np.std([1, 3], ddof=1))
    assert rows.loc["red", "standard_deviation"] == 0


@pytest.mark.parametrize("name", sorted(TABLES))
def test_a_part_that_was_left_out_has_an_empty_table(name):
    assert len(TABLES[name](xr.Dataset())) == 0


def test_images_whose_map_is_constant_are_not_counted():
    left = np.array([[[0.9, np.nan, np.nan], [0.1, 0.2, np.nan]]])
    arrays = xr.Dataset(
        {
            **{f"randomised_{kind}": (("checked_method", "weight_layer", "checked_image"), left)
               for kind in ("magnitude", "signed")},
            **{f"randomised_{kind}_{end}": (("checked_method", "weight_layer"), np.zeros((1, 2)))
               for kind in ("magnitude", "signed") for end in ("mean", "low", "high")},
        },
        coords={"checked_method": ["grad_cam"], "weight_layer": ["head", "stem"]},
    )  # fmt: skip
    table = randomisation_table(arrays)
    assert table["images"].tolist() == [1, 2, 1, 2]
    assert table["layer"].tolist() == ["head", "stem"] * 2


def test_curves_count_the_images_that_are_finite():
    values = np.ones((3, 1, 2))
    values[1, 0, 1] = np.nan
    arrays = xr.Dataset(
        {
            "deletion": (("image", "method", "fraction"), values),
            "insertion": (("image", "method", "fraction"), np.ones((3, 1, 2))),
            **{f"curve_{name}": (("method", "curve"), np.zeros((1, 2)))
               for name in ("area", "random_area", "gain", "gain_low", "gain_high")},
        },
        coords={"method": ["saliency"], "curve": ["deletion", "insertion"]},
    )  # fmt: skip
    assert curve_table(arrays)["images"].tolist() == [2, 3]
