"""The section `estimate` of a configuration."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from shiftgauge.cli.section import Auto, Section
from shiftgauge.errors import ConfigError


class ChaosSection(Section):
    """The polynomial terms of the surrogate."""

    terms: Literal["total", "tensor", "hyperbolic"] = Field(
        default="total",
        description="total: all terms up to a degree; tensor: a degree for each shift; hyperbolic: fewer interactions.",
    )
    degree: (
        Annotated[int, Field(ge=1, le=30)]
        | Annotated[list[Annotated[int, Field(ge=0, le=30)]], Field(min_length=1)]
        | Auto
    ) = Field(
        default="auto",
        description="Highest degree; with tensor also a list, one for each shift that varies; auto chooses by "
        "cross-validated error.",
    )
    q_norm: Annotated[float, Field(ge=0.05, le=1)] | None = Field(
        default=None, description="With hyperbolic: the smaller, the fewer interactions. Default 0.7."
    )
    interaction_order: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Most inputs that meet in one term; left out, any number."
    )
    max_terms: Annotated[int, Field(ge=2)] | None = Field(
        default=None, description="Most terms of any set that is tried. Default 500, or 3000 where a degree is given."
    )
    solver: Literal["auto", "least_squares", "omp", "lars"] = Field(
        default="auto",
        description="With gpc: least_squares fits all terms of a set; omp (orthogonal matching pursuit) and lars pick "
        "few from many; auto lets them compete by leave-one-out error. assisted takes least squares.",
    )
    residual: Literal["misfit", "noise"] = Field(
        default="misfit",
        description="With gpc: what the polynomial leaves over is a misfit that some inputs cause and intervals take "
        "in, or noise that none of them causes.",
    )

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.terms == "tensor" and self.degree == "auto":
            raise ValueError("tensor needs `degree`: a number, or a list such as [6, 6, 6]")
        if self.terms != "tensor" and isinstance(self.degree, list):
            raise ValueError(f"a list of degrees belongs to `terms: tensor`; with {self.terms} give one number")
        if self.terms != "hyperbolic" and self.q_norm is not None:
            raise ValueError("`q_norm` belongs to `terms: hyperbolic`")
        return self


Surrogate = Literal["auto", "chaos", "gp", "trees"]
SURROGATE_TEXT = (
    "With assisted, what may be added to the polynomial where an output is rough: auto tries boosted trees and a "
    "Gaussian process where they may pay; chaos adds nothing; gp and trees always add that."
)
"""Meaning of `surrogate`, in both kinds of configuration."""
OnFailure = Literal["raise", "drop"]
ON_FAILURE_TEXT = (
    "What to do where the model gives NaN or infinity: raise stops and names the case; drop leaves out the blocks of "
    "the design that hold one, counts them and warns."
)
"""Meaning of `on_failure`, in both kinds of configuration."""


class EstimateSection(Section):
    """What is estimated, from how many evaluations."""

    estimator: Literal["assisted", "pick_freeze", "gpc"] = Field(
        default="assisted",
        description="assisted: pick-freeze sharpened by a surrogate; pick_freeze: without one; gpc: surrogate alone.",
    )
    n_base: Annotated[int, Field(ge=8, le=2**24)] = Field(
        default=512,
        description="Base samples, best a power of two, at least 32 for assisted; there are n_base × (2 × inputs + 2) "
        "evaluations. With a tolerance or a budget, those of the first round.",
    )
    tolerance: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        default=None,
        description="Double n_base until the intervals of all first and total indices of `quantity` are ± this narrow, "
        "such as 0.02; those of other quantities, pairs and blocks do not decide. Left out, n_base is what is run.",
    )
    budget: Annotated[int, Field(ge=1)] | None = Field(
        default=None,
        description="Most evaluations; the next doubling is not begun beyond it. Default with a tolerance: 64 times "
        "the first round.",
    )
    second_order: bool = Field(default=True, description="Estimate the interaction of every pair of inputs as well.")
    degree: Annotated[int, Field(ge=1, le=30)] | Auto = Field(
        default="auto", description="Short for `chaos.degree`: one number, or auto."
    )
    chaos: ChaosSection = Field(default_factory=ChaosSection, description="The polynomial terms of the surrogate.")
    surrogate: Surrogate = Field(default="auto", description=SURROGATE_TEXT)
    replicates: Annotated[int, Field(ge=1, le=1024)] = Field(
        default=16,
        description="Independent scramblings of the design behind the intervals, at least 4; 1 takes the bootstrap.",
    )
    on_failure: OnFailure = Field(default="raise", description=ON_FAILURE_TEXT)
    resamples: Annotated[int, Field(ge=100, le=100_000)] = Field(
        default=1000, description="Bootstrap resamples, where the design has no replicates."
    )
    confidence_level: Annotated[float, Field(ge=0.5, le=0.999)] = Field(
        default=0.95, description="Level of every interval."
    )
    images: Literal["population"] | Annotated[list[str], Field(min_length=1)] = Field(
        default="population",
        description="population: the image is an input, drawn at random; or a list of image names.",
    )
    quantity: str = Field(
        default="probability",
        description="What the verdict is about: probability (of the true class), margin, cross_entropy, correct, "
        "or probability[class].",
    )
    classes: list[str] = Field(default_factory=list, description="Further classes whose probability is recorded.")
    blocks: Literal["none", "auto"] | Annotated[list[str], Field(min_length=1)] = Field(
        default="none",
        description="Blocks of a torch network whose indices are estimated too, from the same evaluations: auto finds "
        "its stages; or a list of module paths such as [layer1, layer4].",
    )
    block_directions: Annotated[int, Field(ge=2, le=1024)] = Field(
        default=128,
        description="Random directions that stand for what a block gives; more are surer and larger on disk.",
    )
    block_pooled: bool = Field(
        default=False, description="Look at the mean of each channel over its map, instead of the map itself."
    )
    block_layout: Literal["auto", "nchw", "nhwc"] = Field(
        default="auto",
        description="With block_pooled: which axis of a map holds the channels, the second (nchw) or the last (nhwc, "
        "as in Swin transformers); auto reads it off the layers of each block.",
    )
    seed: Annotated[int, Field(ge=0)] = Field(default=0, description="The same seed gives the same numbers.")

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.estimator == "gpc" and self.blocks != "none":
            raise ValueError("`blocks` needs the estimator assisted or pick_freeze, got gpc")
        if self.block_layout != "auto" and not self.block_pooled:
            raise ValueError(f"`block_layout: {self.block_layout}` belongs to `block_pooled: true`")
        if self.degree != "auto" and self.chaos.degree != "auto":
            raise ValueError("`degree` is short for `chaos.degree`; give one of them")
        check_section(self.estimator, self.surrogate, self.chaos, self.replicates, self.n_base)
        return self


def check_section(estimator: str, surrogate: str, chaos: ChaosSection, replicates: int, n_base: int) -> None:
    """Refuses keys that the estimator cannot be served with, or would silently do without.

    Raises:
        ValueError: A key that belongs to another estimator, two or three replicates, or too few base samples.
    """
    from shiftgauge.estimate.analysis import check_choices
    from shiftgauge.estimate.assisted import MIN_BASE
    from shiftgauge.estimate.designs import FEWEST, REPLICATES

    try:
        check_choices(estimator, surrogate=surrogate, solver=chaos.solver, residual=chaos.residual)
    except ConfigError as error:
        raise ValueError(str(error)) from error
    if estimator == "assisted" and n_base < MIN_BASE:
        low = 1 << (MIN_BASE - 1).bit_length()
        raise ValueError(f"`n_base` must be ≥ {low} for the assisted estimator, got {n_base}; 512 is usual")
    if 1 < replicates < FEWEST:
        raise ValueError(f"`replicates` must be 1 or at least {FEWEST}, got {replicates}; {REPLICATES} is usual")
    if estimator == "gpc" and replicates != REPLICATES:
        raise ValueError(f"`replicates` belongs to the estimators assisted and pick_freeze, got {replicates} with gpc")
