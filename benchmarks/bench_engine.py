"""The engine without automatic differentiation against the same network in PyTorch, forward and in training.

    python benchmarks/bench_engine.py [--size 128] [--batch 32] [--threads 2] [--only step] [--cpu] [--smoke]

The network is the glass study's, 585,025 parameters at 128 × 128, with random weights and images. In four parts:

1. `step`: gradients and a step of Adam, against PyTorch with autograd and `torch.optim.Adam` in its default layout
   (the target of shiftgauge is at most 1.2 times that), in channels-last layout, and against the published way with
   `unfold` and `fold`. All alternate in one process; the first gradients are compared.
2. `inference`: outputs of the same images.
3. `memory`: peak of a process that does five steps, and how much of it came after the first import and the weights.
4. `where`: how long each layer takes on one thread, beside what the machine could do: the operations of its products
   at the rate of a large square product, the rate at which memory is copied, and the bytes that a step must move.

`--numpy` adds the gradients by an engine in NumPy of the kind that courses build.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from engine_peers import Published, Teaching, torch_network, weights_of
from shiftgauge.engine.convolution import Conv2d
from shiftgauge.engine.layer import Layer
from shiftgauge.engine.linear import Linear
from shiftgauge.engine.losses import BinaryCrossEntropyWithLogits
from shiftgauge.engine.network import Network
from shiftgauge.engine.networks import glass_layers
from shiftgauge.engine.optimizers import Adam

PARTS = ("step", "inference", "memory", "where")
LOSS = BinaryCrossEntropyWithLogits()


class Autograd:
    """The side of PyTorch."""

    def __init__(self, side: int, *, channels_last: bool = False, dtype: torch.dtype = torch.float32) -> None:
        torch.manual_seed(0)
        self.layout = torch.channels_last if channels_last else torch.contiguous_format
        self.network = torch_network(side).to(memory_format=self.layout, dtype=dtype)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=1e-3)

    def step(self, images: torch.Tensor, targets: torch.Tensor) -> None:
        self.optimizer.zero_grad()
        logits = self.network(images.contiguous(memory_format=self.layout))[:, 0]
        functional.binary_cross_entropy_with_logits(logits, targets).backward()
        self.optimizer.step()

    def outputs(self, images: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            return self.network(images.contiguous(memory_format=self.layout))


class Ours:
    """The side of the engine, with the weights of PyTorch's."""

    def __init__(self, side: int, *, dtype: torch.dtype = torch.float32) -> None:
        self.network = Network(glass_layers(side=side), input_shape=(1, side, side), dtype=dtype)
        torch.manual_seed(0)
        for mine, value in zip(
            self.network.named_parameters().values(), torch_network(side).state_dict().values(), strict=True
        ):
            mine.copy_(value.permute(2, 3, 1, 0) if value.ndim == 4 else value.t() if value.ndim == 2 else value)
        self.optimizer = Adam(learning_rate=1e-3)
        self.state = self.optimizer.init(self.network.parameters)

    def step(self, images: torch.Tensor, targets: torch.Tensor) -> None:
        self.network.backpropagate(images, targets, LOSS)
        self.optimizer.step(self.network.parameters, self.network.gradient, self.state)

    def outputs(self, images: torch.Tensor) -> torch.Tensor:
        return self.network.outputs(images)


def batch(chosen: argparse.Namespace) -> tuple[torch.Tensor, torch.Tensor]:
    """Random images and targets, half of them positive."""
    rng = torch.Generator().manual_seed(1)
    return torch.randn(chosen.batch, 1, chosen.size, chosen.size, generator=rng), (
        torch.arange(chosen.batch) % 2
    ).float()


def in_turn(sides: dict[str, Callable[[], object]], chosen: argparse.Namespace, title: str, goal: float) -> None:
    """Runs the sides by turns and prints the middle of each, and of its ratio to the second."""
    clock = time.process_time if chosen.cpu else time.perf_counter
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for k in range(chosen.rounds + 1):
        for name, side in sides.items():
            start = clock()
            side()
            seconds[name].append(clock() - start)
        if k == 0:  # the first round warms up
            seconds = {name: [] for name in sides}
    reference = seconds[list(sides)[1]]
    print(f"{title}, {chosen.rounds} rounds, {'processor' if chosen.cpu else 'wall'} time")
    for name, found in seconds.items():
        ratios = sorted(a / b for a, b in zip(found, reference, strict=True))
        told = f" (goal <= {goal})" if name == next(iter(sides)) else ""
        middle = sorted(found)[len(found) // 2]
        spread = f"{ratios[0]:.2f} to {ratios[-1]:.2f}"
        ratio = ratios[len(ratios) // 2]
        print(f"  {name:<24} {1e3 * middle:8.1f} ms, best {1e3 * min(found):8.1f}, ratio {ratio:.2f}, {spread}{told}")


def compare_gradients(chosen: argparse.Namespace) -> None:
    """Largest difference of a gradient, relative to the largest entry of its tensor.

    In float64: in float32 two entries of a window that differ by less than a rounding may change places, and the
    gradient with them.
    """
    images, targets = batch(argparse.Namespace(size=chosen.size, batch=4))
    ours, theirs = Ours(chosen.size, dtype=torch.float64), Autograd(chosen.size, dtype=torch.float64)
    logits = theirs.network(images.double())[:, 0]
    functional.binary_cross_entropy_with_logits(logits, targets.double()).backward()
    ours.network.backpropagate(images, targets, LOSS)
    worst = 0.0
    for mine, weight in zip(ours.network.named_gradients().values(), theirs.network.parameters(), strict=True):
        other = weight.grad
        assert other is not None
        mine = mine.permute(3, 2, 0, 1) if mine.ndim == 4 else mine.t() if mine.ndim == 2 else mine
        worst = max(worst, float((mine - other).abs().max() / other.abs().max()))
    print(f"largest difference of a gradient from autograd's, relative, in float64: {worst:.1e}")


def step(chosen: argparse.Namespace) -> None:
    """Gradients and a step of Adam."""
    images, targets = batch(chosen)
    ours, default = Ours(chosen.size), Autograd(chosen.size)
    compare_gradients(chosen)
    last, published = Autograd(chosen.size, channels_last=True), Published(weights_of(default.network))
    sides: dict[str, Callable[[], object]] = {
        "engine": lambda: ours.step(images, targets),
        "PyTorch, default layout": lambda: default.step(images, targets),
        "PyTorch, channels last": lambda: last.step(images, targets),
        "published way": lambda: published.step(images, targets),
    }
    if chosen.numpy:
        teaching = Teaching(weights_of(default.network))
        sides["NumPy, gradients alone"] = lambda: teaching.gradients(images.numpy(), targets.numpy())
    in_turn(sides, chosen, f"a training step, {chosen.batch} images of {chosen.size} x {chosen.size}", 1.2)


def inference(chosen: argparse.Namespace) -> None:
    """Outputs alone."""
    images, _ = batch(chosen)
    sides = {
        "engine": Ours(chosen.size),
        "PyTorch, default layout": Autograd(chosen.size),
        "PyTorch, channels last": Autograd(chosen.size, channels_last=True),
    }
    found = [side.outputs(images) for side in sides.values()]
    print(f"largest difference of an output: {max(float((f - found[0]).abs().max()) for f in found):.1e}")
    calls: dict[str, Callable[[], object]] = {n: lambda side=side: side.outputs(images) for n, side in sides.items()}
    in_turn(calls, chosen, f"inference, {chosen.batch} images of {chosen.size} x {chosen.size}", 1.2)


_CHILD = """
import argparse, resource, sys
import torch
sys.path.insert(0, {folder!r})
import bench_engine as bench
chosen = argparse.Namespace(size={size}, batch={batch})
torch.set_num_threads({threads})
images, targets = bench.batch(chosen)
small = argparse.Namespace(size={size}, batch=1)
side = bench.Autograd({size}) if {torch} else bench.Ours({size})
side.step(*bench.batch(small))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for _ in range(5):
    side.step(images, targets)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(after / 1024, (after - before) / 1024)
"""


def memory(chosen: argparse.Namespace) -> None:
    """Peak memory of five steps, each side in a process of its own."""
    found = {}
    for name in ("engine", "PyTorch"):
        code = _CHILD.format(
            folder=sys.path[0], size=chosen.size, batch=chosen.batch, threads=chosen.threads, torch=name == "PyTorch"
        )
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        found[name] = [float(word) for word in run.stdout.split()]
    print(f"peak memory of five steps, {chosen.batch} images of {chosen.size} x {chosen.size}")
    for name, (whole, grown) in found.items():
        print(f"  {name:<8} {whole:7.0f} MiB, of it {grown:.0f} MiB after a step with one image")
    print(f"  ratio {found['engine'][0] / found['PyTorch'][0]:.2f} (goal <= 1.5)")


def timed(layer: Layer, name: str, seconds: dict[str, list[float]]) -> None:
    """Lets a layer note how long its calls take."""

    def wrap(function: Callable[..., Any], key: str) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            start = time.thread_time()
            found = function(*arguments)
            seconds[key].append(time.thread_time() - start)
            return found

        return call

    layer.forward = wrap(layer.forward, f"{name} forward")  # type: ignore[method-assign]
    layer.backward = wrap(layer.backward, f"{name} backward")  # type: ignore[method-assign]


def operations(layer: Layer, shape: tuple[int, ...], images: int) -> float:
    """Additions and multiplications of one product of the layer."""
    per_output = 2 * math.prod(layer.parameters["weight"].shape[:-1])
    return images * per_output * math.prod(layer.output_shape(shape))


def rates() -> tuple[float, float]:
    """Operations a second of a large product, and bytes a second that a copy moves, on one thread."""
    a, b, c = (torch.randn(1024, 1024) for _ in range(3))
    big, other = torch.zeros(2**24), torch.ones(2**24)

    def best(function: Callable[[], object]) -> float:
        found = []
        for _ in range(5):
            start = time.thread_time()
            function()
            found.append(time.thread_time() - start)
        return min(found)

    return 2 * 1024**3 / best(lambda: torch.mm(a, b, out=c)), 8 * 2**24 / best(lambda: big.copy_(other))


def where(chosen: argparse.Namespace) -> None:
    """Seconds of each layer on one thread, and what the machine could do."""
    torch.set_num_threads(1)
    images, targets = batch(chosen)
    ours, seconds = Ours(chosen.size), defaultdict(list)
    for name, layer in ours.network.layers.children.items():
        timed(layer, f"{name} {type(layer).__name__}", seconds)
    whole = []
    for _ in range(chosen.rounds + 1):
        start = time.thread_time()
        ours.step(images, targets)
        whole.append(time.thread_time() - start)
    total, parts = min(whole), len(next(iter(seconds.values()))) // len(whole)
    calls = slice(whole.index(total) * parts, (whole.index(total) + 1) * parts)
    print(
        f"one thread: {1e3 * total:.0f} ms a step, {parts} parts of {ours.network.part_images} images; the best round"
    )
    flops, bandwidth = rates()
    shape, least, spent, maps = ours.network.input_shape, 0.0, 0.0, 0
    for line, (name, layer) in zip(ours.network.summary(), ours.network.layers.children.items(), strict=True):
        there, back = (sum(seconds[f"{name} {line.kind} {way}"][calls]) for way in ("forward", "backward"))
        spent += there + back
        told = f"  {name:>2} {line.kind:<9} forward {1e3 * there:6.1f}, backward {1e3 * back:6.1f} ms"
        if isinstance(layer, Conv2d | Linear):
            products = (2 if name == "0" else 3) * operations(layer, shape, chosen.batch)
            least += products
            rate = products / (there + back) / 1e9
            told += f", {products / 1e9:5.2f} GFLOP at {rate:4.0f} GFLOP/s"
        print(told)
        shape = line.shape
        maps += math.prod(shape) * (line.kind == "Conv2d")
    print(f"  not in a layer (Adam, loss, cutting the batch): {1e3 * (total - spent):.1f} ms")
    work, bound = f"{least / 1e9:.1f} GFLOP", f"{1e3 * least / flops:.0f} ms"
    print(f"a large product runs at {flops / 1e9:.0f} GFLOP/s, at which the step's {work} take {bound}")
    moved = 4 * chosen.batch * 4 * maps  # each convolution's output is written and read, and so is its gradient
    needs = f"{moved / 1e6:.0f} MB, {1e3 * moved / bandwidth:.0f} ms were they not in the cache"
    print(f"memory is copied at {bandwidth / 1e9:.0f} GB/s; the convolutions' outputs and their gradients are {needs}")
    print(f"held by the layers: {ours.network.n_bytes / 2**20:.0f} MiB for each thread, whatever the batch")


def main() -> None:
    """Runs the parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", choices=PARTS, help="one of the four parts")
    parser.add_argument("--numpy", action="store_true", help="a teaching engine in NumPy beside it")
    parser.add_argument("--cpu", action="store_true", help="processor time instead of wall time, for a busy machine")
    parser.add_argument("--smoke", action="store_true", help="a tiny size, to see that it runs")
    chosen = parser.parse_args()
    if chosen.smoke:
        chosen.size, chosen.batch, chosen.rounds, chosen.numpy = 16, 4, 1, True
    for part in PARTS:
        if chosen.only in (None, part):
            torch.set_num_threads(chosen.threads)
            {"step": step, "inference": inference, "memory": memory, "where": where}[part](chosen)


if __name__ == "__main__":
    main()
