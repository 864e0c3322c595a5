"""What the recipe's network says of validation and test after every epoch, kept beside its training.

The published code looks at the test images after every epoch and chooses by what it sees. To measure what that is
worth, one must see the same without choosing: the weights after each epoch are read from the checkpoint of the
training, and a second network of the same kind is run with them. The network in training is not touched.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from shiftgauge.errors import ConfigError, StoreError
from shiftgauge.files import hash_json, write_atomic
from shiftgauge.models.device import choose_device
from shiftgauge.models.model_record import plain
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.studies.train_data import Divided
from shiftgauge.studies.train_options import NetworkChoice
from shiftgauge.train.checkpoints import CHECKPOINT, read_checkpoint
from shiftgauge.train.images import Part, read_part
from shiftgauge.train.options import TrainOptions
from shiftgauge.train.predict import predict_logits
from shiftgauge.types import FloatArray

PARTS = ("validation", "test")
"""The parts that are watched, in the order of the rows."""
_PREFIX = "network."


@dataclass(frozen=True, kw_only=True, eq=False)
class EpochWatcher:
    """Runs a copy of a network after each epoch of its training and keeps what it says.

    Given to `train` as `perturb`, it gives every batch back unchanged. An epoch is looked at when the next one begins,
    the last one by `finish`; so an interrupted training that goes on is watched on without a gap.

    Args:
        network: Of the same kind as the one in training, and another one.
        part: The images.
        preprocessing: From an image to the network.
        training: Where the checkpoint of the training lies.
        folder: Keeps one file for each epoch.
        identity: Hash of all that decides the outcome; files of another one count as absent.
        batch_size: Images at once.
        device: Where to run.
    """

    network: nn.Module
    part: Part
    preprocessing: Preprocessing
    training: Path
    folder: Path
    identity: str
    batch_size: int = 128
    device: str | None = None
    seen: set[int] = field(default_factory=set)

    @classmethod
    def of(
        cls,
        network: NetworkChoice,
        divided: Divided,
        options: TrainOptions,
        *,
        training: Path,
        folder: Path,
        device: str | None = None,
    ) -> EpochWatcher:
        """A watcher of the validation and test images of a split.

        Args:
            network: The network in training.
            divided: The split.
            options: The training.
            training: Where its checkpoint will lie.
            folder: Keeps one file for each epoch.
            device: Where to run.
        """
        decides = {
            "network": network.to_dict(),
            "options": options.to_dict(),
            "data": divided.dataset.fingerprint,
            "rows": {name: rows.tolist() for name, rows in divided.split.parts.items()},
        }
        preprocessing = network.preprocessing_for(divided.dataset.n_channels)
        names = divided.dataset.class_names
        rows = np.concatenate([divided.split.parts[name] for name in PARTS])
        return cls(
            network=network.network_options(len(names), preprocessing.channels, options.seed).build().network,
            part=read_part(divided.dataset.select(rows), preprocessing),
            preprocessing=preprocessing,
            training=training,
            folder=folder,
            identity=hash_json(plain(decides)),
            device=device,
        )

    def __call__(
        self, network: Callable[[Tensor], Tensor], images: Tensor, targets: Tensor, epoch: int, step: int
    ) -> Tensor:
        """Looks at the epoch before this one, once, and gives the batch back as it is."""
        if epoch and epoch not in self.seen:
            self._require(epoch - 1)
            self._look(epoch)
        return images

    def finish(self, epochs: int) -> FloatArray:
        """Looks at the last epoch, unless that was done, and returns the logits of all (E, n, K).

        Args:
            epochs: How many the training has had.

        Raises:
            ConfigError: An epoch was not looked at when it was there.
            StoreError: The checkpoint cannot be read.
        """
        self._require(epochs - 1)
        if self._kept(epochs) is None:
            self._look(epochs)
        return np.stack([self._known(number) for number in range(1, epochs + 1)])

    def _require(self, last: int) -> None:
        for number in range(1, last + 1):
            self._known(number)

    def _known(self, number: int) -> FloatArray:
        logits = self._kept(number)
        if logits is None:
            raise ConfigError(
                f"what the network said after epoch {number} was not kept, and its weights are gone; remove "
                f"{self.training.parent} to train it again, or do not measure choosing on test (`--no-watch`)"
            )
        return logits

    def _look(self, number: int) -> None:
        """Runs the network with the weights of the checkpoint, which must be those after epoch `number`."""
        found = read_checkpoint(self.training / CHECKPOINT)
        if len(found["history"]) != number:
            raise StoreError(f"{self.training / CHECKPOINT} holds epoch {len(found['history'])}, not {number}")
        weights = {k.removeprefix(_PREFIX): v for k, v in found["state_dict"].items() if k.startswith(_PREFIX)}
        self.network.load_state_dict(weights)
        place = choose_device(self.device)
        # full precision whatever the training runs in, and its random numbers left as they are
        with torch.random.fork_rng(devices=[]), torch.autocast(place.type, enabled=False):
            logits = predict_logits(
                self.network, self.part, self.preprocessing, batch_size=self.batch_size, device=place
            )
        content = io.BytesIO()
        np.savez(content, logits=logits.astype(np.float32), identity=np.array(self.identity))
        try:
            write_atomic(self._file(number), content.getvalue())
        except OSError as error:
            raise StoreError(f"cannot write in {self.folder}: {error.strerror or error}") from error
        self.seen.add(number)

    def _file(self, number: int) -> Path:
        return self.folder / f"epoch-{number:03d}.npz"

    def _kept(self, number: int) -> FloatArray | None:
        """What was kept of an epoch of the same training, or None; a file that cannot be read is as none."""
        try:
            with np.load(self._file(number), allow_pickle=False) as content:
                if str(content["identity"]) != self.identity:
                    return None
                logits: Any = content["logits"]
        except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError):
            return None
        return logits.astype(np.float64) if len(logits) == len(self.part) else None
