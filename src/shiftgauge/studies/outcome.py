"""From the values of an audit to its result: arrays, facts, provenance, cost and what stands in the record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

import xarray as xr

from shiftgauge.estimate.designs import PickFreezeDesign
from shiftgauge.estimate.stopping import Stopping
from shiftgauge.evaluate.quantities import finite_rows
from shiftgauge.evaluate.run import disagreement
from shiftgauge.evaluate.store import Store
from shiftgauge.results.audit import AuditResult
from shiftgauge.studies import arrays as tables
from shiftgauge.studies import effects
from shiftgauge.studies.data_messages import data_messages
from shiftgauge.studies.depth import block_arrays
from shiftgauge.studies.estimates import Estimates, drawn, image_of_rows
from shiftgauge.studies.growth import Evaluated, curve_arrays
from shiftgauge.studies.pictures import affected, strips, thumbs
from shiftgauge.studies.record import provenance, told_of
from shiftgauge.studies.setup import Setup, device_of, model_name
from shiftgauge.studies.train_split import by_level
from shiftgauge.studies.verdict import find_messages, headline, withhold_gauge
from shiftgauge.studies.verdict_gates import judge_gates


def result_arrays(found: Evaluated, estimates: Estimates, quantity: str) -> xr.Dataset:
    """All that the audit measured, as named arrays.

    Args:
        found: The evaluations and the indices of the last round.
        estimates: How indices are estimated.
        quantity: The quantity of interest.
    """
    setup, indices = found.setup, found.convergence.indices
    evaluator, source, space = setup.evaluator, setup.source, setup.space
    names = evaluator.quantities
    theta, image, values = drawn(setup, found.values)
    every_image, ran = image_of_rows(setup), finite_rows(found.values)
    column = names.index(quantity)
    clean = found.clean[:, column]
    moved = affected(every_image, found.values[:, column], clean, smaller_is_worse=quantity != "cross_entropy")
    middle = [int(moved.order[round(q * (len(moved.order) - 1))]) for q in (0.1, 0.5, 0.9)]
    merged = xr.merge(
        [
            tables.index_arrays(indices),
            curve_arrays(found.convergence),
            tables.shift_arrays(space),
            tables.image_arrays(
                source.names,
                evaluator.truth,
                found.clean,
                every_image[ran],
                found.values[ran],
                names,
                setup.rows.chosen,
            ),
            tables.sample_arrays(space, theta, image, values, names),
            effects.gauge_arrays(indices, setup),
            effects.effect_arrays(indices, setup, found.values),
            estimates.per_image(setup, found.values),
            block_arrays(setup, estimates, found.values, found.clean),
            strips(evaluator, space, found.plan.execution, list(dict.fromkeys(middle))),
            thumbs(evaluator, setup.rows.points, moved, clean, quantity),
        ],
        join="outer",
    )
    return withhold_gauge(merged)


def facts(setup: Setup, estimates: Estimates, quantity: str) -> dict[str, Any]:
    """The attributes of the arrays: what was asked of which model, in plain values."""
    classifier, source = setup.evaluator.classifier, setup.source
    return {
        "quantity_of_interest": quantity,
        "confidence_level": estimates.confidence_level,
        "estimator": setup.estimator,
        "images_mode": "population" if setup.inputs.has_image else "fixed",
        "model_name": model_name(classifier),
        "n_images": len(source),
        "n_shifted": len(source) if setup.rows.chosen is None else len(setup.rows.chosen),
        "n_classes": classifier.n_classes,
        "several_labels": int(setup.evaluator.truth.several),
        "seed": setup.seed,
        "has_repeat": int(setup.inputs.repeat),
        "has_part": int(setup.inputs.has_image),
        **({"residual": estimates.residual} if setup.estimator == "gpc" else {}),
    }


def plain_record(
    setup: Setup, estimates: Estimates, stopping: Stopping, n_base: int, limits: Mapping[str, float]
) -> dict[str, Any]:
    """The arguments of the audit as they stand in `run.json`, where no configuration was given."""
    estimate = {"estimator": setup.estimator, "n_base": n_base, **asdict(stopping), **asdict(estimates)}
    if isinstance(setup.rows.design, PickFreezeDesign):
        estimate["replicates"] = setup.rows.design.replicates
    return {
        "model": dict(setup.evaluator.classifier.description),
        "shifts": {**setup.space.to_dict(), **setup.pipeline.describe(), "resolution": setup.options.resolution},
        "estimate": estimate | {"seed": setup.seed},
        "gates": dict(limits),
    }


def kept_cost(store: Store, found: Evaluated) -> dict[str, Any]:
    """What the evaluation cost; time and rate of the first time where everything was in the store.

    Args:
        store: The run's store, which keeps the cost.
        found: The evaluations and how they were run.
    """
    rows, seconds, noted = found.setup.rows.n_rows, found.seconds, store.note("cost")
    cost = {
        "evaluations": rows,
        "seconds": round(seconds, 3),
        "images_per_second": round(found.rows_computed / seconds, 1) if found.rows_computed else None,
        "rows_from_store": rows - found.rows_computed,
    }
    if noted is not None and not found.rows_computed and noted["evaluations"] == rows:
        cost |= {key: noted[key] for key in ("seconds", "images_per_second")}
    elif noted is None or found.rows_computed:
        store.set_note("cost", cost)
    return cost | {
        "ending": found.convergence.reason,
        "reason": found.convergence.text,
        "execution": asdict(found.plan.execution),
        "trial": list(found.plan.table),
    }


def audit_result(
    found: Evaluated,
    arrays: xr.Dataset,
    limits: Mapping[str, float],
    config: Mapping[str, Any],
    started: datetime,
    cost: Mapping[str, Any],
) -> AuditResult:
    """The result, with its messages and gates.

    Args:
        found: The evaluations and how they were run.
        arrays: What `result_arrays` gives, with its attributes.
        limits: The gates that were set.
        config: The configuration as it shall stand in `run.json`.
        started: When the audit began.
        cost: What `kept_cost` gives.
    """
    setup = found.setup
    told = told_of(setup.source)
    classifier = setup.evaluator.classifier
    hashes = {name: item.hash for name, item in setup.origins.items()}
    made_from = provenance(hashes, setup.seed, started, device=device_of(classifier))
    return AuditResult(
        config=config,
        provenance=made_from | {"model": dict(classifier.description), **told},
        cost=cost,
        headline=headline(arrays),
        arrays=arrays,
        messages=by_level(
            (*find_messages(arrays, len(told["skipped"]), disagreement(found.plan)), *data_messages(setup.source.notes))
        ),
        gates=judge_gates(limits, arrays),
    )
