"""What watching the test images costs: the epoch chosen on the images that are then reported.

The published code computes accuracy and F1 of the test images after every epoch and takes the checkpoint from
there. The figure that it reports is then the best of several on the same images, which is too good by what chance
gave that epoch on them. It is measured here: the training is watched on all images that are not trained on; these
are divided at random into two halves many times; the epoch is chosen on one half and judged on it and on the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import xarray as xr

from shiftgauge.random import generator
from shiftgauge.studies.train_data import Divided
from shiftgauge.studies.watched import PARTS
from shiftgauge.train.f1 import f1_of, macro
from shiftgauge.types import FloatArray

RESAMPLES: Final = 1000


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What watching was worth.

    Args:
        chosen: Macro F1 of the chosen epoch on the half that it was chosen on (R,).
        fresh: The same epoch's on the other half (R,).
        last: The last epoch's on the other half (R,).
    """

    chosen: FloatArray
    fresh: FloatArray
    last: FloatArray


def watch_arrays(logits_enk: FloatArray, divided: Divided, seed: int) -> xr.Dataset:
    """Measures what choosing an epoch on validation and test images together is worth.

    Args:
        logits_enk: What every epoch says of them (E, n, K), see `EpochWatcher`.
        divided: The split.
        seed: Of the divisions into halves.
    """
    rows = np.concatenate([divided.split.parts[name] for name in PARTS])
    predicted_en, truth_n = logits_enk.argmax(axis=2), divided.dataset.labels[rows]
    n_classes = len(divided.dataset.class_names)
    found = choose_and_judge(predicted_en, truth_n, divided.units[rows], n_classes, seed=seed)
    whole = np.array([macro_f1(confusions(p, truth_n, np.ones((1, len(truth_n))), n_classes))[0] for p in predicted_en])
    return xr.Dataset(
        {
            "watch_f1": ("watch_epoch", whole),
            "watch_chosen": ("resample", found.chosen),
            "watch_fresh": ("resample", found.fresh),
            "watch_last": ("resample", found.last),
        },
        coords={"watch_epoch": np.arange(1, len(whole) + 1)},
        attrs={"watch_images": len(truth_n)},
    )


def choose_and_judge(
    predicted_en: npt.NDArray[np.int64],
    truth_n: npt.NDArray[np.int64],
    units_n: npt.NDArray[np.int64],
    n_classes: int,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Watched:
    """Chooses the epoch on one half of the images and judges it on both, for many divisions into halves.

    Args:
        predicted_en: Class that each epoch predicts for each image (E, n).
        truth_n: True classes (n,).
        units_n: Images with the same number are never divided (n,).
        n_classes: K.
        resamples: Divisions R.
        seed: Of the divisions.

    Returns:
        Macro F1 over the classes that a half holds or that are predicted there.

    Example:
        >>> truth = np.tile([0, 1], 40)
        >>> perfect = choose_and_judge(np.stack([truth, 1 - truth]), truth, np.arange(80), 2, resamples=8)
        >>> perfect.chosen.min(), perfect.fresh.min()
        (np.float64(1.0), np.float64(1.0))
    """
    rng = generator(seed, "weld", "watch")
    members, unit = np.unique(units_n, return_inverse=True)
    side = np.argsort(rng.random((resamples, len(members))), axis=1) < len(members) // 2
    here = side[:, unit].astype(float)
    watched = np.stack([macro_f1(confusions(p, truth_n, here, n_classes)) for p in predicted_en])
    other = np.stack([macro_f1(confusions(p, truth_n, 1 - here, n_classes)) for p in predicted_en])
    best, rows = watched.argmax(axis=0), np.arange(resamples)
    return Watched(chosen=watched[best, rows], fresh=other[best, rows], last=other[-1])


def confusions(
    predicted_n: npt.NDArray[np.int64], truth_n: npt.NDArray[np.int64], weights_rn: FloatArray, n_classes: int
) -> FloatArray:
    """Confusion matrices of weighted images, (R, K, K): truth by prediction."""
    cells = np.zeros((len(truth_n), n_classes**2))
    cells[np.arange(len(truth_n)), truth_n * n_classes + predicted_n] = 1
    return (weights_rn @ cells).reshape(-1, n_classes, n_classes)


def macro_f1(confusions_rkk: FloatArray) -> FloatArray:
    """Mean of F1 over the classes that occur or are predicted, as everywhere else, (R,)."""
    return macro(f1_of(np.einsum("rkk->rk", confusions_rkk), confusions_rkk.sum(axis=1), confusions_rkk.sum(axis=2)))
