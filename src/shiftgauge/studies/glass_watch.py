"""What the published way of choosing would have claimed: thresholds and epoch chosen on the test images themselves.

The published code has no validation part. After every epoch it searches a threshold for each label on the test images,
takes the micro F1 that these give on the same images, and keeps the epoch where that is largest: a score maximised
over thresholds and epochs on what it is reported of. Here the training of the recipe is watched on validation and test
images, and each choice is made once on validation and once on test, so that every row is about the same predictions.
Images are run once, as they are, where the published score is of the mean over mirror images.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import xarray as xr

from shiftgauge.errors import DataError
from shiftgauge.studies.glass_measure import Decisions, micro_f1, score_arrays, thresholds_of
from shiftgauge.studies.glass_optimism import optimism_arrays
from shiftgauge.studies.glass_recipe import PUBLISHED_GRID
from shiftgauge.studies.train_data import Divided
from shiftgauge.studies.watched import PARTS
from shiftgauge.train.predict import probabilities
from shiftgauge.types import FloatArray

HONEST: Final = "both on validation"
PUBLISHED: Final = "both on test, as published"
THRESHOLDS: Final = "thresholds on test"


@dataclass(frozen=True, kw_only=True, eq=False)
class Watched:
    """What the network said after every epoch.

    Args:
        validation_enk: Probabilities of the validation images (E, n, K).
        test_enk: Probabilities of the test images (E, m, K).
        validation_nk: 0 and 1 of the validation images (n, K).
        test_nk: 0 and 1 of the test images (m, K).
        names: Names of the labels.
    """

    validation_enk: FloatArray
    test_enk: FloatArray
    validation_nk: FloatArray
    test_nk: FloatArray
    names: tuple[str, ...]


def seen_after_epochs(logits_enk: FloatArray, divided: Divided) -> Watched:
    """Logits of validation and test images in this order as what was watched.

    Args:
        logits_enk: After every epoch (E, n, K).
        divided: The split.

    Raises:
        DataError: Images with one class each.
    """
    truth = divided.dataset.label_matrix
    if truth is None:
        raise DataError("only images with several labels can be watched here")
    said = np.stack([probabilities(values, "multi") for values in logits_enk])
    rows = divided.split.parts
    cut = len(rows["validation"])
    return Watched(
        validation_enk=said[:, :cut],
        test_enk=said[:, cut:],
        validation_nk=truth[rows["validation"]],
        test_nk=truth[rows["test"]],
        names=divided.dataset.class_names,
    )


def watch_arrays(watched: Watched, units_n: np.ndarray, *, no_defect: int, level: float, seed: int) -> xr.Dataset:
    """Scores on test of the four ways to choose, the curves that they choose from, and the optimism of choosing.

    Args:
        watched: What the network said.
        units_n: Test images with the same number belong together.
        no_defect: Number of that label.
        level: Of the intervals.
        seed: Of bootstrap and divisions.
    """
    decided, epochs, curves = choices(watched)
    scores = score_arrays(
        decided,
        watched.test_nk,
        units_n,
        watched.names,
        no_defect=no_defect,
        against=HONEST,
        level=level,
        seed=seed,
        prefix="watch",
    )
    count, epoch = len(watched.test_enk), epochs[HONEST]
    ways = {THRESHOLDS: slice(epoch, epoch + 1), PUBLISHED: slice(None)}
    luck = optimism_arrays(watched.test_enk, watched.test_nk, units_n, ways, level=level, seed=seed)
    return (
        scores.merge(luck)
        .assign(
            watch_epoch=("watch", [epochs[name] + 1 for name in decided]),
            watch_curve=(("chosen_on", "watched_epoch"), np.stack([curves[name] for name in PARTS])),
        )
        .assign_coords(chosen_on=list(PARTS), watched_epoch=np.arange(1, count + 1))
    )


def choices(watched: Watched) -> tuple[dict[str, Decisions], dict[str, int], dict[str, FloatArray]]:
    """Decisions on test by the four ways to choose thresholds and epoch; each on the published grid, by micro F1.

    Args:
        watched: What the network said.

    Returns:
        Way → which labels hold on the test images; way → number of its epoch, from 0; and for `validation` and `test`
        the micro F1 after every epoch with thresholds chosen there, on the images of that part.

    Example:
        >>> said = np.array([[[0.8], [0.3]], [[0.6], [0.7]]])
        >>> truth = np.array([[1.0], [0.0]])
        >>> seen = Watched(validation_enk=said, test_enk=said, validation_nk=truth, test_nk=truth, names=("chip",))
        >>> choices(seen)[1]["both on validation"]
        0
    """
    said = {"validation": watched.validation_enk, "test": watched.test_enk}
    truth = {"validation": watched.validation_nk, "test": watched.test_nk}
    chosen = {
        part: [np.array(thresholds_of(p, truth[part], watched.names, PUBLISHED_GRID).values) for p in said[part]]
        for part in PARTS
    }
    curves = {
        part: np.array([micro_f1(p >= t, truth[part]) for p, t in zip(said[part], chosen[part], strict=True)])
        for part in PARTS
    }
    best = {part: int(curves[part].argmax()) for part in PARTS}
    # with thresholds from validation the epoch is chosen on test by what these give there
    plain_test = [micro_f1(p >= t, truth["test"]) for p, t in zip(said["test"], chosen["validation"], strict=True)]
    ways = {
        HONEST: (best["validation"], "validation"),
        THRESHOLDS: (best["validation"], "test"),
        "epoch on test": (int(np.argmax(plain_test)), "validation"),
        PUBLISHED: (best["test"], "test"),
    }
    decided = {name: said["test"][epoch] >= chosen[part][epoch] for name, (epoch, part) in ways.items()}
    return decided, {name: epoch for name, (epoch, _) in ways.items()}, curves
