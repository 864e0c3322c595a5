"""The text of a commented configuration of a training."""

from __future__ import annotations

from pathlib import Path

from shiftgauge.cli.init_text import array_lines, quoted, relative
from shiftgauge.cli.look import Found


def train_configuration(found: Found, out: Path) -> str:
    """Writes the text of a configuration of a training.

    Args:
        found: What lies in the data.
        out: Where the file will stand; paths are written relative to it.
    """
    grouped = "group_column" in found.columns or "groups" in found.arrays
    stated = "split_column" in found.columns or "splits" in found.arrays
    by = "given     " if stated else "group     " if grouped else "stratified"
    return "\n".join(
        [
            f"# {' '.join(found.summary.split())}",
            "# Every key: `shiftgauge schema`. Shifts and presets: `shiftgauge shifts`. Paths start from this file.",
            "",
            "model:",
            "  architecture: tf_efficientnet_lite0  # or resnet18, resnet18_small (32 × 32), any name of timm",
            "  pretrained: packaged  # ImageNet weights of the extra `demo`; true: timm's (a download); false",
            "  size: 128             # of the network's input; smaller is faster, small defects want larger",
            f"  channels: {found.channels}",
            "",
            "data:",
            f"  {found.kind}: {quoted(relative(found.path, out))}",
            *[f"  {key}: {quoted(value)}" for key, value in found.columns.items()],
            *array_lines(found),
            "",
            "split:",
            f"  by: {by}  # stratified, group, or given: the parts that the data state",
            "  parts: {train: 0.6, validation: 0.2, test: 0.2}",
            "",
            "train:",
            "  epochs: 15",
            "  optimizer: {kind: adamw, learning_rate: 1.0e-3, weight_decay: 1.0e-2}",
            "  schedule: {kind: cosine, warmup_epochs: 1}",
            "  loss: {kind: auto, class_weights: none}  # balanced weighs rare classes more",
            "  sampling: {kind: shuffle, batch_size: 32}  # balanced: as many of every class in each batch",
            "  augment:",
            "    flips: [horizontal, vertical]  # only what leaves a part of the same class",
            "    # shifts: {preset: inspection, share: 0.5}  # as in an audit: train on what will be audited",
            "  # patience: 5  # stop after so many epochs without improvement",
            "  seed: 0",
            "",
            "calibrate: true",
            "# averaging: {flips: [horizontal]}  # what averaging over views would gain",
            "# gates: {min_macro_f1: 0.9}        # a missed one makes the command exit with 1",
            "",
        ]
    )
