"""A training is looked at after every epoch, and nothing of it is changed by that."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from shiftgauge.data.dataset import ImageDataset
from shiftgauge.data.source import ArrayImages
from shiftgauge.errors import ConfigError, InterruptedRunError, StoreError
from shiftgauge.studies.glass_recipe import GlassRecipe
from shiftgauge.studies.train import train
from shiftgauge.studies.train_data import divide
from shiftgauge.studies.train_options import SplitOptions
from shiftgauge.studies.watched import EpochWatcher, watched_parts
from shiftgauge.train.predict import predict_logits

RECIPE = GlassRecipe(name="small", weights="none", quick=True, epochs=3)
SPLIT = SplitOptions(parts={"train": 0.6, "validation": 0.2, "test": 0.2}, near_duplicates=False)
# bfloat16 as in the small recipe: what is looked at must leave the cast weights of a step alone
OPTIONS = replace(RECIPE.options("none"), precision="bfloat16")


def images(n=60):
    rng = np.random.default_rng(0)
    matrix = np.zeros((n, 2))
    matrix[np.arange(n), np.arange(n) % 2] = 1
    pixels = (rng.random((n, 1, 16, 16)) * 100 + 100 * matrix[:, 1, None, None, None]).astype(np.uint8)
    return ImageDataset(
        images=ArrayImages(array=pixels, rows=np.arange(n)),
        names=tuple(f"{i}" for i in range(n)),
        labels=np.arange(n) % 2,
        class_names=("no defect", "chip"),
        hashes=tuple(f"{i}" for i in range(n)),
        channels=(1,) * n,
        label_matrix=matrix,
    )


def watcher(dataset, folder, options=OPTIONS):
    divided = divide(dataset, SPLIT, 0)
    places = {"training": folder / "training", "folder": folder / "watched"}
    return EpochWatcher.of(RECIPE.network(), divided, options, device="cpu", **places)


def run(dataset, folder, watch=None, options=OPTIONS):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shiftgauge.studies.train.write_train_figures", lambda result, place: [])
        patch.setattr("shiftgauge.studies.train.write_train_page", lambda result, place: None)
        train(
            RECIPE.network(),
            dataset,
            out=folder / "training",
            split=SPLIT,
            options=options,
            device="cpu",
            progress=False,
            resamples=100,
            watch=watch,
        )
    return (folder / "training" / "model" / "weights.safetensors").read_bytes()


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    folder, dataset = tmp_path_factory.mktemp("watched"), images()
    look = watcher(dataset, folder)
    weights = run(dataset, folder, look)
    return dataset, folder, weights, look.logits(3)


def test_a_training_that_is_looked_at_comes_to_the_same_weights(watched, tmp_path):
    dataset, _, weights, logits = watched
    assert run(dataset, tmp_path) == weights
    assert logits.shape == (3, 24, 2)
    assert not np.allclose(logits[0], logits[1])


@pytest.mark.parametrize(("decay", "start"), [(None, "network."), (0.9, "average.module.")])
def test_what_is_looked_at_is_what_the_training_validates_and_keeps(tmp_path, decay, start):
    dataset, options = images(), replace(OPTIONS, ema_decay=decay, epochs=1)
    look = watcher(dataset, tmp_path, options)
    run(dataset, tmp_path, look, options)
    found = torch.load(tmp_path / "training" / "training" / "checkpoint.pt", weights_only=True)["state_dict"]
    divided, network = divide(dataset, SPLIT, 0), RECIPE.network()
    built = network.network_options(2, 1, 0).build().network
    built.load_state_dict({k.removeprefix(start): v for k, v in found.items() if k.startswith(start)})
    preprocessing = network.preprocessing_for(1)
    parts = watched_parts(divided, preprocessing)
    said = [predict_logits(built, parts[p], preprocessing, device="cpu") for p in ("validation", "test")]
    assert np.allclose(np.concatenate(said), look.logits(1)[-1], atol=1e-4)


@pytest.mark.parametrize("written", [True, False])
def test_an_interrupted_training_is_watched_on_after_its_last_epoch(watched, tmp_path, written):
    dataset, _, weights, logits = watched
    look = watcher(dataset, tmp_path)

    def stopping(kept, number):
        if written or number < 2:
            look(kept, number)
        if number == 2:
            raise KeyboardInterrupt

    with pytest.raises(InterruptedRunError, match="after its last epoch"):
        run(dataset, tmp_path, stopping)
    first = (tmp_path / "watched" / "epoch-001.npz").stat().st_mtime_ns
    again = watcher(dataset, tmp_path)
    assert run(dataset, tmp_path, again) == weights
    assert (tmp_path / "watched" / "epoch-001.npz").stat().st_mtime_ns == first
    assert np.array_equal(again.logits(3), logits)


def test_a_finished_training_is_read_back_without_being_looked_at_again(watched):
    dataset, folder, _, logits = watched
    again = watcher(dataset, folder)
    run(dataset, folder, lambda kept, number: pytest.fail("looked at again"))
    assert np.array_equal(again.logits(3), logits)


def test_answers_that_cannot_be_written_end_the_training_in_one_sentence(tmp_path):
    (tmp_path / "watched").write_text("a file in the way")
    dataset = images()
    with pytest.raises(StoreError, match="watched"):
        run(dataset, tmp_path, watcher(dataset, tmp_path))


def test_a_training_that_was_not_looked_at_cannot_be_watched_afterwards(tmp_path):
    dataset = images()
    run(dataset, tmp_path)
    with pytest.raises(ConfigError, match=r"after epoch 1 was not kept.*--no-watch"):
        watcher(dataset, tmp_path).logits(3)


def test_only_whole_files_of_the_same_training_count(watched, tmp_path):
    dataset, folder, _, logits = watched
    look = watcher(dataset, folder)
    assert np.allclose(look._kept(1), logits[0])
    assert replace(look, identity="another")._kept(1) is None
    other = replace(look, folder=tmp_path)
    assert other._kept(1) is None
    (tmp_path / "epoch-001.npz").write_bytes(b"PK damaged")
    assert other._kept(1) is None
