"""What a folder of attacks must hold before anything is shown from it."""

import json

import numpy as np
import pytest
import xarray as xr

from shiftgauge.errors import StoreError
from shiftgauge.results.attack import AttackResult, check_attack_arrays
from shiftgauge.results.attack_tables import accuracy_table, comparison_table, transfer_table


def arrays():
    """The least that a result holds: two models, three images, nothing done to them."""
    ends = {f"clean_accuracy{end}": ("model", [0.5, 0.6]) for end in ("", "_low", "_high")}
    right = ("model", "image"), np.ones((2, 3), np.int8)
    variables = {**ends, "clean_right": right, "image_label": ("image", ["a", "b", "a"])}
    return xr.Dataset(variables, {"model": ["m", "o"], "image": ["1", "2", "3"]}, {"confidence_level": 0.95})


def result(data):
    """A result without anything else."""
    return AttackResult(config={}, provenance={}, cost={}, headline="", arrays=data)


def test_a_result_without_parts_comes_back_and_its_tables_are_empty(tmp_path):
    folder = result(arrays()).to_disk(tmp_path / "run")
    again = AttackResult.from_disk(folder)
    assert again.arrays.equals(arrays())
    assert again.models == ("m", "o")
    assert accuracy_table(arrays())["way"].tolist() == ["none", "none"]
    assert not len(transfer_table(arrays()))
    assert not len(comparison_table(arrays()))
    assert {path.name for path in folder.glob("*.csv")} == {"accuracy.csv"}


def test_tables_of_an_earlier_run_are_taken_away(tmp_path):
    folder = result(arrays()).to_disk(tmp_path / "run")
    (folder / "transfer.csv").write_text("old")
    result(arrays()).to_disk(folder)
    assert not (folder / "transfer.csv").exists()


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (lambda data: data.drop_vars("image"), "axis `image`"),
        (lambda data: data.drop_vars("clean_right"), "clean_right"),
        (lambda data: data.drop_attrs(), "confidence_level"),
        (lambda data: data.assign(row_right=(("row", "image"), np.ones((1, 3)))), "incomplete"),
        (lambda data: data.assign(clean_right=(("image", "model"), np.ones((3, 2)))), "must have the axes"),
    ],
)
def test_what_is_missing_is_told(broken, said):
    with pytest.raises(StoreError, match=said):
        check_attack_arrays(broken(arrays()))


def test_a_run_of_another_kind_or_a_newer_layout_is_refused(tmp_path):
    folder = result(arrays()).to_disk(tmp_path / "run")
    record = json.loads((folder / "run.json").read_text())
    for change, said in (({"kind": "audit"}, "kind `audit`"), ({"schema_version": 99}, "schema version 99")):
        (folder / "run.json").write_text(json.dumps({**record, **change}))
        with pytest.raises(StoreError, match=said):
            AttackResult.from_disk(folder)
