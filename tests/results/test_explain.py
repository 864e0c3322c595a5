"""What a look inside found survives its run folder, and a damaged one is refused."""

import json

import pytest

from explain_runs import classifier, look, options
from shiftgauge.errors import StoreError
from shiftgauge.results.explain import ExplainResult, check_explain_arrays
from shiftgauge.results.explain_tables import TABLES


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explain") / "run"
    return folder, look(folder, options(), compare={"another": classifier(seed=1)})


def test_a_result_is_the_same_after_its_run_folder(run):
    folder, result = run
    found = ExplainResult.from_disk(folder)
    assert found.headline == result.headline
    assert found.messages == result.messages
    assert set(found.arrays.variables) == set(result.arrays.variables)
    assert found.to_dataframe().equals(result.to_dataframe())
    assert found.walks_to_dataframe().equals(result.walks_to_dataframe())
    for name, table in result.tables.items():
        assert found.tables[name].equals(table), name
    assert found.provenance["device"] == "cpu"


def test_the_tables_lie_beside_the_arrays(run):
    names = {path.name for path in run[0].iterdir()}
    assert {"run.json", "results.nc", "report.html", *TABLES} <= names
    assert len(run[1].to_dataframe()) == 2 * 4
    assert len(run[1].walks_to_dataframe()) == 4 * 4
    assert len(run[1].agreement_to_dataframe()) == 1


@pytest.mark.parametrize(
    "name", ["picture", "walk_stayed", "map_maximum", "agreement_low", "mask_first_order_high", "pixel_bound_low"]
)
def test_a_missing_variable_is_refused(run, name):
    with pytest.raises(StoreError, match=name):
        check_explain_arrays(run[1].arrays.drop_vars(name))


def test_another_kind_of_run_is_refused(run, tmp_path):
    folder = tmp_path / "other"
    run[1].to_disk(folder)
    record = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**record, "kind": "audit"}))
    with pytest.raises(StoreError, match="kind `audit`"):
        ExplainResult.from_disk(folder)
