"""Attributions, curves and randomised weights of a look inside are those of the functions."""

import numpy as np
import pytest
import torch

from explain_runs import classifier, data, look, nothing_but, options, places
from shiftgauge.explain.attribution import attribute
from shiftgauge.explain.curves import deletion_insertion
from shiftgauge.explain.randomisation import cascading_randomisation


def test_curves_and_randomised_weights_are_those_of_the_functions(explained):
    arrays, images = explained[1].arrays, torch.from_numpy(data()[0])
    rows = places(arrays["image"])
    asked = [str(name) for name in arrays["asked_class"].values]
    saliency = attribute(classifier(), images[rows], asked, method="saliency")
    curves = deletion_insertion(classifier(), images[rows], saliency, options=options().curves)
    assert np.allclose(arrays["deletion"].sel({"method": "saliency"}), curves.deletion, atol=1e-6)
    table = explained[1].tables["curves.csv"].query("method == 'saliency'")
    assert np.allclose(table["gain"], curves.table()["gain"], atol=1e-6)
    left = cascading_randomisation(classifier(), images[rows[:2]], asked[:2], methods=["saliency", "grad_cam"])
    assert np.allclose(arrays["randomised_signed"].values, left.signed, equal_nan=True, atol=1e-5)


@pytest.mark.parametrize(("about", "wanted"), [("label", ["a", "b", "c", "d"]), ("b", ["b"] * 4)])
def test_images_are_asked_about_the_class_that_is_wanted(tmp_path, about, wanted):
    only = nothing_but(methods=("saliency",), about=about)
    result = look(tmp_path / "run", only)
    assert result.arrays["asked_class"].values.tolist() == wanted
    rows = places(result.arrays["image"])
    alone = attribute(classifier(), torch.from_numpy(data()[0])[rows], wanted, method="saliency")
    assert np.allclose(result.arrays["attribution"].values[:, 0], alone.maps(), atol=1e-5)
