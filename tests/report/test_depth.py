"""The depth profile on the page, in the figure and in the terminal."""

import io
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from rich.console import Console

from factories import audit_result
from shiftgauge.report.blocks.depth import build_depth, depth_line, depth_ranked, depth_text
from shiftgauge.report.figure_depth import plot_depth
from shiftgauge.report.figures import write_figures
from shiftgauge.report.page import render_page
from shiftgauge.report.terminal import summary
from shiftgauge.results.audit import AuditResult

BLOCKS = ("stem", "layer1", "layer2", "output")


def with_blocks(total, half=0.02, blocks=BLOCKS, directions=64, pooled=0):
    """A made-up audit of rotation and brightness with given total indices (block, input), image first."""
    result = audit_result(n_base=32, shifts=("rotation", "brightness"))
    names = [str(n) for n in result.arrays["input"].values]
    value = np.asarray(total, float)[:, : len(names)]
    bounds = np.stack([value - half, value + half], axis=-1)
    axes = ("block", "input")
    extra = xr.Dataset(
        {
            "block_first_order": (axes, 0.8 * value),
            "block_first_order_interval": ((*axes, "bound"), 0.8 * bounds),
            "block_total_order": (axes, value),
            "block_total_order_interval": ((*axes, "bound"), bounds),
            "block_variance": ("block", np.ones(len(blocks))),
            "block_entries": ("block", np.full(len(blocks), 200_704)),
            "block_directions": ("block", np.full(len(blocks), directions)),
            "block_pooled": ("block", np.full(len(blocks), pooled, np.int8)),
            "block_shape": ("block", np.array(["64×56×56"] * len(blocks), dtype=object)),
        },
        coords={"block": list(blocks), "input": names, "bound": ["low", "high"]},
    )
    return replace(result, arrays=xr.merge([result.arrays, extra]).assign_attrs(result.arrays.attrs))


def inputs(result):
    return [str(n) for n in result.arrays["input"].values]


@pytest.fixture(scope="module")
def result():
    made = with_blocks(np.tile(np.linspace(0.2, 0.8, 4)[:, None], (1, 6)))
    names = inputs(made)
    arrays = made.arrays.copy(deep=True)
    for name, line in {"rotation": (0.7, 0.6, 0.3, 0.1), "brightness": (0.05, 0.05, 0.06, 0.04)}.items():
        k = names.index(name)
        arrays["block_total_order"][:, k] = np.array(line)
        arrays["block_total_order_interval"][:, k] = np.stack([np.array(line) - 0.02, np.array(line) + 0.02], axis=-1)
    return replace(made, arrays=arrays)


def test_sentence_names_what_moves_beyond_its_interval_and_counts_the_rest(result):
    text = depth_text(result.arrays)
    assert text.startswith("From stem to the output the total index of ")
    assert "rotation falls from 0.70 to 0.10" in text
    assert "image (the part) rises from 0.20 to 0.80" in text
    assert "brightness" not in text
    assert text.endswith("The other input does not change beyond its interval.")


def test_profile_within_its_intervals_is_called_unchanged():
    text = depth_text(with_blocks(np.full((4, 6), 0.4), half=0.1).arrays)
    assert "no total index changes beyond its interval" in text


def test_network_in_which_nothing_moves_is_said_so():
    found = with_blocks(np.full((4, 6), np.nan))
    assert depth_text(found.arrays) == "No block gave anything that changed."
    assert "undefined" in depth_line(found.arrays)
    assert "No block gave anything that changed." in render_page(found)
    plot_depth(found)


def test_inputs_are_ranked_by_their_largest_index_in_any_block(result):
    ranked = depth_ranked(result.arrays)
    assert ranked[-1] == "brightness"
    assert set(ranked) == set(inputs(result))


def test_page_shows_a_panel_for_each_input_and_every_number_in_its_table(result):
    built = build_depth(result)
    assert len(built["panels"]) == len(inputs(result))
    page = render_page(result)
    assert '<section id="depth">' in page
    assert '<a href="#depth">' in page
    for text in ("64×56×56", "200,704", "0.700", "[0.68, 0.72]", "64 random directions"):
        assert text in page
    assert page.count('class="band total"') >= len(inputs(result))
    assert 'id="depth"' not in render_page(audit_result(n_base=16))


def test_long_names_give_way_to_numbers_below_the_drawings():
    names = tuple(f"features.stage_{k}.expansion" for k in range(8))
    built = build_depth(with_blocks(np.full((8, 6), 0.4), blocks=names))
    assert built["numbered"]
    assert ">8</text>" in built["panels"][0]["svg"]
    assert "expansion" in built["panels"][0]["svg"]  # in the tips


def test_note_says_what_stands_for_a_block():
    assert "random" not in build_depth(with_blocks(np.full((4, 6), 0.4), directions=0))["note"]
    assert "mean over all positions" in build_depth(with_blocks(np.full((4, 6), 0.4), pooled=1))["note"]


def test_hostile_names_run_nowhere():
    page = render_page(with_blocks(np.full((2, 6), 0.4), blocks=("<script>alert(1)</script>", "b")))
    assert "<script>alert(1)" not in page


def test_terminal_has_one_line(result):
    console = Console(width=200, file=io.StringIO())
    console.print(summary(result))
    lines = [row for row in console.file.getvalue().splitlines() if row.startswith("Depth: ")]
    assert len(lines) == 1
    assert "rotation 0.70 → 0.10" in lines[0]
    assert depth_line(result.arrays) in lines[0]


def test_figure_is_written_where_there_are_blocks(result, tmp_path):
    written = {p.name for p in write_figures(result, tmp_path)}
    assert {"depth.svg", "depth.png"} <= written
    assert len(result.plot_depth().axes) == len(inputs(result))
    assert len(plot_depth(audit_result(n_base=16)).axes) == 1


def test_saved_result_gives_the_same_page(result, tmp_path):
    result.to_disk(tmp_path)
    assert render_page(AuditResult.from_disk(tmp_path)) == render_page(result)
    assert (tmp_path / "blocks.csv").is_file()


def test_result_without_blocks_has_an_empty_table(tmp_path):
    plain = audit_result(n_base=16)
    assert plain.blocks_to_dataframe().empty
    plain.to_disk(tmp_path)
    assert not (tmp_path / "blocks.csv").exists()
