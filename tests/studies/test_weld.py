"""The weld study in its small mode: on steel images where they are, else on made ones, as names of tests say."""

import io
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from shared_data import FOLDER
from shiftgauge.data.weld_json import WELD_CLASSES
from shiftgauge.errors import ConfigError, InterruptedRunError, StoreError
from shiftgauge.report.kinds import open_run
from shiftgauge.report.weld_figures import write_study_figures
from shiftgauge.report.weld_terminal import study_summary
from shiftgauge.results.study import StudyResult
from shiftgauge.studies.weld import weld
from shiftgauge.studies.weld_findings import find
from shiftgauge.studies.weld_messages import headline, messages

STEEL = FOLDER / "xsdd" / "xsdd_original_bytes.npz"


def made(folder):
    rng = np.random.default_rng(0)
    for label, level in (("bright", 180), ("dark", 70), ("ridged", 120)):
        (folder / label).mkdir(parents=True)
        for i in range(16):
            pixels = rng.normal(level, 25, (40, 44))
            pixels[:: 2 + i % 3] += 40 if label == "ridged" else 0
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / label / f"{i}.png")
    return folder


@pytest.fixture(scope="module", params=[STEEL.exists()], ids=["steel" if STEEL.exists() else "made-up images"])
def study(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("weld")
    data = STEEL if request.param else made(folder / "images")
    return weld(data, out=folder / "study", quick=True, progress=False), folder / "study"


def test_the_study_writes_training_audits_figures_and_page(study):
    _, folder = study
    for part in ("training", "audit-one-image", "audit-all-images", "."):
        assert (folder / part / "run.json").is_file()
        assert (folder / part / "report.html").is_file()
    assert (folder / "training" / "model" / "model.json").is_file()
    assert (folder / "watched" / "epoch-001.npz").is_file()
    names = {path.stem for path in (folder / "figures").iterdir()}
    assert names == {"surface", "one_and_all", "surrogates", "variants", "watching"}


def test_what_was_written_is_read_back_and_shown(study):
    result, folder = study
    found = StudyResult.from_disk(folder)
    assert found.findings == result.findings == find(found.arrays)
    assert found.messages == messages(found.arrays)
    opened = open_run(folder)
    page = opened.write_page(folder.parent / "again.html").read_text(encoding="utf-8")
    assert page == (folder / "report.html").read_text(encoding="utf-8")
    assert opened.summary() is not None


def test_the_page_says_which_data_it_used_and_that_they_are_not_the_published_ones(study):
    result, folder = study
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert result.arrays.attrs["data_name"] in page
    assert "These are not the images of TIG Aluminium 5083" in page
    assert "its numbers mean nothing" in page
    assert {m.code for m in result.messages} >= {"quick", "other_data", "random_start", "own_recipe"}


def test_a_quick_run_is_called_no_result_and_counts_nothing(study):
    result, _ = study
    topics = [f.topic for f in result.findings]
    assert len(set(topics)) == len(topics) == 12
    assert result.headline.startswith("Quick run, no result:")
    assert "habits" not in result.headline
    assert {f.agreement for f in result.findings} == {"fact", "unclear"}


def test_the_headline_counts_what_data_can_change_alone(study):
    arrays = study[0].arrays.copy()
    arrays.attrs = {**arrays.attrs, "quick": 0}
    findings = find(arrays)
    kinds = [f.agreement for f in findings if f.agreement != "fact"]
    assert len(kinds) == len(findings) - 3
    said = headline(arrays, findings)
    assert f"Of {len(kinds)} habits" in said
    assert f"{kinds.count('agrees')} hold," in said


def test_a_probability_that_never_changes_leaves_a_headline(study):
    arrays = study[0].arrays.copy(deep=True)
    for name in ("total_order", "all_total_order"):
        arrays[name][:] = np.nan
    assert "never changes" in headline(arrays, find(arrays))
    assert "no index is defined" in headline(arrays, ())


def test_classes_without_validation_images_and_notes_of_the_split_are_passed_on(study):
    arrays = study[0].arrays.copy(deep=True)
    arrays.attrs["data_notes"] = "4 files are of no known class"
    arrays.attrs["split_notes"] = "class `x` has no image in `validation`, 3 in all\n2 images left out of `train`"
    arrays["split_count"].loc[{"split_part": "validation"}] = 0
    found = {m.code: m for m in messages(arrays)}
    assert found["missing_in_validation"].level == "caution"
    assert found["split"].text == "2 images left out of `train`"
    assert found["data_notes"].text == "4 files are of no known class"


@pytest.mark.browser
def test_the_surface_is_drawn_and_the_page_silent(study, chromium):
    _, folder = study
    page, said = chromium.new_page(viewport={"width": 1100, "height": 800}), []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto((folder / "report.html").as_uri())
    page.locator("#surface-canvas").scroll_into_view_if_needed()
    page.wait_for_function("document.querySelector('#surface-canvas').getAttribute('aria-label').includes(' over ')")
    data = "document.querySelector('#surface-canvas').getContext('2d').getImageData(0, 0, 600, 300).data"
    assert page.evaluate(f"new Set({data}).size") > 50
    assert page.locator("#surface-pair option").count() == 3
    assert page.locator("#surface-slice").get_attribute("max") != "0"
    assert said == []
    page.close()


def test_the_page_and_the_summary_show_intervals_facts_and_what_cannot_be_told(study):
    result, folder = study
    page = (folder / "report.html").read_text(encoding="utf-8")
    for part in ("? cannot be told", "a fact", "Beside", "drawn anew", "512 points (published: 10,000)"):
        assert part in page, part
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(study_summary(result))
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= 80
    assert "cannot be told" in text
    assert "fact" in text


def test_the_surface_has_a_slice_at_the_published_tilt(study):
    data = study[0].arrays
    pairs = list(zip(data["pair_first"].values, data["pair_second"].values, strict=True))
    place = next(k for k, pair in enumerate(pairs) if set(pair) == {"brightness", "rotation"})
    assert 10.0 in data["surface_fixed"].values[place].tolist()


def test_the_published_and_the_own_way_are_measured_at_the_same_points(study):
    result, _ = study
    data = result.arrays
    assert data["variant_difference"].sel(variant="camera") == 0
    assert data["variant_correlation"].sel(variant="camera") == pytest.approx(1)
    assert (data["variant_size"].sel(variant="larger input") / result.arrays.attrs["size"]) == pytest.approx(
        244 / 224, abs=0.02
    )
    assert (data["variant_gap"].sel(variant="camera") == 0).all()
    assert (np.diff(data["variant_gap_interval"].sel(variant="other order")) > 0).all()
    assert result.cost["evaluations_points"] == data.sizes["variant"] * result.arrays.attrs["points"]


def test_the_weights_of_the_loss_follow_from_the_training_images(study):
    data = study[0].arrays
    counts = data["split_count"].sel(split_part="train").values
    assert np.allclose(data["class_weight"], counts.sum() / (len(counts) * counts))


def test_too_few_points_are_refused_before_anything_is_trained(tmp_path):
    with pytest.raises(ConfigError, match="points"):
        weld(made(tmp_path / "images"), out=tmp_path / "out", points=100, progress=False)
    assert not (tmp_path / "out").exists()


def published_layout(root, recordings=2, frames=4):
    """Images as TIG Aluminium 5083 has them: recordings of several frames, each of one class."""
    rng = np.random.default_rng(1)
    for part in ("train", "test"):
        labels = {}
        for k in range(len(WELD_CLASSES)):
            for take in range(recordings):
                name = f"{part} {k} {take}"
                (root / part / name).mkdir(parents=True)
                for frame in range(frames):
                    pixels = rng.normal(40 + 30 * k, 20, (36, 48)).clip(0, 255).astype(np.uint8)
                    Image.fromarray(pixels).save(root / part / name / f"{frame}.png")
                    labels[f"{name}/{frame}.png"] = k
        (root / part / f"{part}.json").write_text(json.dumps(labels))
    return root


def test_the_published_layout_runs_with_its_own_parts(tmp_path):
    data = published_layout(tmp_path / "al5083")
    result = weld(data, out=tmp_path / "study", quick=True, watch=False, progress=False)
    at = result.arrays
    assert at.attrs["weld_data"] == 1
    assert "other_data" not in {m.code for m in result.messages}
    assert (at["split_count"].sel(split_part=["train", "test"]) > 0).all()
    assert str(at.attrs["image_name"]).startswith("test/")


def test_a_second_run_without_watching_leaves_no_figure_of_the_first(study, tmp_path):
    result, folder = study
    shutil.copytree(folder / "figures", tmp_path / "figures")
    (tmp_path / "figures" / "own.png").touch()
    bare = replace(result, arrays=result.arrays.drop_vars(["watch_chosen"]))
    write_study_figures(bare, tmp_path / "figures")
    assert {p.stem for p in (tmp_path / "figures").iterdir()} == {
        "surface",
        "one_and_all",
        "surrogates",
        "variants",
        "own",
    }


def test_the_folder_of_another_study_is_refused_before_anything_is_read(tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "run.json").write_text('{"schema_version": 1, "kind": "study", "study": "diabetes"}')
    with pytest.raises(StoreError, match="holds the study `diabetes`"):
        weld(made(tmp_path / "images"), out=tmp_path / "s", quick=True, progress=False)


def test_an_interrupted_study_says_what_goes_on(tmp_path, monkeypatch):
    def stop(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("shiftgauge.studies.weld.train", stop)
    with pytest.raises(InterruptedRunError, match="the ways of shifting from their start"):
        weld(made(tmp_path / "images"), out=tmp_path / "s", quick=True, progress=False)
