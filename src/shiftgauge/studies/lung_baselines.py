"""What can be said of frames without a training: majority, mean intensity, and features of the untrained network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from shiftgauge.data.dataset import ImageDataset
from shiftgauge.data.splits import Split
from shiftgauge.studies.train_options import NetworkChoice
from shiftgauge.train.images import read_part
from shiftgauge.train.linear_probe import head_features, linear_probe
from shiftgauge.train.predict import probabilities
from shiftgauge.types import FloatArray

FROZEN: Final = "features before training, logistic regression"
INTENSITY: Final = "mean intensity"
MAJORITY: Final = "majority class"
BASELINES: Final = (FROZEN, INTENSITY, MAJORITY)


@dataclass(frozen=True, kw_only=True)
class FrozenNetwork:
    """The network of a recipe where its training begins.

    Args:
        choice: The network.
        seed: Of weights that begin at random.
        device: Where to run.
    """

    choice: NetworkChoice
    seed: int = 0
    device: str | None = None

    def features(self, dataset: ImageDataset) -> FloatArray:
        """What reaches the layer that gives the classes (n, features)."""
        preprocessing = self.choice.preprocessing_for(1)
        built = self.choice.network_options(len(dataset.class_names), preprocessing.channels, self.seed).build()
        part = read_part(dataset, preprocessing)
        return head_features(built.network, built.heads, part, preprocessing, device=self.device)


def baselines(dataset: ImageDataset, folds: Sequence[Split], network: FrozenNetwork) -> dict[str, FloatArray]:
    """What can be said without a training, learnt from the other frames of each fold.

    The majority class is said of every frame. The mean intensity is judged by a normal distribution for each class,
    all classes taken to be equally frequent; both learn from training and validation frames. The features of the
    network where its training begins are judged by a logistic regression that learns from the training frames; how
    strongly it is regularised is chosen on the validation frames.

    Args:
        dataset: The frames.
        folds: Their parts.
        network: Gives the features.

    Returns:
        Way → probabilities (n, K).
    """
    level = np.array([float(dataset.load(i).mean()) for i in range(len(dataset))])
    features, labels, k = network.features(dataset), dataset.labels, len(dataset.class_names)
    found = {way: np.zeros((len(dataset), k)) for way in BASELINES}
    for split in folds:
        rows = split.parts["test"]
        known = np.setdiff1d(np.arange(len(dataset)), rows)
        found[MAJORITY][rows, int(np.bincount(labels[known], minlength=k).argmax())] = 1
        found[INTENSITY][rows] = _normal(level[known], labels[known], level[rows], k)
        learn, choose = split.parts["train"], split.parts["validation"]
        probe = linear_probe(
            features[learn],
            labels[learn],
            features[choose],
            labels[choose],
            class_names=dataset.class_names,
            balanced=True,
        )
        found[FROZEN][rows] = probabilities(probe.logits(features[rows]), "single")
    return found


def _normal(known_n: FloatArray, labels_n: npt.NDArray[np.int64], asked_m: FloatArray, n_classes: int) -> FloatArray:
    """Probabilities of each class for a number, by normal distributions with equal priors (m, K)."""
    floor = 1e-3
    centre = np.array([known_n[labels_n == c].mean() for c in range(n_classes)])
    width = np.array([max(float(known_n[labels_n == c].std()), floor) for c in range(n_classes)])
    log = -0.5 * ((asked_m[:, None] - centre) / width) ** 2 - np.log(width)
    likely = np.exp(log - log.max(axis=1, keepdims=True))
    return likely / likely.sum(axis=1, keepdims=True)
