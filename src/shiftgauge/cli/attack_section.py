"""The section `attack` of a configuration: attacks with their options, how loud, and what stands beside them."""

from __future__ import annotations

from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from shiftgauge.cli.section import Section, Share
from shiftgauge.shifts.limits import FIELD_OF_VIEW_DEG, Fill, Interpolation

Count: TypeAlias = Annotated[int, Field(ge=1)]
Positive: TypeAlias = Annotated[float, Field(gt=0)]
NotNegative: TypeAlias = Annotated[float, Field(ge=0)]
Kind: TypeAlias = Literal[
    "fgsm", "bim", "pgd", "momentum_fgsm", "apgd", "square", "uniform_noise", "gaussian_noise"
]  # fmt: skip


class AttackEntry(Section):
    """One attack or noise, under a name of its own; each kind takes those keys that it knows."""

    kind: Kind | None = Field(default=None, description="What it is; default: what its name says.")
    loss: Literal["ce", "margin", "dlr", "log_odds"] | None = Field(
        default=None, description="What is climbed: cross-entropy, margin of logits, difference of logits ratio."
    )
    steps: Count | None = Field(default=None, description="Of bim, pgd, momentum_fgsm (10) and apgd (100).")
    restarts: Count | None = Field(default=None, description="Of pgd, apgd and square: the best of so many.")
    random_start: bool | None = Field(default=None, description="Of pgd: begin at a random place of the ball.")
    relative_step: Positive | None = Field(
        default=None, description="Of bim, pgd, momentum_fgsm: a step as share of ε."
    )
    decay: NotNegative | None = Field(default=None, description="Of momentum_fgsm.")
    target_classes: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="Of apgd: aims at so many classes in turn; 9 with `loss: dlr` is AutoAttack's APGD-T."
    )
    rho: Positive | None = Field(default=None, description="Of apgd: share of steps that must gain.")
    queries: Count | None = Field(default=None, description="Of square: evaluations of each image.")
    initial_share: Positive | None = Field(default=None, description="Of square: share of the image changed at first.")


class NaturalSection(Section):
    """A shift at several levels, with the values of the shifts that qualify it."""

    levels: Annotated[list[float], Field(min_length=1)] = Field(description="Its values.")
    beside: dict[str, float] = Field(
        default_factory=dict, description="Values of the shifts that qualify it, such as {motion_blur_angle: 30}."
    )


class PictureSection(Section):
    """Which attacked images are shown."""

    images: Count = Field(default=2, description="How many, one of each class in turn.")
    snr_db: Annotated[list[float], Field(min_length=1)] = Field(
        default=[50, 45, 40, 33], description="Ratios of the panels, in dB."
    )
    ways: list[str] | None = Field(
        default=None, description="Attacks and noises that are shown. Default: the first attack by gradients."
    )
    models: list[str] | None = Field(default=None, description="Models on which they are made. Default: all.")


class AttackSection(Section):
    """What is done on purpose, how loud, and what happens by nature beside it."""

    attacks: dict[str, AttackEntry] = Field(
        default_factory=lambda: {"fgsm": AttackEntry(), "pgd": AttackEntry(), "uniform_noise": AttackEntry()},
        description="Attacks and noises, each under a name. Default: fgsm, pgd and uniform_noise.",
    )
    shifts: dict[str, NaturalSection | Annotated[list[float], Field(min_length=1)]] = Field(
        default_factory=dict,
        description="Natural shifts of the catalogue (`shiftgauge shifts`) → levels, such as "
        "{gaussian_blur: [0.5, 1, 2]}, on the same scale.",
    )
    snr_db: list[float] | None = Field(
        default=None, description="Signal-to-noise ratios of attacks and noise in dB. Default: 60 55 50 45 40 36 33 30."
    )
    epsilon: list[NotNegative] | None = Field(default=None, description="Lengths ε instead of ratios.")
    snr_of: Literal["image", "set"] = Field(
        default="image", description="image: a ratio holds for each image; set: one ε for all."
    )
    unit: Literal["pixel", "input"] = Field(
        default="pixel", description="Of ε and ratios: pixel, 0 to 1; input: what each network sees, (x − mean) / std."
    )
    norm: Literal["linf", "l2"] = Field(default="linf", description="Of the balls of attacks.")
    bounds: Annotated[list[float], Field(min_length=2, max_length=2)] | None = Field(
        default=None,
        description="Range in which attacked pixels must stay, such as [0, 1]. Default: none, as published.",
    )
    target: str | None = Field(default=None, description="Class to be reached. Default: any but the true one.")
    success_only: bool = Field(
        default=False, description="Leave an image as it is once it fools, so that accuracy only falls."
    )
    transfer: bool | None = Field(
        default=None,
        description="Try the images made on each model on all others. Default: where there are several models.",
    )
    pictures: PictureSection | Literal[False] = Field(
        default_factory=PictureSection, description="Which attacked images are shown; false leaves them out."
    )
    images: Count | None = Field(
        default=None, description="At most so many images, the same share of every class. Default: all."
    )
    groups: bool = Field(
        default=True, description="Intervals from resamples of whole groups, where the data state groups."
    )
    at: float | None = Field(
        default=None, description="Ratio or ε that the headline is about. Default: the one in the middle."
    )
    fill: Fill = Field(default="constant", description="What lies outside the picture under geometric shifts.")
    fill_value: Share = Field(default=0.0, description="Grey value for `fill: constant`.")
    field_of_view: Annotated[float, Field(ge=FIELD_OF_VIEW_DEG[0], le=FIELD_OF_VIEW_DEG[1])] = Field(
        default=53.0, description="Angle in degrees under which the camera of tilt and pan sees the longer side."
    )
    interpolation: Interpolation = Field(default="bilinear", description="How geometric shifts resample.")
    confidence_level: Annotated[float, Field(ge=0.5, le=0.999)] = Field(default=0.95, description="Of all intervals.")
    resamples: Count = Field(default=2000, description="Of groups.")
    device: str = Field(default="auto", description="auto, cpu, cuda, cuda:1, mps.")
    batch_size: Count | Literal["auto"] = Field(
        default="auto", description="Images in one pass; auto takes what suits their size."
    )
    seed: Annotated[int, Field(ge=0)] = Field(default=0, description="Of the choice of images and of all draws.")

    @model_validator(mode="after")
    def _one_scale(self) -> Self:
        if self.snr_db is not None and self.epsilon is not None:
            raise ValueError("give either `snr_db` or `epsilon`, and not both")
        return self


class AccuracyGateSection(Section):
    """The least accuracy under a way, at a ratio, ε or level that is measured."""

    accuracy: Share = Field(description="Smallest accuracy.")
    at: float = Field(description="Ratio in dB (ε where the file asks for ε; the level of a shift).")
    way: str | None = Field(default=None, description="Name of an attack, noise or shift. Default: every attack.")
    model: str | None = Field(default=None, description="Name of a model. Default: each.")
    lower_end: bool = Field(default=False, description="Judge the lower end of the interval.")


class AttackGatesSection(Section):
    """Limits that the run must keep; a missed one makes the command exit with 1."""

    min_clean_accuracy: Share | None = Field(default=None, description="Smallest accuracy on images as given.")
    min_accuracy: list[AccuracyGateSection] = Field(
        default=[], description="Smallest accuracies under attacks, noise and shifts."
    )
