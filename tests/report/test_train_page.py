import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from report.train_results import train_result
from shiftgauge.report.kinds import open_run
from shiftgauge.report.train_figures import plot_thresholds, write_train_figures
from shiftgauge.report.train_page import render_train_page
from shiftgauge.report.train_terminal import train_summary

KINDS = {
    "single": {},
    "multi": {"task": "multi", "averaging": True},
    "hostile": {"hostile": True},
    "hostile labels": {"task": "multi", "hostile": True, "averaging": True},
    "undefined": {"undefined": True},
    "one epoch": {"epochs": 1},
    "many": {"n_classes": 40},
    "floor": {"task": "multi", "aim": "recall", "asked": 0.98, "inconsistent": (3, 5)},
    "floors": {"task": "multi", "aim": "recall", "asked": [0.9, 0.95, 0.98, 0.9]},
    "cost": {"task": "multi", "aim": "cost", "asked": 20},
    "no mistake": {"mistakes": 0},
}


class Text(HTMLParser):
    """What a reader sees, and the tags."""

    def __init__(self, page):
        super().__init__()
        self.words, self.tags, self.skipped = [], [], 0
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.skipped += tag in ("script", "style")

    def handle_endtag(self, tag):
        self.skipped -= tag in ("script", "style")

    def handle_data(self, data):
        if not self.skipped:
            self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.words))


@pytest.fixture(scope="module")
def pages():
    return {name: render_train_page(train_result(**options)) for name, options in KINDS.items()}


@pytest.mark.parametrize("name", KINDS)
def test_a_page_asks_no_network_for_anything(pages, name):
    page = pages[name]
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page
    assert "nan" not in Text(page).text.split()


@pytest.mark.parametrize("name", KINDS)
def test_links_of_the_contents_lead_to_sections(pages, name):
    found = Text(pages[name])
    ids = {attrs["id"] for _, attrs in found.tags if "id" in attrs}
    assert {attrs["href"][1:] for tag, attrs in found.tags if tag == "a"} <= ids


def _split_section(**attributes):
    result = train_result()
    for name in [name for name, value in attributes.items() if value is None]:
        result.arrays.attrs.pop(name, None)
        attributes.pop(name)
    result.arrays.attrs |= attributes
    text = Text(render_train_page(result)).text
    return text[text.index("The split") :]


def test_the_page_says_what_the_split_kept_together():
    assert "No group, no content and no near-duplicate is in two parts. A unit is" in _split_section()
    text = _split_section(split_near_duplicates=None)
    assert "No group and no content is in two parts. Near-duplicates were not looked for." in text
    assert "Images with a near-duplicate or copy not looked for" in text
    assert "Images with an exact copy 4" in text


def test_the_page_says_when_a_group_was_cut():
    text = _split_section(split_cut=7, split_cut_near_duplicates=2)
    assert "is in two parts, but for 7 validation images whose group begins in training" in text
    assert "2 of these have a near-duplicate in training." in text
    text = _split_section(split_cut=7, split_near_duplicates=None)
    assert "but for 7 validation images" in text
    assert "of these have" not in text


@pytest.mark.parametrize(
    ("by", "said"),
    [("given", "as the data state"), ("fold 1 of 5", "fold 1 of 5"), ("own", "by parts that were handed over")],
)
def test_the_page_says_how_the_images_were_divided(by, said):
    assert f"Divided {said} " in _split_section(split_by=by)


def test_prevalence_stands_beside_every_f1(pages):
    text = Text(pages["single"]).text
    assert "at prevalences from" in text
    assert len(re.findall(r"images, prevalence [\d.]+\xa0?\s?%", text)) == 2 * 4


@pytest.mark.parametrize("name", ["hostile", "hostile labels"])
def test_names_of_classes_are_shown_and_never_run(pages, name):
    scripts = [tag for tag, _ in Text(pages[name]).tags if tag == "script"]
    assert len(scripts) == 1
    assert "alert(1)" in Text(pages[name]).text


def test_sections_follow_what_was_measured(pages):
    single, multi = Text(pages["single"]).text, Text(pages["multi"]).text
    assert "Thresholds" not in single
    assert "The commonest mistakes" in single
    assert "As good within 1 %" in multi
    assert "Averaging over changed images" in multi
    assert "False alarm" in multi


def columns(page):
    table = page[page.index('aria-label="Thresholds, table"') :]
    return re.findall(r"<th scope=\"col\"[^>]*>([^<]+)</th>", table[: table.index("</thead>")])


def test_thresholds_say_what_was_asked_of_them_and_show_a_cost_only_where_it_counts(pages):
    text = {name: Text(pages[name]).text for name in ("multi", "floor", "floors", "cost")}
    assert "hold a recall of at least 0.98, among" in text["floor"]
    assert "hold a recall of at least 0.9 to 0.98 (each label its own), among" in text["floors"]
    assert "a missed label costing as much as 20 false alarms" in text["cost"]
    assert [("Cost" in columns(pages[name])) for name in text] == [False, False, False, True]
    assert columns(pages["floor"])[-3:] == ["Floor", "Positive", "Recall on test"]


@pytest.mark.parametrize("name", ["floor", "cost"])
def test_the_terminal_says_what_was_asked_of_thresholds(name):
    console = Console(width=200, no_color=True, record=True, file=io.StringIO())
    console.print(train_summary(train_result(**KINDS[name])))
    asked = {"floor": "a recall of at least 0.98", "cost": "as much as 20 false alarms"}
    assert asked[name] in console.export_text()


def test_confusion_is_shown_as_shares_with_intervals(pages):
    for name, options in {"single": {}, "multi": {"task": "multi"}}.items():
        result = train_result(**options)
        kind = "confusion" if name == "single" else "label_confusion"
        share = result.arrays[f"{kind}_share"].sel(part="test").values
        if name == "single":
            wrong = np.where(np.eye(len(share), dtype=bool), -1, result.arrays[kind].sel(part="test").values)
            k = np.unravel_index(wrong.argmax(), wrong.shape)
        else:
            k = (0, 1, 0)
        value, low, high = (f"{100 * min(max(share[k] + add, 0), 1):.1f}" for add in (0, -0.04, 0.06))
        assert f"{value} % [{low}, {high}]" in Text(pages[name]).text.replace("\xa0", " ")


def test_micro_precision_and_recall_are_shown_where_they_are_not_the_accuracy(pages):
    scores = {name: page[page.index('id="scores"') : page.index('id="confusion"')] for name, page in pages.items()}
    assert "micro precision" in scores["multi"]
    assert "micro" not in scores["single"]


def test_dots_of_the_calibration_have_the_intervals_that_were_measured(pages):
    result = train_result()
    filled = (result.arrays["reliability_count"].sel(part="test") > 0).values
    page = pages["single"]
    drawn = page[page.index('id="calibration"') : page.index('id="learning"')]
    assert drawn.count('class="whisker') == filled.sum()
    assert drawn.count('class="point') == filled.sum()


def test_the_curve_that_a_cost_is_least_on_is_drawn_where_cost_is_the_aim(pages):
    for name, count in {"cost": 4, "floor": 0, "multi": 0}.items():
        said = [a["aria-label"] for tag, a in Text(pages[name]).tags if tag == "svg" and "aria-label" in a]
        assert sum(label.startswith("Mean cost of an image of defect") for label in said) == count
        assert sum(label.startswith("Precision, recall and F1 of defect") for label in said) == 4


@pytest.mark.parametrize(("name", "count"), [("cost", 2 * 4), ("floor", 4)])
def test_the_figure_of_thresholds_has_a_cost_curve_where_cost_is_the_aim(name, count):
    result = train_result(**KINDS[name])
    panels = plot_thresholds(result).axes
    assert len(panels) == count
    drawn = [line.get_ydata() for panel in panels for line in panel.lines if line.get_label() == "cost"]
    assert len(drawn) == count - 4
    assert all(np.array_equal(y, result.arrays["curve_cost"][0]) for y in drawn)


def test_a_moving_average_of_the_weights_is_among_the_options(pages):
    result = train_result()
    page = render_train_page(replace(result, config={"resolved": {"ema_decay": 0.99}}))
    assert "Moving average of the weights decay 0.99" in Text(page).text
    assert "Moving average of the weights" not in Text(pages["single"]).text


def test_contradictions_stand_beside_the_confusion(pages):
    assert re.search(r"test images 3 \(.+?\) are decided both “defect 0” and another label", Text(pages["floor"]).text)
    assert "another label" not in Text(pages["multi"]).text


def test_the_worst_mistakes_are_shown_with_their_pictures(pages):
    found = Text(pages["single"])
    shown = [a for tag, a in found.tags if tag == "img" and a["src"].startswith("data:image/")]
    assert shown[0]["alt"] == "part 0.png, truly defect 0, decided defect 1"
    assert len(shown) == 3
    assert "Probability 0.990" in found.text
    assert "predictions.csv" in found.text
    assert "Probability of “defect 1” 0.990" in Text(pages["multi"]).text
    assert " 0 (0.0\xa0%) are decided wrongly." in Text(pages["no mistake"]).text.replace(" %", "\xa0%")


def test_a_folder_without_pictures_of_mistakes_is_still_shown():
    result = train_result()
    kept = result.arrays.drop_vars([name for name in result.arrays if "mistake" in name or name == "n_wrong"])
    assert "The worst mistakes" not in render_train_page(replace(result, arrays=kept))


def test_every_drawing_says_what_it_shows(pages):
    drawings = [attrs for tag, attrs in Text(pages["multi"]).tags if tag == "svg" and attrs.get("class") == "plot"]
    assert len(drawings) > 12
    assert all(attrs.get("aria-label") for attrs in drawings)


def test_a_page_and_figures_come_again_from_the_folder(tmp_path: Path):
    folder = train_result(task="multi").to_disk(tmp_path)
    opened = open_run(folder)
    assert opened.write_page(folder / "report.html").is_file()
    names = {path.stem for path in opened.write_figures(folder / "figures")}
    assert names == {"learning", "scores", "thresholds", "precision_recall", "calibration"}


@pytest.mark.parametrize("name", ["hostile", "undefined", "one epoch"])
def test_figures_can_be_drawn_of_anything(tmp_path: Path, name):
    assert len(write_train_figures(train_result(**KINDS[name]), tmp_path)) == 2 * 5


@pytest.mark.parametrize("name", KINDS)
def test_the_summary_fits_80_columns_without_colour(name):
    console = Console(width=80, no_color=True, record=True, file=io.StringIO())
    console.print(train_summary(train_result(**KINDS[name])))
    lines = console.export_text().splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert not any("\x1b" in line for line in lines)
