"""The page of a look inside shows what was done, leaves out what was not, and its pictures lie in files as well."""

import io

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from explain_runs import classifier, look, options
from shiftgauge.report.blocks.explain_attributions import build_randomisation
from shiftgauge.report.blocks.explain_global import mask_pictures
from shiftgauge.report.explain_figures import write_explain_figures
from shiftgauge.report.explain_page import key_figures, render_explain_page
from shiftgauge.report.explain_pictures import explain_pictures
from shiftgauge.report.explain_terminal import explain_summary
from shiftgauge.report.format import number, percent

SECTIONS = ("profile", "networks", "maps", "class-maps", "derivatives", "attributions", "curves", "randomisation",
            "bounds", "masks", "maximized", "walks", "cost", "provenance")  # fmt: skip


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explain") / "run"
    return look(folder, options(start="image"), compare={"<i>o</i>": classifier(seed=1)}, title="<b>x</b>")


def test_the_page_has_every_section_and_escapes_what_it_is_given(result):
    page = render_explain_page(result)
    for key in SECTIONS:
        assert f'<section id="{key}">' in page
        assert f'href="#{key}"' in page
    assert "<b>x</b>" not in page
    assert "<i>o</i>" not in page
    assert 'id="gates"' not in page
    assert "Grad-CAM looks at the layer" in page
    assert "Difference of norms" in page
    assert "from an image" in page


@pytest.mark.browser
@pytest.mark.parametrize("width", [375, 1280])
def test_the_page_is_silent_shows_every_picture_and_never_scrolls_sideways(result, chromium, tmp_path, width):
    (tmp_path / "page.html").write_text(render_explain_page(result), encoding="utf-8")
    page, said = chromium.new_page(viewport={"width": width, "height": 800}), []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto((tmp_path / "page.html").as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    page.wait_for_function("[...document.images].every(i => i.complete)")
    widths = page.evaluate("[...document.images].map(i => [i.naturalWidth, i.getBoundingClientRect().width])")
    assert len(widths) > 20
    assert all(stored > 0 and shown > 20 for stored, shown in widths)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert said == []
    page.close()


def test_the_axis_of_the_depth_has_the_names_of_blocks(result):
    page = render_explain_page(result)
    section = page[page.index('<section id="profile">') : page.index('<section id="networks">')]
    drawings = [part.partition("</svg>")[0] for part in section.split("<svg")[1:]]
    assert len(drawings) == 3
    assert all(">stem</text>" in drawing and ">block</text>" in drawing for drawing in drawings)
    assert all(f'curve hued {name}"' in drawings[0] for name in ("red", "green", "blue"))


def test_what_was_left_out_leaves_its_section_out(result):
    names = [name for name in result.arrays.data_vars if str(name).startswith(("walk", "maximized", "agreement"))]
    fields = {n: getattr(result, n) for n in ("config", "provenance", "cost", "headline", "messages")}
    page = render_explain_page(type(result)(**fields, arrays=result.arrays.drop_vars(names)))
    assert '<section id="walks">' not in page
    assert '<section id="maximized">' not in page
    assert "Rank correlation of two methods" not in page


def test_numbers_of_the_page_are_those_of_the_arrays(result):
    found = {figure["title"]: figure["value"] for figure in key_figures(result)}
    assert float(found["Methods agree"].replace("−", "-")) == pytest.approx(
        float(result.arrays["agreement_mean"].values[0, 1]), abs=0.006
    )
    assert len(found) == 4
    table = result.to_dataframe().query("pushed == 'all'")
    assert found["Colour"] == percent(table["channel_share_mean"].iloc[0])
    first, last = result.arrays["relative_sensitivity"].mean("pushed").values.T
    assert found["Through the depth"] == f"× {number(np.exp(np.log(last / first).mean()))}"


def test_growth_that_cannot_be_told_and_one_image_are_said(result):
    fields = {n: getattr(result, n) for n in ("config", "provenance", "cost", "headline", "messages")}
    relative = result.arrays["relative_sensitivity"].copy()
    relative[:, -1] = relative[:, 0].values * np.array([0.1, 10] * 4)[:, None]
    unclear = key_figures(type(result)(**fields, arrays=result.arrays.assign(relative_sensitivity=relative)))[0]
    assert "cannot be told" in unclear["text"]
    assert unclear["value"] == "× 1"
    relative[1:] = np.nan
    one = key_figures(type(result)(**fields, arrays=result.arrays.assign(relative_sensitivity=relative)))[0]
    assert one["text"].endswith("one image gives no interval")


def test_the_check_by_weights_drawn_anew_counts_its_images(result):
    fields = {n: getattr(result, n) for n in ("config", "provenance", "cost", "headline", "messages")}
    left = result.arrays["randomised_magnitude"].copy()
    left[:, -1, 0] = np.nan
    page = type(result)(**fields, arrays=result.arrays.assign(randomised_magnitude=left))
    assert [row["cells"][1] for row in build_randomisation(page)["rows"]] == ["1", "1"]
    assert [row["cells"][3] for row in build_randomisation(page)["rows"]] == ["2", "2"]


def test_pictures_and_arrays_lie_in_files(result, tmp_path):
    written = write_explain_figures(result, tmp_path)
    assert all(path.is_file() for path in written)
    names = {path.name for path in written}
    drawings = ("depth", "networks", "agreement", "curves", "randomisation", "masks", "maximized", "climbs")
    assert {f"{name}.{kind}" for name in drawings for kind in ("svg", "png")} <= names
    assert len(list((tmp_path / "pictures").iterdir())) == len(list(explain_pictures(result)))
    with np.load(tmp_path / "arrays" / "maps.npz") as arrays:
        assert np.array_equal(arrays["norm_of_difference"], result.arrays["norm_of_difference"].values)
        assert arrays["block"].tolist() == ["stem", "block"]
    held = {key for path in (tmp_path / "arrays").iterdir() for key in np.load(path).files}
    assert set(map(str, result.arrays.data_vars)) <= held
    assert "allow_pickle" not in held
    first = next((tmp_path / "pictures").glob("image_0_*.png"))
    shown = np.asarray(Image.open(io.BytesIO(first.read_bytes())), float) / 255
    assert np.allclose(np.moveaxis(shown, -1, 0), result.arrays["picture"].values[0], atol=0.003)


def test_pictures_of_an_earlier_run_are_taken_away_and_those_of_others_are_kept(result, tmp_path):
    write_explain_figures(result, tmp_path)
    mine = tmp_path / "pictures" / "my-own.png"
    mine.write_bytes(b"x")
    names = [str(name) for name in result.arrays.data_vars if str(name).startswith(("walk_", "mask_"))]
    fields = {n: getattr(result, n) for n in ("config", "provenance", "cost", "headline", "messages")}
    written = write_explain_figures(type(result)(**fields, arrays=result.arrays.drop_vars(names)), tmp_path)
    left = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {*written, mine}


def test_heat_maps_of_masks_stand_between_the_ends_of_their_intervals(result):
    low, value, high = (result.arrays[f"mask_total_order{end}"].values for end in ("_low", "", "_high"))
    known = np.isfinite(value)
    assert known.any()
    assert (low[known] <= value[known] + 1e-12).all()
    assert (value[known] <= high[known] + 1e-12).all()
    assert [label for _, label, _ in mask_pictures(result, 0)][:3] == ["total index", "lower end", "upper end"]


def test_the_summary_fits_a_narrow_terminal(result):
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(explain_summary(result))
    text = console.export_text()
    assert "stem" in text
    assert max(len(line) for line in text.splitlines()) <= 80
