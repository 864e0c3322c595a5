"""What is said without a training: it learns from other frames alone, and as it should."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.naive_bayes import GaussianNB

from lung_arrays import lung_dataset
from shiftgauge.data.arrays import from_arrays
from shiftgauge.data.splits import Split
from shiftgauge.studies.lung_baselines import (
    FROZEN,
    INTENSITY,
    MAJORITY,
    FrozenNetwork,
    baselines,
)
from shiftgauge.studies.lung_folds import folds_of
from shiftgauge.studies.lung_recipe import LungRecipe


class Given:
    """Features that are random but for the class in the first column."""

    def features(self, dataset):
        drawn = np.random.default_rng(1).normal(size=(len(dataset), 6))
        drawn[:, 0] += 2 * np.random.default_rng(2).integers(0, 3, len(dataset))
        return drawn


def three_folds(n=60, seed=0):
    """Folds of frames whose most frequent class is 0, but 1 where the first fold is left out."""
    rng, labels = np.random.default_rng(seed), np.repeat([0, 1, 2], [28, 22, 10])
    tested = np.concatenate([np.zeros(18), np.arange(n - 18) % 2 + 1])  # 18 frames of class 0 are in the first fold
    images = rng.integers(0, 80, (n, 6, 6)) + 30 * labels[:, None, None]
    folds = []
    for fold in range(3):
        rest = np.flatnonzero(tested != fold)
        parts = {
            "train": np.sort(np.append(rest[1::4], rest[2::4])),
            "validation": np.sort(np.append(rest[::4], rest[3::4])),
        }
        folds.append(Split(parts={**parts, "test": np.flatnonzero(tested == fold)}))
    return from_arrays(images.astype(np.uint8), labels, ["a", "b", "c"]), tuple(folds)


def test_the_majority_is_that_of_the_other_frames():
    dataset, folds = three_folds()
    found = baselines(dataset, folds, Given())[MAJORITY]
    assert [int(found[split.parts["test"]].argmax(axis=1)[0]) for split in folds] == [1, 0, 0]
    assert np.bincount(dataset.labels).argmax() == 0


def test_intensity_is_a_gaussian_classifier_of_the_other_frames():
    dataset, folds = three_folds()
    found = baselines(dataset, folds, Given())[INTENSITY]
    level = np.array([dataset.load(i).mean() for i in range(len(dataset))])[:, None].astype(float)
    for split in folds:
        rows = split.parts["test"]
        known = np.setdiff1d(np.arange(len(dataset)), rows)
        oracle = GaussianNB(priors=[1 / 3] * 3, var_smoothing=0).fit(level[known], dataset.labels[known])
        assert found[rows] == pytest.approx(oracle.predict_proba(level[rows]), abs=1e-6)


def test_no_baseline_learns_from_the_frames_that_it_is_tested_on():
    dataset, folds = three_folds()
    before = baselines(dataset, folds, Given())
    rows = folds[0].parts["test"]
    labels = dataset.labels.copy()
    labels[rows] = 2
    after = baselines(replace(dataset, labels=labels), folds, Given())
    for way, said in before.items():
        assert np.array_equal(said[rows], after[way][rows]), way
        assert not np.array_equal(said, after[way]), way


def test_features_are_what_the_last_layer_of_the_untrained_network_gets():
    dataset, choice = lung_dataset(recordings=6, each=1), LungRecipe(name="small", quick=True).network()
    found = FrozenNetwork(choice=choice, device="cpu").features(dataset)
    seen = choice.preprocessing_for(1)
    network = choice.network_options(3, 1, 0).build().network.eval()
    images = torch.stack([torch.from_numpy(dataset.load(i)) for i in range(6)])
    with torch.no_grad():
        maps = network.forward_features(seen.normalise(seen.prepare(images)))
        oracle = network.forward_head(maps, pre_logits=True)
    assert found == pytest.approx(oracle.numpy(), abs=2e-2 * float(oracle.abs().max()))


def test_levels_that_differ_between_classes_are_told_apart_from_other_recordings():
    dataset = lung_dataset()
    folds, _ = folds_of(dataset, 3, 0)
    found = baselines(dataset, folds, Given())
    assert np.mean(found[INTENSITY].argmax(axis=1) == dataset.labels) == 1  # levels differ by 40 grey levels
    assert found[FROZEN].sum(axis=1) == pytest.approx(1)
