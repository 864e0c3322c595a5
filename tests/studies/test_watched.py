"""A watched training goes on with what its earlier epochs said."""

import shutil

import numpy as np
import pytest
from PIL import Image

from shiftgauge.data.load import load_data
from shiftgauge.errors import ConfigError, InterruptedRunError, StoreError
from shiftgauge.studies import watched
from shiftgauge.studies.train_data import divide
from shiftgauge.studies.train_options import NetworkChoice, SplitOptions
from shiftgauge.studies.watched import watched_logits
from shiftgauge.train.module import ClassifierModule
from shiftgauge.train.options import TrainOptions
from shiftgauge.train.sampling import SamplingOptions

NETWORK = NetworkChoice(architecture="resnet18", pretrained=False, size=16, channels=1, dropout=0.5)


@pytest.fixture(scope="module")
def divided(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    for label, level in (("bright", 180), ("dark", 70)):
        (folder / label).mkdir()
        for i in range(12):
            pixels = rng.normal(level, 40, (16, 16)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{i}.png")
    parts = {"train": 0.5, "validation": 0.25, "test": 0.25}
    return divide(load_data(folder), SplitOptions(parts=parts, near_duplicates=False), 0)


def options(epochs=3):
    return TrainOptions(epochs=epochs, sampling=SamplingOptions(batch_size=4), precision="float32", seed=0)


def rows(divided):
    return np.concatenate([divided.split.parts[name] for name in ("validation", "test")])


def watch(divided, folder, **changes):
    return watched_logits(NETWORK, divided, options(**changes), rows(divided), folder, device="cpu", progress=False)


@pytest.fixture(scope="module")
def whole(divided, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return watch(divided, folder), folder


def stop_in_epoch(monkeypatch, epoch):
    """The training is interrupted in its given epoch, after the network has answered for it."""
    call = watched._Keeper.__call__

    def stopping(self, module, inputs, output):
        call(self, module, inputs, output)
        if self.epoch > epoch:
            raise KeyboardInterrupt

    monkeypatch.setattr(watched._Keeper, "__call__", stopping)


@pytest.mark.parametrize("epoch", [0, 1, 2])
def test_an_interrupted_training_goes_on_to_the_same_answers(divided, whole, tmp_path, monkeypatch, epoch):
    with monkeypatch.context() as patch:
        stop_in_epoch(patch, epoch)
        with pytest.raises(InterruptedRunError):
            watch(divided, tmp_path)
    started, begin = [], ClassifierModule.on_train_epoch_start
    monkeypatch.setattr(
        ClassifierModule,
        "on_train_epoch_start",
        lambda module: (started.append(module.current_epoch), begin(module)),
    )
    assert np.array_equal(watch(divided, tmp_path), whole[0])
    assert started == list(range(epoch, 3))


def test_every_epoch_has_answers_for_every_image_and_they_differ(divided, whole):
    said, _ = whole
    assert said.shape == (3, len(rows(divided)), 2)
    assert not np.array_equal(said[0], said[1])


def test_a_finished_training_is_read_back_without_training(divided, whole, monkeypatch):
    said, folder = whole
    monkeypatch.setattr(ClassifierModule, "on_train_epoch_start", lambda module: pytest.fail("trained again"))
    assert np.array_equal(watch(divided, folder), said)


def test_another_training_in_the_folder_is_refused(divided, whole):
    with pytest.raises(ConfigError, match=r"`options.epochs` is 3 there and 5 here"):
        watch(divided, whole[1], epochs=5)


def test_lost_answers_are_named(divided, whole, tmp_path):
    folder = shutil.copytree(whole[1], tmp_path / "copy")
    (folder / "logits-0001.npy").unlink()
    with pytest.raises(StoreError, match="logits-0001"):
        watch(divided, folder)
