"""The driver of a training: Lightning's trainer with checkpoints that survive a kill, early stop and progress."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from shiftgauge.checks import require_in, shortened
from shiftgauge.errors import ConfigError, DataError, InterruptedRunError, ModelError
from shiftgauge.files import hash_bytes
from shiftgauge.models.allocation import kept_memory
from shiftgauge.models.device import choose_device
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.models.weights import one_line
from shiftgauge.random import stream_key
from shiftgauge.train.augment import Augmenter
from shiftgauge.train.batches import batches_of, images_each
from shiftgauge.train.checkpoints import CHECKPOINT, claim, ensure_best, read_best, read_checkpoint
from shiftgauge.train.devices import check_devices, end_others, is_first, make_trainer, quiet, together
from shiftgauge.train.grouped import grouped_in_float32
from shiftgauge.train.images import Part, Task
from shiftgauge.train.inner_mode import DEFAULT_INNER_MODE, INNER_MODES, InnerMode
from shiftgauge.train.keeper import Keeper, Watch
from shiftgauge.train.losses import LossOptions, make_loss
from shiftgauge.train.module import ClassifierModule
from shiftgauge.train.monitor import best_epoch, epochs_without_gain
from shiftgauge.train.objectives import AfterStep, Changed, Objective, Perturb
from shiftgauge.train.options import TrainOptions
from shiftgauge.train.progress import Shown


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
    objective: Objective | None = None,
    inner: InnerMode = DEFAULT_INNER_MODE,
    after_step: AfterStep | None = None,
    class_names: Sequence[str] | None = None,
    watch: Watch | None = None,
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
        n_devices: Devices that share every batch, ≥ 1: CUDA devices, or processes of a CPU. The command is started
            once for each; the copies end here, and only the first one returns. A batch normalisation sees the share
            of its device.
        progress: Show a bar and a line an epoch, or nothing; None for both on a terminal, and for the line alone
            elsewhere.
        perturb: Changes a batch in the light of the network, after all other changes.
        objective: What is minimised, instead of the loss of images that `perturb` may have changed.
        inner: Mode of the network while `perturb` or `objective` look for their images: `eval` or `train`; see
            `train.inner_mode`.
        after_step: Acts on the weights after every step of the optimiser, its decay included, and before the moving
            average takes them up: a projection onto a constraint, say. Where it draws, PyTorch's numbers are seeded.
            What it does belongs into `identity`, as with `perturb`; an `objective` says it itself.
        class_names: Names for messages; default the numbers of the classes.
        watch: Called after every epoch, before its checkpoint is written, with what is validated and kept and the
            number of epochs done; in the first process alone. It must leave the network as it is.

    Returns:
        History and best epoch.

    Raises:
        ConfigError: Options that do not fit the data or the device, or a folder of another training.
        DataError: Parts that do not go together.
        ModelError: The network fails on the images.
        NumericalError: The training diverged.
        StoreError: A checkpoint that cannot be read or written.
        InterruptedRunError: It was stopped; the same call goes on.

    Example:
        >>> import tempfile
        >>> from shiftgauge.train.images import HeldPixels
        >>> pixels = torch.zeros(32, 1, 4, 4, dtype=torch.uint8)
        >>> pixels[::2] = 200
        >>> targets, names = torch.arange(32) % 2, tuple(f"image {k}" for k in range(32))
        >>> part = Part(pixels=HeldPixels(pixels), targets=targets, names=names)
        >>> network = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
        >>> options = TrainOptions(epochs=2, precision="float32")
        >>> asked = {"preprocessing": Preprocessing(height=4, width=4, channels=1), "n_classes": 2, "device": "cpu"}
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     found = fit(network, part, part, options, folder=folder, progress=False, **asked)
        >>> len(found.history), found.monitor, found.stopped
        (2, 'macro_f1', 'epochs')
    """
    if train.task != validation.task:
        raise DataError(f"training images have {train.task} targets, validation images {validation.task} ones")
    _check_objective(objective, perturb, inner)
    place, target = choose_device(device), Path(folder)
    check_devices(n_devices, place)
    chosen = options.resolved(train.task)
    precision = _precision(chosen.precision, place)
    batches_of(train, chosen, 0, each=images_each(network), n_devices=n_devices)
    start, first = time.perf_counter(), is_first(n_devices)
    with quiet(), torch.random.fork_rng(devices=_forked(place)):
        torch.manual_seed(stream_key(chosen.seed, "train", "fit"))
        said = _said_of(objective, inner) | dict(identity or {})
        stated = _identity(network, train, validation, chosen, preprocessing, precision, said)
        further: dict[str, Any] = {"n_classes": n_classes, "heads": heads, "class_names": class_names}
        further |= {"objective": objective or Changed(perturb=perturb), "inner": inner, "after_step": after_step}
        module = ClassifierModule(network, train, validation, chosen, preprocessing, **further)
        _warn_of_absent(train, n_classes, class_names)
        keeper = Keeper(target, str(chosen.monitor), Shown(chosen, wanted=progress if first else False), watch)
        resumed = claim(target, stated, write=first)
        if resumed:
            module.history = _resume(target, str(chosen.monitor))
        if not _finished(module, chosen):
            grouped = grouped_in_float32(module, wanted=place.type == "cpu" and precision == "bfloat16")
            with together(n_devices), grouped, kept_memory(wanted=place.type == "cpu"):
                trainer = make_trainer(chosen, place, precision, n_devices, keeper, keeper.files, target)
                _run(trainer, module, target / CHECKPOINT if resumed else None)
        best = best_epoch(module.history, str(chosen.monitor))
        network.load_state_dict(read_best(target, best))
    network.to("cpu").to(memory_format=torch.contiguous_format).eval()  # pyright: ignore[reportCallIssue]
    return FitResult(
        history=tuple(module.history),
        best_epoch=best,
        monitor=str(chosen.monitor),
        stopped="patience" if len(module.history) < chosen.epochs else "epochs",
        seconds=time.perf_counter() - start,
        images_per_second=keeper.rate,
        device=str(place),
        precision=precision,
    )


def check_options(options: TrainOptions, task: Task, class_names: Sequence[str], image_shape: Sequence[int]) -> None:
    """Refuses options of loss and changes that no images of a kind can go with, before any is read.

    Args:
        options: Of the training.
        task: `single` or `multi`.
        class_names: Classes or labels.
        image_shape: (C, H, W) of the network's input.

    Raises:
        ConfigError: A loss of another task, weights of another number, changes that do not fit the shape.
        MissingExtraError: A library that the changes need is not installed.
    """
    count = len(class_names)
    loss = options.resolved(task).loss or LossOptions()
    make_loss(loss, task=task, counts_k=np.ones(count), n_images=count + 1, class_names=class_names)
    Augmenter(options.augment, image_shape, options.seed)


def _warn_of_absent(train: Part, n_classes: int, class_names: Sequence[str] | None) -> None:
    absent = np.flatnonzero(train.counts(n_classes) == 0).tolist()
    if absent:
        names = shortened([str(k) if class_names is None else class_names[k] for k in absent])
        warnings.warn(f"no training image is of {names}, which cannot be learnt", stacklevel=3)


def _resume(folder: Path, monitor: str) -> list[dict[str, float]]:
    """The history of the training so far, whose best weights are there."""
    found = read_checkpoint(folder / CHECKPOINT)
    history = [dict(values) for values in found["history"]]
    ensure_best(folder, found, best_epoch(history, monitor))
    return history


def _run(trainer: Any, module: ClassifierModule, checkpoint: Path | None) -> None:
    """Trains; does not return in any process but the first."""
    try:
        trainer.fit(module, ckpt_path=checkpoint, weights_only=True)
    except (KeyboardInterrupt, SystemExit) as error:  # Lightning turns the one into the other
        if trainer.global_rank:
            raise
        raise InterruptedRunError(
            "the training was interrupted; the same command goes on after its last epoch"
        ) from error
    except Exception as error:
        end_others(trainer, error)
        if not isinstance(error, RuntimeError):
            raise
        if "out of memory" in str(error):
            raise ConfigError(
                f"the device has too little memory for this batch; lower `batch_size` ({one_line(error)})"
            ) from error
        raise ModelError(f"the network cannot be trained on these images: {one_line(error)}") from error
    trainer.strategy.barrier()
    if trainer.global_rank:
        raise SystemExit(0)


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


def _check_objective(objective: Objective | None, perturb: Perturb | None, inner: str) -> None:
    if perturb is not None and objective is not None:
        raise ConfigError("`perturb` and `objective` cannot go together: an objective changes its images itself")
    require_in("mode of the inner maximisation", inner, INNER_MODES)


def _said_of(objective: Objective | None, inner: InnerMode) -> dict[str, Any]:
    """What objective and mode add to an identity; nothing where they are those of a plain training."""
    if objective is None:
        return {} if inner == DEFAULT_INNER_MODE else {"inner mode": inner}
    return {"objective": objective.to_dict(), "inner mode": inner}


def _precision(wanted: str, device: torch.device) -> str:
    if wanted == "float16" and device.type != "cuda":
        raise ConfigError(f"`precision: float16` needs a CUDA device, this is {device.type}; take bfloat16 or float32")
    if wanted != "auto":
        return wanted
    return "bfloat16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "float32"


def _forked(device: torch.device) -> list[int]:
    return list(range(torch.cuda.device_count())) if device.type == "cuda" else []
