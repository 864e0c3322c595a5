"""Time of attacks, against torchattacks, foolbox and the Adversarial Robustness Toolbox.

    python benchmarks/bench_attack.py [PART ...] [--network wide_resnet_small] [--images 256] [--threads 2] [--smoke]

All sides work on the same network and images, by turns in rounds; the best round counts. Each package has a process of
its own, so that what one does to memory or settings does not reach another. Packages that are not installed are left
out. torchattacks works on the whole batch that it is given: it is timed at several batch sizes, of which its best
counts. foolbox and ART run as they are by default, foolbox on all images at once, ART in batches of 32. `--smoke` runs
everything once, small, for tests: its figures mean nothing.

fgsm: images of the fast gradient sign method at eight ε: alone, and with the accuracy at each.
pgd: ten steps, one random start: images alone, the whole public call, which judges and measures them too, and success.
transfer: four networks, all sources on all targets, five ε; the plain double loop over torchattacks makes the images of
a source anew for each target, the careful one once.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import multiprocessing
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from shiftgauge.attack.budget import Budget, budgets_at
from shiftgauge.attack.curve import budget_curve
from shiftgauge.attack.images import attack_images, images_at_budgets
from shiftgauge.attack.kinds import FGSM, PGD
from shiftgauge.attack.transfer import transfer_matrix
from shiftgauge.models.architectures import build_network
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.models.torch_model import TorchClassifier

SIDE, CLASSES = 32, 10
EPSILON = 8 / 255
BATCHES = (16, 32, 64, 128, 256)
RANGE = (0.0, 1.0)
PACKAGES = ("ours", "torchattacks", "foolbox", "art")
Sides = dict[str, Callable[[], object]]


class Bench:
    """The networks and images that every process makes for itself, alike in all."""

    def __init__(self, options: argparse.Namespace) -> None:
        smoke = options.smoke
        self.network, self.channels = options.network, options.channels
        self.images, self.steps, self.nets = (4, 2, 2) if smoke else (options.images, 10, 4)
        self.batches = (4,) if smoke else tuple(b for b in BATCHES if b <= options.images)
        self.epsilons = [k / 255 for k in ((2, 8) if smoke else range(1, 9))]
        self.clock = time.process_time if options.cpu else time.perf_counter

    def data(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Smooth patterns in [0, 1], and what the first network says of them."""
        coarse = torch.rand(self.images, self.channels, 8, 8, generator=torch.Generator().manual_seed(2))
        images = nn.functional.interpolate(coarse, size=(SIDE, SIDE), mode="bicubic").clamp(0, 1)
        return images, said(self.pixels(), images, 64)

    def classifier(self, seed: int = 0) -> TorchClassifier:
        """A network with random weights and batch statistics as after a training."""
        torch.manual_seed(seed)
        net = build_network(self.network, n_classes=CLASSES, channels=self.channels)
        half = (0.5,) * self.channels
        preprocessing = Preprocessing(channels=self.channels, height=SIDE, width=SIDE, mean=half, std=half)
        for part in net.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.momentum = 1.0
        with torch.no_grad():
            net.train()(preprocessing.normalise(torch.rand(32, self.channels, SIDE, SIDE)))
        return TorchClassifier(net.eval(), preprocessing=preprocessing, device=torch.device("cpu"))

    def pixels(self, seed: int = 0) -> nn.Module:
        """The network behind its normalisation, as other packages take it."""
        return Pixels(self.classifier(seed)).eval()


class Pixels(nn.Module):
    """A network behind its normalisation."""

    def __init__(self, classifier: TorchClassifier) -> None:
        super().__init__()
        self.net, mean, std = classifier.module, classifier.preprocessing.mean, classifier.preprocessing.std
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.net((images - self.mean) / self.std)


def said(net: nn.Module, images: torch.Tensor, batch: int) -> torch.Tensor:
    with torch.no_grad():
        return torch.cat([net(part).argmax(dim=1) for part in images.split(batch)])


def right(net: nn.Module, images: torch.Tensor, labels: torch.Tensor, batch: int = 64) -> float:
    return float((said(net, images, batch) == labels).float().mean())


def batched(attack: Any, images: torch.Tensor, labels: torch.Tensor, batch: int) -> torch.Tensor:
    return torch.cat([attack(x, y) for x, y in zip(images.split(batch), labels.split(batch), strict=True)])


def ours(part: str, bench: Bench) -> Sides:
    images, labels = bench.data()
    if part == "transfer":
        models = {f"net {i}": bench.classifier(i) for i in range(bench.nets)}
        budgets = budgets_at([*bench.epsilons[::2], 12 / 255], bounds=RANGE)
        return {
            name: lambda attack=attack: transfer_matrix(models, images, labels, {"a": attack}, budgets).accuracy[0]
            for name, attack in (("fgsm", FGSM()), ("pgd", PGD(steps=bench.steps)))
        }
    chosen = bench.classifier()
    if part == "fgsm":
        budgets = budgets_at(bench.epsilons, bounds=RANGE)
        return {
            "alone": lambda: images_at_budgets(chosen, images, labels, FGSM(), budgets).numpy(),
            "judged": lambda: budget_curve(chosen, images, labels, FGSM(), budgets).accuracy,
        }
    attack, budget = PGD(steps=bench.steps), Budget(epsilon=EPSILON, bounds=RANGE)
    return {
        "alone": lambda: images_at_budgets(chosen, images, labels, attack, [budget]).numpy(),
        "judged": lambda: attack_images(chosen, images, labels, attack, budget).accuracy,
        "success": lambda: attack_images(chosen, images, labels, attack, budget, success_only=True).accuracy,
    }


def by_torchattacks(part: str, bench: Bench) -> Sides:
    torchattacks, (images, labels) = quiet("torchattacks"), bench.data()

    def descent(net: nn.Module, epsilon: float) -> Any:
        return torchattacks.PGD(net, eps=epsilon, alpha=epsilon / 4, steps=bench.steps)

    if part == "transfer":
        epsilons, found = [*bench.epsilons[::2], 12 / 255], {}
        for name, make in (("fgsm", lambda net, epsilon: torchattacks.FGSM(net, eps=epsilon)), ("pgd", descent)):
            loops = Loops([bench.pixels(i) for i in range(bench.nets)], make, epsilons, images, labels)
            found |= {f"{name}, double loop": loops.plain, f"{name}, images made once": loops.careful}
        return found
    net, found = bench.pixels(), {}
    attacks = [torchattacks.FGSM(net, eps=e) for e in bench.epsilons] if part == "fgsm" else [descent(net, EPSILON)]
    for b in bench.batches:
        found[f"alone at {b}"] = lambda b=b: np.stack([batched(a, images, labels, b).numpy() for a in attacks])
        found[f"judged at {b}"] = lambda b=b: np.array(
            [right(net, batched(a, images, labels, b), labels, b) for a in attacks]
        )
    return found


class Loops:
    """All sources on all targets at all ε by torchattacks, in batches of 64."""

    def __init__(self, nets: list[nn.Module], make: Any, epsilons: list[float], images: Any, labels: Any) -> None:
        self.nets, self.make, self.epsilons, self.images, self.labels = nets, make, epsilons, images, labels

    def changed(self, source: nn.Module, epsilon: float) -> torch.Tensor:
        return batched(self.make(source, epsilon), self.images, self.labels, 64)

    def plain(self) -> np.ndarray:
        return np.array(
            [[[right(t, self.changed(s, e), self.labels) for t in self.nets] for s in self.nets] for e in self.epsilons]
        )

    def careful(self) -> np.ndarray:
        made = ((s, self.changed(s, e)) for e in self.epsilons for s in self.nets)
        return np.array([[right(t, images, self.labels) for t in self.nets] for _, images in made])


def by_foolbox(part: str, bench: Bench) -> Sides:
    foolbox, (images, labels) = quiet("foolbox"), bench.data()
    model = foolbox.PyTorchModel(bench.pixels(), bounds=RANGE)
    if part == "fgsm":
        attack, epsilons = foolbox.attacks.LinfFastGradientAttack(), bench.epsilons
        return {"judged": lambda: 1 - attack(model, images, labels, epsilons=epsilons)[2].float().mean(dim=1).numpy()}
    descent = foolbox.attacks.LinfPGD(rel_stepsize=0.25, steps=bench.steps)
    return {"judged": lambda: 1 - float(descent(model, images, labels, epsilons=EPSILON)[2].float().mean())}


def by_art(part: str, bench: Bench) -> Sides:
    evasion, (images, labels) = quiet("art.attacks.evasion"), bench.data()
    kind, shape = quiet("art.estimators.classification").PyTorchClassifier, (bench.channels, SIDE, SIDE)
    loss = nn.CrossEntropyLoss()
    net = kind(bench.pixels(), loss=loss, input_shape=shape, nb_classes=CLASSES, clip_values=RANGE)
    x, y, options = images.numpy(), labels.numpy(), {"eps_step": EPSILON / 4, "max_iter": bench.steps, "verbose": False}
    if part == "fgsm":
        makers = [evasion.FastGradientMethod(net, eps=e, batch_size=32) for e in bench.epsilons]
    else:
        makers = [evasion.ProjectedGradientDescent(net, eps=EPSILON, num_random_init=1, **options)]
    return {
        "alone": lambda: np.stack([maker.generate(x, y) for maker in makers]),
        "judged": lambda: np.array(
            [(net.predict(m.generate(x, y), batch_size=32).argmax(1) == y).mean() for m in makers]
        ),
    }


SIDES: Mapping[str, Callable[[str, Bench], Sides]] = dict(
    zip(PACKAGES, (ours, by_torchattacks, by_foolbox, by_art), strict=True)
)


def quiet(name: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(name)


def serve(pipe: Any, package: str, part: str, options: argparse.Namespace) -> None:
    """One package in a process of its own: for each request its sides once, with seconds and the mean of what came."""
    torch.set_num_threads(options.threads)
    bench = Bench(options)
    sides = SIDES[package](part, bench)
    pipe.send("ready")
    while pipe.recv():
        told = {}
        for name, side in sides.items():
            start = bench.clock()
            found = side()
            told[name] = bench.clock() - start, float(np.mean(found))
        pipe.send(told)


def measure(
    part: str, options: argparse.Namespace
) -> tuple[dict[tuple[str, str], float], dict[tuple[str, str], float]]:
    """Best seconds and last outcome of each (package, side)."""
    context, workers = multiprocessing.get_context("spawn"), {}
    for package in PACKAGES if part != "transfer" else PACKAGES[:2]:
        if package != "ours" and importlib.util.find_spec(package) is None:
            print(f"  {package} is left out: it is not installed")
            continue
        workers[package], there = context.Pipe()
        context.Process(target=serve, args=(there, package, part, options), daemon=True).start()
        workers[package].recv()
    seconds: dict[tuple[str, str], float] = {}
    found: dict[tuple[str, str], float] = {}
    for _ in range(1 if options.smoke else options.rounds):
        for package, pipe in workers.items():
            pipe.send(True)
            for name, (spent, outcome) in pipe.recv().items():
                key = (package, name)
                seconds[key], found[key] = min(seconds.get(key, float("inf")), spent), outcome
    for pipe in workers.values():
        pipe.send(False)
    return seconds, found


GOALS = {
    "fgsm": "images alone: at least 4 times as fast as each",
    "pgd": "images alone: at least as fast as torchattacks at its best batch, 1.3 times as fast as ART and foolbox",
    "transfer": "at least 3 times as fast as the double loop",
}


def report(part: str, options: argparse.Namespace) -> None:
    bench = Bench(options)
    print(f"{part}: {bench.network}, {bench.images} images of {SIDE}×{SIDE}, {len(bench.epsilons)} ε; {GOALS[part]}")
    seconds, found = measure(part, options)
    best: dict[tuple[str, str], tuple[float, str]] = {}
    for (package, name), spent in seconds.items():
        key = (package, name.split(" at ")[0])
        best[key] = min(best.get(key, (float("inf"), "")), (spent, name))
    for (package, name), (spent, full) in best.items():
        base = best.get(("ours", name.split(",")[0])) or best["ours", "judged"]
        alone = best.get(("ours", "alone"))
        ratio = "" if package == "ours" else f", {spent / base[0]:.2f} times ours"
        if package == "foolbox" and alone:
            ratio += f", {spent / alone[0]:.2f} times ours alone (it judges in any case)"
        print(f"  {package}, {full}: {spent:.3f} s, {1000 * spent / bench.images:.2f} ms an image{ratio}")
    told = {f"{package}, {name}": value for (package, name), value in found.items() if not name.startswith("alone")}
    print("  mean accuracy: " + "; ".join(f"{name} {value:.4f}" for name, value in told.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*GOALS, []], help="default all")
    parser.add_argument("--network", default="wide_resnet_small")
    parser.add_argument("--channels", type=int, default=3)
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cpu", action="store_true", help="processor time instead of wall time, for a busy machine")
    parser.add_argument("--smoke", action="store_true")
    options = parser.parse_args()
    for part in options.parts or GOALS:
        report(part, options)


if __name__ == "__main__":
    main()
