"""What happens between the epochs of a training: best weights and checkpoint are kept, and progress is shown."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from shiftgauge.errors import StoreError
from shiftgauge.train.checkpoints import CHECKPOINT, drop_others, save_best
from shiftgauge.train.devices import WholeFiles, agree, pl
from shiftgauge.train.monitor import best_epoch
from shiftgauge.train.progress import Shown


class Keeper(pl.Callback):
    """Writes the best weights and the checkpoint after every epoch, and passes on how far the training is.

    Args:
        folder: Where both lie.
        monitor: What decides which epoch is the best.
        shown: What shows progress.
    """

    def __init__(self, folder: Path, monitor: str, shown: Shown) -> None:
        self.folder, self.monitor, self.shown, self.files = folder, monitor, shown, WholeFiles()
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
        """Keeps the epoch: first the best weights, then the checkpoint that says they are there.

        Raises:
            StoreError: They cannot be written.
        """
        best, problem = best_epoch(pl_module.history, self.monitor), None
        if trainer.is_global_zero and best == len(pl_module.history) - 1:
            try:
                save_best(self.folder, pl_module.kept.state_dict(), best)
            except StoreError as error:
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
