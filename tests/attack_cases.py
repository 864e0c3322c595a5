"""Small classifiers and batches that attacks are tried on."""

import numpy as np
import torch

from shiftgauge.attack.budget import Budget
from shiftgauge.attack.problem import Problem
from small_networks import ConvNet, wrap

SHAPE = (3, 8, 8)


def conv(n_classes=5, mean=0.5, std=0.25, shape=SHAPE):
    """A classifier with two convolutions and batch statistics, whose logits lie apart."""
    net = ConvNet(shape[0], n_classes)
    with torch.no_grad():
        net.head.weight.mul_(6)
        net.head.bias.copy_(torch.linspace(0.2, -0.2, n_classes))
    return wrap(net, shape, mean=mean, std=std)


def images_of(n, shape=SHAPE, seed=0):
    """Random pixels on a grid of 1/64, away from black and white, so that sums with such steps are exact."""
    rng = torch.Generator().manual_seed(seed)
    return torch.randint(8, 57, (n, *shape), generator=rng).float() / 64


def labelled(classifier, n, seed=0):
    """Images and what the classifier says of them."""
    images = images_of(n, classifier.input_shape, seed)
    return images, classifier.outputs(images).argmax(dim=1)


def problem_of(classifier, images, labels, budget, scale=None, targets=None, seed=0, **more):
    """One batch under attack."""
    return Problem(
        logits=classifier.logits_with_grad,
        plain=classifier.outputs,
        ball=budget.ball(images, budget.radii(images, scale), scale),
        labels=labels,
        targets=targets,
        streams=np.arange(len(images)),
        seed=seed,
        **more,
    )


def usual(norm, bounds=None):
    """A budget that fools some images and not others."""
    return Budget(epsilon=0.05 if norm == "linf" else 0.5, norm=norm, bounds=bounds)
