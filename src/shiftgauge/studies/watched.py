"""A training looked at after every epoch: what the network says of some images then, kept so that it can go on."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from shiftgauge.errors import StoreError
from shiftgauge.files import write_atomic
from shiftgauge.studies.train_data import Divided
from shiftgauge.studies.train_options import NetworkChoice
from shiftgauge.train.checkpoints import CHECKPOINT, read_checkpoint
from shiftgauge.train.fit import fit
from shiftgauge.train.images import read_part
from shiftgauge.train.options import TrainOptions
from shiftgauge.types import FloatArray

_FILE: Final = "logits-{:04d}.npy"


def watched_logits(
    network: NetworkChoice,
    divided: Divided,
    options: TrainOptions,
    rows: npt.NDArray[np.int64],
    folder: Path,
    *,
    device: str | None = None,
    progress: bool | None = None,
) -> FloatArray:
    """Trains a network and returns what it says of some images after every epoch.

    What each epoch says is written before the epoch's checkpoint, so that the same call goes on after the last whole
    epoch; a finished training is read back.

    Args:
        network: What is trained.
        divided: The split; the training part is trained on.
        options: The training. Patience and plateaus would let the watched images change it.
        rows: Numbers of the watched images.
        folder: Keeps checkpoint and answers; of this training alone.
        device: Where to run; default the first there is of cuda, mps, cpu.
        progress: Show progress.

    Returns:
        Logits (E, n, K), images in the order of `rows`.

    Raises:
        ConfigError: The folder holds another training.
        StoreError: It cannot be read or written.
        InterruptedRunError: It was stopped; the same call goes on.
    """
    names, preprocessing = divided.dataset.class_names, network.preprocessing_for(divided.dataset.n_channels)
    built = network.network_options(len(names), preprocessing.channels, options.seed).build()
    watched = read_part(divided.dataset.select(rows), preprocessing)
    shape = (len(watched), len(names))
    keeper = _Keeper(folder, shape, done=_epochs_kept(folder, shape))
    hook = built.network.register_forward_hook(keeper)
    try:
        found = fit(
            built.network,
            read_part(divided.part("train"), preprocessing),
            watched,
            options,
            preprocessing=preprocessing,
            n_classes=len(names),
            folder=folder,
            heads=built.heads,
            identity={"data": divided.dataset.fingerprint},
            device=device,
            progress=progress,
        )
    finally:
        hook.remove()
    return np.stack([_read(folder, epoch, shape) for epoch in range(len(found.history))]).astype(np.float64)


class _Keeper:
    """Collects what the network says outside training, and writes it whenever all images have been seen."""

    def __init__(self, folder: Path, shape: tuple[int, int], done: int) -> None:
        self.folder, self.shape, self.epoch = folder, shape, done
        self.said: list[torch.Tensor] = []

    def __call__(self, module: Any, inputs: Any, output: Any) -> None:
        """Takes the answers of one batch."""
        if module.training:
            return
        self.said.append(getattr(output, "logits", output).detach().float().cpu())
        if sum(map(len, self.said)) == self.shape[0]:
            whole = torch.cat(self.said).numpy()
            write_atomic(self.folder / _FILE.format(self.epoch), _bytes(whole))
            self.said, self.epoch = [], self.epoch + 1


def _epochs_kept(folder: Path, shape: tuple[int, int]) -> int:
    """Epochs behind the checkpoint, each with what it said."""
    checkpoint = folder / CHECKPOINT
    if not checkpoint.is_file():
        return 0
    done = len(read_checkpoint(checkpoint)["history"])
    for epoch in range(done):
        _read(folder, epoch, shape)
    return done


def _read(folder: Path, epoch: int, shape: tuple[int, int]) -> npt.NDArray[np.float32]:
    path = folder / _FILE.format(epoch)
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise StoreError(f"{path} cannot be read; remove {folder} to start again") from error
    if found.shape != shape:
        raise StoreError(f"{path} is of other images; remove {folder} to start again")
    return found


def _bytes(values: npt.NDArray[np.float32]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()
