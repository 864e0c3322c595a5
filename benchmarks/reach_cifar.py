"""Accuracy of VGG-16 and ResNet-18 on CIFAR-10, each trained within 90 minutes of CPU time.

    python benchmarks/reach_cifar.py [--data FOLDER] [--network vgg16|resnet18|both] [--out runs] [--smoke]

The two networks of the CIFAR-10 study with their recipe for a small machine (`shiftgauge.studies.cifar_recipe`): random
weights, bfloat16, batches of 128, an epoch at half the rate and then one cosine, mirrored images, smoothed labels.
VGG-16: AdamW at 0.001, images moved by up to two pixels; of a moving average of the weights the last epoch is kept.
ResNet-18: momentum at 0.05, images moved by up to four pixels; the epoch is chosen on validation. The publication
trains 15 epochs of Adam at 0.001 in batches of 64 on images as they are, and chooses nothing on validation. Here a
twentieth of train is validation; training images that have their near-duplicate in validation or test, mirrored or
not, are left out of train; test is whole. The images of the folder are JPEG, not the original pixels.

How many epochs fit is found by a trial of a few steps, written down beside the run, and not tried again: a training
that was killed goes on after its last epoch when the same command is given again, and a finished one is only printed;
one by another recipe or of other images is refused. CPU time is that of all threads of the process: reading, training,
measuring, and what a kill made vain. Threads that wait for each other use it up as well, so there is one by default:
train the networks side by side by two commands rather than one after the other with two threads. Budget: 90 minutes
for each network. Goals: accuracy on test >= 0.849 (VGG-16) and >= 0.830 (ResNet-18).
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from contextlib import nullcontext
from pathlib import Path

import torch
from torch.nn import functional

from reach import DATA, chosen, parser
from shiftgauge.data.dataset import ImageDataset
from shiftgauge.errors import ConfigError
from shiftgauge.files import write_atomic
from shiftgauge.models.model_record import plain
from shiftgauge.results.train import TrainResult
from shiftgauge.studies.cifar_recipe import (
    NETWORKS,
    SIZE,
    CifarRecipe,
    Network,
    cifar_data,
    split_options,
)
from shiftgauge.studies.cifar_trainings import wanted
from shiftgauge.studies.train import train
from shiftgauge.studies.train_finished import differences
from shiftgauge.train.augment import Augmenter
from shiftgauge.train.checkpoints import differences as differing
from shiftgauge.train.moving_average import moving_average

GOALS: dict[Network, float] = {"vgg16": 0.849, "resnet18": 0.830}
BUDGET = 90 * 60.0
SHARE = 0.85  # of the budget for the steps; the rest is reading, validation, measuring and a disturbed machine
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
    """Training images in a second of CPU time: the middle one of a few steps with all that a step does."""
    options = CifarRecipe().options(name)
    network = CifarRecipe().network(name).network_options(10, 3, 0).build().network.train()
    network = network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    average = None if options.ema_decay is None else moving_average(network, options.ema_decay)
    optimizer, changed = options.optimizer.make(network, ()), Augmenter(options.augment, (3, SIZE, SIZE), 0)
    size, seconds = options.sampling.batch_size, []
    images, targets = torch.rand(size, 3, SIZE, SIZE), torch.arange(size) % 10
    for step in range(STEPS):
        start = time.process_time()
        batch = changed(images, 0, step).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            loss = functional.cross_entropy(network(batch).float(), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if average is not None:
            average.update_parameters(network)
        seconds.append(time.process_time() - start)
    return size / sorted(seconds)[len(seconds) // 2]


def epochs_within(name: Network, images: int, file: Path) -> int:
    """Epochs that fit into the budget, as written down by an earlier call of the same recipe or found by a trial."""
    if file.is_file():
        found = json.loads(file.read_text())
        options = plain(CifarRecipe(epochs=found["epochs"]).options(name).to_dict())
        if not differing({"options": found.get("options")}, {"options": options}):
            return int(found["epochs"])
    rate = cpu_rate(name)
    epochs = int(min(MOST, max(FEWEST, SHARE * BUDGET * rate // images)))
    options = plain(CifarRecipe(epochs=epochs).options(name).to_dict())
    text = json.dumps({"epochs": epochs, "images_per_cpu_second": round(rate, 1), "options": options}, indent=1)
    write_atomic(file, text)
    print(f"{name}: {rate:.0f} training images a second of CPU time, {epochs} epochs", flush=True)
    return epochs


def recipe_of(name: Network, dataset: ImageDataset, values: argparse.Namespace, seed: int, folder: Path) -> CifarRecipe:
    """The recipe with the number of epochs: as given, else that of the finished training, else as many as fit."""
    if (folder / "run.json").is_file() and not values.epochs and not values.smoke:
        return CifarRecipe(epochs=int(TrainResult.from_disk(folder).config["resolved"]["epochs"]), seed=seed)
    n_train = round(0.95 * sum(split == "train" for split in dataset.splits or ()))
    plan = folder.with_name(f"{folder.name}.plan.json")
    epochs = 1 if values.smoke else values.epochs or epochs_within(name, n_train, plan)
    return CifarRecipe(epochs=epochs, seed=seed)


def finished(name: Network, dataset: ImageDataset, recipe: CifarRecipe, folder: Path) -> TrainResult:
    """The training that an earlier call finished.

    Raises:
        ConfigError: It is one by another recipe or of other images.
    """
    result = TrainResult.from_disk(folder)
    if other := differences(result, wanted(recipe, name, dataset)):
        raise ConfigError(f"{folder} holds a training with other {' and '.join(other)}; give another folder as `--out`")
    return result


def trained(name: Network, dataset: ImageDataset, recipe: CifarRecipe, folder: Path, *, smoke: bool) -> TrainResult:
    """The result of one network after its training, which goes on where an earlier call was killed."""
    return train(
        recipe.network(name),
        dataset,
        out=folder,
        split=split_options(dataset),
        options=recipe.options(name),
        device="cpu",
        progress=False if smoke else None,
        title=f"CIFAR-10, {name}",
        data_name="cifar10",
    )


def report(name: Network, result: TrainResult, seconds: float | None) -> None:
    """Prints what one training gave; None where its CPU time was not written down."""
    value, low, high = result.metric("accuracy")
    on_validation = result.metric("accuracy", part="validation")[0]
    reached = "reached" if value >= GOALS[name] else "missed"
    spent = "CPU time unknown, its file is missing"
    if seconds is not None:
        within = "within" if seconds <= BUDGET else "beyond"
        spent = f"{seconds / 60:.1f} minutes of CPU time ({within} {BUDGET / 60:.0f})"
    print(
        f"{name}: accuracy on test {value:.4f} [{low:.4f}, {high:.4f}] (goal >= {GOALS[name]}: {reached}), "
        f"on validation {on_validation:.4f}; {int(result.arrays['n_images'][-1])} test images; "
        f"epoch {result.best_epoch} of {len(result.history)}; {spent}; "
        f"model folder {result.model_folder}",
        flush=True,
    )


def one(name: Network, values: argparse.Namespace, seed: int) -> None:
    """Trains one network, or reads the finished training, and prints its accuracy."""
    folder = values.out / f"cifar-{'smoke-' * values.smoke}{name}-seed{seed}"
    cpu = CpuTime(folder.with_name(f"{folder.name}.cpu.json"))
    done = (folder / "run.json").is_file()
    with nullcontext() if done else cpu:
        dataset = cifar_data(values.data or DATA / "cifar10")
        dataset = dataset.limit(300) if values.smoke else dataset
        recipe = recipe_of(name, dataset, values, seed, folder)
        if done:
            result = finished(name, dataset, recipe, folder)
        else:
            result = trained(name, dataset, recipe, folder, smoke=values.smoke)
    known = cpu.before if cpu.path.is_file() else None
    report(name, result, known if done else cpu.seconds)


def main() -> None:
    """Trains the networks and prints their accuracy."""
    found = parser(__doc__, seeds=1, epochs=0, size=None, data="the folder with the two NPZ files", threads=1)
    found.add_argument("--network", choices=(*NETWORKS, "both"), default="both")
    values = chosen(found)
    values.seeds = 1 if values.smoke else values.seeds
    names = NETWORKS if values.network == "both" else (values.network,)
    values.out.mkdir(parents=True, exist_ok=True)
    for seed in range(values.seeds):
        for name in names:
            one(name, values, seed)


if __name__ == "__main__":
    main()
