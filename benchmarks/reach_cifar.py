"""Accuracy of VGG-16 and ResNet-18 on CIFAR-10, each trained within 90 minutes of CPU time.

    python benchmarks/reach_cifar.py [--data FOLDER] [--network vgg16|resnet18|both] [--out runs] [--smoke]

The two networks of the CIFAR-10 study with their recipe for a small machine (`shiftgauge.studies.cifar_recipe`): random
weights, bfloat16, batches of 128, one cosine after an epoch of warm-up, images mirrored and moved by up to four pixels,
smoothed labels; VGG-16 with AdamW at 0.001, ResNet-18 with momentum at 0.05. The publication trains 15 epochs of Adam
at 0.001 in batches of 64 on images as they are and chooses nothing on validation. Here a twentieth of train is
validation, on which the epoch is chosen; training images that have their near-duplicate in validation or test are left
out of train; test is whole. The images of the folder are JPEG, not the original pixels.

How many epochs fit is found by a trial of a few steps, written down beside the run, and not tried again: a training
that was killed goes on after its last epoch when the same command is given again, and a finished one is only printed.
CPU time is that of all threads of the process: reading, training, measuring, and what a kill made vain. Budget: 90
minutes of it for each network. Goals: accuracy on test >= 0.849 (VGG-16) and >= 0.830 (ResNet-18).
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from pathlib import Path

import torch
from torch.nn import functional

from reach import DATA, chosen, parser
from shiftgauge.data.dataset import ImageDataset
from shiftgauge.files import write_atomic
from shiftgauge.results.train import TrainResult
from shiftgauge.studies.cifar_recipe import (
    NETWORKS,
    SIZE,
    CifarRecipe,
    Network,
    cifar_data,
    split_options,
)
from shiftgauge.studies.train import train

GOALS: dict[Network, float] = {"vgg16": 0.849, "resnet18": 0.830}
BUDGET = 90 * 60.0
SHARE = 0.78  # of the budget for the steps; the rest is reading, validation, measuring and a disturbed machine
FEWEST, MOST = 4, 15
STEPS = 8


class CpuTime:
    """CPU seconds of all calls that worked on one folder, written down every few seconds.

    Args:
        path: The file that keeps them; what an earlier call left there is counted.
        every: Seconds between two writings: what a kill can lose.
    """

    def __init__(self, path: Path, every: float = 5.0) -> None:
        self.path, self.every = path, every
        self.before = json.loads(path.read_text())["cpu_seconds"] if path.is_file() else 0.0
        self.start, self.ended = time.process_time(), threading.Event()
        self.thread = threading.Thread(target=self._keep, daemon=True)

    @property
    def seconds(self) -> float:
        """So far, all calls together."""
        return self.before + time.process_time() - self.start

    def __enter__(self) -> CpuTime:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join()
        self._write()

    def _keep(self) -> None:
        while not self.ended.wait(self.every):
            self._write()

    def _write(self) -> None:
        write_atomic(self.path, json.dumps({"cpu_seconds": round(self.seconds, 1)}))


def cpu_rate(name: Network) -> float:
    """Training images in a second of CPU time, from the fastest of a few steps."""
    options = CifarRecipe().options(name)
    network = CifarRecipe().network(name).network_options(10, 3, 0).build().network.train()
    network = network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    optimizer = options.optimizer.make(network, ())
    size, seconds = options.sampling.batch_size, []
    images = torch.randn(size, 3, SIZE, SIZE).contiguous(memory_format=torch.channels_last)
    targets = torch.arange(size) % 10
    for _ in range(STEPS):
        start = time.process_time()
        with torch.autocast("cpu", torch.bfloat16):
            loss = functional.cross_entropy(network(images).float(), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seconds.append(time.process_time() - start)
    return size / sorted(seconds)[len(seconds) // 2]


def epochs_within(name: Network, images: int, file: Path) -> int:
    """Epochs that fit into the budget, as written down by an earlier call or found by a trial."""
    if file.is_file():
        return int(json.loads(file.read_text())["epochs"])
    rate = cpu_rate(name)
    epochs = int(min(MOST, max(FEWEST, SHARE * BUDGET * rate // images)))
    write_atomic(file, json.dumps({"epochs": epochs, "images_per_cpu_second": round(rate, 1)}))
    print(f"{name}: {rate:.0f} training images a second of CPU time, {epochs} epochs", flush=True)
    return epochs


def trained(name: Network, dataset: ImageDataset, values: argparse.Namespace, seed: int) -> TrainResult:
    """The result of one network: as an earlier call left it, or after its training."""
    folder = values.out / f"cifar-{'smoke-' * values.smoke}{name}-seed{seed}"
    if (folder / "run.json").is_file():
        return TrainResult.from_disk(folder)
    beside = folder.with_name(f"{folder.name}.plan.json")
    n_train = round(0.95 * sum(split == "train" for split in dataset.splits or ()))
    epochs = 1 if values.smoke else values.epochs or epochs_within(name, n_train, beside)
    recipe = CifarRecipe(epochs=epochs, seed=seed)
    return train(
        recipe.network(name),
        dataset,
        out=folder,
        split=split_options(dataset),
        options=recipe.options(name),
        device="cpu",
        progress=False if values.smoke else None,
        title=f"CIFAR-10, {name}",
        data_name="cifar10",
    )


def report(name: Network, result: TrainResult, seconds: float) -> None:
    """Prints what one training gave."""
    value, low, high = result.metric("accuracy")
    chosen_on = result.metric("accuracy", part="validation")[0]
    reached = "reached" if value >= GOALS[name] else "missed"
    within = "within" if seconds <= BUDGET else "beyond"
    print(
        f"{name}: accuracy on test {value:.4f} [{low:.4f}, {high:.4f}] (goal >= {GOALS[name]}: {reached}), "
        f"on validation {chosen_on:.4f}; {int(result.arrays['n_images'][-1])} test images; "
        f"epoch {result.best_epoch} of {len(result.history)}; {seconds / 60:.1f} minutes of CPU time "
        f"({within} {BUDGET / 60:.0f}); model folder {result.model_folder}",
        flush=True,
    )


def main() -> None:
    """Trains the networks and prints their accuracy."""
    found = parser(__doc__, seeds=1, epochs=0, size=SIZE)
    found.add_argument("--network", choices=(*NETWORKS, "both"), default="both")
    values = chosen(found)
    values.seeds = 1 if values.smoke else values.seeds
    names = NETWORKS if values.network == "both" else (values.network,)
    values.out.mkdir(parents=True, exist_ok=True)
    for seed in range(values.seeds):
        for name in names:
            place = f"cifar-{'smoke-' * values.smoke}{name}-seed{seed}.cpu.json"
            with CpuTime(values.out / place) as cpu:
                dataset = cifar_data(values.data or DATA / "cifar10")
                dataset = dataset.limit(300) if values.smoke else dataset
                result = trained(name, dataset, values, seed)
                report(name, result, cpu.seconds)


if __name__ == "__main__":
    main()
