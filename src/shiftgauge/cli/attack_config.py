"""The schema of a configuration of attacks: sections and keys, defaults and meanings."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from shiftgauge.cli.attack_section import AttackGatesSection, AttackSection
from shiftgauge.cli.config import ModelSection
from shiftgauge.cli.data_section import DataSection
from shiftgauge.cli.section import Section


class AttackConfig(Section):
    """Attacks on one model or on several, on labelled images."""

    model: ModelSection | None = Field(default=None, description="The trained classifier; or several in `models`.")
    models: dict[str, ModelSection] = Field(
        default_factory=dict,
        description="Several trained classifiers, each under a name of its own, of one input and the same classes.",
    )
    data: DataSection = Field(description="The labelled images.")
    attack: AttackSection = Field(default_factory=AttackSection, description="What is done, and how loud.")
    gates: AttackGatesSection = Field(
        default_factory=AttackGatesSection, description="Limits that decide the exit code."
    )
    audit: str | None = Field(
        default=None, description="Run folder of an audit of the model, whose verdict stands beside."
    )
    out: str | None = Field(
        default=None, description="Run folder; default: runs/ and the name of this file, beside it."
    )
    title: str = Field(default="", description="Title of the page.")

    @property
    def first_model(self) -> ModelSection:
        """The model, of several the first."""
        return self.model if self.model is not None else next(iter(self.models.values()))

    @model_validator(mode="after")
    def _some_model(self) -> Self:
        if (self.model is None) == (not self.models):
            found = "neither" if self.model is None else "both"
            raise ValueError(f"give either `model` or `models`; found {found}")
        return self
