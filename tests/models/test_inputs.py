"""The classes that are asked about, however they are named."""

import numpy as np
import pytest
import torch

from shiftgauge.errors import ConfigError
from shiftgauge.models.inputs import target_classes
from small_networks import linear, wrap

SHAPE = (1, 2, 2)
IMAGES = torch.rand(5, *SHAPE, generator=torch.Generator().manual_seed(2))


def test_the_class_that_is_predicted():
    classifier = wrap(linear(SHAPE), SHAPE)
    found = target_classes(classifier, IMAGES, None, batch_size=2)
    assert found.tolist() == classifier.outputs(IMAGES).argmax(dim=1).tolist()
    assert found.dtype == np.int64


@pytest.mark.parametrize("one", ["class 1", 1, np.int64(1), np.uint8(1)])
def test_one_class_for_all_images(one):
    assert target_classes(wrap(linear(SHAPE), SHAPE), IMAGES, one).tolist() == [1] * 5


@pytest.mark.parametrize(
    "each",
    [
        [0, "class 2", np.int64(1), 1, 0],
        (0, 2, 1, 1, 0),
        np.array([0, 2, 1, 1, 0]),
        torch.tensor([0, 2, 1, 1, 0]),
    ],
)
def test_one_class_for_each(each):
    assert target_classes(wrap(linear(SHAPE), SHAPE), IMAGES, each).tolist() == [0, 2, 1, 1, 0]


def test_classes_that_do_not_exist():
    classifier = wrap(linear(SHAPE), SHAPE)
    with pytest.raises(ConfigError, match="below 3"):
        target_classes(classifier, IMAGES, 3)
    with pytest.raises(ConfigError, match="class 1"):
        target_classes(classifier, IMAGES, "class 11")
    with pytest.raises(ConfigError, match="one for each of the 5 images, got 1"):
        target_classes(classifier, IMAGES, [0])
    with pytest.raises(ConfigError, match=r"whole numbers, got 0\.7"):
        target_classes(classifier, IMAGES, torch.full((5,), 0.7, dtype=torch.float64))
