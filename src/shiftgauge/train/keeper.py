"""What happens between the epochs of a training: best weights and checkpoint are kept, and progress is shown."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from torch import nn

from shiftgauge.errors import ShiftgaugeError
from shiftgauge.train.checkpoints import CHECKPOINT, drop_others, save_best
from shiftgauge.train.devices import WholeFiles, agree, pl
from shiftgauge.train.monitor import best_epoch
from shiftgauge.train.progress import Shown

Watch: TypeAlias = Callable[[nn.Module, int], None]
"""(what is validated and kept, epochs done), called after every epoch; it must leave the network as it is."""


class Keeper(pl.Callback):
    """Writes the best weights and the checkpoint after every epoch, and passes on how far the training is.

    Args:
        folder: Where both lie.
        monitor: What decides which epoch is the best.
        shown: What shows progress.
        watch: Looks at what is validated and kept, before the checkpoint of the epoch is written; None for nobody.
    """

    def __init__(self, folder: Path, monitor: str, shown: Shown, watch: Watch | None = None) -> None:
        self.folder, self.monitor, self.shown, self.files = folder, monitor, shown, WholeFiles()
        self.watch = watch
        self.images, self.busy, self._since = 0, 0.0, 0.0

    @property
    def rate(self) -> float:
        """Training images in a second of training; NaN before there was any."""
        return self.images / self.busy if self.busy else float("nan")

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Starts the display."""
        self.shown.start(len(pl_module.history), len(trainer.train_dataloader))

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Starts the clock."""
        self._since = time.perf_counter()

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Counts the images."""
        now, count = time.perf_counter(), len(batch[1]) * trainer.world_size
        self.images, self.busy, self._since = self.images + count, self.busy + now - self._since, now
        self.shown.step(trainer.current_epoch, batch_idx + 1, outputs["loss"], self.rate)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Keeps the epoch: first it is looked at, then the best weights, then the checkpoint that says they are there.

        Raises:
            ShiftgaugeError: They cannot be written, or whoever looks meets a problem.
        """
        best, problem, done = best_epoch(pl_module.history, self.monitor), None, len(pl_module.history)
        if trainer.is_global_zero:
            try:
                if self.watch is not None:
                    self.watch(pl_module.kept, done)
                if best == done - 1:
                    save_best(self.folder, pl_module.kept.state_dict(), best)
            except ShiftgaugeError as error:
                problem = error
        agree(trainer, problem)
        trainer.save_checkpoint(self.folder / CHECKPOINT)
        agree(trainer, self.files.problem)
        if trainer.is_global_zero:
            drop_others(self.folder, best)
        self.shown.epoch(pl_module.history, self.rate)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Ends the display."""
        self.shown.stop()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Ends the display."""
        self.shown.stop()
