"""Folds by recording, what needs no network, and the recipe."""

import numpy as np
import pytest
import timm
import torch

from lung_arrays import NAMES, frames, lung_dataset
from shiftgauge.errors import ConfigError, DataError
from shiftgauge.studies.lung_folds import INTENSITY, MAJORITY, baselines, folds_of, pooled_folds
from shiftgauge.studies.lung_recipe import LungRecipe, lung_data


def saved(folder, **more):
    images, labels, recording = frames()
    path = folder / "lus.npz"
    np.savez(path, images=images, labels=labels, classes=np.array(NAMES), **({"group": recording} | more))
    return path


def test_every_frame_is_tested_once_and_no_recording_is_on_two_sides():
    dataset = lung_dataset()
    folds, units = folds_of(dataset, 3, 0)
    tested = np.concatenate([split.parts["test"] for split in folds])
    assert sorted(tested.tolist()) == list(range(len(dataset)))
    groups = np.array(dataset.groups)
    for split in folds:
        sides = [set(groups[rows]) for rows in split.parts.values()]
        assert len(sides) == 3
        assert sum(map(len, sides)) == len(set().union(*sides))
    assert all(len(set(units[groups == g])) == 1 for g in set(groups))


def test_a_pool_of_frames_tears_recordings_apart():
    dataset = lung_dataset()
    groups = np.array(dataset.groups)
    for split in pooled_folds(dataset, 3, 0):
        assert set(groups[split.parts["test"]]) & set(groups[split.parts["train"]])


def test_baselines_learn_from_other_recordings_alone():
    dataset = lung_dataset()
    folds, _ = folds_of(dataset, 3, 0)
    found = baselines(dataset, folds)
    assert np.mean(found[INTENSITY].argmax(axis=1) == dataset.labels) == 1  # levels differ by 40 grey levels
    for split in folds:
        known = np.setdiff1d(np.arange(len(dataset)), split.parts["test"])
        often = np.bincount(dataset.labels[known]).argmax()
        assert (found[MAJORITY][split.parts["test"]].argmax(axis=1) == often).all()


def test_the_network_has_the_published_number_of_parameters():
    choice = LungRecipe().network()
    with torch.device("meta"):
        network = timm.create_model(choice.architecture, num_classes=3, **choice.arguments)
    assert sum(p.numel() for p in network.parameters()) == 134_281_283


def test_the_published_recipe_is_the_published_one():
    recipe = LungRecipe()
    options, seen = recipe.options(), recipe.network().preprocessing_for(1)
    assert (seen.input_shape, seen.mean) == ((3, 224, 224), (0.152454, 0.153434, 0.157788))
    assert (options.epochs, options.optimizer.kind, options.optimizer.weight_decay) == (5, "adam", 5e-4)
    assert (recipe.published, LungRecipe(epochs=2).published, LungRecipe(name="small").published) == (
        True,
        False,
        False,
    )
    assert (recipe.ascent().steps, LungRecipe(steps=7).ascent().steps) == (500, 7)


def test_a_file_or_its_folder_gives_frames_with_recordings(tmp_path):
    path = saved(tmp_path)
    for given in (path, tmp_path):
        found = lung_data(given, quick=False, seed=0)
        assert (found.class_names, len(found), len(set(found.groups))) == (NAMES, 54, 18)


def test_frames_without_recordings_and_what_does_not_exist_are_named(tmp_path):
    images, labels, _ = frames()
    np.savez(tmp_path / "bare.npz", images=images, labels=labels)
    with pytest.raises(DataError, match="no groups"):
        lung_data(tmp_path / "bare.npz", quick=False, seed=0)
    with pytest.raises(DataError, match="does not exist"):
        lung_data(tmp_path / "none", quick=False, seed=0)
    with pytest.raises(ConfigError, match="do not exist"):
        LungRecipe(weights="nowhere.pt")
    with pytest.raises(DataError, match="units"):
        folds_of(lung_dataset(recordings=3), 5, 0)
