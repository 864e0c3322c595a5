import io
import json

import numpy as np
import pytest
from PIL import Image

from shiftgauge.data.arrays import from_arrays
from shiftgauge.errors import ConfigError, DataError
from shiftgauge.models.model_record import plain
from shiftgauge.studies.cifar_recipe import NETWORKS, CifarRecipe, cifar_data, is_published, recipe_text, split_options
from shiftgauge.studies.train_data import divide


def encoded(n, seed):
    rng, files = np.random.default_rng(seed), []
    for _ in range(n):
        buffer = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(buffer, "PNG")
        files.append(buffer.getvalue())
    return {
        "blob": np.frombuffer(b"".join(files), np.uint8),
        "offsets": np.cumsum([0, *map(len, files)]),
        "labels": np.arange(n) % 2,
        "classes": np.array(["cat", "deer"]),
    }


def test_the_published_recipe_is_the_published_one():
    recipe = CifarRecipe(name="published")
    options = recipe.options("vgg16")
    assert (options.epochs, options.sampling.batch_size) == (15, 64)
    assert (options.optimizer.kind, options.optimizer.learning_rate) == ("adam", 0.001)
    assert (options.optimizer.weight_decay, options.clip, options.ema_decay) == (0.0, None, None)
    assert options.resolved("single").loss.label_smoothing == 0
    assert (options.schedule.kind, options.precision) == ("constant", "float32")
    assert options.monitor == "last"
    assert (options.augment.flips, options.augment.space) == ((), None)
    assert recipe.network("resnet18").preprocessing_for(3).mean == (0.5, 0.5, 0.5)


def test_the_small_recipe_moves_images_by_whole_pixels():
    options = CifarRecipe().options("resnet18")
    assert options.augment.shifts.interpolation == "nearest"
    assert options.precision == "bfloat16"
    high = {name: CifarRecipe().options(name).augment.space.parameters[0].options["high"] for name in NETWORKS}
    assert {name: value * 32 for name, value in high.items()} == {"vgg16": 2, "resnet18": 4}


def test_vgg_keeps_the_last_epoch_of_a_moving_average():
    vgg, resnet = (CifarRecipe().options(name) for name in ("vgg16", "resnet18"))
    assert (vgg.ema_decay, vgg.monitor) == (0.99, "last")
    assert (resnet.ema_decay, resnet.monitor) == (None, "accuracy")


def test_a_part_of_the_published_recipe_is_not_published():
    published = {"name": "published"}
    for keywords, held in (
        (published, True),
        ({**published, "seed": 3}, True),
        ({**published, "epochs": 3}, False),
        ({}, False),
    ):
        resolved = CifarRecipe(**keywords).options("resnet18").resolved("single").to_dict()
        assert is_published("resnet18", json.loads(json.dumps(plain(resolved)))) == held


def test_a_recipe_is_said_in_words():
    resolved = CifarRecipe().options("vgg16").resolved("single").to_dict()
    text = "12 epochs of AdamW at 0.001, cosine, in batches of 128, images changed at random, smoothed labels"
    assert recipe_text(resolved) == f"{text}, a moving average of the weights"


def test_an_unknown_network_is_refused():
    with pytest.raises(ConfigError, match="vgg16"):
        CifarRecipe().network("vgg161")


def test_two_files_become_train_and_test(tmp_path):
    np.savez(tmp_path / "small_train.npz", **encoded(6, 0))
    np.savez(tmp_path / "small_test.npz", **encoded(4, 1))
    found = cifar_data(tmp_path)
    assert found.splits == ("train",) * 6 + ("test",) * 4
    assert found.load(9).shape == (3, 32, 32)
    assert split_options(found).by == "given"


def test_a_mirror_image_of_a_test_image_leaves_train():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (24, 32, 32, 3), dtype=np.uint8)
    pixels[0] = pixels[23, :, ::-1]
    splits = ["train"] * 20 + ["test"] * 4
    found = from_arrays(pixels, ["a", "b"] * 12, splits=splits)
    divided = divide(found, split_options(found), 0)
    assert 0 not in divided.split.parts["train"]
    assert 23 in divided.split.parts["test"]
    assert len(divided.split.parts["test"]) == 4


def test_a_missing_test_file_is_named(tmp_path):
    np.savez(tmp_path / "small_train.npz", **encoded(6, 0))
    with pytest.raises(DataError, match="`test`"):
        cifar_data(tmp_path)


def test_grey_images_are_refused():
    grey = from_arrays(np.zeros((2, 8, 8), np.uint8), ["a", "b"])
    with pytest.raises(DataError, match="three channels"):
        cifar_data(grey)
