"""The sections of a training's configuration that measure it in folds: `folds` and `grid`."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Field

from shiftgauge.cli.section import Section
from shiftgauge.cli.train_section import Count

ONE_TRAINING: Final = ("split", "thresholds", "averaging", "calibrate", "gates")
"""Sections about one training alone, which say nothing of folds."""


class FoldsSection(Section):
    """How images are divided into folds, each of which is held out once. Groups and copies always stay together."""

    k: Annotated[int, Field(ge=2)] | None = Field(default=None, description="Folds. Default: 10, of a grid 3.")
    repeats: Count = Field(default=1, description="Divisions, each into k folds.")
    validation: Annotated[float, Field(gt=0, le=0.9)] = Field(
        default=0.1, description="Share of the images outside a fold that choose the epoch."
    )
    by: Literal["group", "stratified"] = Field(
        default="group", description="group: an error where the data have no groups; stratified: by class alone."
    )
    near_duplicates: bool = Field(
        default=True, description="Find near-duplicates; they join too much where images are small and of one kind."
    )
    seed: Annotated[int, Field(ge=0)] = Field(default=0, description="Of the division, apart from that of training.")
    keep_models: bool = Field(default=True, description="Leave the model folder of each fold; a grid leaves none.")


class GridSection(Section):
    """Values of which every combination is trained on the same folds."""

    ranges: dict[str, Annotated[list[Any], Field(min_length=1)]] = Field(
        min_length=1,
        description="Key → values: learning_rate, weight_decay, momentum, batch_size, epochs, width, depth, epsilon, "
        "beta, share; or a path such as `options.schedule.kind` or `model.arguments.depth`.",
    )
    metric: Literal["accuracy", "macro_f1", "micro_f1", "average_precision", "loss"] = Field(
        default="accuracy", description="Of the images held out, by which rows are ordered."
    )
