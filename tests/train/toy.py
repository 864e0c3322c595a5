"""A small training that takes a second: stripes at three heights, under noise."""

import numpy as np
import torch
from torch import nn

from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.train.augment import AugmentOptions
from shiftgauge.train.fit import fit
from shiftgauge.train.images import HeldPixels, Part
from shiftgauge.train.options import TrainOptions
from shiftgauge.train.sampling import SamplingOptions

PREPROCESSING = Preprocessing(height=12, width=12, channels=1, mean=(0.5,), std=(0.5,))


def stripes(n, seed=0, *, multi=False):
    """Images of one stripe each; with `multi` targets of 0 and 1."""
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, 3, n)
    pixels = rng.integers(0, 100, (n, 1, 12, 12)).astype(np.uint8)
    for image, c in zip(pixels, classes, strict=True):
        image[0, 4 * c : 4 * c + 4] += 90
    targets = torch.from_numpy(classes)
    if multi:
        targets = nn.functional.one_hot(targets, 3).float()
    return Part(pixels=HeldPixels(torch.from_numpy(pixels)), targets=targets, names=tuple(f"i{k}" for k in range(n)))


def network(seed=0):
    """A convolution, batch normalisation, dropout and a linear layer."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        body = [nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
        return nn.Sequential(*body, nn.Dropout(0.3), nn.Linear(150, 3))


def options(**changed):
    """Four epochs with flips."""
    values = {"epochs": 4, "sampling": SamplingOptions(batch_size=16), "augment": AugmentOptions(flips=("horizontal",))}
    return TrainOptions(**{**values, **changed})


def run(folder, net=None, chosen=None, **more):
    """Trains on a CPU; returns the network and what was found."""
    net = net or network()
    train, validation = more.pop("train", None) or stripes(90), more.pop("validation", None) or stripes(40, 1)
    found = fit(
        net,
        train,
        validation,
        chosen or options(),
        preprocessing=PREPROCESSING,
        n_classes=3,
        folder=folder,
        device="cpu",
        **more,
    )
    return net, found


def same(a, b):
    """Whether two networks hold the same weights."""
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))
