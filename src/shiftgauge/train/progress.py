"""How far a training is, on the terminal: epoch, rate, time left, loss and what validation found."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from shiftgauge.train.options import TrainOptions


class Shown:
    """A progress bar over all batches of all epochs, with a line for every finished epoch.

    Args:
        options: Resolved options of the training.
        wanted: Show it; None only when standard error is a terminal.
    """

    def __init__(self, options: TrainOptions, *, wanted: bool | None) -> None:
        self._options = options
        self._wanted = sys.stderr.isatty() if wanted is None else wanted
        self._bar: Progress | None = None
        self._task: Any = None
        self._per_epoch = 1

    def start(self, done_epochs: int, per_epoch: int) -> None:
        """Opens the bar at the epochs that are already done."""
        if not self._wanted:
            return
        self._per_epoch = max(per_epoch, 1)
        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=Console(stderr=True))
        self._task = self._bar.add_task(
            "training", total=self._options.epochs * self._per_epoch, completed=done_epochs * self._per_epoch
        )
        self._bar.start()

    def step(self, epoch: int, done: int, loss: Any, rate: float) -> None:
        """Moves the bar after a batch."""
        if self._bar is not None:
            text = f"epoch {epoch + 1}/{self._options.epochs} · {rate:.0f} images/s · loss {float(loss):.3g}"
            self._bar.update(self._task, completed=epoch * self._per_epoch + done, description=text)

    def epoch(self, history: Sequence[Mapping[str, float]]) -> None:
        """Prints the line of the last epoch."""
        if self._bar is not None:
            self._bar.console.print(epoch_line(history, self._options.epochs), highlight=False)

    def stop(self) -> None:
        """Closes the bar."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def epoch_line(history: Sequence[Mapping[str, float]], epochs: int) -> str:
    """What is said of the last epoch of a history.

    Example:
        >>> values = {"train_loss": 0.5, "loss": 0.4, "accuracy": 0.8, "macro_f1": 0.75, "average_precision": 0.9,
        ...           "learning_rate": 0.001}
        >>> epoch_line([values], 10)
        'epoch 1/10: training loss 0.5; validation loss 0.4, macro F1 0.750, average precision 0.900, accuracy 0.800'
    """
    last = history[-1]
    return (
        f"epoch {len(history)}/{epochs}: training loss {last['train_loss']:.3g}; validation loss {last['loss']:.3g}, "
        f"macro F1 {last['macro_f1']:.3f}, average precision {last['average_precision']:.3f}, "
        f"accuracy {last['accuracy']:.3f}"
    )
