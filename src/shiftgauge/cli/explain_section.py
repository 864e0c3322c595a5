"""The section `explain` of a configuration: what a look inside a network does, and to how many images."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from shiftgauge.cli.explain_part_sections import (
    AttributionSection,
    BoundSection,
    ClimbSection,
    Count,
    CurveSection,
    DerivativeSection,
    MaskSection,
    MaximizeSection,
    PushSection,
    RandomisationSection,
    UnitSection,
)
from shiftgauge.cli.section import Section


class ExplainSection(Section):
    """What is looked at, and in how many images."""

    per_class: Count = Field(default=2, description="Images of each class that are shown.")
    counted_per_class: Count | None = Field(
        default=None, description="Images of each class over which maps are averaged. Default: those shown."
    )
    classes: list[str] | None = Field(
        default=None, description="Classes that are looked at and maximised. Default: those of the data."
    )
    most_classes: Count = Field(default=10, description="Most classes that are taken where none are named.")
    blocks: list[str] | None = Field(
        default=None, description="Blocks by module path; default those marked in `shiftgauge blocks`."
    )
    maps: PushSection | Literal[False] = Field(
        default_factory=PushSection, description="How pixels are pushed; false leaves the maps out."
    )
    derivatives: DerivativeSection | Literal[False] = Field(
        default=False, description="Exact derivatives of the blocks, as long again as the maps; {} takes them."
    )
    attribution: AttributionSection = Field(
        default_factory=AttributionSection, description="Methods of attribution, and how they are asked."
    )
    curves: CurveSection | Literal[False] = Field(
        default_factory=CurveSection, description="Deletion and insertion curves; false leaves them out."
    )
    randomisation: RandomisationSection | Literal[False] = Field(
        default_factory=RandomisationSection, description="Whether maps change with the weights; false leaves it out."
    )
    bounds: BoundSection | Literal[False] = Field(
        default_factory=BoundSection, description="How much every pixel can matter; false leaves it out."
    )
    masks: MaskSection | Literal[False] = Field(
        default_factory=MaskSection, description="Sobol' indices of masks; false leaves them out."
    )
    maximize: MaximizeSection | Literal[False] = Field(
        default_factory=MaximizeSection, description="Images that raise classes and units; false leaves them out."
    )
    units: list[UnitSection] = Field(
        default=[], description="Neurons, channels and directions that are maximised besides the classes."
    )
    walk: ClimbSection | Literal[False] = Field(
        default_factory=ClimbSection, description="Images pushed towards every class; false leaves them out."
    )
    walk_per_class: Count = Field(default=1, description="Images of each class that are pushed.")
    device: str = Field(default="auto", description="auto, cpu, cuda, cuda:1, mps.")
    batch_size: Count | Literal["auto"] = Field(
        default="auto", description="Images in one pass of every part but the maps; auto leaves it to each part."
    )
    map_batch_size: Count | Literal["auto"] = Field(
        default="auto", description="Pushes in one batch of the maps; auto finds it by a short trial."
    )
    seed: Annotated[int, Field(ge=0)] = Field(default=0, description="Of the choice of images and of all noise.")
