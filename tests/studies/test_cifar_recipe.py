import io

import numpy as np
import pytest
from PIL import Image

from shiftgauge.data.arrays import from_arrays
from shiftgauge.errors import ConfigError, DataError
from shiftgauge.studies.cifar_recipe import CifarRecipe, cifar_data, split_options


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
    assert recipe.published
    assert (options.epochs, options.sampling.batch_size) == (15, 64)
    assert (options.optimizer.kind, options.optimizer.learning_rate) == ("adam", 0.001)
    assert options.augment.flips == ()
    assert recipe.network("resnet18").preprocessing_for(3).mean == (0.5, 0.5, 0.5)


def test_the_small_recipe_moves_images_by_whole_pixels():
    options = CifarRecipe().options("resnet18")
    assert options.augment.shifts.interpolation == "nearest"
    assert options.precision == "bfloat16"
    assert not CifarRecipe().published
    assert not CifarRecipe(name="published", epochs=3).published


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


def test_a_missing_test_file_is_named(tmp_path):
    np.savez(tmp_path / "small_train.npz", **encoded(6, 0))
    with pytest.raises(DataError, match="`test`"):
        cifar_data(tmp_path)


def test_grey_images_are_refused():
    grey = from_arrays(np.zeros((2, 8, 8), np.uint8), ["a", "b"])
    with pytest.raises(DataError, match="three channels"):
        cifar_data(grey)
