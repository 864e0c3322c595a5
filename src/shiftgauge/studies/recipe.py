"""A recipe: network, options, and what a training adds to the plain one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import nn

from shiftgauge.checks import require_in
from shiftgauge.errors import ConfigError
from shiftgauge.models.model_record import plain
from shiftgauge.models.parseval import ParsevalOptions, constrained_layers, kernel_matrices
from shiftgauge.models.parseval_projection import parseval_projection
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.studies.adversarial_options import AdversarialOptions
from shiftgauge.studies.adversarial_training import adversarial_arguments
from shiftgauge.studies.enlargement import EnlargeOptions, check_source, enlarge
from shiftgauge.studies.train_arguments import as_choice, as_options, as_train_options
from shiftgauge.studies.train_options import NetworkChoice
from shiftgauge.train.batches import images_each
from shiftgauge.train.images import Part, Progress, Task
from shiftgauge.train.options import TrainOptions
from shiftgauge.types import DifferentiableClassifier


@dataclass(frozen=True, kw_only=True)
class Additions:
    """What a training adds to the plain one; nothing by default.

    Args:
        adversarial: Training on adversarial images.
        constraint: Retraction of kernels after every step of the optimiser (Parseval networks).
        enlarge: Copies of training images.

    Example:
        >>> Additions.of(adversarial={"method": "fast", "epsilon": 0.03}).adversarial.relative_step
        1.25
    """

    adversarial: AdversarialOptions | None = None
    constraint: ParsevalOptions | None = None
    enlarge: EnlargeOptions | None = None

    @classmethod
    def of(
        cls,
        *,
        adversarial: AdversarialOptions | Mapping[str, Any] | None = None,
        constraint: ParsevalOptions | Mapping[str, Any] | None = None,
        enlarge: EnlargeOptions | Mapping[str, Any] | None = None,
    ) -> Additions:
        """From options or mappings of their keys; a constraint has a `kind` as well, which is `parseval`.

        Raises:
            ConfigError: An unknown key or word, or a value outside its range.
        """
        if isinstance(constraint, Mapping):
            require_in("kind of constraint", str(constraint.get("kind", "parseval")), ("parseval",))
            constraint = {key: value for key, value in constraint.items() if key != "kind"}
        return cls(
            adversarial=as_options("adversarial", adversarial, AdversarialOptions),
            constraint=as_options("constraint", constraint, ParsevalOptions),
            enlarge=as_options("enlarge", enlarge, EnlargeOptions),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values of what is added, for a record; empty for a plain training."""
        found = {f.name: getattr(self, f.name).to_dict() for f in fields(self) if getattr(self, f.name) is not None}
        if "constraint" in found:
            found["constraint"] = {"kind": "parseval", **found["constraint"]}
        return plain(found)

    @property
    def texts(self) -> tuple[str, ...]:
        """What is added, a sentence each."""
        found = [options.text for options in (self.adversarial, self.enlarge) if options is not None]
        if self.constraint is not None:
            c = self.constraint
            times = "once" if c.passes == 1 else f"{c.passes} times"
            found.append(f"Kernels are retracted towards tight frames {times} after every step, with β {c.beta:g}.")
        return tuple(found)


@dataclass(frozen=True, kw_only=True, eq=False)
class Added:
    """What additions come to, for one network and its images.

    Args:
        parts: The parts; that of training with its copies.
        options: Of the training.
        arguments: What `fit` takes for them.
        identity: What decides the outcome, as plain values; empty for a plain training.
        source: The model that adversarial copies are to fool, or None.
    """

    parts: Mapping[str, Part]
    options: TrainOptions
    arguments: Mapping[str, Any]
    identity: Mapping[str, Any]
    source: DifferentiableClassifier | None = None


def add_to(
    additions: Additions,
    parts: Mapping[str, Part],
    network: nn.Module,
    options: TrainOptions,
    preprocessing: Preprocessing,
    class_names: Sequence[str],
    *,
    source: str | Path | None = None,
    device: str | None = None,
    progress: Progress | None = None,
) -> Added:
    """Turns additions into what `fit` takes.

    Args:
        additions: What is added.
        parts: `train`, and any others, which are left as they are.
        network: To be trained.
        options: Of the training; its seed decides random starts.
        preprocessing: Of the network.
        class_names: Its classes.
        source: Model folder that adversarial copies fool, where it is another than that of the options.
        device: Where a source runs.
        progress: Called with the copies made and their number.

    Raises:
        ConfigError: Additions that do not fit the images.
        ModelError: A source of other images, or a network without a layer to constrain.
    """
    arguments, fooled = dict[str, Any](), None
    identity, found = additions.to_dict(), dict(parts)
    if additions.enlarge is not None:
        larger = enlarge(
            parts["train"],
            additions.enlarge,
            options,
            preprocessing,
            class_names,
            each=images_each(network),
            source=source,
            device=device,
            progress=progress,
        )
        found["train"], identity["enlarge"], fooled = larger.part, plain(larger.record), larger.source
        options = larger.options
    if additions.adversarial is not None:
        task = parts["train"].task
        arguments |= adversarial_arguments(
            additions.adversarial, preprocessing=preprocessing, task=task, seed=options.seed
        )
    if additions.constraint is not None:
        identity["constraint"]["constrained"] = list(constrained_layers(network, additions.constraint))
        arguments["after_step"] = parseval_projection(additions.constraint)
    return Added(parts=found, options=options, arguments=arguments, identity=identity, source=fooled)


def check_additions(
    additions: Additions, network: nn.Module, task: Task, perturb: Callable[..., Any] | None = None
) -> None:
    """Refuses additions that do not fit network or images, before any image is read.

    Args:
        additions: What is added.
        network: To be trained.
        task: `single` or `multi`.
        perturb: A change of batches of one's own, or None.

    Raises:
        ConfigError: Two changes of batches, adversarial copies of images with several labels, a part of the network
            that there is not, or a retraction so strong that it may drive the kernels it starts from further away.
        ModelError: No layer to constrain, or a source that is no model folder.
    """
    if additions.adversarial is not None and perturb is not None:
        raise ConfigError("`adversarial` and `perturb` both change the images of a batch; give one of them")
    if additions.constraint is not None:
        _check_start(additions.constraint, network)
    if additions.enlarge is not None:
        check_source(additions.enlarge, task)


def _check_start(options: ParsevalOptions, network: nn.Module) -> None:
    """A singular value beyond √(1 + 1/β) is not drawn to 1, and beyond √(1 + 2/β) grows from step to step."""
    limit = math.sqrt(1 + 1 / options.beta)
    for name in constrained_layers(network, options):
        largest = float(torch.linalg.matrix_norm(kernel_matrices(network.get_submodule(name)), 2).max())
        if largest >= limit:
            raise ConfigError(
                f"the kernel of `{name}` begins with a singular value of {largest:.3g}, and a retraction with `beta` "
                f"{options.beta:g} is sure to draw to 1 only what lies below {limit:.3g}; lower `beta`, or begin with "
                "a network that starts orthogonally"
            )


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All that is decided before there are images: what is compared in folds and searched over in grids.

    Args:
        network: The network.
        options: The training.
        additions: What it adds to the plain one.

    Example:
        >>> recipe = Recipe.of("resnet18_small", "single", options={"epochs": 5}, constraint={"beta": 0.002})
        >>> recipe.options.epochs, recipe.additions.constraint.beta
        (5, 0.002)
    """

    network: NetworkChoice
    options: TrainOptions = field(default_factory=TrainOptions)
    additions: Additions = field(default_factory=Additions)

    @classmethod
    def of(
        cls,
        model: str | Mapping[str, Any] | NetworkChoice,
        task: str,
        *,
        options: TrainOptions | Mapping[str, Any] | None = None,
        adversarial: AdversarialOptions | Mapping[str, Any] | None = None,
        constraint: ParsevalOptions | Mapping[str, Any] | None = None,
        enlarge: EnlargeOptions | Mapping[str, Any] | None = None,
    ) -> Recipe:
        """From what `train` takes: options, or mappings of their keys.

        Args:
            model: The network.
            task: `single` or `multi`.
            options: The training.
            adversarial: Training on adversarial images.
            constraint: Retraction after every step.
            enlarge: Copies of training images.

        Raises:
            ConfigError: An unknown key or word, or a value outside its range.
        """
        additions = Additions.of(adversarial=adversarial, constraint=constraint, enlarge=enlarge)
        return cls(network=as_choice(model), options=as_train_options(options, task), additions=additions)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a record."""
        return {"network": self.network.to_dict(), "options": plain(self.options.to_dict()), **self.additions.to_dict()}
