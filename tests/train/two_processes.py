"""Trainings in one process or in several of a CPU, and what each process leaves in a folder."""

import json
import multiprocessing
import os
import sys
from pathlib import Path

import torch
from torch import nn

from shiftgauge.errors import ShiftgaugeError, StoreError
from shiftgauge.train import devices
from shiftgauge.train.augment import AugmentOptions
from shiftgauge.train.fit import fit
from shiftgauge.train.options import OptimizerOptions
from shiftgauge.train.sampling import SamplingOptions
from train.toy import PREPROCESSING, network, options, stripes


def plain():
    """A network whose output for an image does not depend on the other images of its batch."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(144, 8), nn.ReLU(), nn.Linear(8, 3))


class Broken(nn.Module):
    """Gives NaN in training, in the second process alone."""

    def __init__(self):
        super().__init__()
        self.inner = plain()

    def forward(self, x):
        bad = self.training and os.environ.get("LOCAL_RANK") == "1"
        return self.inner(x) * (torch.nan if bad else 1)


def noisy_weights(net):
    """Acts after a step with numbers that it draws."""
    for weight in net.parameters():
        weight.add_(0.01 * torch.randn(weight.shape))


def full(path, content):
    raise StoreError("the disk is full")


def train(folder, n_devices, what="plain"):
    """Trains and writes what was found, or the error."""
    torch.set_num_threads(1)
    rank, waits = os.environ.get("LOCAL_RANK", "0"), what == "patience"
    (folder / f"started-{rank}").touch()
    if what == "full":
        devices.save_whole = full
    chosen = options(
        epochs=30 if waits else 3,
        optimizer=OptimizerOptions(kind="sgd", learning_rate=1e-30 if waits else 0.05),
        augment=AugmentOptions(),
        sampling=SamplingOptions(batch_size=16),
        patience=2 if waits else None,
    )
    net = {"broken": Broken, "norm": network}.get(what, plain)()
    values = {"preprocessing": PREPROCESSING, "n_classes": 3, "device": "cpu", "n_devices": n_devices}
    values |= {"after_step": noisy_weights} if what == "drawn" else {}
    try:
        found = fit(
            net, stripes(17 if what == "norm" else 96), stripes(40, 1), chosen, folder=folder / "training", **values
        )
    except ShiftgaugeError as error:
        (folder / f"error-{rank}").write_text(f"{type(error).__name__}: {error}")
        raise SystemExit(2) from error
    record = {"history": found.history, "best": found.best_epoch, "stopped": found.stopped}
    record["weights"] = [value.tolist() for value in net.state_dict().values()]
    (folder / f"found-{rank}.json").write_text(json.dumps(record))


def member(rank, port, *arguments):
    """One of two processes that were started from outside."""
    os.environ.update(LOCAL_RANK=str(rank), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    train(*arguments)


def pair(port, folder, what):
    """Trains in two processes; returns their exit codes."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["shiftgauge.train.fit"])
    members = [context.Process(target=member, args=(rank, port, folder, 2, what)) for rank in range(2)]
    for process in members:
        process.start()
    for process in members:
        process.join(120)
        process.kill()
    return [process.exitcode for process in members]


if __name__ == "__main__":
    train(Path(sys.argv[1]), int(sys.argv[2]))
