"""What the reach commands share: where the data lie, means over seeds, and their table."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from scipy import stats

DATA = Path(os.environ.get("SHIFTGAUGE_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


def parser(
    doc: str | None, *, seeds: int, epochs: int, size: int | None, data: str = "the NPZ file", threads: int = 2
) -> argparse.ArgumentParser:
    """The options of every reach command; one whose networks have a size of their own has no `--size`."""
    found = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("--data", type=Path, help=f"{data}; default: the one in SHIFTGAUGE_DATA")
    found.add_argument("--out", type=Path, default=Path("runs"), help="folder of the run folders")
    found.add_argument(
        "--seeds",
        type=int,
        default=seeds,
        help="seeds 0, 1 …, each with a split of its own, a stated test part as it is",
    )
    found.add_argument("--epochs", type=int, default=epochs)
    if size is not None:
        found.add_argument("--size", type=int, default=size)
    found.add_argument("--threads", type=int, default=threads)
    found.add_argument("--smoke", action="store_true", help="few small images and one epoch, to see that it runs")
    return found


def chosen(found: argparse.ArgumentParser) -> argparse.Namespace:
    """The options, after the threads are set."""
    values = found.parse_args()
    torch.set_num_threads(values.threads)
    if values.smoke:
        values.seeds, values.epochs, values.size = 2, 1, 32
    return values


def mean_interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float, float]:
    """Mean with the interval of Student's t over the seeds; NaN bounds for one seed."""
    n, mean = len(values), float(np.mean(values))
    if n < 2:
        return mean, float("nan"), float("nan")
    half = float(stats.t.ppf((1 + level) / 2, n - 1) * np.std(values, ddof=1) / np.sqrt(n))
    return mean, mean - half, mean + half


def line(label: str, values: Sequence[float], goal: str = "") -> str:
    """One line of the outcome."""
    mean, low, high = mean_interval(values)
    seeds = ", ".join(f"{v:.4f}" for v in values)
    return f"{label:<46}{mean:8.4f} [{low:.4f}, {high:.4f}]  seeds: {seeds}  {goal}".rstrip()
