"""The headline of a look inside says what its intervals bear, and no more."""

import numpy as np
import pytest
import xarray as xr

from explain_runs import look, nothing_but
from shiftgauge.explain.curve_options import CurveOptions
from shiftgauge.explain.mask_sobol import MaskSobolOptions
from shiftgauge.explain.perturbation import PerturbationOptions
from shiftgauge.explain.pixel_bounds import PixelBoundOptions
from shiftgauge.explain.randomisation import RandomisationOptions
from shiftgauge.report.explain_page import render_explain_page
from shiftgauge.report.format import number
from shiftgauge.studies.explain_headline import explain_headline
from shiftgauge.studies.explain_options import DerivativeOptions


def profile(last, first=None, shares=None, pooled=0.9):
    """Arrays of a profile over two blocks, an image each entry."""
    last = np.asarray(last, float)
    relative = np.stack([np.ones_like(last) if first is None else np.asarray(first, float), last], axis=1)
    relative = np.repeat(relative[..., None], 3, axis=2)
    shares = np.full((len(last), 2), np.nan) if shares is None else np.asarray(shares, float)
    return xr.Dataset(
        {
            "sensitivity": (("counted", "block", "pushed"), relative),
            "relative_sensitivity": (("counted", "block", "pushed"), relative),
            "channel_share": (("block",), np.full(2, pooled)),
            "channel_share_of_images": (("counted", "block"), shares),
        },
        coords={"block": ["stem", "head"], "pushed": ["red", "green", "blue"]},
    )


def test_what_grows_in_every_image_alike_grows():
    said = explain_headline(profile([2.0, 2.1, 1.9, 2.0]))
    assert "From “stem” to “head”" in said
    assert "grows to 2 times" in said
    assert "95 % interval over 4 images 1.9 to 2.1" in said


def test_what_falls_in_every_image_alike_falls():
    assert "falls to 0.5 times" in explain_headline(profile([0.5, 0.51, 0.49]))


@pytest.mark.parametrize("last", [[100.0, 0.9, 1.1, 0.95], [0.7, 0.9, 1.1], [1.0, 1.0]])
def test_what_an_interval_leaves_open_cannot_be_told(last):
    said = explain_headline(profile(last))
    assert "grows or falls from “stem” to “head” cannot be told" in said
    assert "grows to" not in said
    assert "falls to" not in said


def test_one_image_states_its_value_and_gives_no_interval():
    said = explain_headline(profile([3.0], shares=[[0.4, 0.1]]))
    assert "3 times" in said
    assert said.count("one image gives no interval") == 3
    assert "40% in “stem”" in said
    assert "grows" not in said
    assert "nan" not in said


def test_the_share_of_colour_is_that_of_one_image_not_of_all_together():
    shares = [[0.5, 0.1], [0.6, 0.2], [0.7, 0.3]]
    said = explain_headline(profile([1.0, 2.0, 3.0], shares=shares, pooled=0.01))
    low, high = (0.6 + sign * 4.302653 * 0.1 / np.sqrt(3) for sign in (-1, 1))
    assert f"60% in “stem” (95 % interval over 3 images {low:.0%} to {high:.0%})" in said
    assert "20% in “head”" in said
    assert "1%" not in said.replace("11%", "").replace("21%", "")


def test_blocks_without_a_first_value_are_passed_over():
    assert "stem" not in explain_headline(profile([1.0, 2.0], first=[0.0, np.nan]))


def masks(threshold, is_open, total):
    """Arrays of masks of two cells."""
    total = np.asarray(total, float).reshape(-1, 1, 2)
    ends = {f"mask_total_order{end}": (("masked", "row_of_cells", "column_of_cells"), total + by)
            for end, by in (("", 0), ("_low", -0.1), ("_high", 0.1))}  # fmt: skip
    first = {name.replace("total", "first"): values for name, values in ends.items()}
    is_open = (("masked", "row_of_cells", "column_of_cells"), np.asarray(is_open).reshape(-1, 1, 2))
    return xr.Dataset(
        {**ends, **first, "mask_is_open": is_open},
        coords={"masked": [f"image {k}" for k in range(len(total))]},
        attrs={"mask_threshold": threshold, "mask_confidence_level": 0.9},
    )


def test_cells_that_bounds_have_closed_are_counted():
    said = explain_headline(masks(0.05, [[1, 0], [1, 0]], [[0.9, np.nan], [0.8, np.nan]]))
    assert said == "Of 2 cells of an image 1 in the median can matter; bounds from gradients close the others."


@pytest.mark.parametrize("threshold", [0.0, 0.05])
def test_where_no_cell_is_closed_the_one_that_matters_most_is_named(threshold):
    said = explain_headline(masks(threshold, [[1, 1], [1, 1]], [[0.2, 0.3], [0.1, 0.6]]))
    assert "total index of 0.60 (90 % interval 0.50 to 0.70): row 1 of 1, column 2 of 2 of “image 1”" in said
    assert "bounds" not in said


def test_masks_without_bounds_speak_of_none(tmp_path):
    result = look(tmp_path / "run", nothing_but(masks=MaskSobolOptions(grid=2, n_base=32, threshold=0)))
    assert "bounds" not in result.headline
    most = result.tables["masks.csv"].sort_values("total").iloc[-1]
    assert f"total index of {most['total']:.2f}" in result.headline
    assert f"“{most['image']}”" in result.headline


def test_one_method_alone_is_told_by_its_curves_and_by_weights_drawn_anew(tmp_path):
    given = {"curves": CurveOptions(steps=4, random_orders=2), "randomisation": RandomisationOptions()}
    result = look(tmp_path / "run", nothing_but(methods=("saliency",), **given))
    said = result.headline
    assert said.startswith("Over random orders of pixels, the order by saliency gains an area of ")
    for row in result.tables["curves.csv"].to_dict("records"):
        assert f"{number(row['gain'], 2)} in {row['curve']} (interval {number(row['gain_low'], 2)} to" in said
    checked = result.tables["randomisation.csv"]
    assert f"correlation of {checked[checked['maps'] == 'magnitude']['mean'].iloc[-1]:.2f} with" in said
    assert said in render_explain_page(result)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"methods": ("grad_cam",)}, "Attributions by grad cam for 4 images; there is no second method to agree with."),
        ({"bounds": PixelBoundOptions(n=64)}, "Bounds of the pixels for 4 images."),
        ({"derivatives": DerivativeOptions()}, "Derivatives of 2 blocks for 4 images."),
        ({"maps": PerturbationOptions(), "blocks": ("stem",)}, "Maps of 1 block for 4 images."),
    ],
)
def test_a_single_part_has_a_headline(tmp_path, wanted, said):
    assert look(tmp_path / "run", nothing_but(**wanted)).headline == said
