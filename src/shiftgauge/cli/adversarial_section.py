"""What a configuration of a training adds to the plain one: `adversarial`, `constraint`, `enlarge`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from shiftgauge.cli.section import Section
from shiftgauge.cli.train_section import Count, NotNegative, Positive

UpToOne = Annotated[float, Field(gt=0, le=1)]


class AdversarialSection(Section):
    """Training on adversarial images. A key that does not count with the method is an error."""

    method: Literal["fgsm", "pgd", "trades", "free", "fast"] = Field(
        default="pgd",
        description="fgsm: half of every batch gives way to FGSM copies with rising epsilon; pgd: all of it to what "
        "PGD finds (Madry et al.); trades: clean loss and beta times the divergence to the worst image near; free: "
        "several steps on every batch; fast: one step of 1.25 epsilon from a random start, best with the schedule "
        "cyclic.",
    )
    epsilon: Positive = Field(description="Largest change; a half-batch ramp ends there.")
    unit: Literal["pixel", "input"] = Field(
        default="pixel", description="pixel: of [0, 1]; input: of the network's input, after mean and std."
    )
    norm: Literal["linf", "l2"] = Field(default="linf", description="In which the change is measured.")
    share: UpToOne | None = Field(
        default=None, description="For fgsm (0.5), pgd and fast (1): share of each batch that is replaced."
    )
    ramp: bool | None = Field(
        default=None,
        description="For the same: epsilon of the i-th of m replaced images is i epsilon / m; left out, fgsm alone.",
    )
    steps: Count | None = Field(default=None, description="For pgd and trades: steps of the search; left out, 10.")
    relative_step: Positive | None = Field(
        default=None, description="Step over epsilon: 0.25 for pgd and trades, 1.25 for fast, 1 for free."
    )
    beta: NotNegative | None = Field(default=None, description="For trades: weight of robustness; left out, 6.")
    replays: Count | None = Field(default=None, description="For free: steps on every batch in a row; left out, 8.")
    clip: bool = Field(default=True, description="Keep images in [0, 1].")
    inner_mode: Literal["eval", "train"] | None = Field(
        default=None,
        description="Network during the search, but for free: eval (the default): running averages and no dropout; "
        "train: statistics of the batch, and dropout. Running averages do not move in either.",
    )


class ConstraintSection(Section):
    """A constraint on the weights that is enforced after every step of the optimiser, its decay included."""

    kind: Literal["parseval"] = Field(
        default="parseval", description="Kernels are retracted towards tight frames, aggregations onto the simplex."
    )
    beta: Annotated[float, Field(gt=0, le=0.5)] = Field(default=1e-3, description="Size of the retraction.")
    passes: Count = Field(default=1, description="Retractions after each step, each on what the last one gave.")
    row_share: UpToOne = Field(default=1.0, description="Share of the rows of each kernel that a step retracts.")
    layers: Literal["convolutions", "convolutions_and_linear"] = Field(
        default="convolutions", description="What is constrained."
    )
    exclude: list[str] = Field(default=[], description="Module paths that are left free.")
    variant: Literal["iterated", "published"] = Field(
        default="iterated", description="published: passes do not build on one another."
    )
    seed: Annotated[int, Field(ge=0)] = Field(default=0, description="Of the rows that are drawn.")


class EnlargeSection(Section):
    """Copies of training images that are added to them. The control of any is `clean` with the same share and seed."""

    kind: Literal["clean", "steps", "fgsm", "pgd", "uniform_noise", "gaussian_noise"] = Field(
        description="clean: as they are, the control; steps: none, but as many steps; fgsm, pgd: adversarial for the "
        "model `source`; or noise."
    )
    share: UpToOne = Field(default=1.0, description="Copies over training images; drawn at random within classes.")
    epsilon: Positive | None = Field(default=None, description="Largest change; not for clean.")
    snr_db: float | None = Field(default=None, description="Signal-to-noise ratio of each image, instead of epsilon.")
    unit: Literal["pixel", "input"] = Field(default="pixel", description="As in `adversarial`.")
    norm: Literal["linf", "l2"] = Field(default="linf", description="Gaussian noise needs l2, or snr_db.")
    clip: bool = Field(default=True, description="Keep copies in [0, 1].")
    source: str | None = Field(default=None, description="Model folder that adversarial copies fool.")
    seed: Annotated[int, Field(ge=0)] = Field(default=0, description="Of the draw of images and of the noise.")
