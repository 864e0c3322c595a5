"""The weld study in its small mode: on steel images where they are, else on made ones."""

import numpy as np
import pytest
from PIL import Image

from shared_data import FOLDER
from shiftgauge.errors import ConfigError
from shiftgauge.report.kinds import open_run
from shiftgauge.results.study import StudyResult
from shiftgauge.studies.weld import weld
from shiftgauge.studies.weld_findings import find, messages

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


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weld")
    data = STEEL if STEEL.exists() else made(folder / "images")
    return weld(data, out=folder / "study", quick=True, progress=False), folder / "study"


def test_the_study_writes_training_audits_figures_and_page(study):
    _, folder = study
    for part in ("training", "audit-one-image", "audit-all-images", "."):
        assert (folder / part / "run.json").is_file()
        assert (folder / part / "report.html").is_file()
    assert (folder / "training" / "model" / "model.json").is_file()
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
    assert {m.code for m in result.messages} >= {"quick", "other_data", "random_start"}


def test_every_statement_has_a_verdict_and_the_headline_counts_them(study):
    result, _ = study
    topics = [f.topic for f in result.findings]
    assert len(set(topics)) == len(topics) == 11
    hold = sum(f.agreement == "agrees" for f in result.findings)
    assert f"{hold} hold" in result.headline


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
    assert result.cost["evaluations_points"] == data.sizes["variant"] * result.arrays.attrs["points"]


def test_the_weights_of_the_loss_follow_from_the_training_images(study):
    data = study[0].arrays
    counts = data["split_count"].sel(split_part="train").values
    assert np.allclose(data["class_weight"], counts.sum() / (len(counts) * counts))


def test_too_few_points_are_refused_before_anything_is_trained(tmp_path):
    with pytest.raises(ConfigError, match="points"):
        weld(made(tmp_path / "images"), out=tmp_path / "out", points=100, progress=False)
    assert not (tmp_path / "out").exists()
