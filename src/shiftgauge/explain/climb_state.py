"""Where the climbs of one call stand, so that a stopped call goes on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import xarray as xr

from shiftgauge.errors import DataError

KEEP_EVERY: Final = 25
"""Steps of a batch after which its climbs are kept."""
_PATH: Final[Mapping[str, Any]] = {
    "activation": np.float64,
    "penalty": np.float64,
    "predicted": np.int64,
    "slope": np.float64,
    "distance_l2": np.float64,
    "distance_max": np.float64,
}
"""What is measured of an image before each step and after the last."""
_PICTURE: Final = ("target", "channel", "y", "x")


@dataclass(frozen=True, kw_only=True, eq=False)
class ClimbState:
    """Where the climbs of one call of `maximize` stand; `add` writes into the arrays.

    A step depends on the image, the number of the step and the seed alone, so that a call that takes this up ends at
    what an uninterrupted one gives.

    Args:
        images: float32 (target, channel, y, x), pixels, after the steps that were taken.
        readings: (target,), how often each was measured: r stands for min(r, T) steps, and T + 1 for a finished climb.
        path: Name → (target, T + 1), what was measured; NaN, or −1 for `predicted`, where it was not yet.
        seconds: Wall time so far.
    """

    images: npt.NDArray[np.float32]
    readings: npt.NDArray[np.int64]
    path: Mapping[str, npt.NDArray[Any]]
    seconds: float = 0.0

    @classmethod
    def start(cls, images_nchw: npt.NDArray[np.float32], steps: int) -> ClimbState:
        """Nothing measured yet.

        Args:
            images_nchw: Where the climbs begin, pixels; they are copied.
            steps: T ≥ 1.

        Example:
            >>> state = ClimbState.start(np.zeros((2, 1, 4, 4), np.float32), 10)
            >>> state.path["activation"].shape, [rows.tolist() for rows in state.batches(1)]
            ((2, 11), [[0], [1]])
        """
        shape = (len(images_nchw), steps + 1)
        path = {name: np.full(shape, -1 if kind is np.int64 else np.nan, kind) for name, kind in _PATH.items()}
        return cls(images=np.array(images_nchw, np.float32), readings=np.zeros(shape[0], np.int64), path=path)

    @property
    def steps(self) -> int:
        """Steps of each climb, T."""
        return self.path["activation"].shape[1] - 1

    @property
    def taken(self) -> int:
        """Steps that were taken, of all climbs together."""
        return int(np.minimum(self.readings, self.steps).sum())

    def batches(self, batch_size: int) -> Iterator[npt.NDArray[np.int64]]:
        """Rows that are worked on together: unfinished ones that stand at the same step, at most so many."""
        for readings in np.unique(self.readings[self.readings <= self.steps])[::-1]:
            rows = np.flatnonzero(self.readings == readings)
            yield from (rows[low : low + batch_size] for low in range(0, len(rows), batch_size))

    def add(
        self, rows: npt.NDArray[np.int64], images_nchw: npt.NDArray[np.float32] | None, measured: Mapping[str, Any]
    ) -> None:
        """Takes a reading of some climbs, and the step after it, into account, in place.

        Images are a copy of the whole batch, so that they are given only where the state is read: at steps that are
        kept and at the last. Until then the state is between two such places and not to be kept.

        Args:
            rows: Which climbs; they stand at the same step.
            images_nchw: Their images after the step; None where the state is not read before the next.
            measured: What was measured before it, an entry for each of them.
        """
        at = int(self.readings[rows[0]])
        if images_nchw is not None:
            self.images[rows] = images_nchw
        for name, values in self.path.items():
            values[rows, at] = measured[name]
        self.readings[rows] += 1

    def dataset(self) -> xr.Dataset:
        """The state with named axes; `from_dataset` takes it up again."""
        variables: dict[str, Any] = {name: (("target", "step"), values) for name, values in self.path.items()}
        variables |= {"image": (_PICTURE, self.images), "readings": (("target",), self.readings)}
        return xr.Dataset(variables, attrs={"seconds": self.seconds})

    @classmethod
    def from_dataset(cls, arrays: xr.Dataset) -> ClimbState:
        """Takes up the state that `dataset` gave.

        Raises:
            DataError: A part is missing.
        """
        missing = [name for name in ("image", "readings", *_PATH) if name not in arrays]
        if missing:
            raise DataError(f"this is no state of climbs: `{missing[0]}` is missing")
        return cls(
            images=np.array(arrays["image"].values, np.float32),
            readings=np.array(arrays["readings"].values, np.int64),
            path={name: np.array(arrays[name].values, kind) for name, kind in _PATH.items()},
            seconds=float(arrays.attrs.get("seconds", 0.0)),
        )


class ClimbKeeper(Protocol):
    """Where climbs are kept on the way and taken up from, by the one who knows what they are of."""

    def load(self) -> ClimbState | None:
        """The state of these very climbs, None where there is none."""
        ...

    def save(self, state: ClimbState) -> None:
        """Keeps a state; its arrays are written into afterwards."""
        ...


def begun(images_nchw: npt.NDArray[np.float32], steps: int, keep: ClimbKeeper | None) -> ClimbState:
    """Returns the state that was kept, else that of climbs that begin.

    Args:
        images_nchw: Where the climbs begin, pixels.
        steps: T ≥ 1.
        keep: Where a state may be; None for nowhere.

    Raises:
        DataError: A state of other climbs: another number of images or steps, or another size.
    """
    found = None if keep is None else keep.load()
    if found is None:
        return ClimbState.start(images_nchw, steps)
    if found.images.shape != images_nchw.shape or found.steps != steps:
        raise DataError(
            f"the climbs that were kept have images of the shape {found.images.shape} and {found.steps} steps, not "
            f"{images_nchw.shape} and {steps}; remove them"
        )
    return found
