"""The schema of a configuration whose data are a table: sections and keys, defaults and meanings."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import Field, field_validator, model_validator

from shiftgauge.cli.estimate_section import (
    ON_FAILURE_TEXT,
    SURROGATE_TEXT,
    ChaosSection,
    OnFailure,
    Surrogate,
    check_section,
)
from shiftgauge.cli.section import Section, Share

SpaceEntry: TypeAlias = dict[str, Any] | Annotated[list[float], Field(min_length=2, max_length=2)] | float
"""A distribution with its options; [low, high] for uniform; a number for a fixed value."""


class TableModelSection(Section):
    """The trained model of the table: exactly one of factory, pt2, onnx, sklearn."""

    factory: str | None = Field(
        default=None,
        description="`package.module:function` that returns a network, an estimator or a function of rows (n, P).",
    )
    pt2: str | None = Field(default=None, description="Path of a torch.export file (.pt2).")
    onnx: str | None = Field(default=None, description="Path of an ONNX file; needs the extra `onnx`.")
    sklearn: str | None = Field(default=None, description="Path of a joblib or pickle file; needs --trust.")
    weights: str | None = Field(default=None, description="A .safetensors file or a PyTorch state dict for a factory.")
    weights_by: Literal["name", "order"] = Field(
        default="name", description="Match tensors by name, or by position for files whose names differ throughout."
    )
    arguments: dict[str, Any] = Field(default_factory=dict, description="Keyword arguments of the factory.")
    classes: list[str] | None = Field(default=None, description="Names of the outputs, in their order.")
    output: Literal["values", "logits", "probabilities"] | None = Field(
        default=None,
        description="What the outputs are: values as they are (default), logits, or probabilities; scikit-learn knows.",
    )
    mean: list[float] | None = Field(default=None, description="Subtracted from every column before the model.")
    std: list[Annotated[float, Field(gt=0)]] | None = Field(
        default=None, description="Divides every column after `mean`."
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [kind for kind in TABLE_MODEL_KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            found = " and ".join(f"`{kind}`" for kind in given) if given else "none of them"
            raise ValueError(f"give exactly one of {', '.join(TABLE_MODEL_KINDS)} for a table; found {found}")
        if self.weights is not None and self.factory is None:
            raise ValueError("`weights` belongs to `factory`; the other kinds carry their weights")
        return self


class TableDataSection(Section):
    """The table: a CSV or Parquet file with one row for each case."""

    table: str = Field(description="Path of a CSV or Parquet file.")
    label_column: str | None = Field(
        default=None,
        description="Column of the classes, which is no input; matched to the model's by name, never by order.",
    )
    features: list[str] | None = Field(
        default=None, description="Columns that the model takes, in its order. Default: all that are left."
    )
    missing: Literal["error", "drop"] = Field(
        default="error",
        description="What becomes of empty cells: error names the first; drop leaves their rows out of ranges, "
        "accuracy and slopes, and says how many.",
    )
    group_column: str | None = Field(default=None, description="Column of groups that are never split in retraining.")
    split_column: str | None = Field(default=None, description="Column that names training rows `train`.")


class TableSpaceSection(Section):
    """What varies: ranges read off the table by a rule, or given for some or all columns."""

    rule: Literal["range", "quantiles", "nonzero"] = Field(
        default="range",
        description="Uniform from smallest to largest value; between two quantiles; or like range without zeros. "
        "Columns of two values, or of at most 10 whole ones, take these values as often as the table does.",
    )
    quantiles: Annotated[list[Share], Field(min_length=2, max_length=2)] = Field(
        default=[0.05, 0.95], description="The two quantiles of that rule."
    )
    parameters: dict[str, SpaceEntry] = Field(
        default_factory=dict,
        description="Column → distribution, such as {distribution: normal, mean: 30, std: 5}; [low, high] for uniform; "
        "a number keeps it fixed.",
    )
    correlation: dict[str, Any] | None = Field(
        default=None,
        description="Refused: the shares of an audit are those of independent inputs. For correlated ones there are "
        "kucherenko and shapley_effects in Python.",
    )

    @field_validator("correlation")
    @classmethod
    def _independent(cls, value: dict[str, Any] | None) -> None:
        from shiftgauge.infer import CORRELATED

        if value:
            raise ValueError(CORRELATED)


class TableEstimateSection(Section):
    """What is estimated, from how many evaluations."""

    estimator: Literal["pick_freeze", "assisted", "gpc"] = Field(
        default="pick_freeze",
        description="pick_freeze: without a surrogate; assisted: sharpened by one, for models that are dear to "
        "evaluate; gpc: the surrogate alone, from n_base evaluations.",
    )
    n_base: Annotated[int, Field(ge=8, le=2**24)] | None = Field(
        default=None,
        description="Base samples, best a power of two; there are n_base × (2 × inputs + 2) evaluations. Default 4096; "
        "with tolerance or budget 64, those of the first round.",
    )
    second_order: bool = Field(default=True, description="Estimate the interaction of every pair of inputs as well.")
    method: Literal["sobol", "halton", "random"] = Field(default="sobol", description="Kind of the design.")
    replicates: Annotated[int, Field(ge=1, le=1024)] = Field(
        default=16, description="Independent scramblings behind the intervals; 1 takes the bootstrap instead."
    )
    tolerance: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        default=None,
        description="Double the design until the intervals of all first and total indices of every output are within "
        "± this; those of pairs do not decide.",
    )
    budget: Annotated[int, Field(ge=1)] | None = Field(default=None, description="Most evaluations while doubling.")
    chaos: ChaosSection = Field(default_factory=ChaosSection, description="The polynomial terms of the surrogate.")
    surrogate: Surrogate = Field(default="auto", description=SURROGATE_TEXT)
    on_failure: OnFailure = Field(default="raise", description=ON_FAILURE_TEXT)
    resamples: Annotated[int, Field(ge=100, le=100_000)] = Field(
        default=1000, description="Bootstrap resamples, where the design has no replicates."
    )
    confidence_level: Annotated[float, Field(ge=0.5, le=0.999)] = Field(
        default=0.95, description="Level of every interval."
    )
    output: str | None = Field(default=None, description="Name of the output that the verdict is about.")
    derivatives: bool = Field(default=True, description="Statistics of slopes at the table's rows.")
    seed: Annotated[int, Field(ge=0)] = Field(default=0, description="The same seed gives the same numbers.")

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        check_section(self.estimator, self.surrogate, self.chaos, self.replicates, self.n_base or _ENOUGH)
        return self


class ReductionSection(Section):
    """Training the same scikit-learn model again on the leading inputs, and on the trailing ones."""

    leading: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Number of leading inputs by total index. Default: half of them."
    )
    repeats: Annotated[int, Field(ge=1)] = Field(default=10, description="Random splits into training and test rows.")
    test_share: Annotated[float, Field(ge=0.05, le=0.95)] = Field(default=0.3, description="Share of test rows.")


class TableGatesSection(Section):
    """Limits that the run must keep; a missed one makes the command exit with 1."""

    min_accuracy: Share | None = Field(default=None, description="Smallest accuracy on the table's rows.")
    max_total_order: Share | dict[str, Share] | None = Field(
        default=None, description="Largest total index of an input: {age: 0.2}, or one number for all."
    )
    max_first_order: Share | dict[str, Share] | None = Field(
        default=None, description="Largest first index of an input, in the same form."
    )


class TableConfig(Section):
    """One audit of a tabular model: a model, a table, what varies, and how to measure."""

    model: TableModelSection = Field(description="The trained model.")
    data: TableDataSection = Field(description="The table.")
    space: TableSpaceSection = Field(default_factory=TableSpaceSection, description="What varies.")
    estimate: TableEstimateSection = Field(default_factory=TableEstimateSection, description="What is estimated.")
    reduction: ReductionSection | None = Field(default=None, description="Retraining with fewer inputs; {} for it.")
    gates: TableGatesSection = Field(default_factory=TableGatesSection, description="Limits that decide the exit code.")
    out: str | None = Field(
        default=None, description="Run folder; default: runs/ and the name of this file, beside it."
    )
    title: str = Field(default="", description="Title of the page.")


_ENOUGH = 64
"""Base samples that a run begins with where none are given, or fewer."""
TABLE_MODEL_KINDS = ("factory", "pt2", "onnx", "sklearn")
"""The keys of `model` of which exactly one is given."""
