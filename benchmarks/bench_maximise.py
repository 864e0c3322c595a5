"""Activation maximisation of ten classes at once against ten runs of one.

    python benchmarks/bench_maximise.py [--network vgg16_small] [--size 32] [--steps 300] [--cpu] [--smoke]

Three sides make one image for each of ten classes, from the same start, with the same steps: all classes in one call;
one call for each class; and a bare PyTorch loop for each class as the CIFAR-10 publication has it (batch of one,
`backward` through a network whose weights take gradients too, total variation, a clamp), with the clamp put right. They
alternate in one process, in rounds of a part of the steps. The weights are random: nothing here depends on what they
are.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from shiftgauge.explain.ascent import ActivationMaximization
from shiftgauge.explain.maximize import maximize
from shiftgauge.models.architectures import build_network
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.models.torch_model import TorchClassifier

CLASSES = 10


def bare(network: nn.Module, start: torch.Tensor, k: int, steps: int) -> np.ndarray:
    """The published loop for one class: pixels of the image that comes out."""
    x = ((start[None] - 0.5) / 0.5).requires_grad_()
    for _ in range(steps):
        varies = (x[:, :, 1:] - x[:, :, :-1]).abs().mean() + (x[:, :, :, 1:] - x[:, :, :, :-1]).abs().mean()
        loss = -network(x)[0, k] + varies
        loss.backward()
        with torch.no_grad():
            x -= 0.1 * x.grad
            x.clamp_(-1, 1)
            x.grad.zero_()
    return (x.detach().numpy() + 1) / 2


def main() -> None:
    """Runs the sides in turn and prints the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="vgg16_small")
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cpu", action="store_true", help="processor time instead of wall time, for a busy machine")
    parser.add_argument("--smoke", action="store_true", help="a tiny size, to see that it runs")
    chosen = parser.parse_args()
    if chosen.smoke:
        chosen.steps, chosen.rounds = 2, 1
    torch.set_num_threads(chosen.threads)
    network = build_network(chosen.network, n_classes=CLASSES).eval()
    preprocessing = Preprocessing(height=chosen.size, width=chosen.size, mean=(0.5,), std=(0.5,))
    classifier = TorchClassifier(network, preprocessing=preprocessing, device=torch.device("cpu"))
    start = torch.rand(3, chosen.size, chosen.size, generator=torch.Generator().manual_seed(0))
    options = ActivationMaximization(steps=max(1, chosen.steps // chosen.rounds))
    sides: dict[str, Callable[[], np.ndarray]] = {
        "ten at once": lambda: maximize(classifier, range(CLASSES), start=start, options=options).images,
        "ten runs of one": lambda: np.concatenate(
            [maximize(classifier, [k], start=start, options=options).images for k in range(CLASSES)]
        ),
        "ten bare loops": lambda: np.concatenate([bare(network, start, k, options.steps) for k in range(CLASSES)]),
    }
    report(chosen, options, *measure(sides, chosen))


def measure(
    sides: dict[str, Callable[[], np.ndarray]], chosen: argparse.Namespace
) -> tuple[dict[str, list[float]], dict[str, np.ndarray]]:
    """Seconds of each side in each round, and the images."""
    clock = time.process_time if chosen.cpu else time.perf_counter
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    images = {}
    for k in range(chosen.rounds):
        order = list(sides) if k % 2 else list(sides)[::-1]
        for name in order:
            begin = clock()
            images[name] = sides[name]()
            seconds[name].append(clock() - begin)
    return seconds, images


def report(
    chosen: argparse.Namespace,
    options: ActivationMaximization,
    seconds: dict[str, list[float]],
    images: dict[str, np.ndarray],
) -> None:
    """Prints the figures."""
    steps = options.steps * chosen.rounds
    print(
        f"{chosen.network}, {chosen.size} x {chosen.size}, {CLASSES} classes, {steps} steps in {chosen.rounds} rounds, "
        f"{chosen.threads} threads, {'processor' if chosen.cpu else 'wall'} time"
    )
    ours = np.array(seconds["ten at once"])
    for name, values in seconds.items():
        each = sorted(np.array(values) / ours)
        far = np.abs(images[name] - images["ten at once"]).max()
        print(
            f"{name:<16}{sum(values):9.2f} s, {sum(values) / steps * 1e3:8.1f} ms a step, "
            f"{sum(values) / ours.sum():6.2f} x ({each[0]:.2f} to {each[-1]:.2f}), "
            f"a pixel differs by {far:.1e} at most"
        )
    print("goal: ten runs of one / ten at once >= 4")


if __name__ == "__main__":
    main()
