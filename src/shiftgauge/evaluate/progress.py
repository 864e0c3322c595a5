"""Progress on the terminal: rate and time left; silent when the output is not a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

Advance = Callable[[int, int], None]
"""Called with (rows done, rows in all) after every batch."""


class _RateColumn(ProgressColumn):
    """Rows per second."""

    def render(self, task: Task) -> Text:
        """Shows the speed of the task, or a dash before it is known."""
        return Text(f"{task.speed:.0f}/s" if task.speed else "–/s")


def nothing(done: int, total: int) -> None:
    """Shows nothing."""


@contextmanager
def progress_bar(label: str, *, wanted: bool | None = None) -> Iterator[Advance]:
    """Gives a callable that moves a progress bar on standard error.

    Args:
        label: What is going on.
        wanted: Show the bar; None shows it only on a terminal.

    Yields:
        A callable that takes (rows done, rows in all).
    """
    if wanted is False or (wanted is None and not sys.stderr.isatty()):
        yield nothing
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _RateColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
