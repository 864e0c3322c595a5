"""A training step of a Parseval network against that of the same network without the constraint.

    python benchmarks/bench_parseval.py [--width 2] [--size 32] [--batch 64] [--steps 20] [--cpu] [--smoke]

Wide residual networks WRN-16-k on the same random images, with momentum and decay as published, in channels last. The
sides alternate step by step in one process, each from the start of its forward pass to the end of what follows the
optimiser; each counts by the middle of its steps:

* the plain network, its convolutions unconstrained;
* the Parseval network: orthogonal, scaled convolutions and convex sums, retraction of all kernels after each step;
* the same with 30 % of the rows, with three passes, and with measured norms;
* the published Parseval network: no scale, sigmoid sums in three blocks;
* the Parseval network as the published code would do it: one kernel after another, W WᵀW from the left, autograd off.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from shiftgauge.models.parseval import ParsevalOptions
from shiftgauge.models.parseval_projection import parseval_projection
from shiftgauge.models.wide_resnet import PUBLISHED_PARSEVAL, WideResNet, parseval_network

CLASSES = 4
PLAIN, PARSEVAL = "plain", "Parseval"


class Side:
    """A network with its optimiser and what follows a step."""

    def __init__(self, network: nn.Module, after: Callable[[nn.Module], None] | None) -> None:
        self.network = network.to(memory_format=torch.channels_last).train()
        self.optimizer = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9, weight_decay=2e-4)
        self.after = after
        self.seconds: list[float] = []
        self.seconds_after: list[float] = []

    def step(self, images: torch.Tensor, classes: torch.Tensor, clock: Callable[[], float]) -> None:
        """One timed step."""
        begin = clock()
        self.optimizer.zero_grad()
        functional.cross_entropy(self.network(images), classes).backward()
        self.optimizer.step()
        between = clock()
        if self.after is not None:
            self.after(self.network)
        end = clock()
        self.seconds.append(end - begin)
        self.seconds_after.append(end - between)


@torch.no_grad()
def one_by_one(network: nn.Module) -> None:
    """The retraction as published, on each kernel by itself."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            flat = module.weight.reshape(len(module.weight), -1).T
            module.weight.copy_((1.001 * flat - 0.001 * flat @ (flat.T @ flat)).T.reshape(module.weight.shape))


def sides(width: int) -> dict[str, Side]:
    """What is compared, each with a network of its own."""
    common = {"n_classes": CLASSES, "channels": 1, "width": width}
    return {
        PLAIN: Side(WideResNet(**common), None),
        PARSEVAL: Side(parseval_network(**common), parseval_projection()),
        "30 % of the rows": Side(parseval_network(**common), parseval_projection(ParsevalOptions(row_share=0.3))),
        "three passes": Side(parseval_network(**common), parseval_projection(ParsevalOptions(passes=3))),
        "measured norms": Side(parseval_network(**common, scaling="measured"), parseval_projection()),
        "published": Side(parseval_network(**common, **PUBLISHED_PARSEVAL), parseval_projection()),
        "one by one": Side(parseval_network(**common), one_by_one),
    }


def main() -> None:
    """Runs the sides in turn and prints the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=2)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cpu", action="store_true", help="processor time instead of wall time, for a busy machine")
    parser.add_argument("--smoke", action="store_true", help="a tiny size, to see that it runs")
    chosen = parser.parse_args()
    if chosen.smoke:
        chosen.width, chosen.size, chosen.batch, chosen.steps = 1, 8, 4, 2
    torch.set_num_threads(chosen.threads)
    torch.manual_seed(0)
    compared = sides(chosen.width)
    images = torch.randn(chosen.batch, 1, chosen.size, chosen.size).contiguous(memory_format=torch.channels_last)
    classes = torch.randint(CLASSES, (chosen.batch,))
    clock = time.process_time if chosen.cpu else time.perf_counter
    for round_ in range(chosen.steps + 2):  # the first two warm up
        order = list(compared.values())
        for side in order if round_ % 2 else order[::-1]:
            side.step(images, classes, clock)
    report(chosen, compared)


def report(chosen: argparse.Namespace, compared: dict[str, Side]) -> None:
    """Prints the figures."""
    clock = "processor" if chosen.cpu else "wall"
    print(
        f"WRN-16-{chosen.width}, {chosen.size} x {chosen.size}, batches of {chosen.batch}, {chosen.threads} threads, "
        f"{chosen.steps} steps each, {clock} time"
    )
    plain = np.array(compared[PLAIN].seconds[2:])
    for name, side in compared.items():
        whole, after = np.array(side.seconds[2:]), np.array(side.seconds_after[2:])
        print(
            f"{name:<18}{np.median(whole) * 1e3:8.1f} ms a step, of it {np.median(after) * 1e3:6.2f} ms after the "
            f"optimiser; {np.median(whole) / np.median(plain):6.3f} x plain "
            f"(step by step {np.quantile(whole / plain, 0.25):.3f} to {np.quantile(whole / plain, 0.75):.3f})"
        )
    print(f"goal: {PARSEVAL} / {PLAIN} <= 1.15")


if __name__ == "__main__":
    main()
