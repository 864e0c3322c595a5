"""The scale in which a network sees an image."""

import numpy as np
import pytest
import torch

from shiftgauge.errors import ConfigError, ModelError
from shiftgauge.models.input_scale import input_scale
from small_networks import linear, wrap


def test_scale_of_a_classifier_is_that_of_its_preprocessing():
    classifier = wrap(linear(), mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))
    images = torch.rand(2, 3, 8, 8)
    scale = input_scale(classifier)
    assert torch.allclose(scale.of_pixels(images), classifier.preprocessing.normalise(images))
    assert np.allclose(scale.bounds, [(-2, -2, -2), (3, 2, 4 / 3)])
    assert input_scale(classifier, "pixel").bounds == ((0.0,) * 3, (1.0,) * 3)
    with pytest.raises(ConfigError, match="did you mean `pixel`"):
        input_scale(classifier, "pixels")


def test_classifier_that_does_not_say_its_scale_is_named():
    class Silent:
        input_shape = (1, 2, 2)

    with pytest.raises(ModelError, match="Silent does not say"):
        input_scale(Silent())
    assert input_scale(Silent(), "pixel").std == (1.0,)
