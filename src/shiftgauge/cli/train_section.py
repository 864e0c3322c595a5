"""The section `train` of a configuration: how a network is trained."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from shiftgauge.cli.config import ShiftsSection
from shiftgauge.cli.section import Section, Share

Positive: TypeAlias = Annotated[float, Field(gt=0)]
NotNegative: TypeAlias = Annotated[float, Field(ge=0)]
Count: TypeAlias = Annotated[int, Field(ge=1)]
BelowOne: TypeAlias = Annotated[float, Field(ge=0, lt=1)]
Weights: TypeAlias = Literal["none", "balanced"] | list[Positive]


class OptimizerSection(Section):
    """How weights follow their gradients."""

    kind: Literal["adamw", "adam", "sgd"] = Field(default="adamw", description="AdamW, Adam, or SGD with momentum.")
    learning_rate: Positive = Field(default=1e-3, description="Base rate; the schedule multiplies it.")
    weight_decay: NotNegative = Field(
        default=1e-2, description="Pull of the weights towards 0; biases and normalisation are left out."
    )
    momentum: BelowOne = Field(default=0.9, description="Of sgd.")
    nesterov: bool = Field(default=False, description="Nesterov's momentum for sgd.")
    betas: Annotated[list[BelowOne], Field(min_length=2, max_length=2)] = Field(
        default=[0.9, 0.999], description="Of Adam and AdamW."
    )
    head_multiplier: Positive = Field(
        default=1.0, description="Factor on the rate of the last layer: a new head may learn faster than the rest."
    )
    decay_all: bool = Field(default=False, description="Let the decay act on biases and normalisation as well.")


class ScheduleSection(Section):
    """How the learning rate changes from epoch to epoch."""

    kind: Literal["constant", "step", "cosine", "warm_restarts", "weld", "plateau", "cyclic"] = Field(
        default="cosine",
        description="weld: flat for three epochs, a half cosine down to 0.1 within seven, then 0.1; plateau: lower "
        "whenever `monitor` has not improved for a while; cyclic: straight up from 0 and down again, step by step.",
    )
    factor: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        default=None, description="What step (default 0.1) and plateau (0.5) multiply the rate by."
    )
    step_epochs: Count = Field(default=10, description="Epochs between two steps.")
    period_epochs: Count = Field(default=10, description="Epochs of the first period of warm_restarts.")
    period_growth: Count = Field(default=2, description="Length of a period over that of the one before.")
    patience: Count = Field(default=3, description="Epochs without improvement after which plateau acts.")
    min_change: NotNegative = Field(default=0.0, description="What counts as an improvement for plateau.")
    minimum: Share = Field(
        default=0.0, description="Smallest multiplier of cosine, warm_restarts and plateau, last one of cyclic."
    )
    warmup_epochs: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="Epochs of a straight rise before all; left out, 1 for cosine and none for others."
    )
    peak: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.5, description="Share of the training after which cyclic has its largest rate."
    )


class LossSection(Section):
    """What is minimised."""

    kind: Literal["auto", "cross_entropy", "focal", "binary_cross_entropy"] = Field(
        default="auto", description="auto: cross_entropy with one class an image, binary_cross_entropy with several."
    )
    gamma: NotNegative = Field(default=2.0, description="Focusing of the focal loss; 0 makes it the plain one.")
    class_weights: Weights = Field(
        default="none",
        description="none; balanced, n / (K n_c); or one number for each class. Several labels: they weigh a label's "
        "whole term, present or absent.",
    )
    positive_weights: Weights = Field(
        default="none",
        description="Several labels alone: weight of a label where it is present, and nowhere else; balanced is "
        "images without it / images with it.",
    )
    label_smoothing: BelowOne = Field(default=0.0, description="Share of the target that is spread over all classes.")


class SamplingSection(Section):
    """Which training images make up a batch; validation always sees every image once."""

    kind: Literal["shuffle", "balanced", "oversample"] = Field(
        default="shuffle",
        description="balanced: exactly as many images of every class in each batch; oversample: rare ones repeated.",
    )
    batch_size: Count = Field(default=64, description="Images of a batch.")
    batches_per_epoch: Count | None = Field(default=None, description="Default: as many as hold all images once.")
    drop_last: bool = Field(default=False, description="Leave out what is left over after the last full batch.")
    grouping: Literal["label_sets", "labels"] = Field(
        default="label_sets", description="Several labels: what is balanced, sets of labels or labels."
    )


class KorniaEntry(Section):
    """One random transform of kornia."""

    name: str = Field(description="Class of `kornia.augmentation`, such as RandomErasing.")
    arguments: dict[str, Any] = Field(default_factory=dict, description="Its arguments, as kornia names them.")
    p: Share = Field(default=0.5, description="Chance that it acts on an image.")


class TrainShiftsSection(ShiftsSection):
    """Shifts of the catalogue that act on training images: the `shifts` of an audit, and a share."""

    share: Share | dict[str, Share] = Field(
        default=1.0, description="Chance that a shift acts on an image: one number, or {rotation: 0.5}."
    )

    @model_validator(mode="after")
    def _at_the_model(self) -> Self:
        if self.resolution != "model":
            raise ValueError("training images are shifted at the network's input size; leave `resolution` out")
        return self


class AugmentSection(Section):
    """Random changes of training images, in this order."""

    flips: list[Literal["horizontal", "vertical", "quarter_turns"]] = Field(
        default=[], description="Mirrored with chance ½ each; turned by quarter turns, for square images."
    )
    shifts: TrainShiftsSection | None = Field(
        default=None, description="As the `shifts` of an audit, and `share`: the space that is audited, trained on."
    )
    kornia: list[KorniaEntry] = Field(default=[], description="Transforms of kornia: name, arguments, p.")


class TrainSection(Section):
    """How the network is trained."""

    epochs: Count = Field(default=20, description="Passes over the training images.")
    optimizer: OptimizerSection = Field(default_factory=OptimizerSection, description="The optimiser.")
    schedule: ScheduleSection = Field(default_factory=ScheduleSection, description="The learning rate over epochs.")
    loss: LossSection = Field(default_factory=LossSection, description="The loss.")
    sampling: SamplingSection = Field(default_factory=SamplingSection, description="The batches.")
    augment: AugmentSection = Field(default_factory=AugmentSection, description="Changes of training images.")
    monitor: Literal["auto", "macro_f1", "micro_f1", "accuracy", "average_precision", "loss", "last"] = Field(
        default="auto",
        description="What is watched on validation to keep the best epoch and to stop; auto: macro_f1, with several "
        "labels average_precision. last watches nothing and keeps the last epoch.",
    )
    patience: Count | None = Field(
        default=None, description="Stop after so many epochs without improvement; left out, never."
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto", description="auto takes bfloat16 on a CUDA device that has it, else float32."
    )
    clip: Positive | None = Field(default=1.0, description="Largest norm of the gradient; null for none.")
    ema_decay: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        default=None,
        description="Decay of a moving average of the weights, such as 0.99; the average is validated and kept. Left "
        "out, the weights themselves.",
    )
    frozen_statistics: bool = Field(
        default=False,
        description="Batch normalisation keeps the mean and variance that it came with; right for trained weights and "
        "few images.",
    )
    device: str = Field(default="auto", description="auto, cpu, cuda, cuda:1, mps.")
    devices: Count = Field(default=1, description="CUDA devices, or processes of a CPU, that share every batch.")
    validation_batch: Count = Field(default=128, description="Images of a batch in validation and test.")
    memory_gb: NotNegative = Field(
        default=4.0, description="A part that needs less is held in memory; a larger one is read for every batch."
    )
    seed: Annotated[int, Field(ge=0)] = Field(default=0, description="The one seed of split, weights and training.")
