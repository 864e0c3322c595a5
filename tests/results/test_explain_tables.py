"""Tables of a look inside leave out what is undefined and count what is not."""

import numpy as np
import pytest
import xarray as xr

from shiftgauge.results.explain_tables import TABLES, profile_table


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
