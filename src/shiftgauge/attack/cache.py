"""Attacked images kept on disk, each under the hash of everything that decides them."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Final

import numpy as np
import torch

from shiftgauge.attack.attacked import Crafted
from shiftgauge.attack.kinds import Attack, attack_to_dict
from shiftgauge.attack.problem import Problem
from shiftgauge.errors import StoreError
from shiftgauge.files import hash_array, hash_json, write_atomic

_VERSION: Final = 1
"""Raised when the same options give other images."""


class ImageCache:
    """A folder of attacked batches.

    A batch is written whole or not at all, so that a run that was stopped goes on where it was. The name of a file is
    the hash of the network, the attack, the ball, the images, labels and random streams: another of them is another
    file, and nothing has to be cleared. A file that cannot be read counts as not there and is written anew.

    Args:
        folder: Where; made when it is first written to.

    Raises:
        StoreError: There is a file of that name.

    Example:
        >>> import tempfile
        >>> ImageCache(tempfile.mkdtemp()).read("none of this name", (1, 1, 2, 2)) is None
        True
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if self.folder.exists() and not self.folder.is_dir():
            raise StoreError(f"cannot keep images in {self.folder}: it is a file; name a folder")

    def key(self, problem: Problem, attack: Attack, fingerprint: str) -> str:
        """The hash of everything that decides the images of a batch.

        Args:
            problem: The batch.
            attack: What is done.
            fingerprint: Content hash of the classifier; noise does not depend on it.
        """
        ball = problem.ball
        arrays = {
            "images": ball.centre.contiguous(),
            "epsilon": ball.epsilon,
            "weight": ball.weight,
            "labels": problem.labels,
            **({} if problem.targets is None else {"targets": problem.targets}),
        }
        facts = {
            "version": _VERSION,
            "network": fingerprint if problem.success_only or not attack.is_noise else "",
            "attack": attack_to_dict(attack),
            "norm": ball.norm,
            "bounds": ball.bounds,
            "seed": problem.seed,
            "streams": problem.streams.tolist(),
            "success_only": problem.success_only,
            "strides": list(ball.centre.stride()),
            "arrays": {name: hash_array(value.cpu().numpy()) for name, value in arrays.items()},
        }
        return hash_json(facts)

    def read(self, key: str, shape: tuple[int, ...]) -> Crafted | None:
        """The images of a batch, or None where they are not there whole."""
        try:
            with self._file(key).open("rb") as file, np.load(file, allow_pickle=False) as held:
                images, flat = held["images"], held["flat"]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        if images.shape != shape or images.dtype != np.float32 or flat.shape != shape[:1] or flat.dtype != np.bool_:
            return None
        return Crafted(images=torch.from_numpy(images), flat=torch.from_numpy(flat))

    def write(self, key: str, crafted: Crafted) -> None:
        """Keeps the images of a batch.

        Raises:
            StoreError: The folder cannot be written to.
        """
        content = io.BytesIO()
        np.savez(content, images=crafted.images.cpu().numpy(), flat=crafted.flat.cpu().numpy())
        write_atomic(self._file(key), content.getvalue())

    def _file(self, key: str) -> Path:
        return self.folder / f"{key}.npz"
