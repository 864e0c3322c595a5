"""The text of a commented configuration of a training."""

from __future__ import annotations

from pathlib import Path

from shiftgauge.cli.found import Found
from shiftgauge.cli.init_text import array_lines, column_lines, quoted, relative


def train_configuration(found: Found, out: Path) -> str:
    """Writes the text of a configuration of a training.

    Args:
        found: What lies in the data.
        out: Where the file will stand; paths are written relative to it.
    """
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
            *column_lines(found),
            *array_lines(found),
            "",
            *_split_lines(found),
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
            "# adversarial: {method: pgd, epsilon: 0.03}  # train against the worst images near; slower by its steps",
            "calibrate: true",
            "# averaging: {flips: [horizontal]}  # what averaging over views would gain",
            "# gates: {min_macro_f1: 0.9}        # a missed one makes the command exit with 1",
            "",
        ]
    )


def _split_lines(found: Found) -> list[str]:
    """The section `split`: what the data state, where every name they use is that of a part."""
    stated = "train" in found.parts and len(found.parts) > 1
    grouped = "group_column" in found.columns or "groups" in found.arrays
    by = "given     " if stated else "group     " if grouped else "stratified"
    held_out = stated and "test" not in found.parts
    shares = "{train: 0.8, validation: 0.2}  # the data state no test" if held_out else _SHARES
    lines = [
        "split:",
        f"  by: {by}  # stratified, group, or given: the parts that the data state",
        f"  parts: {shares}",
    ]
    if found.alike:
        lines.append("  near_duplicates: false  # frames are all alike; recordings stay together as groups")
    if stated:
        lines.append("  leaks: drop  # what has its like in a later part is left out and counted; error: stop")
    return lines


_SHARES = "{train: 0.6, validation: 0.2, test: 0.2}"
