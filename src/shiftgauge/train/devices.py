"""One training on several devices: a process for each, which agree on everything that is decided.

The first process starts the command again for each further device. The copies read the same data, come to the same
call of `fit`, train with the first process and end there; what follows the training happens in the first one alone.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch

from shiftgauge.checks import require_positive_int
from shiftgauge.errors import ConfigError, MissingExtraError, ShiftgaugeError, StoreError
from shiftgauge.models.compat import prepare_torchvision
from shiftgauge.train.checkpoints import save_whole
from shiftgauge.train.options import TrainOptions

prepare_torchvision()
try:
    import lightning.pytorch as pl
    from lightning.pytorch.plugins.io import TorchCheckpointIO
except ModuleNotFoundError as error:
    raise MissingExtraError("lightning", "train", "training") from error

_PRECISIONS: Final = {"float32": "32-true", "bfloat16": "bf16-mixed", "float16": "16-mixed"}
_RANK: Final = "LOCAL_RANK"
_AGREED: Final = "agreed"
_GROUP: Final = (_RANK, "NODE_RANK", "MASTER_ADDR", "MASTER_PORT", "WORLD_SIZE")


class WholeFiles(TorchCheckpointIO):
    """Writes checkpoints whole and with their checksum.

    A failure is kept in `problem` rather than raised: Lightning writes in the first process alone, while the others
    wait for it to come back.
    """

    problem: StoreError | None = None

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Writes a checkpoint."""
        try:
            save_whole(Path(path), checkpoint)
        except StoreError as error:
            self.problem = error


def check_devices(n_devices: int, device: torch.device) -> None:
    """Refuses a number of devices that cannot train together.

    Raises:
        ConfigError: Not a count, not a device of which there are several, or a session that cannot be started again.
    """
    require_positive_int("n_devices", n_devices)
    if n_devices == 1:
        return
    if device.type not in ("cuda", "cpu"):
        raise ConfigError(f"`n_devices` is {n_devices}, but {device.type} is one device; take 1")
    if device.type == "cuda" and n_devices > torch.cuda.device_count():
        raise ConfigError(f"`n_devices` is {n_devices}, but there are {torch.cuda.device_count()} CUDA devices")
    if _RANK not in os.environ and (hasattr(sys, "ps1") or not Path(sys.argv[0]).is_file()):
        raise ConfigError(
            f"`n_devices` is {n_devices}, and the command is started once for each; call it from the command line or "
            "from a script in a file, or take 1"
        )


def is_first(n_devices: int) -> bool:
    """Whether this process is the first of those that train together."""
    return n_devices == 1 or int(os.environ.get(_RANK, "0")) + int(os.environ.get("NODE_RANK", "0")) == 0


def agree(trainer: Any, problem: ShiftgaugeError | None) -> None:
    """Ends the training in every process where the first one met a problem.

    Args:
        trainer: Lightning's.
        problem: What this process met; only that of the first one counts.

    Raises:
        ShiftgaugeError: The problem, in the first process.
        SystemExit: There is one, in every other.
    """
    found = trainer.strategy.broadcast(problem)
    if found is not None:
        if not trainer.is_global_zero:
            raise SystemExit(0)
        vars(found)[_AGREED] = True
        raise found


def end_others(trainer: Any, error: BaseException) -> None:
    """Ends the processes that this one started, which would wait for it for ever, unless they end by agreement."""
    if trainer.strategy.launcher is not None and not hasattr(error, _AGREED):
        trainer.strategy.launcher.kill(signal.SIGTERM)


def make_trainer(
    options: TrainOptions,
    device: torch.device,
    precision: str,
    n_devices: int,
    callback: pl.Callback,
    files: WholeFiles,
    folder: Path,
) -> pl.Trainer:
    """Lightning's trainer.

    Args:
        options: Resolved options.
        device: Where to train.
        precision: `float32`, `bfloat16` or `float16`.
        n_devices: Devices that share every batch.
        callback: Called back.
        files: Lightning's plugin that writes checkpoints.
        folder: Where Lightning may write.
    """
    devices: Any = [device.index] if device.index is not None and n_devices == 1 else n_devices
    return pl.Trainer(
        accelerator="gpu" if device.type == "cuda" else device.type,
        devices=devices,
        strategy="ddp" if n_devices > 1 else "auto",
        plugins=[files],
        precision=_PRECISIONS[precision],  # pyright: ignore[reportArgumentType]
        max_epochs=options.epochs,
        gradient_clip_val=options.clip,
        callbacks=[callback],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        reload_dataloaders_every_n_epochs=1,
        use_distributed_sampler=False,
        default_root_dir=folder,
    )


@contextmanager
def together(n_devices: int) -> Iterator[None]:
    """Forgets, once a training is over, the group of processes that it made, so that another one may follow."""
    before = {name: os.environ.get(name) for name in _GROUP}
    try:
        yield
    finally:
        if n_devices > 1 and torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps Lightning's notes on hardware and its advice on workers off the terminal."""
    names = ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero")
    before = {name: logging.getLogger(name).level for name in names}
    try:
        for name in names:
            logging.getLogger(name).setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=r".*does not have many workers.*")
            warnings.filterwarnings("ignore", message=r".*number of training batches.*is smaller than.*")
            warnings.filterwarnings("ignore", message=r".*has `shuffle=True`.*")
            warnings.filterwarnings("ignore", message=r".*`IterableDataset` has `__len__` defined.*")
            warnings.filterwarnings("ignore", category=FutureWarning, module=r"(lightning|torch)\.")
            yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
