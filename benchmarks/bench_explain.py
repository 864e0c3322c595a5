"""Time of looking inside a network, against the published way and against other packages.

    python benchmarks/bench_explain.py [PART ...] [--threads 2] [--rounds 3] [--cpu] [--smoke]

Each part runs both sides in one process on the same network and images, after one another in rounds; the best round
counts. `--smoke` runs everything once, small, for tests: its figures mean nothing.

maps: all blocks, all three channels of one 32×32 image, VGG-16. The published loop runs one image for each pixel,
channel and block; Captum's FeatureAblation (if installed) one image, or one batch, for each pixel and channel, with all
blocks read from it. Both are timed on 200 pushes and extrapolated to all; ours is run in full, its trial of batch sizes
and its check against a full run included.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from shiftgauge.explain.derivative_maps import derivative_maps
from shiftgauge.explain.perturbation import PerturbationOptions, perturbation_maps
from shiftgauge.models.blocks import find_blocks
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.models.torch_model import TorchClassifier
from shiftgauge.models.vgg import SmallVgg

SIDE = 32
EPSILON = 0.1
CAPTUM_BATCHES = (8, 16, 32, 64, 128)


class Bench:
    """Options and the clock."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.smoke = options.smoke
        self.rounds = 1 if options.smoke else options.rounds
        self.clock = time.process_time if options.cpu else time.perf_counter

    def seconds(self, function: Callable[[], object]) -> float:
        start = self.clock()
        function()
        return self.clock() - start

    def best(self, sides: dict[str, Callable[[], object]]) -> dict[str, float]:
        """Seconds of the best round of each side; the sides take turns."""
        times = [{name: self.seconds(side) for name, side in sides.items()} for _ in range(self.rounds)]
        return {name: min(t[name] for t in times) for name in sides}


def images(count: int, seed: int = 0) -> torch.Tensor:
    """Smooth colour patterns in [0, 1]."""
    coarse = torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
    return nn.functional.interpolate(coarse, size=(SIDE, SIDE), mode="bicubic").clamp(0, 1)


def classifier(net: nn.Module) -> TorchClassifier:
    """The network with batch statistics as after a training."""
    preprocessing = Preprocessing(height=SIDE, width=SIDE, mean=(0.5,) * 3, std=(0.5,) * 3)
    for part in net.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = 1.0
    with torch.no_grad():
        net.train()(preprocessing.normalise(images(32, seed=1)))
    return TorchClassifier(net.eval(), preprocessing=preprocessing, device=torch.device("cpu"), owned=True)


class Hooked:
    """Runs a network and keeps what named blocks give."""

    def __init__(self, net: nn.Module, names: tuple[str, ...]) -> None:
        self.net, self.kept = net, {}
        for name in names:
            net.get_submodule(name).register_forward_hook(lambda m, i, o, name=name: self.kept.update({name: o}))

    def __call__(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        with torch.no_grad():
            self.net(x)
        return {name: value.clone() for name, value in self.kept.items()}


def published_loop(run: Hooked, x: torch.Tensor, name: str, pushes: int) -> list[float]:
    """One pass of one image for each push, one block read."""
    before, found = run(x)[name], []
    for k in range(pushes):
        pushed = x.clone()
        pushed[0, 0, k // SIDE, k % SIDE] += EPSILON
        found.append(float(torch.linalg.vector_norm(run(pushed)[name] - before)))
    return found


def captum_maps(run: Hooked, x: torch.Tensor, pushes: int, batch: int) -> torch.Tensor:
    """Captum's ablation to x + ε, one feature for each push, all blocks read from each pass."""
    from captum.attr import FeatureAblation

    before = run(x)

    def norms(pushed: torch.Tensor) -> torch.Tensor:
        after = run(pushed)
        return torch.stack([(after[n] - before[n]).flatten(1).norm(dim=1) for n in before], dim=1)

    mask = torch.full((1, 3, SIDE, SIDE), pushes)
    mask[0, 0].view(-1)[:pushes] = torch.arange(pushes)
    ablation = FeatureAblation(norms)
    found = ablation.attribute(x, baselines=x + EPSILON, feature_mask=mask, perturbations_per_eval=batch)
    return -found[0, 0].view(-1)[:pushes]


def maps(bench: Bench) -> None:
    chosen = classifier(SmallVgg())
    names, image = find_blocks(chosen.module), images(1, seed=2)
    names = names[:2] if bench.smoke else names
    x = chosen.preprocessing.normalise(image)
    hooked = Hooked(copy.deepcopy(chosen.module), names)
    pushes, total = 4 if bench.smoke else 200, 3 * SIDE * SIDE
    size = 192 if bench.smoke else None
    options = PerturbationOptions(epsilon=EPSILON)
    found: dict[str, object] = {}

    def ours() -> None:
        found["maps"] = perturbation_maps(chosen, image, blocks=names, options=options, batch_size=size)

    def loop() -> None:
        found["loop"] = published_loop(hooked, x, names[0], pushes)

    sides: dict[str, Callable[[], object]] = {"ours": ours, "loop": loop}
    sides["derivatives"] = lambda: derivative_maps(chosen, image, blocks=names, batch_size=size)
    if has_captum():
        for batch in (1, *(CAPTUM_BATCHES[:1] if bench.smoke else CAPTUM_BATCHES)):
            sides[f"captum {batch}"] = lambda batch=batch: found.update(captum=captum_maps(hooked, x, pushes, batch))
    times = bench.best(sides)
    measured = found["maps"].norm_of_difference[0, 0, 0].ravel()[:pushes]  # pyright: ignore
    for other in ("loop", "captum"):
        if other in found:
            np.testing.assert_allclose(measured, np.asarray(found[other]), rtol=1e-3, atol=1e-4)
    report_maps(times, pushes, total, len(names), found["maps"].cost)  # pyright: ignore


def report_maps(times: dict[str, float], pushes: int, total: int, n_blocks: int, cost: object) -> None:
    ours = times["ours"]
    print(f"maps: VGG-16, {SIDE}×{SIDE}, {total} pushes, {n_blocks} blocks; {cost}")
    print(f"  ours {ours:.2f} s, derivatives {times['derivatives']:.2f} s")
    loop = times["loop"] / (pushes + 1) * total * n_blocks
    print(f"  published loop, extrapolated from {pushes} pushes: {loop:.1f} s, {loop / ours:.1f} times ours")
    captum = {name: t / (pushes + 2) * total for name, t in times.items() if name.startswith("captum")}
    for name, seconds in captum.items():
        print(f"  {name} at a time, extrapolated: {seconds:.2f} s, {seconds / ours:.2f} times ours")


def has_captum() -> bool:
    try:
        import captum.attr
    except ImportError:
        print("captum is not installed; left out")
        return False
    return bool(captum.attr)


PARTS: dict[str, Callable[[Bench], None]] = {"maps": maps}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="default all")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cpu", action="store_true", help="processor time instead of wall time, for a busy machine")
    parser.add_argument("--smoke", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    for part in options.parts or PARTS:
        PARTS[part](Bench(options))


if __name__ == "__main__":
    main()
