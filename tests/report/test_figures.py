import io
import xml.etree.ElementTree as ET

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure
from PIL import Image

from factories import HOSTILE_CLASSES, audit_result
from shiftgauge.errors import ConfigError
from shiftgauge.report import figures, read
from shiftgauge.report.figure_file import figure_bytes
from shiftgauge.report.figure_style import figure_style, plain_text
from shiftgauge.report.figure_surface import plot_surface

NAMES = {"indices", "interactions", "gauge", "main_effects", "surface", "strips", "thumbs"}
PLOTS = [
    figures.plot_indices,
    figures.plot_interactions,
    figures.plot_gauge,
    figures.plot_main_effects,
    figures.plot_strips,
    figures.plot_thumbs,
    plot_surface,
]


def test_a_quantity_that_the_page_leaves_out_is_drawn_with_its_own_warning(monkeypatch):
    monkeypatch.setattr(read, "QUANTITY_LIMIT", 1)
    result = audit_result(estimator="gpc", share=0.95, n_base=16)
    poor = str(result.arrays["quantity"].values[3])
    assert "Q² = 0.65" in figures.plot_indices(result, poor).axes[0].get_title("left")
    assert "Q² = 0.65" in plot_surface(result, poor).axes[0].get_title()


def words(svg):
    return "".join("".join(e.itertext()) for e in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text"))


@pytest.fixture(scope="module")
def written(results, tmp_path_factory):
    folder = tmp_path_factory.mktemp("figures")
    return folder, figures.write_figures(results["hostile"], folder / "new")


def test_every_figure_is_written_as_svg_and_png_that_open(written):
    folder, paths = written
    assert {p.stem for p in paths} == NAMES
    assert len(paths) == 2 * len(NAMES)
    for path in paths:
        assert path.parent == folder / "new"
        if path.suffix == ".svg":
            ET.fromstring(path.read_bytes())
        else:
            assert min(Image.open(io.BytesIO(path.read_bytes())).size) > 200


def test_hostile_names_stay_text_in_svg(written):
    folder, paths = written
    for path in paths:
        if path.suffix == ".svg":
            root = ET.fromstring(path.read_bytes())
            tags = {e.tag.split("}")[-1] for e in root.iter()}
            assert not tags & {"script", "foreignObject", "img", "b"}
            assert not [a for e in root.iter() for a in e.attrib if a.startswith("on")]
    assert "<script>alert(1)</script>" in words((folder / "new" / "gauge.svg").read_bytes())
    assert "<b>seam</b>$_000.png" in words((folder / "new" / "strips.svg").read_bytes())


@pytest.mark.parametrize("text", [*HOSTILE_CLASSES, "$x$", r"\$x\$", "$", "a$b$c$", r"$\undefined{$"])
def test_dollar_signs_are_never_mathematics(text):
    with figure_style():
        figure = Figure()
        figure.text(0.5, 0.5, plain_text(text))
    svg = figure_bytes(figure, "svg")
    shown = " ".join(words(svg).split())
    expected = text.replace(r"\$", "$") if text == r"\$x\$" else text
    assert shown.count("$") == expected.count("$")


@pytest.mark.parametrize("name", ["fixed", "constant"])
@pytest.mark.parametrize("plot", PLOTS)
def test_every_plot_gives_a_figure_or_says_why_not(results, name, plot):
    if plot is plot_surface and name == "constant":
        with pytest.raises(ConfigError, match="two shifts"):
            plot(results[name])
        return
    figure = plot(results[name])
    assert isinstance(figure, Figure)
    figure.draw_without_rendering()


def test_drawing_leaves_matplotlib_settings_and_pyplot_alone(results):
    before = dict(mpl.rcParams)
    figure_bytes(figures.plot_indices(results["plain"]), "svg")
    assert dict(mpl.rcParams) == before


def test_same_result_gives_the_same_bytes(results):
    first, second = (figure_bytes(figures.plot_gauge(results["plain"]), "svg") for _ in range(2))
    assert first == second


def test_bars_are_as_long_as_the_indices(results):
    axes = figures.plot_indices(results["plain"]).axes[0]
    labels = [t.get_text() for t in axes.get_yticklabels()]
    lengths = dict(zip(labels, [p.get_width() for p in axes.containers[1]], strict=True))
    total = results["plain"].arrays["total_order"].sel(quantity="probability", input="rotation")
    assert lengths["rotation"] == pytest.approx(float(total))


def test_surface_picks_the_nearest_slice_and_its_samples(results):
    data = results["plain"].arrays
    fixed = float(data["surface_fixed"].values[0, -1])
    figure = plot_surface(results["plain"], at=1e6, window=1 / 20)
    count = int((abs(data["sample_theta"].sel(shift="tilt") - fixed) < 2.0).sum())
    assert len(figure.axes[0].collections[1].get_offsets()) == count


def test_poor_surrogate_is_marked_in_the_title(results):
    assert "not the classifier" in figures.plot_indices(results["gpc"]).axes[0].get_title(loc="left")
    assert "sketch only" in plot_surface(results["rough"]).axes[0].get_title()


def test_unknown_quantity_or_pair_is_a_plain_error(results):
    with pytest.raises(ConfigError, match="did you mean `probability`"):
        plot_surface(results["plain"], "probabilty")
    with pytest.raises(ConfigError, match="`pair`"):
        plot_surface(results["plain"], pair=99)
    with pytest.raises(ConfigError, match="`slice_index`"):
        plot_surface(results["plain"], slice_index=7)
