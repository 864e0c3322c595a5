"""Closes the loop on steel surfaces: train, audit, train on the shifts that matter, audit again.

    python examples/loop/run.py DATA OUT [--quick]

DATA is a folder with one folder of images for each class (X-SDD, unpacked). OUT receives the folders of two trainings
(`plain`, `shifted`) and of their audits (`plain-audit`, `shifted-audit`), each with a page, and `before-and-after.md`.
The first training divides the images; its `split.csv` gives both audits their test images and the second training its
parts. A shift matters when the upper end of the interval of its total index is above 0.05. Every step goes on where it
was interrupted. OUT belongs to one DATA and one set of options; others are refused. About twenty minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from shiftgauge.files import write_atomic
from shiftgauge.results.audit import AuditResult
from shiftgauge.results.train import TrainResult

HERE = Path(__file__).resolve().parent
MATTERS = 0.05
QUICK = [
    "--set=train.epochs=1",
    "--set=model.size=32",
    "--set=train.sampling.batch_size=8",
    "--set=train.precision=float32",
]
QUICK_AUDIT = ["--set=estimate.n_base=32", "--set=execution.batch_size=32", "--set=execution.precision=float32"]


def main() -> None:
    parser = argparse.ArgumentParser(description="Train, audit, train on the shifts that matter, audit again.")
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--quick", action="store_true", help="small and short: whether everything runs")
    given = parser.parse_args()
    out = given.out.resolve()
    claim(out, {"data": str(given.data.resolve()), "quick": given.quick})
    data = f"--set=data.manifest={out / 'plain' / 'split.csv'}"
    less, fewer = (QUICK, QUICK_AUDIT) if given.quick else ([], [])

    command("train", HERE / "plain.yaml", out / "plain", f"--set=data.folder={given.data.resolve()}", *less)
    command("audit", HERE / "audit.yaml", out / "plain-audit", data, model(out / "plain"), *fewer)
    before = AuditResult.from_disk(out / "plain-audit")
    matter, idle = shifts_that_matter(before)
    print(f"shifts that matter: {', '.join(matter)}" + (f"; left out: {', '.join(idle)}" if idle else ""), flush=True)

    without = [f"--set=train.augment.shifts.parameters.{name}=null" for name in idle]
    command("train", HERE / "shifted.yaml", out / "shifted", data, *without, *less)
    command("audit", HERE / "audit.yaml", out / "shifted-audit", data, model(out / "shifted"), *fewer)
    table = before_and_after(out)
    write_atomic(out / "before-and-after.md", table)
    print(table)


def claim(out: Path, asked: dict[str, object]) -> None:
    """Writes down what OUT is made from, and ends where it was made from something else."""
    path = out / "loop.json"
    if path.exists() and (found := json.loads(path.read_text(encoding="utf-8"))) != asked:
        sys.exit(f"{out} was made from {found}, not from {asked}; take another folder, or remove it")
    write_atomic(path, json.dumps(asked, indent=2) + "\n")


def command(kind: str, config: Path, folder: Path, *settings: str) -> None:
    """Runs `shiftgauge train` or `shiftgauge audit`, which go on where they ended and refuse a folder of others."""
    start = [sys.executable, "-c", "from shiftgauge.cli.main import run; run()"]
    done = subprocess.run([*start, kind, str(config), "--out", str(folder), *settings], check=False)
    if done.returncode:
        sys.exit(done.returncode)


def model(folder: Path) -> str:
    return f"--set=model.folder={folder / 'model'}"


def shifts_that_matter(audit: AuditResult) -> tuple[list[str], list[str]]:
    """Names of the shifts that may explain more than a twentieth of the variance, and of the others."""
    data, quantity = audit.arrays, audit.quantity_of_interest
    high = data["total_order_interval"].sel(quantity=quantity, bound="high")
    names = [str(name) for name in data["shift"].values]
    matter = [name for name in names if not float(high.sel(input=name)) <= MATTERS]
    return matter, [name for name in names if name not in matter]


def before_and_after(out: Path) -> str:
    """Accuracies and total indices of both networks as one table."""
    audits = [AuditResult.from_disk(out / f"{name}-audit") for name in ("plain", "shifted")]
    trainings = [TrainResult.from_disk(out / name) for name in ("plain", "shifted")]
    clean = [float(a.arrays["image_clean"].sel(quantity="correct").mean()) for a in audits]
    moved = [float(a.arrays["mean"].sel(quantity="correct")) for a in audits]
    lost = [100 * (c - m) for c, m in zip(clean, moved, strict=True)]
    rows = [
        ("Macro F1, test images as they are", *(text(t.metric("macro_f1", part="test")) for t in trainings)),
        ("Accuracy, test images as they are", *(f"{c:.2%}" for c in clean)),
        ("Accuracy under the shifts", *(f"{m:.2%}" for m in moved)),
        ("Lost by the shifts, points", *(f"{p:.2f}" for p in lost)),
    ]
    quantity = audits[0].quantity_of_interest
    variances = [float(a.arrays["variance"].sel(quantity=quantity)) for a in audits]
    rows.append(("Variance of the probability of the true class", *(f"{v:.4f}" for v in variances)))
    for name in audits[0].arrays["input"].values:
        rows.append((f"Total index, {name}", *(index(a, str(name)) for a in audits)))
    lines = ["| | trained plain | trained on shifts |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)]
    share = lost[1] / lost[0] if lost[0] > 0 else np.nan
    gap = 100 * (clean[0] - clean[1])
    still = f"{abs(gap):.2f} points {'less' if gap > 0 else 'more'}" if gap else "as much"
    verdict = (
        f"The network trained on shifts loses {lost[1]:.2f} points under them, {share:.0%} of what the plain one "
        f"loses; on images as they are it gets {still} right."
    )
    return "\n".join([*lines, "", verdict, ""])


def index(audit: AuditResult, name: str) -> str:
    where = {"quantity": audit.quantity_of_interest, "input": name}
    low, high = audit.arrays["total_order_interval"].sel(where).values
    return f"{float(audit.arrays['total_order'].sel(where)):.3f} ({low:.3f} to {high:.3f})"


def text(found: tuple[float, float, float]) -> str:
    return f"{found[0]:.2%} ({found[1]:.2%} to {found[2]:.2%})"


if __name__ == "__main__":
    main()
