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


def exactly_one(section: Section, kinds: tuple[str, ...]) -> None:
    """Checks that one of several keys is given, and no other of them.

    Raises:
        ValueError: None is given, or several are.
    """
    given = [kind for kind in kinds if getattr(section, kind) is not None]
    if len(given) != 1:
        found = " and ".join(f"`{kind}`" for kind in given) if given else "none of them"
        raise ValueError(f"give exactly one of {', '.join(kinds)}; found {found}")
