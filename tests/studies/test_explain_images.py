"""Images of a look inside: which are drawn, and what the network says of them."""

import numpy as np
import torch

from explain_runs import CLASSES, classifier, data, look, nothing_but
from shiftgauge.data.arrays import from_arrays
from shiftgauge.studies.explain_images import choose_images
from shiftgauge.types import Execution
from small_networks import ConvNet, wrap


def test_a_class_name_with_a_comma_is_not_taken_for_a_mistake(tmp_path):
    names = ("a, b", "c", "d", "e")
    net = wrap(ConvNet(), classes=names)
    images, _ = data()
    said = net.outputs(torch.from_numpy(images), Execution(batch_size=12)).argmax(dim=1).numpy()
    only = nothing_but(methods=("saliency",))
    result = look(tmp_path / "run", only, model=net, given=(images, said))
    assert result.arrays["image_right"].values.all()
    assert "wrong_images" not in {message.code for message in result.messages}


def test_classes_that_are_left_out_are_told(tmp_path):
    only = nothing_but(methods=("saliency",), most_classes=3)
    result = look(tmp_path / "run", only)
    told = {message.code: message.text for message in result.messages}
    assert told["classes_left_out"].startswith("1 more class")


def test_a_larger_number_keeps_the_images_of_a_smaller_one():
    images, _ = data(40)
    held = (np.random.default_rng(1).uniform(size=(40, 4)) < 0.4).astype(float)
    several = from_arrays(images, held, class_names=CLASSES)
    for counted in range(1, 8):
        small, large = (
            choose_images(classifier(), several, nothing_but(methods=("saliency",), counted_per_class=n))
            for n in (counted, counted + 1)
        )
        pairs = [set(zip(chosen.rows, chosen.places, strict=True)) for chosen in (small, large)]
        assert pairs[0] <= pairs[1]
