"""`shiftgauge audit` on a table and `shiftgauge study`, as a user drives them."""

from __future__ import annotations

import json

import joblib
import jsonschema
import numpy as np
import pandas as pd
import pytest
import yaml

from pima import FOLDER, needs_pima
from shiftgauge.results.table import TableAuditResult

MODEL = "import numpy as np\n\n\ndef build():\n    return lambda x: x[:, 0] + 3 * x[:, 1] * x[:, 0]\n"


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.random((40, 2)), columns=["age", "bmi"])
    table.assign(outcome=rng.integers(0, 2, 40)).to_csv(tmp_path / "t.csv", index=False)
    name = f"table_model_{abs(hash(str(tmp_path)))}"
    (tmp_path / f"{name}.py").write_text(MODEL)
    values = {
        "model": {"factory": f"{name}:build"},
        "data": {"table": "t.csv", "label_column": "outcome"},
        "estimate": {"n_base": 256},
        "out": "run",
    }
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(values))
    return tmp_path


def test_an_audit_of_a_table_writes_its_run_folder(cli, folder):
    found = cli("audit", folder / "a.yaml")
    assert found.code == 0, found.err
    assert "age" in found.out
    assert f"page: {folder.resolve() / 'run' / 'report.html'}" in found.out
    record = json.loads((folder / "run" / "run.json").read_text())
    assert record["kind"] == "table_audit"
    assert record["config"]["space"]["rule"] == "range"


def test_a_missed_gate_exits_with_1(cli, folder):
    found = cli("audit", folder / "a.yaml", "--quiet", "--set", "gates.max_total_order.age=0.1")
    assert found.code == 1
    assert found.err.startswith("gate missed: ")


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("estimate.n_bse=3", "did you mean `n_base`"),
        ("estimate.n_base=3", "≥ 8"),
        ("data.label_column=outcom", "did you mean `outcome`"),
        ("data.table=nowhere.csv", "does not exist"),
        ("space.parameters.agge=[0, 1]", "did you mean `age`"),
        ("space.rule=ranges", "did you mean `range`"),
        (
            "space.correlation={age: {bmi: 0.5}}",
            "`space.correlation`: the audit of a table splits the variance between",
        ),
        ("model.factory=nowhere:build", "cannot be imported"),
        ("model.onnx=net.onnx", "exactly one of"),
        ("shifts.preset=weld", "unknown key `shifts`"),
        ("reduction.leading=1", "scikit-learn"),
    ],
)
def test_bad_input_is_one_line_and_exits_with_2(cli, folder, setting, words):
    assert words in cli("audit", folder / "a.yaml", "--quiet", "--set", setting).error
    assert not (folder / "run").exists()


ROUGH = """import numpy as np


def build():
    return lambda x: np.where(x[:, 0] > 0.4, 1.0, 0.0) + x[:, 1]


def failing():
    return lambda x: np.where(x[:, 1] > 0.9, np.nan, x[:, 0] + 3 * x[:, 1] * x[:, 0])
"""


@pytest.fixture
def rough(folder):
    name = f"rough_{abs(hash(str(folder)))}"
    (folder / f"{name}.py").write_text(ROUGH)
    return name


def settings(*keys):
    return [part for key in keys for part in ("--set", key)]


def table_arrays(folder):
    return TableAuditResult.from_disk(folder / "run").arrays


def test_trees_sharpen_the_indices_of_a_rough_model_and_the_page_says_so(cli, folder, rough):
    keys = (f"model.factory={rough}:build", "estimate.estimator=assisted", "estimate.surrogate=trees")
    found = cli("audit", folder / "a.yaml", *settings(*keys))
    assert found.code == 0, found.err
    arrays, page = table_arrays(folder), (folder / "run" / "report.html").read_text()
    assert arrays["surrogate_residual"].values.tolist() == ["trees"]
    text = f"with boosted trees added to it {100 * float(arrays['surrogate_assisted_share'][0]):.1f}"
    assert text in " ".join(found.out.split())
    assert text in page
    assert '<section id="surrogate"' in page
    assert "surrogate-assisted pick-freeze" in page


def test_a_failing_row_is_named_and_can_be_left_out(cli, folder, rough):
    keys = (f"model.factory={rough}:failing", "space.parameters={age: [0, 1], bmi: [0, 0.95]}")
    error = cli("audit", folder / "a.yaml", "--quiet", *settings(*keys)).error
    assert "gives NaN or infinity for the row (" in error
    assert "on_failure: drop" in error
    found = cli("audit", folder / "a.yaml", *settings(*keys, "estimate.on_failure=drop"))
    assert found.code == 0, found.err
    at, page = table_arrays(folder).attrs, (folder / "run" / "report.html").read_text()
    assert 0 < at["n_dropped"] < at["n_failed"]
    assert at["n_drawn"] == 256
    assert f"{at['n_failed']} failed" in " ".join(found.out.split())
    assert f"{at['n_dropped']} of 256 blocks" in page


def test_a_surrogate_alone_that_explains_too_little_states_nothing(cli, folder, rough):
    keys = (f"model.factory={rough}:build", "estimate.estimator=gpc", "estimate.chaos.degree=2")
    found = cli("audit", folder / "a.yaml", *settings(*keys, "gates.max_total_order.age=1"))
    assert found.code == 1
    assert "No index can be stated" in found.out
    assert "Do not rely on this result" in found.out
    assert 'role="alert"' in (folder / "run" / "report.html").read_text()


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (["estimate.surrogate=gp"], "belongs to the estimator assisted"),
        (["estimate.chaos.solver=lars"], "belongs to the estimator gpc"),
        (["estimate.estimator=gpc", "estimate.replicates=4"], "`replicates` belongs to"),
        (["estimate.estimator=assisted", "estimate.n_base=16"], "must be ≥ 32"),
        (["estimate.on_failure=skip"], "estimate.on_failure"),
    ],
)
def test_a_choice_that_does_not_fit_is_one_line(cli, folder, keys, words):
    assert words in cli("audit", folder / "a.yaml", "--quiet", *settings(*keys)).error
    assert not (folder / "run").exists()


@pytest.mark.parametrize(("option", "words"), [(["--resume"], "--resume"), (["--mlflow", "x"], "--mlflow")])
def test_options_of_image_audits_are_refused(cli, folder, option, words):
    assert words in cli("audit", folder / "a.yaml", *option).error


def test_the_report_is_written_again(cli, folder):
    assert cli("audit", folder / "a.yaml", "--quiet").code == 0
    page = (folder / "run" / "report.html").read_bytes()
    (folder / "run" / "report.html").unlink()
    found = cli("report", folder / "run")
    assert found.code == 0, found.err
    assert (folder / "run" / "report.html").read_bytes() == page
    assert "Sensitivity indices" in found.out


def test_the_schema_allows_both_kinds_of_configuration(cli, folder):
    schema = json.loads(cli("schema").out)
    jsonschema.validate(yaml.safe_load((folder / "a.yaml").read_text()), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"model": {}, "data": {"table": 3}}, schema)


def test_empty_cells_are_named_or_left_out(cli, folder):
    text = (folder / "t.csv").read_text().splitlines()
    text[3] = "," + text[3].partition(",")[2]
    (folder / "t.csv").write_text("\n".join(text))
    found = cli("audit", folder / "a.yaml", "--quiet")
    assert found.code == 2
    assert "row 3 has an empty cell in `age`" in found.err
    found = cli("audit", folder / "a.yaml", "--set", "data.missing=drop")
    assert found.code == 0, found.err
    assert "1 of 40 rows have an empty cell" in " ".join(found.out.split())


def test_a_forgotten_label_column_is_suggested(cli, folder):
    table = pd.read_csv(folder / "t.csv")
    table.assign(quality=np.where(table["outcome"], "good", "bad")).to_csv(folder / "t.csv", index=False)
    values = yaml.safe_load((folder / "a.yaml").read_text())
    values["data"] = {"table": "t.csv"}
    (folder / "a.yaml").write_text(yaml.safe_dump(values))
    found = cli("audit", folder / "a.yaml")
    assert found.code == 2
    assert "in `quality`, which is no number; if `quality` holds the classes, name it as label_column" in found.err


def test_a_run_of_another_kind_is_not_overwritten(cli, folder):
    assert cli("audit", folder / "a.yaml", "--quiet").code == 0
    before = (folder / "run" / "run.json").read_text()
    found = cli("study", "diabetes", "--data", folder / "t.csv", "--out", folder / "run")
    assert found.code == 2
    assert "holds a run of the kind `table_audit`, which one of the kind `study` would overwrite" in found.err
    assert (folder / "run" / "run.json").read_text() == before
    assert cli("audit", folder / "a.yaml", "--quiet").code == 0
    unfinished = folder / "images"
    unfinished.mkdir()
    (unfinished / "evaluations.db").touch()
    found = cli("audit", folder / "a.yaml", "--out", unfinished)
    assert found.code == 2
    assert "of the kind `audit`" in found.err


@needs_pima
def test_weights_of_the_study_that_would_run_code_are_refused_without_a_word_of_options_it_lacks(cli, tmp_path):
    joblib.dump({"a": object}, tmp_path / "x.joblib")
    found = cli("study", "diabetes", "--data", FOLDER / "diabetes.csv", "--weights", tmp_path / "x.joblib")
    assert found.code == 2
    assert "give a state dict of tensors" in found.err
    assert "trust" not in found.err


def test_the_study_refuses_another_table(cli, folder):
    found = cli("study", "diabetes", "--data", folder / "t.csv", "--out", folder / "s")
    assert "unknown column" in found.error
    assert not (folder / "s").exists()


@needs_pima
def test_the_study_runs_and_is_shown_again(cli, tmp_path):
    small = ["--n-base", 128, "--seeds", 1, "--epochs", 5]
    found = cli("study", "diabetes", "--data", FOLDER / "diabetes.csv", "--out", tmp_path / "s", *small)
    assert found.code == 0, found.err
    assert "Claims" in found.out
    page = (tmp_path / "s" / "report.html").read_bytes()
    assert cli("report", tmp_path / "s", "--quiet").code == 0
    assert (tmp_path / "s" / "report.html").read_bytes() == page
