"""How far a training is: epoch, rate, time left, loss and what validation found, as a bar or as plain lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from shiftgauge.train.options import TrainOptions


class Shown:
    """A line on standard error for every finished epoch, and on a terminal a progress bar over all batches.

    Args:
        options: Resolved options of the training.
        wanted: True for bar and lines, False for nothing; None for both on a terminal and for lines alone elsewhere.
    """

    def __init__(self, options: TrainOptions, *, wanted: bool | None) -> None:
        self._options = options
        self._with_bar = sys.stderr.isatty() if wanted is None else wanted
        self._with_lines = wanted is None and not self._with_bar
        self._bar: Progress | None = None
        self._task: Any = None
        self._per_epoch = 1
        self._before, self._began = 0, 0.0

    def start(self, done_epochs: int, per_epoch: int) -> None:
        """Opens the bar at the epochs that are already done."""
        self._before, self._began = done_epochs, time.perf_counter()
        if not self._with_bar:
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

    def epoch(self, history: Sequence[Mapping[str, float]], rate: float) -> None:
        """Prints the line of the last epoch."""
        line = epoch_line(history, self._options.epochs)
        if self._bar is not None:
            self._bar.console.print(line, highlight=False)
        elif self._with_lines:
            each = (time.perf_counter() - self._began) / max(len(history) - self._before, 1)
            left = duration(each * (self._options.epochs - len(history)))
            sys.stderr.write(f"{line}; {rate:.0f} images/s, {left} left\n")
            sys.stderr.flush()

    def stop(self) -> None:
        """Closes the bar."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def duration(seconds: float) -> str:
    """A duration as hours, minutes and seconds.

    Example:
        >>> duration(3725.2), duration(59.6), duration(0)
        ('1:02:05', '0:01:00', '0:00:00')
    """
    whole = round(seconds)
    return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"


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
