"""The driver of a training: Lightning's trainer with checkpoints that survive a kill, early stop and progress."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from shiftgauge.checks import require_positive_int
from shiftgauge.errors import ConfigError, DataError, InterruptedRunError, ModelError
from shiftgauge.files import hash_bytes
from shiftgauge.models.device import choose_device
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.models.weights import one_line
from shiftgauge.random import stream_key
from shiftgauge.train.checkpoints import CHECKPOINT, claim, read_best, read_checkpoint, save_best, save_whole
from shiftgauge.train.images import Part
from shiftgauge.train.module import ClassifierModule, Perturb, pl
from shiftgauge.train.monitor import best_epoch, epochs_without_gain
from shiftgauge.train.options import TrainOptions
from shiftgauge.train.progress import Shown

_PRECISIONS: Final = {"float32": "32-true", "bfloat16": "bf16-mixed", "float16": "16-mixed"}


@dataclass(frozen=True, kw_only=True)
class FitResult:
    """What a training gave.

    Args:
        history: For every epoch `train_loss`, `learning_rate` and what validation found.
        best_epoch: Number of the epoch whose weights the network now holds, from 0.
        monitor: What decided it.
        stopped: `epochs` when all were done, `patience` when none improved for too long.
        seconds: Time that this call took.
        images_per_second: Training images in a second of training, validation not counted; NaN when nothing was left
            to do.
        device: Where it ran.
        precision: `float32`, `bfloat16` or `float16`.
    """

    history: tuple[Mapping[str, float], ...]
    best_epoch: int
    monitor: str
    stopped: str
    seconds: float
    images_per_second: float
    device: str
    precision: str


def fit(
    network: nn.Module,
    train: Part,
    validation: Part,
    options: TrainOptions,
    *,
    preprocessing: Preprocessing,
    n_classes: int,
    folder: str | Path,
    heads: tuple[str, ...] = (),
    identity: Mapping[str, Any] | None = None,
    device: str | None = None,
    n_devices: int = 1,
    progress: bool | None = None,
    perturb: Perturb | None = None,
) -> FitResult:
    """Trains a network in place; afterwards it holds the weights of the best epoch, in evaluation mode.

    A checkpoint is written whole after every epoch. The same call goes on from it, however the last one ended, and on
    a CPU comes to the same weights bit for bit, because batches, changes and dropout are functions of seed and epoch.

    Args:
        network: Takes normalised images (N, C, H, W), gives logits (N, K).
        train: Training images.
        validation: Validation images; each is seen once after every epoch, at their own prevalence.
        options: Everything else.
        preprocessing: Gives mean, standard deviation and input shape.
        n_classes: K.
        folder: Where the checkpoint lies.
        heads: Module paths of the layers that give the classes, for `head_multiplier`.
        identity: Further plain values that decide the outcome, such as the data's hash; a checkpoint of others is
            refused.
        device: `cpu`, `cuda`, `mps`; default the first there is of cuda, mps, cpu.
        n_devices: Devices that share every batch, ≥ 1; more than one needs CUDA.
        progress: Show a bar; None only on a terminal.
        perturb: Changes a batch in the light of the network, after all other changes.

    Returns:
        History and best epoch.

    Raises:
        ConfigError: Options that do not fit the data or the device, or a folder of another training.
        DataError: Parts that do not go together.
        ModelError: The network fails on the images.
        NumericalError: The training diverged.
        StoreError: A checkpoint that cannot be read or written.
        InterruptedRunError: It was stopped; the same call goes on.
    """
    if train.task != validation.task:
        raise DataError(f"training images have {train.task} targets, validation images {validation.task} ones")
    place, target = choose_device(device), Path(folder)
    chosen = options.resolved(train.task)
    precision = _precision(chosen.precision, place)
    start = time.perf_counter()
    resumed = claim(target, _identity(network, train, validation, chosen, preprocessing, precision, identity))
    with _quiet(), torch.random.fork_rng(devices=_forked(place)):
        torch.manual_seed(stream_key(chosen.seed, "train", "fit"))
        module = ClassifierModule(
            network, train, validation, chosen, preprocessing, n_classes=n_classes, heads=heads, perturb=perturb
        )
        keeper = _Keeper(target, str(chosen.monitor), Shown(chosen, wanted=progress))
        if resumed:
            before = read_checkpoint(target / CHECKPOINT)
            module.history = [dict(values) for values in before["history"]]
        if not _finished(module, chosen):
            trainer = _trainer(chosen, place, precision, n_devices, keeper)
            _run(trainer, module, target / CHECKPOINT if resumed else None)
        best, state = read_best(target)
        network.load_state_dict(state)
    network.to("cpu").to(memory_format=torch.contiguous_format).eval()  # pyright: ignore[reportCallIssue]
    early = chosen.patience is not None and len(module.history) < chosen.epochs
    return FitResult(
        history=tuple(module.history),
        best_epoch=best,
        monitor=str(chosen.monitor),
        stopped="patience" if early else "epochs",
        seconds=time.perf_counter() - start,
        images_per_second=keeper.images / keeper.busy if keeper.busy else float("nan"),
        device=str(place),
        precision=precision,
    )


class _Keeper(pl.Callback):
    """Writes the best weights and the checkpoint after every epoch, and passes on how far the training is."""

    def __init__(self, folder: Path, monitor: str, shown: Shown) -> None:
        self.folder, self.monitor, self.shown = folder, monitor, shown
        self.images, self.busy, self._since = 0, 0.0, 0.0

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
        self.shown.step(trainer.current_epoch, batch_idx + 1, outputs["loss"], self.images / self.busy)

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Keeps the epoch: first the best weights, then the checkpoint that says they are there."""
        best = best_epoch(pl_module.history, self.monitor)
        if trainer.is_global_zero and best == len(pl_module.history) - 1:
            state = {name: value.detach().cpu() for name, value in pl_module.network.state_dict().items()}
            save_best(self.folder, state, best)
        self.shown.epoch(pl_module.history)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Writes the checkpoint."""
        save_whole(self.folder / CHECKPOINT, trainer.save_checkpoint)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Ends the display."""
        self.shown.stop()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Ends the display."""
        self.shown.stop()


def _trainer(options: TrainOptions, device: torch.device, precision: str, n_devices: int, keeper: _Keeper) -> Any:
    require_positive_int("n_devices", n_devices)
    if n_devices > 1 and device.type != "cuda":
        raise ConfigError(f"`n_devices` is {n_devices}, but {device.type} is one device; it needs CUDA devices")
    devices: Any = [device.index] if device.index is not None and n_devices == 1 else n_devices
    return pl.Trainer(
        accelerator="gpu" if device.type == "cuda" else device.type,
        devices=devices,
        precision=_PRECISIONS[precision],  # pyright: ignore[reportArgumentType]
        max_epochs=options.epochs,
        gradient_clip_val=options.clip,
        callbacks=[keeper],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        reload_dataloaders_every_n_epochs=1,
        use_distributed_sampler=False,
        default_root_dir=keeper.folder,
    )


def _run(trainer: Any, module: ClassifierModule, checkpoint: Path | None) -> None:
    try:
        trainer.fit(module, ckpt_path=checkpoint, weights_only=True)
    except (KeyboardInterrupt, SystemExit) as error:  # Lightning turns the one into the other
        raise InterruptedRunError(
            "the training was interrupted; the same command goes on after its last epoch"
        ) from error
    except RuntimeError as error:
        if "out of memory" in str(error):
            raise ConfigError(
                f"the device has too little memory for this batch; lower `batch_size` ({one_line(error)})"
            ) from error
        raise ModelError(f"the network cannot be trained on these images: {one_line(error)}") from error


def _finished(module: ClassifierModule, options: TrainOptions) -> bool:
    if len(module.history) >= options.epochs:
        return True
    patience = options.patience
    return patience is not None and epochs_without_gain(module.history, str(options.monitor)) >= patience


def _identity(
    network: nn.Module,
    train: Part,
    validation: Part,
    options: TrainOptions,
    preprocessing: Preprocessing,
    precision: str,
    further: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """What decides the outcome, as plain values."""
    weights = (value.detach().cpu().contiguous().reshape(-1) for value in network.state_dict().values())
    start = hash_bytes(*(value.view(torch.uint8).numpy().tobytes() for value in weights))
    return {
        "options": options.to_dict(),
        "initial weights": start,
        "preprocessing": preprocessing.to_dict(),
        "precision": precision,
        "images": {
            name: hash_bytes("\n".join(part.names).encode(), part.targets.numpy().tobytes())
            for name, part in (("train", train), ("validation", validation))
        },
        **(further or {}),
    }


def _precision(wanted: str, device: torch.device) -> str:
    if wanted == "float16" and device.type != "cuda":
        raise ConfigError(f"`precision: float16` needs a CUDA device, this is {device.type}; take bfloat16 or float32")
    if wanted != "auto":
        return wanted
    return "bfloat16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "float32"


def _forked(device: torch.device) -> list[int]:
    return list(range(torch.cuda.device_count())) if device.type == "cuda" else []


@contextmanager
def _quiet() -> Iterator[None]:
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
