"""A training step of `shiftgauge.train` against a bare PyTorch loop, with the same images in memory.

    python benchmarks/bench_train.py [--network NAME] [--size 96] [--batch 32] [--precision bfloat16] [--cpu] [--smoke]

Both sides hold the images as bytes, take the same batches, normalise, run the same network in the same layout and
precision, clip, and step the same optimiser. They alternate in one process, in rounds of one epoch. A step is timed
from the start of one to the start of the next, so that on our side fetching the batch, augmentation (none here),
Lightning and bookkeeping count; validation and checkpoints, once an epoch, are given apart. Steps that were disturbed
are slow on either side, so each side counts by the middle of its steps; the first two of every epoch are left out.

Data loading: seconds for which a step waits for its batch, over all seconds of the steps, for images held in memory
and for the same images as PNG files that are decoded anew for every batch, the next two batches ahead.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from shiftgauge.data.load import load_data
from shiftgauge.models.architectures import build, default_preprocessing
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.train.fit import fit
from shiftgauge.train.images import Part, Pixels, Rows, read_part
from shiftgauge.train.options import OptimizerOptions, TrainOptions
from shiftgauge.train.sampling import SamplingOptions, epoch_batches
from shiftgauge.train.schedules import ScheduleOptions

CLASSES = 6
SKIPPED = 2


class TimedPixels:
    """Pixels that add up the seconds for which a step waits for its batch."""

    def __init__(self, pixels: Pixels, clock: Callable[[], float]) -> None:
        self.pixels, self.clock, self.seconds = pixels, clock, 0.0

    def __len__(self) -> int:
        return len(self.pixels)

    def batch(self, rows: Rows) -> torch.Tensor:
        start = self.clock()
        found = self.pixels.batch(rows)
        self.seconds += self.clock() - start
        return found

    def batches(self, rows_of: Iterable[Rows]) -> Iterator[torch.Tensor]:
        found = self.pixels.batches(rows_of)
        while True:
            start = self.clock()
            images = next(found, None)
            self.seconds += self.clock() - start
            if images is None:
                return
            yield images


class Setting:
    """What both sides share."""

    def __init__(self, chosen: argparse.Namespace) -> None:
        self.chosen = chosen
        self.clock = time.process_time if chosen.cpu else time.perf_counter
        self.preprocessing: Preprocessing = default_preprocessing(chosen.network, channels=3, size=chosen.size)
        self.options = TrainOptions(
            epochs=1,
            optimizer=OptimizerOptions(learning_rate=1e-3, weight_decay=1e-2, decay_all=True),
            schedule=ScheduleOptions(kind="constant"),
            sampling=SamplingOptions(batch_size=chosen.batch, drop_last=True),
            precision=chosen.precision,
        )

    def network(self) -> nn.Module:
        return build(self.chosen.network, n_classes=CLASSES).network


def image_folder(folder: Path, count: int, side: int) -> Path:
    """Pictures with some structure as PNG files, one folder a class."""
    rng = np.random.default_rng(0)
    for k in range(count):
        coarse = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC).save(buffer, "PNG")
        place = folder / f"class {k % CLASSES}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{k:05d}.png").write_bytes(buffer.getvalue())
    return folder


def ours(setting: Setting, part: Part, validation: Part) -> tuple[list[float], float]:
    """Seconds of each step of one epoch, and seconds of the whole call."""
    starts: list[float] = []

    def stamp(network: object, images: torch.Tensor, targets: torch.Tensor, epoch: int, step: int) -> torch.Tensor:
        starts.append(setting.clock())
        return images

    begin = setting.clock()
    with tempfile.TemporaryDirectory() as folder:
        fit(
            setting.network(),
            part,
            validation,
            setting.options,
            preprocessing=setting.preprocessing,
            n_classes=CLASSES,
            folder=folder,
            device="cpu",
            progress=False,
            perturb=stamp,
        )
    return np.diff(starts).tolist()[SKIPPED:], setting.clock() - begin


def bare(setting: Setting, part: Part, epoch: int) -> list[float]:
    """Seconds of each step of one epoch of a plain loop."""
    network = setting.network().to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=1e-2)
    held, targets = part.pixels.bytes_nchw, part.targets
    mean = torch.tensor(setting.preprocessing.mean).view(1, -1, 1, 1)
    std = torch.tensor(setting.preprocessing.std).view(1, -1, 1, 1)
    half = setting.chosen.precision == "bfloat16"
    starts = []
    for rows in epoch_batches(setting.options.sampling, targets.numpy(), seed=0, epoch=epoch):
        starts.append(setting.clock())
        index = torch.from_numpy(rows)
        images = (held[index].float().div_(255) - mean) / std
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            logits = network(images.contiguous(memory_format=torch.channels_last))
            loss = functional.cross_entropy(logits.float(), targets[index])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
    return np.diff(starts).tolist()[SKIPPED:]


def loading_share(setting: Setting, part: Part, validation: Part) -> float:
    """Share of the steps' seconds that fetching batches takes, counted on the steps alone."""
    pixels = TimedPixels(part.pixels, setting.clock)
    steps, _ = ours(setting, replace(part, pixels=pixels), validation)
    count = len(steps) + SKIPPED + 1
    return pixels.seconds / count / float(np.mean(steps))


def main() -> None:
    """Runs both sides in turn and prints the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="tf_efficientnet_lite0")
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--images", type=int, default=960)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="bfloat16")
    parser.add_argument("--cpu", action="store_true", help="processor time instead of wall time, for a busy machine")
    parser.add_argument("--smoke", action="store_true", help="a tiny size, to see that it runs")
    chosen = parser.parse_args()
    if chosen.smoke:
        chosen.size, chosen.batch, chosen.images, chosen.rounds = 32, 8, 64, 1
    torch.set_num_threads(chosen.threads)
    setting = Setting(chosen)
    with tempfile.TemporaryDirectory() as folder:
        dataset = load_data(image_folder(Path(folder), chosen.images, 2 * chosen.size))
        held = read_part(dataset, setting.preprocessing)
        read = read_part(dataset, setting.preprocessing, memory_gb=0.0)
        few = read_part(dataset.limit(2 * chosen.batch), setting.preprocessing)
        rows = []
        for k in range(chosen.rounds):
            theirs_first = k % 2
            theirs = bare(setting, held, k) if theirs_first else []
            mine, whole = ours(setting, held, few)
            theirs = theirs or bare(setting, held, k)
            rows.append((float(np.median(mine)), float(np.median(theirs)), whole, sum(mine)))
        shares = {"in memory": loading_share(setting, held, few), "PNG files": loading_share(setting, read, few)}
    report(chosen, rows, shares)


def report(chosen: argparse.Namespace, rows: list[tuple[float, float, float, float]], shares: dict[str, float]) -> None:
    """Prints the figures."""
    ratios = sorted(mine / theirs for mine, theirs, _, _ in rows)
    mine, theirs = (min(row[k] for row in rows) * 1e3 for k in (0, 1))
    clock = "processor" if chosen.cpu else "wall"
    print(
        f"{chosen.network}, {chosen.size} x {chosen.size}, batches of {chosen.batch}, {chosen.precision}, "
        f"{chosen.threads} threads, {chosen.rounds} rounds of {chosen.images // chosen.batch} steps, {clock} time"
    )
    print(f"ours           {mine:8.1f} ms a step (the best round's middle step)")
    print(f"bare loop      {theirs:8.1f} ms a step")
    middle = ratios[len(ratios) // 2]
    print(f"ours / bare    {middle:8.3f}     (goal <= 1.1; {ratios[0]:.3f} to {ratios[-1]:.3f})")
    rest = min(whole - steps for _, _, whole, steps in rows)
    print(f"once a call    {rest:8.1f} s    (building, first steps, validation, checkpoint)")
    for name, share in shares.items():
        print(f"fetching batches, {name:<10} {share:7.1%} of a step")


if __name__ == "__main__":
    main()
