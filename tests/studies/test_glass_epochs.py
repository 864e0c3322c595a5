"""The training of the recipe is looked at after every epoch, and nothing of it is changed by that."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from shiftgauge.data.dataset import ImageDataset
from shiftgauge.data.source import ArrayImages
from shiftgauge.errors import ConfigError, InterruptedRunError, StoreError
from shiftgauge.studies.glass_epochs import EpochWatcher
from shiftgauge.studies.glass_recipe import GlassRecipe
from shiftgauge.studies.train import train
from shiftgauge.studies.train_data import divide
from shiftgauge.studies.train_options import SplitOptions
from shiftgauge.train.images import read_part
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


def watcher(dataset, folder):
    divided = divide(dataset, SPLIT, 0)
    place, training = folder / "watched", folder / "training" / "training"
    return EpochWatcher.of(RECIPE.network(), divided, OPTIONS, training=training, folder=place, device="cpu")


def run(dataset, folder, perturb=None):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shiftgauge.studies.train.write_train_figures", lambda result, place: [])
        patch.setattr("shiftgauge.studies.train.write_train_page", lambda result, place: None)
        train(
            RECIPE.network(),
            dataset,
            out=folder / "training",
            split=SPLIT,
            options=OPTIONS,
            device="cpu",
            progress=False,
            resamples=100,
            perturb=perturb,
        )
    return (folder / "training" / "model" / "weights.safetensors").read_bytes()


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    folder, dataset = tmp_path_factory.mktemp("watched"), images()
    look = watcher(dataset, folder)
    weights = run(dataset, folder, look)
    return dataset, folder, weights, look.finish(3)


def test_a_training_that_is_looked_at_comes_to_the_same_weights(watched, tmp_path):
    dataset, _, weights, logits = watched
    assert run(dataset, tmp_path) == weights
    assert logits.shape == (3, 24, 2)
    assert not np.allclose(logits[0], logits[1])


def test_what_is_kept_of_the_last_epoch_is_what_its_weights_say(watched):
    dataset, folder, _, logits = watched
    found = torch.load(folder / "training" / "training" / "checkpoint.pt", weights_only=True)["state_dict"]
    divided, network = divide(dataset, SPLIT, 0), RECIPE.network()
    built = network.network_options(2, 1, 0).build().network
    built.load_state_dict({k.removeprefix("network."): v for k, v in found.items() if k.startswith("network.")})
    preprocessing = network.preprocessing_for(1)
    said = [
        predict_logits(built, read_part(divided.part(p), preprocessing), preprocessing, device="cpu")
        for p in ("validation", "test")
    ]
    assert np.allclose(np.concatenate(said), logits[-1], atol=1e-4)


def test_an_interrupted_training_is_watched_on_after_its_last_epoch(watched, tmp_path):
    dataset, _, weights, logits = watched
    look = watcher(dataset, tmp_path)

    def stopping(network, batch, targets, epoch, step):
        batch = look(network, batch, targets, epoch, step)
        if epoch == 2:
            raise KeyboardInterrupt
        return batch

    with pytest.raises(InterruptedRunError, match="after its last epoch"):
        run(dataset, tmp_path, stopping)
    first = (tmp_path / "watched" / "epoch-001.npz").stat().st_mtime_ns
    again = watcher(dataset, tmp_path)
    assert run(dataset, tmp_path, again) == weights
    assert (tmp_path / "watched" / "epoch-001.npz").stat().st_mtime_ns == first
    assert np.array_equal(again.finish(3), logits)


def test_a_training_that_was_not_looked_at_cannot_be_watched_afterwards(tmp_path):
    dataset = images()
    run(dataset, tmp_path)
    with pytest.raises(ConfigError, match=r"after epoch 1 was not kept.*--no-watch"):
        watcher(dataset, tmp_path).finish(3)


def test_only_whole_files_of_the_same_training_count(watched, tmp_path):
    dataset, folder, _, logits = watched
    look = watcher(dataset, folder)
    assert np.allclose(look._kept(1), logits[0])
    assert replace(look, identity="another")._kept(1) is None
    other = replace(look, folder=tmp_path)
    assert other._kept(1) is None
    (tmp_path / "epoch-001.npz").write_bytes(b"PK damaged")
    assert other._kept(1) is None
    with pytest.raises(StoreError, match="holds epoch 3, not 2"):
        look._look(2)
