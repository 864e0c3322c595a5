"""A finished run as a run of MLflow: parameters, numbers to compare, and the files."""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from shiftgauge.errors import MissingExtraError, StoreError
from shiftgauge.results.audit import AuditResult

_FILES: Final = ("report.html", "indices.csv", "run.json", "results.nc")
_LONGEST: Final = 500
_NAME: Final = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-. /")


def log_run(result: AuditResult, folder: str | Path, tracking_uri: str, experiment: str = "shiftgauge") -> str:
    """Logs an audit to MLflow.

    Args:
        result: The audit.
        folder: Its run folder; report, table, record and arrays become artifacts.
        tracking_uri: Where MLflow keeps its runs, a server or a folder.
        experiment: Name of the experiment.

    Returns:
        The id of the MLflow run.

    Raises:
        MissingExtraError: MLflow is not installed.
        StoreError: MLflow refuses or cannot be reached.
    """
    try:
        mlflow = import_module("mlflow")
        failure = import_module("mlflow.exceptions").MlflowException
    except ImportError as error:
        raise MissingExtraError("mlflow", "mlflow", "logging to MLflow") from error
    try:
        mlflow.set_tracking_uri(tracking_uri)
        mlflow.set_experiment(experiment)
        with mlflow.start_run(run_name=str(result.arrays.attrs.get("title", "audit"))) as run:
            mlflow.log_params(parameters(result.config))
            mlflow.log_metrics(metrics(result))
            mlflow.set_tags({"headline": result.headline[:_LONGEST], "level": result.level})
            for name in _FILES:
                if (Path(folder) / name).is_file():
                    mlflow.log_artifact(str(Path(folder) / name))
        return str(run.info.run_id)
    except (failure, OSError) as error:
        raise StoreError(f"MLflow at {tracking_uri}: {' '.join(str(error).split())}") from error


def parameters(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Flattens a configuration to the short texts that MLflow takes as parameters.

    Example:
        >>> parameters({"estimate": {"seed": 0}, "title": "steel"})
        {'estimate.seed': '0', 'title': 'steel'}
    """
    flat: dict[str, str] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            flat |= parameters(value, f"{prefix}{key}.")
        elif value is not None:
            flat[_plain(f"{prefix}{key}")] = str(value)[:_LONGEST]
    return flat


def metrics(result: AuditResult) -> dict[str, float]:
    """The numbers worth comparing between runs: indices, means, surrogate share, gates; undefined ones are left out.

    Args:
        result: The audit.
    """
    data, q = result.arrays, result.quantity_of_interest
    found: dict[str, float] = {"gates_missed": float(sum(not gate.passed for gate in result.gates))}
    for kind in ("first_order", "total_order"):
        for name in data["input"].values:
            found[f"{kind}/{name}"] = float(data[kind].sel(quantity=q, input=name))
    for kind in ("mean", "clean_mean", "variance", "surrogate_share", "gauge_ndc"):
        if kind in data:
            for quantity in data["quantity"].values:
                found[f"{kind}/{quantity}"] = float(data[kind].sel(quantity=quantity))
    return {_plain(key): value for key, value in found.items() if math.isfinite(value)}


def _plain(name: str) -> str:
    """MLflow allows few characters in names."""
    return "".join(c if c in _NAME else "_" for c in name)
