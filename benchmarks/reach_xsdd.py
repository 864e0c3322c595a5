"""Macro F1 on X-SDD, and what keeping near-duplicates on one side costs.

    python benchmarks/reach_xsdd.py [--data xsdd_original_bytes.npz] [--seeds 3] [--out runs] [--smoke]

EfficientNet-Lite0 with the ImageNet weights of the extra `demo`, 128 x 128, bfloat16, 20 epochs of one cosine, all
eight symmetries of the square as changes of training images, smoothed labels. A quarter of the images is the test part,
a twentieth validation, stratified, copies and near-duplicates on one side; every seed has its own split. What is kept
is a moving average of the weights after the last epoch (`ema_decay`, `monitor: last`): the weights themselves swing
from epoch to epoch, so that a small validation part picks a lucky early one. Budget: 10 minutes on 2 cores for one
training. Goal: macro F1 >= 0.985 on test, mean over the seeds.

Beside it, turn by turn, the same training on a plain split: every image dealt out alone, so that copies and
near-duplicates of test images are trained on. `shiftgauge.train` refuses such a split, so it is made by hand here.
Intervals are Student's over the seeds: three seeds make them wide; each run's own interval is a bootstrap of its test
images.
"""

from __future__ import annotations

import tempfile
import time

import numpy as np
from sklearn.metrics import f1_score

from reach import DATA, chosen, line, parser
from shiftgauge.data.dataset import ImageDataset
from shiftgauge.data.load import load_data
from shiftgauge.data.near_duplicates import near_duplicate_groups
from shiftgauge.data.stratification import deal_units, label_matrix
from shiftgauge.studies.train import train
from shiftgauge.studies.train_options import NetworkChoice, SplitOptions
from shiftgauge.train.augment import AugmentOptions
from shiftgauge.train.fit import fit
from shiftgauge.train.images import read_part
from shiftgauge.train.losses import LossOptions
from shiftgauge.train.options import OptimizerOptions, TrainOptions
from shiftgauge.train.predict import predict_logits
from shiftgauge.train.sampling import SamplingOptions
from shiftgauge.train.schedules import ScheduleOptions

GOAL = 0.985
PARTS = {"train": 0.70, "validation": 0.05, "test": 0.25}


def options(epochs: int, seed: int) -> TrainOptions:
    """The training of both sides."""
    return TrainOptions(
        epochs=epochs,
        optimizer=OptimizerOptions(learning_rate=1e-3, weight_decay=0.02),
        schedule=ScheduleOptions(kind="cosine", warmup_epochs=1),
        loss=LossOptions(class_weights="balanced", label_smoothing=0.1),
        sampling=SamplingOptions(batch_size=32),
        augment=AugmentOptions(flips=("horizontal", "vertical", "quarter_turns")),
        precision="bfloat16",
        ema_decay=0.99,
        monitor="last",
        seed=seed,
    )


def plain_split(dataset: ImageDataset, choice: NetworkChoice, epochs: int, seed: int) -> tuple[float, int]:
    """Macro F1 on test where every image is dealt out alone, and the test images that have their like in training."""
    dealt = deal_units(label_matrix(dataset), np.arange(len(dataset)), list(PARTS.values()), seed=seed)
    preprocessing = choice.preprocessing_for(dataset.n_channels)
    parts = {name: read_part(dataset.select(np.flatnonzero(dealt == k)), preprocessing) for k, name in enumerate(PARTS)}
    built = choice.network_options(len(dataset.class_names), preprocessing.channels, seed).build()
    with tempfile.TemporaryDirectory() as folder:
        fit(
            built.network,
            parts["train"],
            parts["validation"],
            options(epochs, seed),
            preprocessing=preprocessing,
            n_classes=len(dataset.class_names),
            folder=folder,
            device="cpu",
        )
    decided = predict_logits(built.network, parts["test"], preprocessing, device="cpu").argmax(axis=1)
    alike = near_duplicate_groups(dataset)
    twins = int(np.isin(alike[dealt == 2], alike[dealt == 0]).sum())
    return float(f1_score(parts["test"].targets.numpy(), decided, average="macro")), twins


def main() -> None:
    """Trains both ways for every seed and prints means and difference."""
    found = parser(__doc__, seeds=3, epochs=20, size=128)
    found.add_argument("--no-plain", action="store_true", help="leave out the plain split")
    values = chosen(found)
    dataset = load_data({"kind": "npz", "path": values.data or DATA / "xsdd" / "xsdd_original_bytes.npz"})
    dataset = dataset.limit(160) if values.smoke else dataset
    choice = NetworkChoice(architecture="tf_efficientnet_lite0", pretrained="packaged", size=values.size)
    kept: list[float] = []
    plain: list[float] = []
    for seed in range(values.seeds):
        start = time.perf_counter()
        result = train(
            choice,
            dataset,
            out=values.out / f"xsdd-{'smoke-' * values.smoke}{values.epochs}x{values.size}-seed{seed}",
            split=SplitOptions(parts=PARTS),
            options=options(values.epochs, seed),
            device="cpu",
            title="X-SDD",
            data_name="xsdd",
        )
        value, low, high = result.metric("macro_f1")
        chosen_on = result.metric("macro_f1", part="validation")[0]
        kept.append(value)
        print(
            f"seed {seed}: macro F1 {value:.4f} [{low:.4f}, {high:.4f}], on validation {chosen_on:.4f}; "
            f"{int(result.arrays['n_images'][-1])} images, epoch {result.best_epoch}, "
            f"{result.cost['fit_seconds']:.0f} s training, {time.perf_counter() - start:.0f} s in all",
            flush=True,
        )
        if not values.no_plain:
            value, twins = plain_split(dataset, choice, values.epochs, seed)
            plain.append(value)
            print(f"seed {seed}: plain split {value:.4f}, {twins} test images with their like in training", flush=True)
    print(line("macro F1, what is alike on one side", kept, f"(goal >= {GOAL})"))
    if plain:
        print(line("macro F1, plain split", plain))
        print(line("plain minus kept together", [p - k for p, k in zip(plain, kept, strict=True)]))


if __name__ == "__main__":
    main()
