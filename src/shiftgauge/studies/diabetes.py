"""The diabetes study: global sensitivity of a small network on the Pima Indians table, done again and checked.

The published study trains an 8-10-1 network on 500 rows, computes Sobol' indices of its output from 65,536
quasi-random points, trains again on the leading and on the trailing features, and compares with principal components.
Here the same is done for the published weights and for 20 seeds, with honest intervals, and every claim is set beside
what was measured. Where the publication has a defect, it is done right here, and the finding says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr

from shiftgauge.checks import require_positive_int
from shiftgauge.data.table import TableDataset, read_table
from shiftgauge.errors import DataError, ModelError
from shiftgauge.estimate.designs import REPLICATES, PickFreezeDesign
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.estimate.single_sequence import single_sequence
from shiftgauge.evaluate.progress import nothing, progress_bar
from shiftgauge.models.load_table import load_table_model
from shiftgauge.models.table_model import TableModel
from shiftgauge.models.tabular_net import TabularNet, load_tabular_net
from shiftgauge.random import check_seed
from shiftgauge.report.diabetes_figures import write_study_figures
from shiftgauge.report.diabetes_page import PAGE
from shiftgauge.results.run_folder import require_own_folder
from shiftgauge.results.study import KIND, StudyResult
from shiftgauge.studies import diabetes_parts as parts
from shiftgauge.studies.diabetes_findings import find, headline, messages
from shiftgauge.studies.diabetes_training import Trained
from shiftgauge.studies.record import provenance, write_with_page
from shiftgauge.studies.table_measure import TableEstimate, grown, index_arrays, measure_table

FEATURES: Final = (
    *("Pregnancies", "Glucose", "BloodPressure", "SkinThickness"),
    *("Insulin", "BMI", "DiabetesPedigreeFunction", "Age"),
)
"""The columns of the table, in the order that the published weights take them."""
LABEL: Final = "Outcome"
_LEVEL: Final = 0.95
_SIDE: Final = 4096
"""Base samples of layers, ranges and seeds, which need no third decimal."""


def diabetes(
    data: str | Path,
    weights: str | Path | None = None,
    *,
    out: str | Path | None = None,
    n_base: int = 65536,
    seeds: int = 20,
    epochs: int | None = None,
    seed: int = 0,
    progress: bool | None = None,
) -> StudyResult:
    """Does the diabetes study again from the public table.

    The table is the Pima Indians diabetes data (Smith et al. 1988), a CSV of 768 rows with the columns Pregnancies,
    Glucose, BloodPressure, SkinThickness, Insulin, BMI, DiabetesPedigreeFunction, Age, Outcome, as it is found under
    that name on Kaggle and, formerly, in the UCI repository.

    It takes about a minute on two cores and keeps nothing on the way: after an interruption the same call starts
    again.

    Args:
        data: Path of the table.
        weights: The published `model1.pth`; it is read without running code. None audits the network trained here
            from seed 0 instead.
        out: Folder for run.json, results.nc, indices.csv, findings.csv, figures/ and report.html.
        n_base: Base samples N, a power of two. The indices cost 18 N evaluations, the published kind of interval 10 N
            more; layers, ranges and seeds have 4,096 base samples of their own.
        seeds: Networks that are trained for each set of features, from the seeds 0 … seeds-1.
        epochs: Steps of each training, for a quick look; None takes the published numbers.
        seed: Decides the designs and the bootstrap.
        progress: Show progress bars; default only on a terminal.

    Returns:
        The result.

    Raises:
        ShiftgaugeError: The table or the weights cannot be used; nothing has been written then.

    References:
        Smith, J. W. et al. (1988). Using the ADAP learning algorithm to forecast the onset of diabetes mellitus.
            Proc. Annual Symposium on Computer Application in Medical Care, 261-265.
        Sobol', I. M. (2001). Global sensitivity indices for nonlinear mathematical models and their Monte Carlo
            estimates. doi:10.1016/S0378-4754(00)00270-6
    """
    started, clock = datetime.now(UTC), _Clock()
    require_positive_int("n_base", n_base, low=128)
    require_positive_int("seeds", seeds)
    check_seed(seed)
    if out is not None:
        require_own_folder(out, KIND, study="diabetes")
    table = read_pima(data)
    published = None if weights is None else _published(weights)
    with progress_bar("training steps", wanted=progress) as advance:
        training, trained = clock.time("training", lambda: parts.training_arrays(table, seeds, epochs, advance))
    network = published if published is not None else network_of(trained, 0)
    model = table_model(network, table)
    with progress_bar("evaluations", wanted=progress) as advance:
        main = clock.time("sobol", lambda: sobol_arrays(model, table, n_base, seed, advance))
    others = clock.time("other parts", lambda: _other_parts(network, model, trained, table, seed))
    merged: list[xr.Dataset] = [main, training, *others]
    evaluations = {k: v for part in merged for k, v in part.attrs.items() if str(k).startswith("evaluations_")}
    arrays = xr.merge(merged, join="outer", combine_attrs="drop")
    arrays.attrs = _attributes(model, weights, Path(data).name, epochs) | {"n_rows": len(table)}
    findings = find(arrays)
    result = StudyResult(
        study="diabetes",
        config={"n_base": n_base, "seeds": seeds, "epochs": epochs, "seed": seed, "weights": weights is not None},
        provenance=provenance({"data": table.fingerprint, "network": model.fingerprint}, seed, started),
        cost={"evaluations": sum(evaluations.values()), **evaluations, **clock.spans},
        headline=headline(arrays, findings),
        findings=findings,
        arrays=arrays,
        messages=messages(arrays),
    )
    if out is not None:
        write_study(result, Path(out))
    return result


def _published(weights: str | Path) -> TabularNet:
    """The published network.

    Raises:
        ModelError: It takes other inputs than the features of the table.
    """
    network = load_tabular_net(weights)
    if network.fn1.in_features != len(FEATURES):
        raise ModelError(f"{weights} takes {network.fn1.in_features} inputs, the table has {len(FEATURES)} features")
    return network


def _other_parts(
    network: TabularNet, model: TableModel, trained: Trained, table: TableDataset, seed: int
) -> list[xr.Dataset]:
    """All but the indices of the network and the trainings."""
    return [
        parts.score_arrays(network, table),
        parts.layer_arrays(network, table, _SIDE, seed, _LEVEL),
        parts.rule_arrays(model, table, _SIDE, seed, _LEVEL),
        parts.seed_arrays(trained, table, _SIDE, seed),
        parts.component_arrays(table),
    ]


def _attributes(model: TableModel, weights: str | Path | None, data_name: str, epochs: int | None) -> dict[str, Any]:
    return {
        "title": "Diabetes study",
        "quantity_of_interest": model.outputs[0],
        "confidence_level": _LEVEL,
        "estimator": "pick_freeze",
        "network": "trained here" if weights is None else "published",
        "network_name": "the network trained here from seed 0" if weights is None else Path(str(weights)).name,
        "data_name": data_name,
        "recipe": "published" if epochs is None else "own",
        "replicates": REPLICATES,
    }


def write_study(result: StudyResult, folder: Path) -> Path:
    """Writes the whole folder; run.json comes last.

    Raises:
        StoreError: The folder cannot be written to.
    """
    return write_with_page(result, folder, write_study_figures, PAGE.write)


def read_pima(path: str | Path) -> TableDataset:
    """Reads the table and checks that it is this one: its columns, two classes 0 and 1, rows for all three parts.

    Raises:
        DataError: It is not.
    """
    table = read_table(path, label_column=LABEL, feature_columns=FEATURES)
    if table.class_names != ("0", "1"):
        raise DataError(f"{path}: `{LABEL}` must hold 0 and 1, found {', '.join(table.class_names)}")
    if len(table) < 710:
        raise DataError(f"{path} has {len(table)} rows; the study needs 500 to train, 200 to test and some more")
    return table


def sobol_arrays(
    model: TableModel, table: TableDataset, n_base: int, seed: int, advance: Callable[[int, int], None] = nothing
) -> xr.Dataset:
    """Indices of the network with their curves over N, by independent scramblings and, beside it, as published.

    The published kind has a design of its own, one sequence; of its rows the first and total indices and their
    intervals use A, B and AB alone, so that only these are evaluated. Every attribute of this and of the other parts
    that starts with `evaluations_` is a number of rows that a network was evaluated at.

    Args:
        model: The network.
        table: Gives the published ranges: smallest and largest value of the first 700 rows.
        n_base: Base samples N.
        seed: Of designs and bootstrap.
        advance: Told (evaluations done, evaluations in all).
    """
    space = parts.columns_space(table, "range")
    options = TableEstimate(n_base=n_base, seed=seed, confidence_level=_LEVEL)
    design = PickFreezeDesign(inputs=Inputs(space=space), n_base=n_base, seed=seed, replicates=1)
    more = design.n_rows
    honest = measure_table(model, space, options, lambda done, total: advance(done, total + more))
    sizes, start = [point.n_base for point in honest.convergence.curve], honest.design.n_rows
    empty = np.empty((0, len(model.outputs)))
    values = grown(model, design, empty, lambda done, total: advance(start + done, start + total))
    single = single_sequence(design, values[:, 0], sizes, confidence_level=_LEVEL, seed=seed)
    axes = ("n_base", "input")
    counts = {"evaluations_main": start, "evaluations_as_published": more}
    found = index_arrays(honest.convergence).assign(
        single_first_order=(axes, single.first_order),
        single_first_half=(axes, single.first_order_half),
        single_total_order=(axes, single.total_order),
        single_total_half=(axes, single.total_order_half),
    )
    return found.assign_attrs(counts)


def table_model(network: TabularNet, table: TableDataset) -> TableModel:
    """The network as a model of the table."""
    spec = {"kind": "module", "target": network, "classes": ["probability of diabetes"]}
    return load_table_model(spec, table.feature_names, table.values)


def network_of(trained: Trained, which: int) -> TabularNet:
    """One of the trained networks, in evaluation mode."""
    import torch

    w1 = trained.parameters[0]
    network = TabularNet(n_features=w1.shape[2], hidden=w1.shape[1])
    with torch.no_grad():
        for own, stacked in zip(network.parameters(), trained.parameters, strict=True):
            own.copy_(stacked[which])
        for layer, mean, var in (
            (network.bn1, trained.clean.mean1, trained.clean.var1),
            (network.bn2, trained.clean.mean2, trained.clean.var2),
        ):
            for name, value in (("running_mean", mean), ("running_var", var)):
                layer.get_buffer(name).copy_(value[which])
    return network.eval().requires_grad_(False)


class _Clock:
    """Seconds of each part."""

    def __init__(self) -> None:
        self.spans: dict[str, float] = {}

    def time(self, name: str, work: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        found = work()
        self.spans[f"seconds_{name.replace(' ', '_')}"] = round(time.perf_counter() - start, 3)
        return found
