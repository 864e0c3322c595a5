"""What every section of a configuration has in common."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
"""A number in [0, 1]."""
Auto: TypeAlias = Literal["auto"]
"""Chosen by the program, by a short measured trial where speed is the question."""


class Section(BaseModel):
    """Base of every section: unknown keys are errors, values are not converted behind the user's back."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
