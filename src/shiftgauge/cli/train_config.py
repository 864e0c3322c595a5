"""The schema of a configuration of a training: sections and keys, defaults and meanings."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from shiftgauge.cli.adversarial_section import AdversarialSection, ConstraintSection, EnlargeSection
from shiftgauge.cli.config import PreprocessingSection
from shiftgauge.cli.data_section import DataSection
from shiftgauge.cli.folds_section import ONE_TRAINING, FoldsSection, GridSection
from shiftgauge.cli.section import Section, Share
from shiftgauge.cli.train_section import Count, Positive, TrainSection
from shiftgauge.shifts.limits import Fill


class TrainModelSection(Section):
    """The network to train."""

    architecture: str = Field(description="resnet18_small, resnet18, tf_efficientnet_lite0 …, or any name of timm.")
    pretrained: bool | str = Field(
        default=False,
        description="false: random weights; true: those that timm publishes (a download); packaged: those of the extra "
        "`demo`; else the path of a weights file or a model folder.",
    )
    size: Count | Annotated[list[Count], Field(min_length=2, max_length=2)] | None = Field(
        default=None, description="Input size in pixels: a number, or [height, width]. Default: the architecture's."
    )
    channels: Count | None = Field(
        default=None, description="1 grey, 3 colour. Default: those of the images, 3 where they differ."
    )
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.0, description="Chance that a feature is dropped before the last layer."
    )
    head: Literal["random", "linear_probe"] = Field(
        default="random",
        description="Where the layer that gives the classes begins: random, or linear_probe, a logistic regression on "
        "the features of the network as it stands; right for few images and trained weights.",
    )
    first_convolution: Literal["sum", "mean", "new"] = Field(
        default="sum", description="Trained first-layer weights for other channels: summed, averaged or new."
    )
    arguments: dict[str, Any] = Field(default_factory=dict, description="Keyword arguments of the architecture.")
    preprocessing: PreprocessingSection = Field(
        default_factory=PreprocessingSection, description="Keys that differ from the architecture's own."
    )

    @model_validator(mode="after")
    def _once(self) -> Self:
        for key in ("size", "channels"):
            if getattr(self.preprocessing, key) is not None:
                raise ValueError(f"`{key}` stands in `model` itself, not in its `preprocessing`")
        return self


class TrainDataSection(DataSection):
    """The labelled images, as for an audit: exactly one of folder, manifest, npz, yolo, weld."""

    keep: list[str] | None = Field(
        default=None, description="Classes to train on, in the order of the outputs. Default: all of the data's."
    )

    @model_validator(mode="after")
    def _own_classes(self) -> Self:
        if self.demo is not None:
            raise ValueError("the demonstration's photographs are no training data; give folder, manifest or npz")
        if self.labels is not None:
            raise ValueError("`labels` belongs to an audit; the classes of a training are the data's own")
        return self


class SplitSection(Section):
    """How the images are divided. Groups, copies and near-duplicates always stay together."""

    by: Literal["stratified", "group", "given"] = Field(
        default="stratified",
        description="group: an error where the data have no groups; given: the parts that the data state.",
    )
    parts: dict[Literal["train", "validation", "test"], Positive] = Field(
        default={"train": 0.6, "validation": 0.2, "test": 0.2}, description="Shares, with the sum 1."
    )
    near_duplicates: bool = Field(default=True, description="Find near-duplicates by a perceptual hash.")
    distance: Annotated[int, Field(ge=0, le=32)] = Field(
        default=8, description="Most bits of 64 in which the hashes of near-duplicates differ."
    )
    correlation: Annotated[float, Field(ge=-1, le=1)] = Field(
        default=0.7, description="Smallest correlation of their thumbnails."
    )
    flips: bool = Field(default=False, description="Compare with mirror images as well.")
    leaks: Literal["error", "drop"] = Field(
        default="error", description="With given: images that have their like in another part: error, or drop them."
    )


class ThresholdsSection(Section):
    """How the threshold of each label is chosen on validation; for several labels alone."""

    aim: Literal["f1", "recall", "cost"] = Field(
        default="f1", description="Largest F1; most precise with at least recall_floor; or cheapest."
    )
    recall_floor: Annotated[float, Field(gt=0, le=1)] | list[Annotated[float, Field(gt=0, le=1)]] | None = Field(
        default=None, description="For recall: one number, or one for each label; left out, 0.95."
    )
    cost_ratio: Positive | list[Positive] | None = Field(
        default=None, description="For cost, and needed there: what a missed label costs, a false alarm costing 1."
    )
    search: Literal["exact", "grid"] = Field(
        default="exact", description="exact: one threshold between every two scores; grid: those given."
    )
    grid: list[Share] = Field(
        default=[round(0.05 * k, 2) for k in range(1, 20)], description="For grid: the thresholds."
    )


class AveragingSection(Section):
    """Views of an image over which probabilities are averaged: the image itself, and each change on its own."""

    flips: list[Literal["horizontal", "vertical"]] = Field(default=[], description="Mirror images.")
    quarter_turns: list[Literal[1, 2, 3]] = Field(
        default=[], description="Turns by so many quarters, for square images."
    )
    rotations_deg: list[Annotated[float, Field(ge=-180, le=180)]] = Field(
        default=[], description="Rotations in degrees."
    )
    scales: list[Annotated[float, Field(ge=0.25, le=4)]] = Field(
        default=[], description="Sizes of the picture in its frame."
    )
    fill: Fill = Field(default="reflect", description="What lies outside a rotated or smaller picture.")


class MeasureSection(Section):
    """How the numbers of validation and test are formed."""

    resamples: Annotated[int, Field(ge=100, le=100_000)] = Field(
        default=1000, description="Bootstrap resamples of what belongs together."
    )
    confidence_level: Annotated[float, Field(ge=0.5, le=0.999)] = Field(
        default=0.95, description="Level of every interval."
    )


class TrainGatesSection(Section):
    """Limits on the test part; a missed one makes the command exit with 1."""

    min_macro_f1: Share | None = Field(default=None, description="Smallest macro F1.")
    min_accuracy: Share | None = Field(default=None, description="Smallest accuracy.")
    min_recall: Share | dict[str, Share] | None = Field(
        default=None, description="Smallest recall of a class: {scratch: 0.9}, or one number for all."
    )
    min_precision: Share | dict[str, Share] | None = Field(
        default=None, description="Smallest precision of a class, in the same form."
    )


class TrainConfig(Section):
    """One training: a network, labelled images, a split, and how to train."""

    model: TrainModelSection = Field(description="The network to train.")
    data: TrainDataSection = Field(description="The labelled images.")
    split: SplitSection = Field(default_factory=SplitSection, description="How the images are divided.")
    train: TrainSection = Field(default_factory=TrainSection, description="How the network is trained.")
    adversarial: AdversarialSection | None = Field(
        default=None, description="Training on adversarial images; left out, on images as they are."
    )
    constraint: ConstraintSection | None = Field(
        default=None, description="What the weights are held to after every step; left out, nothing."
    )
    enlarge: EnlargeSection | None = Field(
        default=None, description="Copies of training images that are added to them; left out, none."
    )
    folds: FoldsSection | None = Field(
        default=None, description="Cross-validation in place of one training; left out, one training."
    )
    grid: GridSection | None = Field(
        default=None, description="Grid search in folds in place of one training; left out, none."
    )
    thresholds: ThresholdsSection | None = Field(
        default=None,
        description="How thresholds are chosen for several labels; left out, those with the largest F1.",
    )
    averaging: AveragingSection | None = Field(
        default=None, description="Changes of an image over which probabilities are averaged, for comparison."
    )
    calibrate: bool = Field(default=True, description="Fit a temperature on validation.")
    measure: MeasureSection = Field(default_factory=MeasureSection, description="How numbers are formed.")
    gates: TrainGatesSection = Field(default_factory=TrainGatesSection, description="Limits on the test part.")
    out: str | None = Field(
        default=None, description="Run folder; default: runs/ and the name of this file, beside it."
    )
    title: str = Field(default="", description="Title of the page.")

    @property
    def in_folds(self) -> bool:
        """Whether folds are trained rather than one network."""
        return self.folds is not None or self.grid is not None

    @model_validator(mode="after")
    def _folds_alone(self) -> Self:
        asked = "grid" if self.grid is not None else "folds"
        for name in ONE_TRAINING if self.in_folds else ():
            if name in self.model_fields_set:
                raise ValueError(f"`{name}` is about one training and does not count with `{asked}`; leave one out")
        return self
