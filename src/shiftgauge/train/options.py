"""The options of a training: one value that, with the data and the network, decides everything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Literal, TypeAlias, get_args

import torch
from torch import nn

from shiftgauge.checks import require_in, require_positive_int, require_range
from shiftgauge.errors import ConfigError
from shiftgauge.random import check_seed
from shiftgauge.train.augment import AugmentOptions
from shiftgauge.train.losses import LossOptions
from shiftgauge.train.sampling import SamplingOptions
from shiftgauge.train.schedules import ScheduleOptions

OptimizerKind: TypeAlias = Literal["adamw", "adam", "sgd"]
Monitor: TypeAlias = Literal["macro_f1", "micro_f1", "accuracy", "average_precision", "loss", "last"]
MixedPrecision: TypeAlias = Literal["auto", "float32", "bfloat16", "float16"]
MONITORS: Final[tuple[str, ...]] = get_args(Monitor)


@dataclass(frozen=True, kw_only=True)
class OptimizerOptions:
    """How weights follow their gradients.

    Args:
        kind: `adamw` (decay apart from the gradient), `adam` (decay added to the gradient), or `sgd` with momentum.
        learning_rate: Base rate, > 0; the schedule multiplies it.
        weight_decay: λ ≥ 0. Biases and the scales of normalisation layers are left out unless `decay_all`.
        momentum: Of `sgd`, in [0, 1); with `nesterov` looking ahead.
        nesterov: Nesterov's momentum for `sgd`.
        betas: Of Adam, each in [0, 1).
        head_multiplier: Factor on the rate of the layers that give the classes, > 0: a new head on a trained network
            may learn faster than the rest.
        decay_all: Let the decay act on every weight.

    Raises:
        ConfigError: An unknown kind or a number outside its range.

    Example:
        >>> OptimizerOptions(kind="sgd", learning_rate=0.1, momentum=0.9).kind
        'sgd'

    References:
        Kingma, D. P., Ba, J. (2015). Adam: A method for stochastic optimization. arXiv:1412.6980
        Loshchilov, I., Hutter, F. (2019). Decoupled weight decay regularization. arXiv:1711.05101
    """

    kind: OptimizerKind = "adamw"
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    momentum: float = 0.9
    nesterov: bool = False
    betas: tuple[float, float] = (0.9, 0.999)
    head_multiplier: float = 1.0
    decay_all: bool = False

    def __post_init__(self) -> None:
        require_in("optimizer", self.kind, get_args(OptimizerKind))
        for name in ("learning_rate", "head_multiplier"):
            if require_range(name, getattr(self, name), 0) == 0:
                raise ConfigError(f"`{name}` must be above 0, got 0; 0.001 is a customary learning rate for Adam")
        require_range("weight_decay", self.weight_decay, 0)
        if require_range("momentum", self.momentum, 0, 1) == 1:
            raise ConfigError("`momentum` must be below 1, got 1; 0.9 is customary")
        if self.kind == "sgd" and self.nesterov and self.momentum == 0:
            raise ConfigError("`nesterov` needs a `momentum` above 0, got 0; 0.9 is customary")
        object.__setattr__(self, "betas", tuple(self.betas))
        if len(self.betas) != 2 or any(require_range("betas", beta, 0, 1) == 1 for beta in self.betas):
            raise ConfigError(f"`betas` must be two numbers in [0, 1), got {self.betas}; (0.9, 0.999) is customary")

    def make(self, network: nn.Module, heads: Sequence[str] = ()) -> torch.optim.Optimizer:
        """Returns the optimiser over the weights of a network that want gradients.

        Args:
            network: Its parameters are sorted into four groups: head or not, decayed or not.
            heads: Module paths of the layers that give the classes.

        Raises:
            ConfigError: No weight wants a gradient.
        """
        groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
        for name, weight in network.named_parameters():
            if weight.requires_grad:
                head = any(name.startswith(f"{path}.") for path in heads)
                groups.setdefault((head, self.decay_all or weight.ndim > 1), []).append(weight)
        if not groups:
            raise ConfigError("no weight of the network wants a gradient; there is nothing to train")
        chosen = [
            {
                "params": weights,
                "lr": self.learning_rate * (self.head_multiplier if head else 1.0),
                "weight_decay": self.weight_decay if decayed else 0.0,
            }
            for (head, decayed), weights in groups.items()
        ]
        if self.kind == "sgd":
            return torch.optim.SGD(chosen, lr=self.learning_rate, momentum=self.momentum, nesterov=self.nesterov)
        if self.kind == "adam":
            return torch.optim.Adam(chosen, lr=self.learning_rate, betas=self.betas)
        return torch.optim.AdamW(chosen, lr=self.learning_rate, betas=self.betas)


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """Everything about a training but the data and the network.

    Args:
        epochs: Passes over the training images, ≥ 1.
        optimizer: How weights follow their gradients.
        schedule: How the learning rate changes from epoch to epoch.
        loss: What is minimised; None for the cross-entropy, with several labels the binary one.
        sampling: Which images make up a batch.
        augment: Random changes of training images.
        monitor: What is watched on the validation images to keep the best epoch, to stop early and to lower the rate
            on a plateau: `macro_f1` (default with one class an image), `average_precision` (its mean over the labels;
            default with several), `micro_f1`, `accuracy`, or `loss`, of which less is better. `last` watches nothing
            and keeps the last epoch: right for a schedule that ends near rate 0, where validation is too small to tell
            epochs apart.
        patience: Stop after so many epochs in a row without improvement; None never stops early.
        precision: `float32`; `bfloat16` or `float16` (CUDA alone, with scaled gradients) for mixed precision; `auto`
            takes bfloat16 on a CUDA device that has it, else float32.
        clip: Largest norm of the gradient of all weights together; None leaves it.
        ema_decay: Decay in (0, 1) of an exponential moving average of the weights over the steps
            (`train.moving_average`); validation looks at the average, and its weights are kept. It swings less from
            epoch to epoch, which matters where validation has few images. None for the weights themselves.
        frozen_statistics: Batch normalisation goes by the mean and variance that it came with, in training too, while
            its scale and shift still learn. Right for trained weights and few images, or few in a batch: the network
            that is validated is then the one that is trained.
        seed: The one seed of the training: initial weights that are random, batches, changes and dropout.
        validation_batch: Images of a validation batch, ≥ 1.

    Raises:
        ConfigError: An unknown word or a number outside its range.

    Example:
        >>> TrainOptions(epochs=5).resolved("multi").monitor
        'average_precision'
    """

    epochs: int = 20
    optimizer: OptimizerOptions = field(default_factory=OptimizerOptions)
    schedule: ScheduleOptions = field(default_factory=lambda: ScheduleOptions(kind="cosine"))
    loss: LossOptions | None = None
    sampling: SamplingOptions = field(default_factory=SamplingOptions)
    augment: AugmentOptions = field(default_factory=AugmentOptions)
    monitor: Monitor | None = None
    patience: int | None = None
    precision: MixedPrecision = "auto"
    clip: float | None = 1.0
    ema_decay: float | None = None
    frozen_statistics: bool = False
    seed: int = 0
    validation_batch: int = 128

    def __post_init__(self) -> None:
        require_positive_int("epochs", self.epochs)
        require_positive_int("validation_batch", self.validation_batch)
        require_in("precision", self.precision, get_args(MixedPrecision))
        check_seed(self.seed)
        if self.monitor is not None:
            require_in("monitor", self.monitor, MONITORS)
        if self.patience is not None:
            require_positive_int("patience", self.patience)
        if self.monitor == "last" and (self.patience is not None or self.schedule.kind == "plateau"):
            waits = "`patience`" if self.patience is not None else "the schedule `plateau`"
            raise ConfigError(f"{waits} waits for `monitor` to improve, but `last` watches nothing; watch macro_f1")
        if self.clip is not None and require_range("clip", self.clip, 0) == 0:
            raise ConfigError("`clip` must be above 0, got 0; leave it out for no clipping")
        if self.ema_decay is not None and require_range("ema_decay", self.ema_decay, 0, 1) in (0, 1):
            raise ConfigError(f"`ema_decay` must be above 0 and below 1, got {self.ema_decay:g}; 0.99 is customary")
        if self.schedule.warmup >= self.epochs:
            object.__setattr__(self, "schedule", replace(self.schedule, warmup_epochs=self.epochs - 1))

    def resolved(self, task: Literal["single", "multi"]) -> TrainOptions:
        """The same options with what is left to the task filled in; the schedule watches what `monitor` says."""
        monitor: Monitor = self.monitor or ("macro_f1" if task == "single" else "average_precision")
        loss = self.loss or LossOptions(kind="cross_entropy" if task == "single" else "binary_cross_entropy")
        mode = "min" if monitor == "loss" else "max"
        schedule = replace(self.schedule, mode=mode)
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return TrainOptions(**{**values, "monitor": monitor, "loss": loss, "schedule": schedule})

    def to_dict(self) -> dict[str, Any]:
        """The options as plain values, for the record."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        for name in ("optimizer", "schedule", "loss", "sampling"):
            values[name] = None if values[name] is None else asdict(values[name])
        values["schedule"]["warmup_epochs"] = self.schedule.warmup
        if self.schedule.kind != "cyclic":
            del values["schedule"]["peak"]  # records of trainings from before there was one stay equal
        return {**values, "augment": self.augment.to_dict()}
