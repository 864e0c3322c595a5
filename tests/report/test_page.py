import base64
import hashlib
import itertools
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from factories import HOSTILE_CLASSES, audit_result
from shiftgauge.errors import StoreError
from shiftgauge.report.blocks import surface
from shiftgauge.report.blocks.record import build_cost, execution_text
from shiftgauge.report.format import clean, fixed, number, percent, quantity_label
from shiftgauge.report.page import render_page, write_page
from shiftgauge.report.read import quantities
from shiftgauge.results.audit import AuditResult

VOID = {"meta", "link", "img", "input", "br", "hr"}


class Reader(HTMLParser):
    """Collects tags, attributes and text, and checks that elements close in order."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.text, self.open = [], [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, k, v) for k, v in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not set(self.open) & {"script", "style"}:
            self.text.append(data)

    @property
    def said(self):
        return " ".join("".join(self.text).split())


@pytest.mark.parametrize("name", ["plain", "hostile", "rough", "gpc", "fixed", "constant"])
def test_page_is_well_formed_self_contained_and_identifiers_are_unique(pages, name):
    page = Reader(pages[name])
    assert page.open == []
    links = [v for _, k, v in page.attributes if k in ("src", "href", "action", "srcset", "poster", "data")]
    assert all(v.startswith(("data:", "#")) for v in links)
    assert not [k for _, k, _ in page.attributes if k.startswith("on") or k == "style"]
    identifiers = [v for _, k, v in page.attributes if k == "id"]
    assert len(identifiers) == len(set(identifiers))
    targets = {v[1:] for _, k, v in page.attributes if k == "href" and v.startswith("#")}
    assert targets <= set(identifiers)


@pytest.mark.parametrize("name", ["plain", "hostile", "gpc"])
def test_pictures_and_drawings_have_words_and_headings_step_by_one(pages, name):
    html = pages[name]
    page = Reader(html)
    assert page.tags.count("img") == sum(1 for t, k, v in page.attributes if t == "img" and k == "alt" and v)
    assert page.tags.count("h1") == 1
    levels = [int(t[1]) for t in page.tags if re.fullmatch("h[1-6]", t)]
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))
    assert len(re.findall(r'<svg class="plot"[^>]*role="img" aria-label="[^"]+"', html)) == html.count('class="plot"')


def test_policy_names_exactly_the_script_and_style_of_the_page(pages):
    html = pages["plain"]
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html).group(1).replace("&#39;", "'")
    style = re.search(r"<style>(.*?)</style>", html, re.S).group(1)
    script = re.search(r"<script>(.*?)</script>", html, re.S).group(1)
    for kind, text in (("style-src", style), ("script-src", script)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind} 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy


def test_hostile_text_is_shown_as_it_is_and_runs_nowhere(pages):
    html = pages["hostile"]
    page = Reader(html)
    assert page.tags.count("script") == 2
    assert not {"b", "i", "u", "iframe", "object", "embed", "form"} & set(page.tags)
    for name in HOSTILE_CLASSES:
        assert " ".join(clean(name).split()) in page.said
    assert "{{ 7*7 }}" in page.said
    assert not set(html) & {"\x1b", "\u202e", "\u2028", "\ud800"}


def test_surface_data_read_back_and_name_every_pair(pages, results):
    text = re.search(r'id="surface-data">(.*?)</script>', pages["hostile"], re.S).group(1)
    data = json.loads(text)
    arrays = results["hostile"].arrays
    assert [p["first"]["label"] for p in data["pairs"]] == list(arrays["pair_first"].values)
    assert [q["label"] for q in data["quantities"]][3].startswith("Probability of “<script>")
    assert len(data["samples"]["theta"]) == arrays.sizes["shift"]


def test_numbers_of_the_result_stand_on_the_page(pages, results):
    said, data = Reader(pages["plain"]).said, results["plain"].arrays
    for name in ("rotation", "brightness", "tilt"):
        for kind in ("first_order", "total_order"):
            value = float(data[kind].sel(quantity="probability", input=name))
            low, high = data[f"{kind}_interval"].sel(quantity="probability", input=name).values
            assert f"{fixed(value)} [{fixed(low)}, {fixed(high)}]" in said
    assert " ".join(percent(float(data["gauge_contribution"].values[0, 0])).split()) in said
    assert number(float(results["plain"].cost["images_per_second"])) in said


def test_inputs_are_ranked_by_total_index(pages, results):
    data = results["plain"].arrays["total_order"].sel(quantity="probability")
    order = [str(n) for n in data["input"].values[np.argsort(-data.values)]]
    block = pages["plain"].split('id="indices"')[1].split("</table>")[0]
    shown = re.findall(r'role="rowheader" scope="row">([^<]+)<', block)
    assert [s.split(" (")[0].replace(" ", "_") for s in shown] == order


def test_verdict_comes_first_then_trust_then_gates_and_tables(pages, results):
    said = Reader(pages["rough"]).said
    parts = [
        results["rough"].headline,
        "Rely on this result with care",
        "smooth surrogate explains 70%",
        "At least one limit",
    ]
    places = [said.index(part) for part in [*parts, "Part to part", "Ranked by total index", "Content hashes"]]
    assert places == sorted(places)


def test_poor_surrogate_alone_is_never_presented_as_fact(pages, results):
    said = Reader(pages["gpc"]).said
    assert said.index("Alarm.") < said.index(results["gpc"].headline)
    assert "Indices of the surrogate, not of the classifier" in said
    assert "not established" in said
    assert "Do not rely on this result" in said
    assert "Strongest pair" not in said


def test_rough_classifier_keeps_its_indices_and_marks_the_drawings(pages, results):
    said = Reader(pages["rough"]).said
    assert results["rough"].headline in said
    assert "Sketch, not fact" in said
    assert "The indices on this page do not depend on it." in said
    assert "Indices of the surrogate, not of the classifier" not in said


def test_indices_of_a_surrogate_are_not_said_to_be_independent_of_it(pages):
    assert "do not depend on it" not in Reader(pages["gpc"]).said


@pytest.mark.parametrize(("kind", "why"), [("constant", "the output never changed"), ("still", "no shift moved")])
def test_a_gauge_without_a_verdict_says_why(pages, kind, why):
    said = Reader(pages[kind]).said
    assert "score can tell apart under these shifts: not defined." in said
    assert f"Verdict by the customary limits: none, because {why}" in said
    assert f"Gauge R&Rno verdict{why}" in said.replace("Gauge R&R no verdict ", "Gauge R&Rno verdict")
    assert "Moves the output mostnothing" in said.replace("most nothing", "mostnothing")
    assert "undefined." not in said.split("Sensitivity indices")[0]


def test_only_untrusted_quantities_carry_the_note(pages, results):
    trusted = results["plain"].arrays["surrogate_trusted"].values
    noted = set(re.findall(r'class="note sketch" data-quantity="(q\d)"', pages["plain"]))
    assert noted == {f"q{k}" for k, flag in enumerate(trusted) if not flag}


def test_constant_output_is_said_and_no_index_is_made_up(pages):
    said = Reader(pages["constant"]).said
    assert "every index is undefined" in said
    assert "nan" not in said.lower().split()


def test_fixed_images_have_their_own_indices_and_no_gauge_table(pages):
    page = Reader(pages["fixed"])
    assert "Indices of this image alone" in page.said
    assert 'id="gauge"' not in pages["fixed"]


def test_a_saved_run_gives_the_same_page(results, tmp_path):
    folder = results["plain"].to_disk(tmp_path)
    assert render_page(AuditResult.from_disk(folder)) == render_page(results["plain"])


OPTIONAL = ["second_order", "main_effect", "bin_mean", "sample_theta", "surface_z", "strip_image", "image_mean"]
OPTIONAL += ["gauge_ndc", "gauge_verdict", "surrogate_share", "shift_nominal", "strip_predicted", "thumb_worst_text"]


@pytest.mark.parametrize("name", OPTIONAL)
def test_a_page_is_made_when_a_part_is_absent(results, name):
    whole = results["plain"]
    less = AuditResult(
        config=whole.config,
        provenance={},
        cost={},
        headline=whole.headline,
        arrays=whole.arrays.drop_vars([v for v in whole.arrays if v == name or v == f"{name}_interval"]),
    )
    page = Reader(render_page(less))
    assert page.open == []
    assert "sets no limit" in page.said


@pytest.mark.parametrize(
    ("budget", "grid", "shown"), [(1_000_000, 31, 4), (45_000, 16, 4), (12_000, 16, 2), (10, 16, 1)]
)
def test_large_surfaces_are_thinned_grid_first_then_quantities(monkeypatch, results, budget, grid, shown):
    monkeypatch.setattr(surface, "BUDGET", budget)
    found = surface.build(results["plain"], quantities(results["plain"]))
    pair = found["payload"]["pairs"][0]
    assert pair["z"]["shape"] == [shown, 7, grid, grid]
    assert (pair["x"][0], pair["x"][-1], len(pair["x"])) == (-90.0, 90.0, grid)
    assert found["quantities"][0].name == "probability"


def test_a_measured_audit_shows_its_surrogates_its_execution_and_its_device(measured):
    page, data = Reader(render_page(measured)), measured.arrays
    for q in map(str, data["quantity"].values):
        terms, label = int(data["surrogate_terms"].sel(quantity=q)), str(data["surrogate_label"].sel(quantity=q).item())
        assert f"{quantity_label(q)}: polynomial chaos, {label}, {number(terms, 7)} term" in page.said
    execution = measured.cost["execution"]
    assert f"Run as{execution_text(execution)}" in page.said.replace("Run as ", "Run as")
    assert f"Device{measured.provenance['device']}" in page.said
    assert "taken over" not in page.said


def test_the_chosen_row_of_a_measured_trial_is_marked(measured):
    rows = build_cost(measured)["trial"]
    trial, execution = measured.cost["trial"], measured.cost["execution"]
    assert len(rows) == len(trial) > 1
    chosen = [k for k, row in enumerate(trial) if all(row[key] == v for key, v in execution.items())]
    assert [k for k, row in enumerate(rows) if row["verdict"] == "✓ chosen"] == chosen
    assert len(chosen) == 1


def test_streams_rejected_settings_and_evaluations_from_the_store_are_shown(results):
    plain = results["plain"]
    resumed = replace(plain, cost={**plain.cost, "rows_from_store": 1280})
    said = Reader(render_page(resumed)).said
    assert "batch 32, 2 at a time, channels last, bfloat16" in said
    assert "differs from float32" in said
    assert "Evaluations taken over from an earlier start1280" in said


def test_every_key_of_the_made_up_results_is_one_that_an_audit_writes(measured, results):
    plain = results["plain"]
    assert set(plain.cost) <= set(measured.cost)
    assert set(plain.cost["trial"][0]) <= set(measured.cost["trial"][0])
    assert set(plain.provenance) <= set(measured.provenance)
    assert set(plain.arrays.attrs) <= set(measured.arrays.attrs)
    assert set(plain.arrays.variables) <= set(measured.arrays.variables)
    for name in plain.arrays.data_vars:
        if name not in ("strip_image", "thumb_image", "thumb_worst"):
            assert plain.arrays[name].dims == measured.arrays[name].dims, name


def test_folder_that_cannot_be_written_is_a_plain_error(results, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(StoreError, match="cannot write"):
        write_page(results["plain"], blocked / "report.html")


def test_second_order_alone_gives_the_heat_map():
    result = audit_result(n_base=64, shifts=("rotation", "brightness"))
    arrays = result.arrays.drop_vars(["total_interaction", "total_interaction_interval"])
    page = render_page(AuditResult(config={}, provenance={}, cost={}, headline="x", arrays=arrays))
    assert "Joint effect of two inputs" in page
