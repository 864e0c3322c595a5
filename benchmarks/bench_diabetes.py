"""The diabetes study's 1,179,648 evaluations and all indices, against the published script's way.

    python benchmarks/bench_diabetes.py --data diabetes.csv --weights model1.pth [--smoke]

Ours: from the two files to the data behind figures 1, 2 and 4 (first, total and second order, intervals, and the
curve over N = 128 … 65,536). The published way runs one row at a time through the network; its time is that of some
rows, taken in turn with ours, times all rows, without any analysis. Both sides use the same number of threads.
Without --data and --weights a random table and an untrained network take their place, which take the same time.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from shiftgauge.estimate.designs import PickFreezeDesign
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.models.tabular_net import TabularNet, load_tabular_net
from shiftgauge.studies.diabetes import FEATURES, read_pima, table_model
from shiftgauge.studies.diabetes_parts import columns_space
from shiftgauge.studies.table_measure import TableEstimate, index_arrays, measure_table


def ours(data: Path, weights: Path, n_base: int) -> float:
    """Seconds from the files to the arrays of all figures."""
    start = time.perf_counter()
    table = read_pima(data)
    model = table_model(load_tabular_net(weights), table)
    space = columns_space(table, "range")
    found = index_arrays(
        measure_table(model, space, TableEstimate(n_base=n_base), lambda done, total: None).convergence
    )
    assert found["total_order"].shape == (1, len(FEATURES))
    return time.perf_counter() - start


def published(data: Path, weights: Path, rows: int) -> float:
    """Seconds for each row, one at a time, as the published script evaluates them."""
    table, network = read_pima(data), load_tabular_net(weights)
    design = PickFreezeDesign(inputs=Inputs(space=columns_space(table, "range")), n_base=rows, replicates=1)
    points = design.rows(0, rows).theta
    start = time.perf_counter()
    values = []
    with torch.no_grad():
        for row in points:
            values.append(network(torch.tensor(row, dtype=torch.float32).unsqueeze(0)).item())
    assert np.isfinite(values).all()
    return (time.perf_counter() - start) / rows


def stand_in(folder: Path) -> tuple[Path, Path]:
    """A random table and an untrained network of the study's shapes."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.random((768, len(FEATURES))) * 100, columns=list(FEATURES))
    frame["Outcome"] = rng.integers(0, 2, 768)
    frame.to_csv(folder / "table.csv", index=False)
    torch.manual_seed(0)
    torch.save(TabularNet().state_dict(), folder / "net.pth")
    return folder / "table.csv", folder / "net.pth"


def main() -> None:
    """Runs both sides in turn and prints the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=20_000, help="rows of the published way that are timed")
    parser.add_argument("--smoke", action="store_true", help="a tiny size, to see that it runs")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    n_base, rounds, rows = (256, 1, 200) if chosen.smoke else (65536, chosen.rounds, chosen.rows)
    with tempfile.TemporaryDirectory() as folder:
        data, weights = stand_in(Path(folder))
        data, weights = chosen.data or data, chosen.weights or weights
        ours(data, weights, 256)  # imports and first calls
        times = [(ours(data, weights, n_base), published(data, weights, rows // rounds)) for _ in range(rounds)]
    evaluations = 18 * n_base
    best, plain = min(t for t, _ in times), min(p for _, p in times) * evaluations
    ratios = sorted(p * evaluations / t for t, p in times)
    print(f"{evaluations:,} evaluations, {chosen.threads} threads, {rounds} rounds")
    print(f"ours, files to figures' data   {best:8.2f} s   (goal < 5 s)")
    print(f"published way, one row a call  {plain:8.2f} s   (extrapolated from {rows:,} rows, evaluation alone)")
    middle, spread = ratios[len(ratios) // 2], f"{ratios[0]:.0f} to {ratios[-1]:.0f}"
    print(f"ratio                          {middle:8.1f}     (goal ≥ 40; {spread})")


if __name__ == "__main__":
    main()
