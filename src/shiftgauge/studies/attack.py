"""Attacks on classifiers beside noise and natural shifts, all against the signal-to-noise ratio."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from shiftgauge.data.dataset import ImageDataset
from shiftgauge.errors import ConfigError, InterruptedRunError
from shiftgauge.evaluate.progress import progress_bar
from shiftgauge.report.attack_figures import write_attack_figures
from shiftgauge.report.attack_page import write_attack_page
from shiftgauge.results.attack import KIND, AttackResult
from shiftgauge.results.run_folder import require_apart, require_own_folder
from shiftgauge.results.status import Message
from shiftgauge.studies.attack_arrays import (
    Intervals,
    clean_arrays,
    comparison_arrays,
    curve_rows,
    natural_rows,
    picture_arrays,
    row_arrays,
    transfer_arrays,
)
from shiftgauge.studies.attack_audit import audit_arrays, audit_messages, open_audit
from shiftgauge.studies.attack_gates import AttackGates, check_gates, judge
from shiftgauge.studies.attack_headline import attack_headline, strongest_way
from shiftgauge.studies.attack_messages import find_attack_messages
from shiftgauge.studies.attack_options import AttackOptions
from shiftgauge.studies.attack_parts import attack_store, clean_outputs
from shiftgauge.studies.attack_subject import Subject, make_subject
from shiftgauge.studies.attack_work import Work, all_parts
from shiftgauge.studies.convert import as_classifier, as_source
from shiftgauge.studies.record import provenance, told_of, write_with_page
from shiftgauge.studies.setup import device_of, model_name
from shiftgauge.types import Classifier


def attack(
    models: Any,
    data: Any,
    *,
    out: str | Path,
    options: AttackOptions | None = None,
    gates: AttackGates | None = None,
    audit: str | Path | None = None,
    progress: bool | None = None,
    title: str = "",
    data_name: str = "the given images",
    record: Mapping[str, Any] | None = None,
    trust: bool = False,
) -> AttackResult:
    """Attacks classifiers, and measures what noise and natural shifts of the same loudness leave of them.

    Every model meets attacks made on itself (white-box), noise, and natural shifts, at several signal-to-noise ratios
    or lengths ε; the accuracies stand with intervals over images, or over whole groups where the data state them.
    Images made on one model are tried on all others. What is finished is kept in the run folder: the same call goes on
    where an interrupted one ended, and a model, an attack or a shift that joins leaves the others as they are.

    Args:
        models: A classifier, or several by name (of one input shape and the same classes); each as
            `shiftgauge.load_model` takes it. Attacks by gradients need networks; `Square` and noise take any model.
        data: A labelled data set of `shiftgauge.data`, (images, labels), or what `shiftgauge.load_data` takes.
        out: Run folder: run.json, results.nc, tables as csv, figures/ with pictures, report.html, and `parts` with what
            is finished.
        options: What is done, and how loud.
        gates: Limits that must be kept.
        audit: Run folder of an audit whose verdict stands beside; None for none.
        progress: Show progress bars; default only on a terminal.
        title: Title of the page.
        data_name: What the page calls the images.
        record: The configuration as it shall stand in `run.json`; default: the options.
        trust: Open model files that can run code.

    Returns:
        The result.

    Raises:
        ShiftgaugeError: Whatever is wrong with the input, in one line.
        InterruptedRunError: It was stopped; the same call goes on.

    References:
        Goodfellow, I. J.; Shlens, J.; Szegedy, C. (2015). Explaining and harnessing adversarial examples.
        arXiv:1412.6572
        Madry, A. et al. (2018). Towards deep learning models resistant to adversarial attacks. arXiv:1706.06083
    """
    started, folder, chosen, limits = datetime.now(UTC), Path(out), options or AttackOptions(), gates or AttackGates()
    require_own_folder(folder, KIND)
    check_gates(limits, chosen, list(known := _models(models, trust)))
    beside = None if audit is None else open_audit(audit)
    source = as_source(data, next(iter(known.values())))
    require_apart(folder, source.searched)
    subject = make_subject(known, source, chosen)
    store = attack_store(folder, source.fingerprint)
    store.open()
    try:
        work = all_parts(subject, store, lambda label: progress_bar(label, wanted=progress))
    except KeyboardInterrupt as error:
        raise InterruptedRunError("interrupted; the same call goes on with what is not finished yet") from error
    arrays, messages = _found(subject, work, {"title": title, "data_name": data_name})
    if beside is not None and audit is not None:
        looked = audit_arrays(beside, Path(audit), folder, known)
        arrays = arrays.merge(looked.drop_attrs()).assign_attrs({**arrays.attrs, **looked.attrs})
        messages = (*messages, *audit_messages(looked, beside, source.fingerprint))
    result = AttackResult(
        config=dict(record) if record is not None else chosen.to_dict(),
        provenance=_provenance(known, source, chosen.seed, started),
        cost=work.cost,
        headline=attack_headline(arrays),
        arrays=arrays,
        messages=messages,
        gates=judge(limits, chosen, arrays),
    )
    write_with_page(result, folder, write_attack_figures, write_attack_page)
    return result


def _models(models: Any, trust: bool) -> dict[str, Classifier]:
    """Classifiers by name; a mapping with the key `kind` describes one model, any other holds several."""
    if isinstance(models, Mapping) and "kind" not in models:
        if not models:
            raise ConfigError("`models` must hold at least one model, got none")
        return {str(name): as_classifier(model, trust=trust) for name, model in models.items()}
    one = as_classifier(models, trust=trust)
    return {model_name(one): one}


def _provenance(models: Mapping[str, Classifier], source: ImageDataset, seed: int, started: datetime) -> dict[str, Any]:
    """What the run was made from."""
    hashes = {"data": source.fingerprint, **{f"model {name}": model.fingerprint for name, model in models.items()}}
    device = device_of(next(iter(models.values())))
    return provenance(hashes, seed, started, device=device) | told_of(source)


def _found(subject: Subject, work: Work, named: Mapping[str, str]) -> tuple[xr.Dataset, tuple[Message, ...]]:
    """The arrays of everything that was done, and what to know before relying on them."""
    intervals = Intervals(subject)
    rows = curve_rows(subject, work.curves)
    for shift in subject.options.shifts:
        rows += natural_rows(subject, shift, work.natural[shift.name])
    probability = {name: clean_outputs(subject, name) for name in subject.models}
    clean = clean_arrays(subject, probability, intervals)
    parts = [clean, row_arrays(rows, intervals), comparison_arrays(subject, clean, rows, intervals)]
    parts.append(picture_arrays(subject, work.pictures, probability))
    if work.transfer:
        parts.append(transfer_arrays(subject, work.curves, work.transfer, intervals))
    arrays = xr.merge(parts, join="exact")
    arrays.attrs |= _attributes(subject, arrays, named)
    notes = subject.dataset.notes
    return arrays, find_attack_messages(arrays, rows, subject.options, intervals, notes, work.messages)


def _attributes(subject: Subject, arrays: xr.Dataset, named: Mapping[str, str]) -> dict[str, Any]:
    options, names = subject.options, list(subject.models)
    at, left = options.headline_at, {}
    for way in options.adversarial:
        places = (arrays["row_way"].values == way) & (arrays["row_asked"].values == at)
        left[way] = float(arrays["row_accuracy"].values[places].mean()) if places.any() else np.inf
    whom = f"“{names[0]}”" if len(names) == 1 else f"{len(names)} models"
    return {
        "title": named["title"] or f"Attacks on {whom}",
        "data_name": named["data_name"],
        "asked_as": options.asked_as,
        "headline_at": at,
        "strongest": strongest_way(left),
        "unit": options.unit,
        "norm": options.norm,
        "snr_of": options.snr_of,
        "bounds": "" if options.bounds is None else f"{options.bounds[0]:g} to {options.bounds[1]:g}",
        "target": options.target or "",
        "success_only": int(options.success_only),
        "n_classes": len(subject.class_names),
        "class_names": "\n".join(subject.class_names),
        "images_in_data": subject.in_data,
        "confidence_level": options.confidence_level,
    }
