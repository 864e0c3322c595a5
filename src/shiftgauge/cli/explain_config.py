"""The schema of a configuration of a look inside a network: sections and keys, defaults and meanings."""

from __future__ import annotations

from pydantic import Field

from shiftgauge.cli.config import ModelSection
from shiftgauge.cli.data_section import DataSection
from shiftgauge.cli.explain_section import ExplainSection
from shiftgauge.cli.section import Section


class ExplainConfig(Section):
    """One look inside a network: a model, labelled images, and what is looked at."""

    model: ModelSection = Field(description="The trained classifier: a torch network (folder, timm, factory, demo).")
    compare: dict[str, ModelSection] = Field(
        default_factory=dict,
        description="Further networks, each under a name of its own, whose profiles over depth stand beside the first.",
    )
    data: DataSection = Field(description="The labelled images.")
    explain: ExplainSection = Field(default_factory=ExplainSection, description="What is looked at.")
    out: str | None = Field(
        default=None, description="Run folder; default: runs/ and the name of this file, beside it."
    )
    title: str = Field(default="", description="Title of the page.")

    @property
    def first_model(self) -> ModelSection:
        """The model that is looked inside."""
        return self.model
