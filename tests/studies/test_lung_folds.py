"""Folds by recording, the network of each, and the recipe."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from lung_arrays import NAMES, frames, lung_dataset
from shiftgauge.errors import ConfigError, DataError
from shiftgauge.models.architectures import build_network
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.studies import lung_folds
from shiftgauge.studies.lung_baselines import INTENSITY
from shiftgauge.studies.lung_folds import ALONE, CUT, HIDDEN, POOLED, WHOLE, Plan, folds_of, pooled_folds, say_folds
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


def test_every_frame_is_judged_by_the_network_of_its_fold_and_way(monkeypatch, tmp_path):
    """The stubs say which folder they are from, and how bright the frame is that they are shown."""
    dataset = lung_dataset()
    folds, units = folds_of(dataset, 3, 0)
    ways = {"whole": WHOLE, "cut": CUT, "pooled": POOLED}
    seen = Preprocessing(height=24, width=24, channels=1)

    def load(folder, place):
        _, way, fold = Path(folder).parent.name.split("-")
        record = SimpleNamespace(preprocessing=seen, temperature=1.0)
        named = (list(ways).index(way), int(fold) - 1)
        return SimpleNamespace(module=named, record=record, fingerprint=f"{named}")

    def say(module, part, preprocessing, **given):
        return np.column_stack([np.full((len(part), 2), module), part.pixels.batch(range(len(part))).mean((1, 2, 3))])

    monkeypatch.setattr(lung_folds, "load_model_folder", load)
    monkeypatch.setattr(lung_folds, "predict_probabilities", say)
    monkeypatch.setattr(lung_folds, "baselines", lambda *given: {INTENSITY: np.zeros((len(dataset), 3))})
    plan = Plan(
        recipe=LungRecipe(name="small", quick=True), dataset=dataset, folds=folds, pooled=pooled_folds(dataset, 3, 0),
        units_n=units, ways=tuple(ways.values()), folder=tmp_path, name="", device="cpu", progress=False,
    )  # fmt: skip
    said = say_folds(plan)
    assert set(said.test_nk) == {*ways.values(), HIDDEN, ALONE, INTENSITY}
    for place, way in enumerate((*ways.values(), HIDDEN, ALONE)):
        fold_n = np.full(len(dataset), -1)
        for fold, split in enumerate(plan.folds_of(way)):
            fold_n[split.parts["test"]] = fold
        found = said.test_nk[way]
        assert found[:, 0].tolist() == [place if place < 3 else 0] * len(dataset)
        assert found[:, 1].tolist() == fold_n.tolist()
    bright = {way: said.test_nk[way][:, 2] for way in (WHOLE, HIDDEN, ALONE)}
    assert bright[HIDDEN] + bright[ALONE] == pytest.approx(bright[WHOLE], abs=1e-3)
    inner = [image[:, 2:22, 2:22].mean() for image in map(dataset.load, range(len(dataset)))]
    assert said.test_nk[CUT][:, 2] == pytest.approx(inner, abs=4e-3)
    monkeypatch.setattr(lung_folds, "predict_probabilities", lambda *given, **named: pytest.fail("asked again"))
    again = say_folds(plan)  # what was said is kept
    for way in (*ways.values(), HIDDEN, ALONE):
        np.testing.assert_array_equal(again.test_nk[way], said.test_nk[way])


def test_the_network_has_the_published_number_of_parameters():
    choice = LungRecipe().network()
    with torch.device("meta"):
        network = build_network(choice.architecture, n_classes=3, arguments=choice.arguments)
    assert sum(p.numel() for p in network.parameters()) == 134_281_283


def test_the_published_recipe_is_the_published_one():
    recipe = LungRecipe()
    options, seen = recipe.options(), recipe.network().preprocessing_for(1)
    assert (seen.input_shape, seen.mean) == ((3, 224, 224), (0.152454, 0.153434, 0.157788))
    assert (options.epochs, options.optimizer.kind, options.optimizer.weight_decay) == (5, "adam", 5e-4)
    assert recipe.published
    others = (LungRecipe(epochs=2), LungRecipe(steps=7), LungRecipe(name="small"), LungRecipe(quick=True))
    assert not any(other.published for other in others)
    assert (recipe.ascent().steps, LungRecipe(steps=7).ascent().steps) == (500, 7)


def test_the_small_recipe_sees_grey_alone_and_keeps_the_last_average():
    recipe = LungRecipe(name="small")
    options = recipe.options()
    assert recipe.network().preprocessing_for(1).input_shape == (1, 160, 160)
    assert (options.monitor, options.ema_decay, options.loss.label_smoothing) == ("last", 0.98, 0.1)
    assert all(
        low < 1 < high or low < 0 < high
        for low, high in (
            (p.ppf(np.array([0.0]))[0], p.ppf(np.array([1.0]))[0]) for p in options.augment.space.parameters
        )
    )


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
    with pytest.raises(ConfigError, match="quick run trains the small network"):
        LungRecipe(weights=str(tmp_path / "bare.npz"), quick=True)
    with pytest.raises(DataError, match="units"):
        folds_of(lung_dataset(recordings=3), 5, 0)
