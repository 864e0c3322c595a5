"""Logging to MLflow: what is sent, and a clear line where it is not installed."""

import sys

import numpy as np
import pytest

from factories import audit_result
from shiftgauge.errors import MissingExtraError
from shiftgauge.report.tracking import log_run, metrics, parameters


def test_metrics_are_the_finite_numbers_of_the_result():
    result = audit_result()
    found = metrics(result)
    name = str(result.arrays["shift"].values[0])
    expected = float(result.arrays["total_order"].sel(quantity=result.quantity_of_interest, input=name))
    assert found[f"total_order/{name}"] == pytest.approx(expected)
    assert all(np.isfinite(v) for v in found.values())
    assert found["gates_missed"] == sum(not g.passed for g in result.gates)


def test_a_constant_result_sends_no_undefined_number():
    assert all(np.isfinite(v) for v in metrics(audit_result(constant=True)).values())


def test_names_hold_only_what_mlflow_allows():
    result = audit_result(hostile=True)
    names = [*metrics(result), *parameters(result.config)]
    assert names
    assert all(c.isascii() and (c.isalnum() or c in "_-. /") for name in names for c in name)


def test_without_mlflow_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(MissingExtraError, match=r"shiftgauge\[mlflow\]"):
        log_run(audit_result(), tmp_path, str(tmp_path))


def test_a_run_reaches_mlflow(tmp_path):
    mlflow = pytest.importorskip("mlflow", reason="needs the extra `mlflow`")
    result = audit_result()
    result.to_disk(tmp_path / "run")
    uri = f"sqlite:///{tmp_path / 'tracking.db'}"
    run = mlflow.get_run(log_run(result, tmp_path / "run", uri))
    assert run.data.metrics == pytest.approx(metrics(result))
