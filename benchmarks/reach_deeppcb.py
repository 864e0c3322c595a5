"""Macro F1 over the six defects of DeepPCB, thresholds from validation.

    python benchmarks/reach_deeppcb.py [--data deeppcb_tiles64.npz] [--seeds 1] [--out runs] [--smoke]

EfficientNet-Lite0 with the ImageNet weights of the extra `demo`, the tiles of 64 x 64 enlarged to 128 x 128, bfloat16,
all eight symmetries of the square as changes of training images, 20 epochs of one cosine. The authors' split by board;
validation is a tenth of its training part, by whole boards; what has its like in a later part is left out of training.
Thresholds, one for each defect, are those with the largest F1 on validation among 0.05, 0.10 ... 0.95.
Budget: 30 minutes on 2 cores for one training. Goal: macro F1 >= 0.93 on test, the network run once; what averaging
over flips and quarter turns adds is printed beside it.
"""

from __future__ import annotations

import time

from reach import DATA, chosen, line, parser
from shiftgauge.data.load import load_data
from shiftgauge.studies.train import train
from shiftgauge.studies.train_options import NetworkChoice, SplitOptions, ThresholdOptions
from shiftgauge.train.augment import AugmentOptions
from shiftgauge.train.averaging import AveragingOptions
from shiftgauge.train.losses import LossOptions
from shiftgauge.train.options import OptimizerOptions, TrainOptions
from shiftgauge.train.sampling import SamplingOptions
from shiftgauge.train.schedules import ScheduleOptions

GOAL = 0.93
PARTS = {"train": 0.72, "validation": 0.08, "test": 0.2}


def options(epochs: int, learning_rate: float, seed: int, loss: LossOptions) -> TrainOptions:
    """The training."""
    return TrainOptions(
        epochs=epochs,
        optimizer=OptimizerOptions(learning_rate=learning_rate, weight_decay=0.02),
        schedule=ScheduleOptions(kind="cosine", warmup_epochs=1),
        loss=loss,
        sampling=SamplingOptions(batch_size=64),
        augment=AugmentOptions(flips=("horizontal", "vertical", "quarter_turns")),
        precision="bfloat16",
        seed=seed,
    )


def main() -> None:
    """Trains for every seed and prints the mean."""
    found = parser(__doc__, seeds=1, epochs=20, size=128)
    found.add_argument("--learning-rate", type=float, default=2e-3)
    found.add_argument("--focal", action="store_true", help="focal loss instead of the binary cross-entropy")
    values = chosen(found)
    loss = LossOptions(kind="focal" if values.focal else "binary_cross_entropy")
    path = values.data or DATA / "deeppcb" / "deeppcb_tiles64.npz"
    keys = {"groups": "group", "splits": "split", "split_names": ["train", "test"]}
    dataset = load_data({"kind": "npz", "path": path, **keys})
    dataset = dataset.limit(240) if values.smoke else dataset
    once: list[float] = []
    averaged: list[float] = []
    for seed in range(values.seeds):
        start = time.perf_counter()
        result = train(
            NetworkChoice(architecture="tf_efficientnet_lite0", pretrained="packaged", size=values.size),
            dataset,
            out=values.out / f"deeppcb-{'smoke-' * values.smoke}{loss.kind}-{values.epochs}x{values.size}-seed{seed}",
            split=SplitOptions(by="given", parts=PARTS, leaks="drop"),
            options=options(values.epochs, values.learning_rate, seed, loss),
            thresholds=ThresholdOptions(search="grid"),
            averaging=AveragingOptions(flips=("horizontal", "vertical"), quarter_turns=(1, 2, 3)),
            device="cpu",
            title="DeepPCB",
            data_name="deeppcb",
        )
        value, low, high = result.metric("macro_f1")
        chosen_on = result.metric("macro_f1", part="validation")[0]
        views = float(result.arrays["averaging"].sel(part="test", way="averaged", summary="macro_f1"))
        once.append(value)
        averaged.append(views)
        each = ", ".join(f"{name} {result.metric('f1', of=name)[0]:.3f}" for name in dataset.class_names)
        print(
            f"seed {seed}: macro F1 {value:.4f} [{low:.4f}, {high:.4f}], averaged {views:.4f}, "
            f"on validation {chosen_on:.4f}; {int(result.arrays['n_images'][-1])} tiles; {each}; "
            f"epoch {result.best_epoch}, "
            f"{result.cost['fit_seconds']:.0f} s training, {time.perf_counter() - start:.0f} s in all",
            flush=True,
        )
    print(line("macro F1, run once", once, f"(goal >= {GOAL})"))
    print(line("macro F1, averaged over six views", averaged))


if __name__ == "__main__":
    main()
