"""The confusion matrix of a training stays within its page, however long the names of the classes are."""

from dataclasses import replace

import pytest

from report.train_results import train_result
from shiftgauge.report.train_page import render_train_page

NAMES = {"one word": "a_long_name_of_a_class_{}_x", "words": "finishing roll printing {}"}
BOX = """() => { const box = document.querySelector('#confusion .scroll');
  return [box.clientWidth, box.scrollWidth, document.documentElement.scrollWidth]; }"""
HEADINGS = """() => [...document.querySelectorAll('#confusion .foot th span')].map(e => {
  const own = e.getBoundingClientRect(), cell = e.parentElement.getBoundingClientRect();
  return own.left >= cell.left - 1 && own.right <= cell.right + 1 && own.bottom <= cell.bottom + 1; })"""


@pytest.fixture
def opened(chromium, tmp_path):
    pages = []

    def start(name, width):
        result = train_result(n_classes=7)
        names = [NAMES[name].format(k) for k in range(7)]
        result = replace(result, arrays=result.arrays.assign_coords({"class": names, "class_2": names}))
        file = tmp_path / "page.html"
        file.write_text(render_train_page(result), encoding="utf-8")
        page = chromium.new_page(viewport={"width": width, "height": 900})
        pages.append(page)
        page.goto(file.as_uri())
        return page

    yield start
    for page in pages:
        page.close()


@pytest.mark.browser
@pytest.mark.parametrize("name", NAMES)
def test_a_matrix_of_long_names_is_whole_on_a_desk(opened, name):
    page = opened(name, 1280)
    inner, needed, whole = page.evaluate(BOX)
    assert needed <= inner
    assert whole <= 1280
    assert all(page.evaluate(HEADINGS))


@pytest.mark.browser
@pytest.mark.parametrize("name", NAMES)
def test_on_a_telephone_the_matrix_scrolls_in_a_box_of_its_own_and_keeps_the_names_of_its_rows(opened, name):
    page = opened(name, 390)
    assert page.evaluate(BOX)[2] <= 390
    page.evaluate("document.querySelector('#confusion .scroll').scrollLeft = 120")
    left = "document.querySelector('#confusion tbody th').getBoundingClientRect().left"
    box = "document.querySelector('#confusion .scroll').getBoundingClientRect().left"
    assert abs(page.evaluate(left) - page.evaluate(box)) <= 4
