"""A run folder: round trip, and every way in which it can be unusable."""

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from factories import audit_result
from shiftgauge.errors import StoreError
from shiftgauge.results.audit import AuditResult, is_factual


@pytest.fixture
def result() -> AuditResult:
    return audit_result()


def test_a_result_survives_the_disk(tmp_path, result):
    again = AuditResult.from_disk(result.to_disk(tmp_path / "run"))
    xr.testing.assert_identical(again.arrays, result.arrays)
    assert (again.headline, again.messages, again.gates) == (result.headline, result.messages, result.gates)
    assert again.level == result.level
    assert again.passed == result.passed
    table = pd.read_csv(tmp_path / "run" / "indices.csv", keep_default_na=False)
    assert list(table.columns) == ["quantity", "kind", "input", "input_2", "estimate", "low", "high", "factual"]
    assert set(table["kind"]) >= {"first_order", "total_order", "total_interaction"}


def test_the_table_marks_indices_of_a_poor_surrogate(tmp_path):
    audit_result(estimator="gpc", share=0.96, n_base=16).to_disk(tmp_path)
    table = pd.read_csv(tmp_path / "indices.csv").groupby("quantity")["factual"].unique()
    assert {q: list(found) for q, found in table.items()} == {
        "probability": [True],
        "margin": [True],
        "cross_entropy": [True],
        "correct": [False],
    }


@pytest.mark.parametrize("estimator", ["assisted", "pick_freeze"])
def test_estimators_that_do_not_rest_on_the_surrogate_are_factual(estimator):
    assert audit_result(estimator=estimator, share=0.3, n_base=16).to_dataframe()["factual"].all()


@pytest.mark.parametrize("spoil", [lambda a: a.drop_vars("surrogate_share"), lambda a: a * np.nan])
def test_a_surrogate_of_unknown_quality_is_no_fact(spoil):
    arrays = audit_result(estimator="gpc", n_base=16).arrays
    known = arrays[["surrogate_share"]]
    assert is_factual(known, "probability")
    assert not is_factual(spoil(known).assign_attrs(arrays.attrs), "probability")


def test_the_record_is_plain_json_with_a_schema_version(tmp_path, result):
    record = json.loads((result.to_disk(tmp_path) / "run.json").read_text(encoding="utf-8"))
    assert record["schema_version"] == 1
    assert record["kind"] == "audit"


def test_a_newer_schema_is_refused(tmp_path, result):
    path = result.to_disk(tmp_path) / "run.json"
    path.write_text(path.read_text().replace('"schema_version": 1', '"schema_version": 99'))
    with pytest.raises(StoreError, match="schema version 99, this version reads 1"):
        AuditResult.from_disk(tmp_path)


def edit_record(folder, **changes):
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    (folder / "run.json").write_text(json.dumps(record | changes), encoding="utf-8")


def edit_arrays(folder, change):
    with xr.open_dataset(folder / "results.nc", engine="h5netcdf") as data:
        arrays = change(data.load())
    arrays.to_netcdf(folder / "results.nc", engine="h5netcdf")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda f: (f / "run.json").unlink(), "no finished audit: run.json is missing"),
        (lambda f: (f / "results.nc").unlink(), "results.nc"),
        (lambda f: (f / "run.json").write_text("{"), "cannot be read as a run folder"),
        (lambda f: (f / "run.json").write_text("[]"), "schema version None"),
        (lambda f: edit_record(f, headline=None), "`headline` is missing or no str"),
        (lambda f: edit_record(f, cost=[]), "`cost` is missing or no dict"),
        (lambda f: edit_record(f, messages=[{"level": "loud", "code": "x", "text": "y"}]), "info, caution, alarm"),
        (lambda f: edit_record(f, messages=[{"level": "info"}]), "cannot be read as a run folder"),
        (lambda f: edit_arrays(f, lambda a: a.drop_vars("total_order")), "`total_order` is missing"),
        (lambda f: edit_arrays(f, lambda a: a.drop_vars("surface_x")), "`surface_x` is missing"),
        (lambda f: edit_arrays(f, lambda a: a.drop_vars("quantity")), "the axis `quantity` is missing"),
        (lambda f: edit_arrays(f, lambda a: a.drop_attrs(deep=False)), "`quantity_of_interest` is missing"),
        (lambda f: edit_arrays(f, lambda a: a.assign_attrs(quantity_of_interest="loss")), "the quantity `loss`"),
        (
            lambda f: edit_arrays(f, lambda a: a.assign(mean=((), 1.0))),
            "`mean` must have the axes quantity, found none",
        ),
        (lambda f: (f / "results.nc").write_bytes(b"no netcdf"), "cannot be read as a run folder"),
    ],
)
def test_a_damaged_folder_is_one_clear_line(tmp_path, result, spoil, words):
    result.to_disk(tmp_path)
    spoil(tmp_path)
    with pytest.raises(StoreError, match=words) as caught:
        AuditResult.from_disk(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_folder_that_cannot_be_written_is_refused(tmp_path, result):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="cannot write"):
        result.to_disk(tmp_path / "file" / "run")


@pytest.mark.parametrize("name", ["indices", "interactions", "main_effects", "surface", "gauge", "strips"])
def test_a_result_draws_itself(result, name):
    figure = getattr(result, f"plot_{name}")()
    assert figure.axes


def test_a_result_writes_its_page(tmp_path, result):
    path = result.report(tmp_path / "page.html")
    assert path.read_text(encoding="utf-8").lower().startswith("<!doctype html>")
