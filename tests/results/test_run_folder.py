"""Whose run folder it is: kinds and studies are not overwritten by others."""

import json

import pytest

from shiftgauge.errors import StoreError
from shiftgauge.results.run_folder import require_own_folder


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
