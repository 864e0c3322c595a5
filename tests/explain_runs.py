"""A small look inside a small network, for the tests of what is found and what is shown."""

import numpy as np
import pytest
import torch

import shiftgauge
from shiftgauge.explain.ascent import ActivationMaximization
from shiftgauge.explain.curve_options import CurveOptions
from shiftgauge.explain.mask_sobol import MaskSobolOptions
from shiftgauge.explain.objectives import ChannelMean
from shiftgauge.explain.pixel_bounds import PixelBoundOptions
from shiftgauge.explain.randomisation import RandomisationOptions
from shiftgauge.studies.explain_options import DerivativeOptions, ExplainOptions
from small_networks import ConvNet, wrap

CLASSES = ("a", "b", "c", "d")


def classifier(seed=None):
    """A network of 8×8 colour images; a seed gives it other weights."""
    net = ConvNet()
    if seed is not None:
        with torch.no_grad():
            net.head.weight.copy_(torch.randn(net.head.weight.shape, generator=torch.Generator().manual_seed(seed)))
    return wrap(net, classes=CLASSES)


def data(n=12, seed=0):
    """Noise images and labels that go round."""
    images = np.random.default_rng(seed).uniform(size=(n, 3, 8, 8)).astype(np.float32)
    return images, np.arange(n) % 4


def options(**changed):
    """Everything, with few steps."""
    climb = ActivationMaximization(steps=6, step_size=1.0, gradient="normalised")
    chosen = {
        "per_class": 1,
        "counted_per_class": 2,
        "blocks": ("stem", "block"),
        "methods": ("saliency", "grad_cam"),
        "maximize": climb,
        "walk": climb,
        "units": (ChannelMean(block="stem", channel=1),),
        "derivatives": DerivativeOptions(),
        "curves": CurveOptions(steps=4, random_orders=2),
        "randomisation": RandomisationOptions(),
        "checked_images": 2,
        "bounds": PixelBoundOptions(n=64),
        "masks": MaskSobolOptions(grid=2, n_base=32, n_gradients=32),
        "map_batch_size": 48,
    }
    return ExplainOptions(**{**chosen, **changed})


def nothing_but(**wanted):
    """The options of a few parts alone."""
    none = dict.fromkeys(
        ("maps", "derivatives", "curves", "randomisation", "bounds", "masks", "maximize", "walk"), None
    )
    return options(**{**none, "methods": (), "units": (), **wanted})


def look(folder, chosen, model=None, given=None, **more):
    """A look inside without figures, which take most of the time and are tested by themselves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shiftgauge.studies.explain.write_explain_figures", lambda result, folder: [])
        return shiftgauge.explain(
            classifier() if model is None else model, data() if given is None else given, out=folder, options=chosen,
            progress=False, **more,
        )  # fmt: skip


def places(names):
    """Rows of the data set from the names of images."""
    return [int(str(name)) for name in names.values]
