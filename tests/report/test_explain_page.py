"""The page of a look inside shows what was done, leaves out what was not, and its pictures lie in files as well."""

import io

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

import shiftgauge
from explain_runs import classifier, data, options
from shiftgauge.report.explain_figures import explain_pictures, write_explain_figures
from shiftgauge.report.explain_page import key_figures, render_explain_page
from shiftgauge.report.explain_terminal import explain_summary


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shiftgauge.studies.explain.write_explain_figures", lambda result, folder: [])
        folder = tmp_path_factory.mktemp("explain") / "run"
        return shiftgauge.explain(classifier(), data(), out=folder, options=options(), progress=False, title="<b>x</b>")


def test_the_page_has_every_section_and_escapes_what_it_is_given(result):
    page = render_explain_page(result)
    for key in ("profile", "maps", "class-maps", "attributions", "maximized", "walks", "cost", "provenance"):
        assert f'<section id="{key}">' in page
        assert f'href="#{key}"' in page
    assert "<b>x</b>" not in page
    assert 'id="gates"' not in page
    assert "Grad-CAM looks at the layer" in page


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


def test_pictures_and_arrays_lie_in_files(result, tmp_path):
    written = write_explain_figures(result, tmp_path)
    assert all(path.is_file() for path in written)
    assert {"depth.png", "agreement.svg", "maximized.png", "climbs.svg"} <= {path.name for path in written}
    assert len(list((tmp_path / "pictures").iterdir())) == len(list(explain_pictures(result)))
    with np.load(tmp_path / "arrays" / "maps.npz") as arrays:
        assert np.array_equal(arrays["norm_of_difference"], result.arrays["norm_of_difference"].values)
        assert arrays["block"].tolist() == ["stem", "block"]
    first = next((tmp_path / "pictures").glob("image_0_*.png"))
    shown = np.asarray(Image.open(io.BytesIO(first.read_bytes())), float) / 255
    assert np.allclose(np.moveaxis(shown, -1, 0), result.arrays["picture"].values[0], atol=0.003)


def test_the_summary_fits_a_narrow_terminal(result):
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(explain_summary(result))
    text = console.export_text()
    assert "stem" in text
    assert max(len(line) for line in text.splitlines()) <= 80
