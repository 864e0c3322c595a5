"""The parts of a run of attacks, each made once and kept: curves, transfer, natural shifts, pictures."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from shiftgauge.attack.budget import Budget
from shiftgauge.attack.curve import budget_curve
from shiftgauge.attack.images import attack_images
from shiftgauge.attack.kinds import Attack, attack_to_dict
from shiftgauge.attack.natural import NaturalShift
from shiftgauge.attack.one_scale import one_scale
from shiftgauge.attack.transfer import transfer_matrix
from shiftgauge.files import hash_json
from shiftgauge.results.run_folder import ATTACK_FILE
from shiftgauge.results.status import Message
from shiftgauge.shifts.pipeline import ShiftPipeline
from shiftgauge.studies.attack_options import NaturalLevels
from shiftgauge.studies.attack_subject import Subject
from shiftgauge.studies.part_store import Advance, PartStore
from shiftgauge.types import Classifier, Execution

METHODS: Final = {"curve": 1, "transfer": 1, "natural": 1, "pictures": 1}
"""Kind of part → version of how it is computed or laid out; raise it with each change that makes a kept part another
one."""
_IMAGES: Final = "attacked"
_DIGITS: Final = 16
_SHIFTED: Final = 64
"""Images that a natural shift changes at once: geometric ones hold several times their size."""


def attack_store(folder: Path, data: str) -> PartStore:
    """Where finished parts of a run of attacks are kept; each names its models itself, so that others may join.

    Args:
        folder: The run folder.
        data: Content hash of the data.
    """
    return PartStore(folder=folder, origin={"data": data}, file=ATTACK_FILE, what="attacks", methods=METHODS)


def curve_part(subject: Subject, store: PartStore, model: str, way: str, progress: Advance) -> xr.Dataset:
    """One model under one attack made on itself, or under noise, at every budget.

    Args:
        subject: What is attacked.
        store: Where the part is kept.
        model: Name.
        way: Name of the attack or noise.
        progress: Called with (images × steps × budgets done, all of them).

    Returns:
        right, image_snr (budget, image), epsilon, set_snr (budget), zero_gradient (image), reached (budget, image) with
        a target; and what it cost.
    """
    options, attack = subject.options, subject.options.attacks[way]
    asked = _asked(subject, [model], way)
    name = _name("curve", model, way)
    kept = store.load(name, asked)
    if kept is not None:
        return kept
    targets = None if attack.is_noise else options.target
    found = budget_curve(
        subject.models[model], subject.images, subject.labels, attack, options.budgets,
        targets=targets, success_only=options.success_only and not attack.is_noise, seed=options.seed,
        execution=subject.execution, cache=_cache(store, model, way) if _worth_keeping(attack) else None,
        progress=progress,
    )  # fmt: skip
    axes = ("budget", "image")
    variables: dict[str, Any] = {
        "right": (axes, found.right.astype(np.int8)),
        "image_snr": (axes, found.image_snr_db),
        "epsilon": (("budget",), found.epsilon.mean(axis=1)),
        "set_snr": (("budget",), found.set_snr_db),
        "zero_gradient": (("image",), found.zero_gradient.astype(np.int8)),
    }
    if options.target is not None:
        reached = found.predicted == subject.class_names.index(options.target)
        variables["reached"] = (axes, reached.astype(np.int8))
    facts = {"norm": found.norm, **_spent(found.evaluations, found.gradients, found.seconds, found.messages)}
    return store.save(name, asked, xr.Dataset(variables, attrs=facts))


def transfer_part(subject: Subject, store: PartStore, source: str, way: str) -> xr.Dataset:
    """The images that an attack makes on one model, tried on all others; images that are kept are not made again.

    Args:
        subject: What is attacked.
        store: Where the part is kept.
        source: Name of the model that images are made on.
        way: Name of the attack.

    Returns:
        right (budget, target, image) for the other models, in their order; and what it cost.
    """
    others = [name for name in subject.models if name != source]
    asked, name = _asked(subject, [source, *others], way), _name("transfer", source, way)
    kept = store.load(name, asked)
    if kept is None:
        options = subject.options
        found = transfer_matrix(
            subject.models, subject.images, subject.labels, {way: options.attacks[way]}, options.budgets,
            sources=[source], targets=others, cache=_cache(store, source, way), seed=options.seed,
            execution=subject.execution,
        )  # fmt: skip
        right = found.right[0, :, 0].astype(np.int8)
        facts = _spent(found.evaluations, found.gradients, found.seconds, ())
        part = xr.Dataset({"right": (("budget", "target", "image"), right)}, {"target": others}, facts)
        kept = store.save(name, asked, part)
    return kept


def natural_part(subject: Subject, store: PartStore, shift: NaturalLevels) -> xr.Dataset:
    """All models under a natural shift at its levels.

    Args:
        subject: What is looked at.
        store: Where the part is kept.
        shift: The shift.

    Returns:
        right, image_snr (model, level, image), set_snr (model, level); and what it cost.
    """
    options = subject.options
    pipeline = _pipeline(subject, shift)
    asked = {"shift": shift.to_dict(), "pipeline": pipeline.describe(), **_asked(subject, list(subject.models), "")}
    name = _name("natural", shift.name)
    kept = store.load(name, asked)
    if kept is not None:
        return kept
    found = one_scale(
        subject.models, subject.images, subject.labels, attacks={}, snr_db=(), unit=options.unit,
        shifts=[as_natural(shift, pipeline)], seed=options.seed, execution=subject.execution,
    )  # fmt: skip
    curves = [found.curve(model, shift.name) for model in subject.models]
    variables = {
        "right": (("model", "level", "image"), np.stack([c.right for c in curves]).astype(np.int8)),
        "image_snr": (("model", "level", "image"), np.stack([c.image_snr_db for c in curves])),
        "set_snr": (("model", "level"), np.stack([c.set_snr_db for c in curves])),
    }
    facts = _spent(found.evaluations, found.gradients, found.seconds, found.messages)
    return store.save(name, asked, xr.Dataset(variables, attrs=facts))


def picture_part(subject: Subject, store: PartStore, model: str, way: str, progress: Advance) -> xr.Dataset:
    """The images that are shown, attacked at the ratios of the panels, and what the model says of them.

    Args:
        subject: What is attacked.
        store: Where the part is kept.
        model: Name of the model that they are made on.
        way: Name of the attack or noise.
        progress: Called with (ratios done, all of them).

    Returns:
        picture (panel, shown, channel, y, x), and for each epsilon, snr, predicted and probability (panel, shown).
    """
    options, rows = subject.options, subject.shown()
    pictures = options.pictures
    ratios = () if pictures is None else pictures.snr_db
    asked, name = {**_asked(subject, [model], way), "rows": rows, "snr": ratios}, _name("pictures", model, way)
    kept = store.load(name, asked)
    if kept is not None:
        return kept
    attack, classifier = options.attacks[way], subject.models[model]
    found, outputs = [], []
    for done, ratio in enumerate(ratios):
        budget = Budget.from_snr(ratio, unit=options.unit, norm=options.norm, bounds=options.bounds)
        made = attack_images(
            classifier, subject.images[rows], [subject.labels[row] for row in rows], attack, budget,
            targets=None if attack.is_noise else options.target, seed=options.seed, streams=rows,
            execution=subject.execution,
        )  # fmt: skip
        found.append(made)
        outputs.append(_probabilities(classifier, made.images, subject.execution))
        progress(done + 1, len(ratios))
    axes = ("panel", "shown")
    variables = {
        "picture": ((*axes, "channel", "y", "x"), torch.stack([made.images for made in found]).numpy()),
        "epsilon": (axes, np.stack([made.epsilon for made in found])),
        "snr": (axes, np.stack([made.snr_db for made in found])),
        "predicted": (axes, np.stack([made.predicted for made in found])),
        "probability": (axes, np.stack([values.max(axis=1) for values in outputs])),
    }
    evaluations, gradients = sum(made.evaluations for made in found), sum(made.gradients for made in found)
    facts = _spent(evaluations, gradients, sum(made.seconds for made in found), ())
    return store.save(name, asked, xr.Dataset(variables, attrs=facts))


def forget_images(store: PartStore, model: str, way: str) -> None:
    """Takes away the attacked images of a pair whose parts are finished; nothing happens where there are none."""
    shutil.rmtree(_cache(store, model, way), ignore_errors=True)


def as_natural(shift: NaturalLevels, pipeline: ShiftPipeline) -> NaturalShift:
    """A shift of the catalogue as a function of images and one strength; each image keeps its own draws."""

    def apply(images_nchw: Tensor, level: float) -> Tensor:
        theta, found = (
            torch.tensor([[level, *shift.beside.values()]], dtype=torch.float64),
            torch.empty_like(images_nchw),
        )
        for rows in torch.arange(len(images_nchw)).split(_SHIFTED):
            found[rows] = pipeline(images_nchw[rows], theta.repeat(len(rows), 1), rows)
        return found

    return NaturalShift(name=shift.name, levels=shift.levels, apply=apply, unit=shift.unit)


def clean_outputs(subject: Subject, model: str) -> np.ndarray:
    """Probabilities (N, K) of a model on the images as given."""
    size = subject.options.batch_size or 64
    classifier, images = subject.models[model], subject.images
    found = [_probabilities(classifier, images[k : k + size], subject.execution) for k in range(0, len(images), size)]
    return np.concatenate(found)


def _pipeline(subject: Subject, shift: NaturalLevels) -> ShiftPipeline:
    options = subject.options
    return ShiftPipeline(
        [shift.name, *shift.beside], fill=options.fill, fill_value=options.fill_value,
        field_of_view_deg=options.field_of_view_deg, interpolation=options.interpolation, seed=options.seed,
    )  # fmt: skip


def _probabilities(classifier: Classifier, images: Tensor, execution: Execution | None) -> np.ndarray:
    values = classifier.outputs(images, execution or Execution(batch_size=len(images))).detach().cpu().double()
    return (values.softmax(dim=1) if classifier.output_kind == "logits" else values).numpy()


def _asked(subject: Subject, models: Iterable[str], way: str) -> dict[str, Any]:
    """What decides a part beside the data."""
    options = subject.options
    attacked = {} if not way else {
        "attack": attack_to_dict(options.attacks[way]),
        "budgets": [budget.to_dict() for budget in options.budgets],
        "target": options.target,
        "success_only": options.success_only,
    }  # fmt: skip
    prints = [subject.models[name].fingerprint for name in models]
    return {"models": prints, "images": subject.fingerprint, "unit": options.unit, "seed": options.seed, **attacked}


def _name(kind: str, *names: str) -> str:
    return f"{kind}-{hash_json(list(names))[:_DIGITS]}"


def _cache(store: PartStore, model: str, way: str) -> Path:
    return store.folder / "parts" / _IMAGES / hash_json([model, way])[:_DIGITS]


def _worth_keeping(attack: Attack) -> bool:
    """Noise is drawn again in no time; everything else takes gradients or many evaluations."""
    return not attack.is_noise


def _spent(evaluations: int, gradients: int, seconds: float, messages: Iterable[Message]) -> dict[str, Any]:
    told = json.dumps([asdict(message) for message in messages])
    return {"evaluations": int(evaluations), "gradients": int(gradients), "seconds": float(seconds), "messages": told}
