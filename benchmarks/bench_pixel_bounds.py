"""Bounds for every value of an image against the bare gradients that they need.

    python benchmarks/bench_pixel_bounds.py [--network resnet18_small] [--gradients 256] [--cpu] [--smoke]

Two sides with the same network, number of gradients and batch alternate in one process: `pixel_bounds`, with its
points, sums and intervals; and a loop that moves an image at random and asks autograd for the gradient of one logit,
keeping nothing. The weights are random: nothing here depends on what they are.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch

from shiftgauge.explain.pixel_bounds import PixelBoundOptions, pixel_bounds
from shiftgauge.models.architectures import build_network
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.models.torch_model import TorchClassifier


def bare(classifier: TorchClassifier, image: torch.Tensor, n: int, batch: int) -> None:
    """n gradients of a logit, one batch after another."""
    for _ in range(0, n, batch):
        moved = image + 0.2 * torch.rand(batch, *image.shape) - 0.1
        rows = ((moved - 0.5) / 0.5).requires_grad_()
        torch.autograd.grad(classifier.module(rows)[:, 0].sum(), rows)


def main() -> None:
    """Runs the sides in turn and prints their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="resnet18_small")
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--gradients", type=int, default=256)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cpu", action="store_true", help="processor time instead of wall time, for a busy machine")
    parser.add_argument("--smoke", action="store_true", help="a tiny size, to see that it runs")
    chosen = parser.parse_args()
    if chosen.smoke:
        chosen.size, chosen.gradients, chosen.rounds = 16, 32, 1
    torch.set_num_threads(chosen.threads)
    preprocessing = Preprocessing(height=chosen.size, width=chosen.size, mean=(0.5,), std=(0.5,))
    network = build_network(chosen.network, n_classes=10).eval()
    classifier = TorchClassifier(network, preprocessing=preprocessing, device=torch.device("cpu"))
    image = torch.rand(3, chosen.size, chosen.size, generator=torch.Generator().manual_seed(0))
    options = PixelBoundOptions(n=chosen.gradients, score="logit")
    sides = {
        "bounds": lambda: pixel_bounds(classifier, image[None], 0, options=options, batch_size=chosen.batch),
        "bare gradients": lambda: bare(classifier, image, chosen.gradients, chosen.batch),
    }
    clock = time.process_time if chosen.cpu else time.perf_counter
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for k in range(chosen.rounds + 1):  # the first round warms up
        for name, run in sides.items():
            start = clock()
            run()
            if k:
                seconds[name].append(clock() - start)
    for name, times in seconds.items():
        print(f"{name:15s} {min(times):8.3f} s best, {statistics.median(times):8.3f} s median")
    ratio = statistics.median(a / b for a, b in zip(*seconds.values(), strict=True))
    print(f"{image.numel()} values, {chosen.gradients} gradients: {ratio:.2f}× bare gradients (goal ≤ 1.3)")


if __name__ == "__main__":
    main()
