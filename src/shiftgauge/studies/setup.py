"""Everything an audit needs, checked before anything is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal

import numpy as np
import torch

from shiftgauge.checks import require_in
from shiftgauge.data.dataset import ImageDataset
from shiftgauge.errors import ConfigError, ModelError, SpaceError
from shiftgauge.estimate.assisted import MIN_BASE
from shiftgauge.estimate.designs import REPLICATES, PickFreezeDesign, PlainDesign
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.estimate.values import OnFailure
from shiftgauge.evaluate.evaluator import Evaluator
from shiftgauge.evaluate.options import BlockOptions, ShiftOptions
from shiftgauge.evaluate.origins import code_origin, library_origin
from shiftgauge.evaluate.projection import block_projection
from shiftgauge.evaluate.quantities import quantity_names, with_class_of
from shiftgauge.evaluate.store import Origin, origin
from shiftgauge.shifts.pipeline import ShiftPipeline
from shiftgauge.space import Space
from shiftgauge.studies.rows import Rows, chosen_images
from shiftgauge.studies.shift_space import shift_parameter, shift_space
from shiftgauge.types import Classifier, Execution

Estimator = Literal["assisted", "pick_freeze", "gpc"]
ESTIMATORS: Final = ("assisted", "pick_freeze", "gpc")
_TRIED: Final = 16
"""Rows of the design that are evaluated before anything is written."""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """A checked audit, ready to run.

    Args:
        evaluator: Classifier, images and shifts.
        source: The data set.
        space: The shifts, their identity values and units filled in from the catalogue.
        pipeline: The shifts as a function of images.
        inputs: What the indices are attributed to.
        rows: The points to evaluate.
        options: How shifts are applied.
        estimator: Which estimator the design serves.
        seed: The one seed of the audit.
    """

    evaluator: Evaluator
    source: ImageDataset
    space: Space
    pipeline: ShiftPipeline
    inputs: Inputs
    rows: Rows
    options: ShiftOptions
    estimator: Estimator
    seed: int

    @cached_property
    def origins(self) -> dict[str, Origin]:
        """Content hashes of all that decides the values of the evaluation."""
        classifier, source, blocks = self.evaluator.classifier, self.source, self.evaluator.blocks
        design = self.rows.design.describe()
        # the seed is a part of its own; sequences are nested, so that more rows keep the old ones
        left_out = ("seed",) if design["method"] == "lhs" else ("seed", "n", "n_base")
        design = {key: value for key, value in design.items() if key not in left_out}
        shifts = {key: value for key, value in self.pipeline.describe().items() if key != "seed"}
        shifts["resolution"] = self.options.resolution
        chosen = None if self.rows.chosen is None else [source.names[i] for i in self.rows.chosen]
        ranges = "; ".join(f"{p.name} {p.describe()}" for p in self.space.parameters)
        return {
            "model": Origin(hash=classifier.fingerprint, summary=model_name(classifier)),
            "device": origin(device_of(classifier), device_of(classifier)),
            "data": Origin(hash=source.fingerprint, summary=f"{len(source)} images"),
            "space": Origin(hash=self.space.fingerprint, summary=ranges),
            "shifts": origin(shifts, f"order {', '.join(self.pipeline.order)}, fill {self.options.fill}"),
            "design": origin({**design, "chosen": chosen}, _design_text(design, chosen)),
            "seed": origin(self.seed, str(self.seed)),
            "quantities": origin(list(self.evaluator.quantities), ", ".join(self.evaluator.quantities)),
            **({} if blocks is None else {"blocks": origin(blocks.describe(), blocks.text)}),
            "code": code_origin(),
            "libraries": library_origin(),
        }


def prepare(
    classifier: Classifier,
    source: ImageDataset,
    space: Space,
    *,
    options: ShiftOptions,
    estimator: Estimator,
    n_base: int,
    second_order: bool,
    images: Literal["population"] | Sequence[str],
    classes: Sequence[str],
    quantity_of_interest: str,
    seed: int,
    blocks: BlockOptions | None = None,
    replicates: int = REPLICATES,
    on_failure: OnFailure = "raise",
) -> Setup:
    """Checks everything that can be checked without evaluating, then one batch of two, and returns the setup.

    Raises:
        ShiftgaugeError: The first thing that is wrong, in one line.
    """
    require_in("estimator", estimator, ESTIMATORS)
    if space.correlation is not None:
        raise ConfigError(
            "Sobol' indices need independent shifts, but the space has a `correlation`; remove it, since an index of a "
            "correlated shift cannot be told from that of its companion"
        )
    space = with_identities(space)
    classes = with_class_of(quantity_of_interest, classes)
    names = quantity_names(classes, classifier.class_names)
    require_in("quantity of interest", quantity_of_interest, names)
    pipeline = _pipeline(space, options, seed)
    chosen = chosen_images(source, images)
    repeat = pipeline.is_random and estimator != "gpc"
    inputs = Inputs(space=space, n_images=0 if chosen is not None else len(source), repeat=repeat)
    rows = Rows(design=_design(estimator, inputs, n_base, second_order, seed, replicates), chosen=chosen)
    evaluator = Evaluator(
        classifier=classifier,
        source=source,
        perturb=_as_perturb(pipeline),
        names=space.names,
        nominal=space.nominal.tolist(),
        classes=tuple(classes),
        native=options.resolution == "native",
        blocks=None if blocks is None else block_projection(classifier, blocks, seed),
        on_failure=on_failure,
    )
    _try_out(evaluator, source, rows)
    return Setup(
        evaluator=evaluator,
        source=source,
        space=space,
        pipeline=pipeline,
        inputs=inputs,
        rows=rows,
        options=options,
        estimator=estimator,
        seed=seed,
    )


def model_name(classifier: Classifier) -> str:
    """What the classifier is called in records and reports."""
    return str(classifier.description.get("name", "the model"))


def device_of(classifier: Classifier) -> str:
    """The kind of device that the classifier runs on, such as `cpu` or `cuda`."""
    return str(classifier.description.get("device", "cpu")).partition(":")[0]


def as_space(space: Space | Mapping[str, Any] | str) -> Space:
    """Accepts a space, its plain form, or the name of a preset of the catalogue.

    Raises:
        SpaceError: Something else was given.

    Example:
        >>> sorted(as_space("weld").names)
        ['brightness', 'rotation', 'tilt']
    """
    if isinstance(space, Space):
        return space
    if isinstance(space, str):
        return shift_space(preset=space)
    if isinstance(space, Mapping):
        return shift_space(space)
    raise SpaceError(f"`space` must be a Space, a mapping or the name of a preset, got {type(space).__name__}")


def with_identities(space: Space) -> Space:
    """Fills in what the catalogue knows, and refuses a range that leaves what a shift can do.

    Raises:
        ConfigError: An unknown shift, or a distribution that reaches outside the shift's valid range.
    """
    stated = [(p.name, {key: value for key, value in p.to_dict().items() if value != ""}) for p in space.parameters]
    return Space([shift_parameter(name, entry) for name, entry in stated])


def _pipeline(space: Space, options: ShiftOptions, seed: int) -> ShiftPipeline:
    return ShiftPipeline(
        space.names,
        fill=options.fill,
        fill_value=options.fill_value,
        field_of_view_deg=options.field_of_view_deg,
        interpolation=options.interpolation,
        order=options.order,
        seed=seed,
    )


def _design(
    estimator: Estimator, inputs: Inputs, n_base: int, second_order: bool, seed: int, replicates: int
) -> PickFreezeDesign | PlainDesign:
    if estimator == "gpc":
        if replicates != REPLICATES:
            raise ConfigError(f"`replicates` belongs to the estimators assisted and pick_freeze, got {replicates}")
        return PlainDesign(inputs=inputs, n=n_base, seed=seed)
    if estimator == "assisted" and n_base < MIN_BASE:
        raise ConfigError(f"`n_base` must be at least {MIN_BASE} for the assisted estimator, got {n_base}; try 256")
    return PickFreezeDesign(inputs=inputs, n_base=n_base, second_order=second_order, seed=seed, replicates=replicates)


def _as_perturb(pipeline: ShiftPipeline) -> Any:
    def perturb(images_nchw: torch.Tensor, theta_np: np.ndarray, stream_n: np.ndarray) -> torch.Tensor:
        return pipeline(images_nchw, torch.from_numpy(theta_np), torch.from_numpy(stream_n))

    return perturb


def _try_out(evaluator: Evaluator, source: ImageDataset, rows: Rows) -> None:
    """One real batch before anything is written: sizes, channels and finite outputs are checked where they show."""
    _ = evaluator.truth  # labels are checked where they are first read
    _check_images(source, evaluator.classifier)
    evaluator.outputs(evaluator.at_rest().part(0, 1), Execution(batch_size=1))
    evaluator.values(rows.points(0, min(rows.n_rows, _TRIED)), Execution(batch_size=_TRIED))


def _check_images(source: ImageDataset, classifier: Classifier) -> None:
    """Every kind of image must fit the model: one for each number of channels, all where nothing is resized."""
    preprocessing = classifier.description.get("preprocessing")
    exact = isinstance(preprocessing, Mapping) and preprocessing.get("resize") == "none"
    first = {channels: index for index, channels in reversed(list(enumerate(source.channels)))}
    for index in range(len(source)) if exact else sorted(first.values()):
        try:
            classifier.prepare(torch.from_numpy(np.array(source.load(index)))[None])
        except ModelError as error:
            raise ModelError(f"image {source.names[index]}: {error}") from error


def _design_text(design: Mapping[str, Any], chosen: list[str] | None) -> str:
    kind = "second order" if design.get("second_order") else design["layout"].replace("_", "-")
    where = "all images drawn" if chosen is None else f"{len(chosen)} fixed image(s)"
    return f"{kind}, {where}, {design['method']}"
