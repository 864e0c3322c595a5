"""Whose run folder it is: kinds and studies are not overwritten by others, nor data or other files written among."""

import json

import pytest

from shiftgauge.errors import StoreError
from shiftgauge.results.run_folder import claim_study, require_apart, require_own_folder


@pytest.fixture
def folder(tmp_path):
    record = {"schema_version": 1, "kind": "study", "study": "diabetes"}
    (tmp_path / "run.json").write_text(json.dumps(record))
    return tmp_path


def test_the_same_study_may_be_written_again(folder):
    require_own_folder(folder, "study", study="diabetes")
    require_own_folder(folder, "study")


def test_another_study_is_refused(folder):
    with pytest.raises(StoreError, match="holds the study `diabetes`, which the study `weld` would overwrite"):
        require_own_folder(folder, "study", study="weld")


def test_another_kind_is_refused(folder):
    with pytest.raises(StoreError, match="a run of the kind `study`, which one of the kind `audit` would overwrite"):
        require_own_folder(folder, "audit")


def test_an_empty_folder_is_anyones(tmp_path):
    require_own_folder(tmp_path, "study", study="weld")


@pytest.mark.parametrize("kind", ["audit", "train", "table_audit", "study"])
def test_a_folder_of_other_files_is_refused(tmp_path, kind):
    (tmp_path / "class").mkdir()
    (tmp_path / "class" / "1.png").touch()
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "own.svg").touch()
    with pytest.raises(StoreError, match=r"is not empty and holds no run \(there is class/1.png\); give a folder of"):
        require_own_folder(tmp_path, kind)


@pytest.mark.parametrize(
    ("kind", "file"),
    [
        ("audit", "evaluations.db"),
        ("train", "training/training.json"),
        ("train", "training/checkpoint.pt"),
        ("table_audit", "figures/first.svg"),
        ("table_audit", "results.nc"),
        ("study", "training/training/training.json"),
        ("study", "watched/checkpoint.pt"),
        ("study", "audit-one-image/evaluations.db"),
        ("study", "models/plain/fold-01/fold.json"),
        ("study", "models/plain/fold-01/training/checkpoint.pt"),
        ("study", "copies/clean/cross_validation.json"),
        ("audit", ".gitkeep"),
    ],
)
def test_an_unfinished_run_may_go_on(tmp_path, kind, file):
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).touch()
    (tmp_path / file).with_name("notes.txt" if file != ".gitkeep" else ".hidden").touch()
    require_own_folder(tmp_path, kind)


def test_a_study_whose_work_began_goes_on_and_no_other_does(tmp_path):
    folder = tmp_path / "study"
    claim_study(folder, "cifar")
    (folder / "maps" / "vgg16").mkdir(parents=True)
    (folder / "maps" / "vgg16" / "00000.npz").touch()
    require_own_folder(folder, "study", study="cifar")
    with pytest.raises(StoreError, match="holds the study `cifar`, which the study `lung` would overwrite"):
        require_own_folder(folder, "study", study="lung")
    with pytest.raises(StoreError, match="a run of the kind `study`, which one of the kind `audit` would overwrite"):
        require_own_folder(folder, "audit")


def test_a_folder_of_several_runs_is_no_run_folder(tmp_path):
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "run.json").touch()
    with pytest.raises(StoreError, match=r"holds no run \(there is first/run.json\)"):
        require_own_folder(tmp_path, "train")


@pytest.mark.parametrize(
    ("out", "words"),
    [
        ("images", "is that of the data"),
        ("images/run", "lies within .*images"),
        ("images/../images/high/run", "lies within .*images"),
        (".", "contains .*images"),
    ],
)
def test_a_run_folder_is_apart_from_the_images(tmp_path, out, words):
    (tmp_path / "images").mkdir()
    with pytest.raises(StoreError, match=f"the run folder .* {words}, whose files are data; give an output folder"):
        require_apart(tmp_path / out, [tmp_path / "images"])
    require_apart(tmp_path / "images-run", [tmp_path / "images"])
    require_apart(tmp_path / out, [])
