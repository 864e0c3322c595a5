"""What a network says of validation and test after every epoch of its training, kept beside it.

The published codes look at the test images after every epoch and choose by what they see. To measure what that is
worth, one must see the same without choosing: after every epoch a second network of the same kind is given the weights
that the training validates and keeps, and is run. The network in training is not touched.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import nn

from shiftgauge.errors import ConfigError, StoreError
from shiftgauge.files import hash_json, write_atomic
from shiftgauge.models.device import choose_device
from shiftgauge.models.model_record import plain
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.studies.train_data import Divided
from shiftgauge.studies.train_options import NetworkChoice
from shiftgauge.train.images import Part, read_part
from shiftgauge.train.options import TrainOptions
from shiftgauge.train.predict import predict_logits
from shiftgauge.types import FloatArray

PARTS: Final = ("validation", "test")
"""The parts that are watched, in the order of the rows."""


def watched_parts(divided: Divided, preprocessing: Preprocessing) -> dict[str, Part]:
    """Validation and test images at the input size of a network.

    Args:
        divided: The split.
        preprocessing: Of the network.
    """
    return {name: read_part(divided.part(name), preprocessing) for name in PARTS}


@dataclass(frozen=True, kw_only=True, eq=False)
class EpochWatcher:
    """Runs a copy of a network after each epoch of its training and keeps what it says.

    Given to `train` as `watch`. An epoch is looked at before its checkpoint is written, so an interrupted training that
    goes on is watched on without a gap.

    Args:
        network: Of the same kind as the one in training, and another one.
        parts: The images, `PARTS` in their order.
        preprocessing: From an image to the network.
        training: The run folder of the training, for messages.
        folder: Keeps one file for each epoch.
        identity: Hash of all that decides the outcome; files of another one count as absent.
        batch_size: Images at once.
        device: Where to run.
    """

    network: nn.Module
    parts: tuple[Part, ...]
    preprocessing: Preprocessing
    training: Path
    folder: Path
    identity: str
    batch_size: int = 128
    device: str | None = None

    @classmethod
    def of(
        cls,
        network: NetworkChoice,
        divided: Divided,
        options: TrainOptions,
        *,
        training: Path,
        folder: Path,
        parts: Mapping[str, Part] | None = None,
        device: str | None = None,
    ) -> EpochWatcher:
        """A watcher of the validation and test images of a split.

        Args:
            network: The network in training.
            divided: The split.
            options: The training.
            training: Its run folder.
            folder: Keeps one file for each epoch.
            parts: The images as `watched_parts` gives them; default they are read.
            device: Where to run.
        """
        decides = {
            "network": network.to_dict(),
            "options": options.to_dict(),
            "data": divided.dataset.fingerprint,
            "rows": {name: rows.tolist() for name, rows in divided.split.parts.items()},
        }
        preprocessing = network.preprocessing_for(divided.dataset.n_channels)
        n_classes = len(divided.dataset.class_names)
        found = watched_parts(divided, preprocessing) if parts is None else parts
        return cls(
            network=network.network_options(n_classes, preprocessing.channels, options.seed).build().network,
            parts=tuple(found[name] for name in PARTS),
            preprocessing=preprocessing,
            training=training,
            folder=folder,
            identity=hash_json(plain(decides)),
            device=device,
        )

    def __call__(self, kept: nn.Module, number: int) -> None:
        """Keeps what the weights say that the training would keep.

        Args:
            kept: What the training validates and keeps: its network, or the moving average of its weights.
            number: How many epochs are done.

        Raises:
            StoreError: It cannot be written.
        """
        self.network.load_state_dict(kept.state_dict())
        place = choose_device(self.device)
        # full precision whatever the training runs in, and its random numbers left as they are
        with torch.random.fork_rng(devices=[]), torch.autocast(place.type, enabled=False):
            said = [
                predict_logits(self.network, part, self.preprocessing, batch_size=self.batch_size, device=place)
                for part in self.parts
            ]
        content = io.BytesIO()
        logits = np.concatenate(said).astype(np.float32)
        np.savez(content, logits=logits, identity=np.array(self.identity))
        try:
            write_atomic(self._file(number), content.getvalue())
        except OSError as error:
            raise StoreError(f"cannot write in {self.folder}: {error.strerror or error}") from error

    def logits(self, epochs: int) -> FloatArray:
        """What every epoch said, (E, n, K), images in the order of `PARTS`.

        Args:
            epochs: How many the training has had.

        Raises:
            ConfigError: An epoch was not looked at when it was there.
        """
        found = []
        for number in range(1, epochs + 1):
            logits = self._kept(number)
            if logits is None:
                raise ConfigError(
                    f"what the network said after epoch {number} was not kept, and its weights are gone; remove "
                    f"{self.training} to train it again, or do not measure choosing on test (`--no-watch`)"
                )
            found.append(logits)
        return np.stack(found)

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
        return logits.astype(np.float64) if len(logits) == sum(map(len, self.parts)) else None
