"""How far a cross-validation or a grid search is: a bar on a terminal, a line for every fold elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from shiftgauge.evaluate.progress import Advance, progress_bar
from shiftgauge.studies.fold_outcome import FoldOutcome
from shiftgauge.train.progress import duration


@dataclass
class FoldsShown:
    """Shows finished folds.

    Args:
        label: What is going on.
        total: Folds in all.
        metric: What is told of each.
        advance: Moves the bar.
        lines: Write a line on standard error for each fold.
    """

    label: str
    total: int
    metric: str
    advance: Advance
    lines: bool
    seconds: list[float] = field(default_factory=list)

    def tell(self, outcome: FoldOutcome, where: str = "") -> None:
        """Tells of a finished fold, with the time that the others will take if they take as long.

        Args:
            outcome: What it gave.
            where: Which row of a grid it is of; empty for none.
        """
        self.seconds.append(outcome.seconds)
        self.advance(len(self.seconds), self.total)
        if self.lines:
            sys.stderr.write(f"{fold_line(self.label, self.seconds, self.total, outcome, self.metric, where)}\n")
            sys.stderr.flush()


@contextmanager
def folds_shown(label: str, total: int, metric: str, *, wanted: bool | None) -> Iterator[FoldsShown]:
    """Opens the display.

    Args:
        label: What is going on.
        total: Folds in all.
        metric: What is told of each.
        wanted: True for a bar, False for nothing; None for a bar on a terminal and for lines elsewhere.

    Yields:
        What is told of every finished fold.
    """
    lines = wanted is None and not sys.stderr.isatty()
    with progress_bar(label, wanted=wanted) as advance:
        yield FoldsShown(label=label, total=total, metric=metric, advance=advance, lines=lines)


def fold_line(label: str, seconds: list[float], total: int, outcome: FoldOutcome, metric: str, where: str = "") -> str:
    """What is said of the last of some finished folds.

    Args:
        label: What is going on.
        seconds: That each of them took.
        total: Folds in all.
        outcome: What the last one gave.
        metric: Which figure is told.
        where: Which row of a grid it is of.
    """
    done, named = len(seconds), f" ({where})" if where else ""
    told = "diverged" if outcome.problem else f"{metric} {outcome.values[metric]:.4f}"
    left = duration(sum(seconds) / done * (total - done))
    return f"{label} {done}/{total}{named}: {told}, {duration(outcome.seconds)}; {left} left"
