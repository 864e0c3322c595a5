"""What every kind of result holds, and how it is read back."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from report.train_results import train_result
from shiftgauge.errors import StoreError
from shiftgauge.results.audit import AuditResult
from shiftgauge.results.result import RunResult, index_table, reading, shared_parts
from shiftgauge.results.status import Gate, Message
from shiftgauge.results.study import Finding, StudyResult
from shiftgauge.results.table import TableAuditResult


def _arrays(attributes: dict[str, Any]) -> xr.Dataset:
    index, interval = ("quantity", "input"), ("quantity", "input", "bound")
    variables = {}
    for kind in ("first_order", "total_order"):
        variables[kind] = (index, np.array([[0.25, 0.5]]))
        variables[f"{kind}_interval"] = (interval, np.array([[[0.125, 0.375], [0.5, 0.625]]]))
    return xr.Dataset(variables, {"quantity": ["y"], "input": ["a", "b"], "bound": ["low", "high"]}, attributes)


def _study(attributes: dict[str, Any]) -> StudyResult:
    return StudyResult(
        study="diabetes",
        config={"n": 4},
        provenance={},
        cost={"evaluations": 4},
        headline="As published.",
        findings=(Finding(topic="first", published="a", measured="a", agreement="agrees"),),
        arrays=_arrays(attributes),
        messages=(Message(level="caution", code="few", text="Few samples."),),
    )


ATTRIBUTES = {"quantity_of_interest": "y", "confidence_level": 0.9}


def test_a_study_comes_back_as_it_was_written(tmp_path: Path) -> None:
    written = _study(ATTRIBUTES)
    found = StudyResult.from_disk(written.to_disk(tmp_path))
    assert found.arrays.identical(written.arrays)
    shared = ("study", "config", "provenance", "cost", "headline", "findings", "messages", "gates")
    assert all(getattr(found, name) == getattr(written, name) for name in shared)
    assert (found.level, found.passed, found.quantity_of_interest, found.confidence_level) == (
        "caution",
        True,
        "y",
        0.9,
    )


def test_a_result_is_shown_on_one_line() -> None:
    gates = tuple(Gate(name=n, limit=0.5, value=v, passed=v < 0.5, text="") for n, v in (("a", 0.25), ("b", 0.75)))
    study = _study(ATTRIBUTES | {"title": "Diabetes"})
    assert repr(study) == "StudyResult(title='Diabetes', headline='As published.', gates='none')"
    assert repr(replace(study, gates=gates)).endswith("gates='b missed')")
    assert repr(replace(study, gates=gates[:1])).endswith("gates='all 1 kept')")
    trained = repr(train_result())
    assert trained.startswith("TrainResult(title=")
    assert "folder='" in trained
    assert "xarray" not in trained
    assert len(trained) < 500
    for kind in (AuditResult, TableAuditResult):
        assert kind.__repr__ is RunResult.__repr__


def test_a_study_without_its_output_is_refused(tmp_path: Path) -> None:
    folder = _study({"confidence_level": 0.9}).to_disk(tmp_path)
    with pytest.raises(StoreError, match="`quantity_of_interest` is missing"):
        StudyResult.from_disk(folder)


def test_what_is_wrong_inside_the_block_names_the_folder(tmp_path: Path) -> None:
    folder = _study(ATTRIBUTES).to_disk(tmp_path)
    with (
        pytest.raises(StoreError, match=f"{tmp_path} cannot be read as a run folder: 'absent'"),
        reading(folder, "study") as (record, _),
    ):
        assert record["absent"]


def test_shared_parts_hold_all_that_stands_in_the_record(tmp_path: Path) -> None:
    record = json.loads((_study(ATTRIBUTES).to_disk(tmp_path) / "run.json").read_text())
    gate = {"name": "min", "limit": 1.0, "value": 0.5, "passed": False, "text": "Below."}
    parts = shared_parts({**record, "gates": [gate]})
    assert sorted(parts) == ["config", "cost", "gates", "headline", "messages", "provenance"]
    assert parts["gates"] == (Gate(**gate),)


def test_the_long_table_has_a_row_for_each_index() -> None:
    rows = index_table(_arrays(ATTRIBUTES)).to_dict("records")
    assert [(r["kind"], r["input"], r["low"]) for r in rows] == [
        ("first_order", "a", 0.125),
        ("first_order", "b", 0.5),
        ("total_order", "a", 0.125),
        ("total_order", "b", 0.5),
    ]
