"""Pick-freeze indices against SALib: eight inputs with many points, many resamples, and 3,072 inputs.

    python benchmarks/bench_pick_freeze.py [--peers PYTHON] [--repeats 3] [--smoke]

`--peers` names an interpreter that has SALib, when it is kept out of this environment. Every side runs in a process of
its own, in turn, on the same number of threads, and reports the seconds of its whole public calls, sample and analyse,
and the peak memory of its process. The function between the two is cheap, the same on both sides, taken in pieces,
and not counted; in the work of 3,072 inputs it is a network of three layers and counted on both sides.
"""

import argparse
import json
import os
import subprocess
import sys

COMMON = """
import json, resource, sys, time
import numpy as np
D, N, R, REPLICATES, REPEATS = (int(v) for v in sys.argv[1:6])
A = np.array([0, 1, 4.5, 9, 99, 99, 99, 99.0])

def sobol_g(x):
    y = np.empty(len(x))
    for s in range(0, len(x), 8192):
        y[s : s + 8192] = np.prod((np.abs(4 * x[s : s + 8192] - 2) + A) / (1 + A), axis=1)
    return y

rng = np.random.default_rng(0)
H, Q = 128, 10
if D > 8:
    W = (rng.normal(size=(H, D)) * np.exp(-np.arange(D) / 400) / np.sqrt(D)).astype(np.float32)
    b = (0.1 * rng.normal(size=H)).astype(np.float32)
    V = [(rng.normal(size=s) / 10).astype(np.float32) for s in ((H, 32), (32, Q))]

def rest(z):
    np.maximum(z, 0, out=z)
    return np.maximum(z @ V[0], 0) @ V[1]

def report(seconds, first, total):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print("RESULT " + json.dumps([seconds, peak, np.ravel(first)[:4].tolist(), np.ravel(total)[:4].tolist()]))
"""

OURS = """
from shiftgauge.estimate.designs import PickFreezeDesign
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.estimate.pick_freeze import pick_freeze
from shiftgauge.estimate.streaming import LinearFirst, stream_pick_freeze
from shiftgauge.parameter import Parameter
from shiftgauge.space import Space
best = np.inf
for _ in range(REPEATS):
    start = time.perf_counter()
    options = {"low": 0, "high": 1}
    space = Space([Parameter(name=f"x{i}", distribution="uniform", options=options) for i in range(D)])
    design = PickFreezeDesign(inputs=Inputs(space=space), n_base=N, second_order=D == 8, replicates=REPLICATES)
    if D == 8:
        x = design.rows(0, design.n_rows).theta
        spent = time.perf_counter() - start
        y = sobol_g(x)
        del x
        start = time.perf_counter() - spent
        found = pick_freeze(design, y, outputs=["y"], resamples=R)
    else:
        model = LinearFirst(weight=W, bias=b, rest=rest)
        found = stream_pick_freeze(model, design, outputs=[str(q) for q in range(Q)])
    best = min(best, time.perf_counter() - start)
report(best, found.first_order[0], found.total_order[0])
"""

PEER = """
import warnings
warnings.filterwarnings("ignore")
from SALib.analyze import sobol as analyse
from SALib.sample import sobol as sample
best = np.inf
for _ in range(REPEATS):
    start = time.perf_counter()
    problem = {"num_vars": D, "names": [f"x{i}" for i in range(D)], "bounds": [[0, 1]] * D}
    x = sample.sample(problem, N, calc_second_order=D == 8, seed=0)
    if D == 8:
        spent = time.perf_counter() - start
        y = sobol_g(x)
        del x
        start = time.perf_counter() - spent
        found = analyse.analyze(problem, y, calc_second_order=True, num_resamples=R, seed=0)
    else:  # its analysis takes one output: the first alone, in its favour
        y = rest(x.astype(np.float32) @ W.T + b)[:, 0].astype(float)
        found = analyse.analyze(problem, y, calc_second_order=False, num_resamples=R, seed=0)
    best = min(best, time.perf_counter() - start)
report(best, found["S1"], found["ST"])
"""

Result = tuple[float, float, list[float], list[float]]


def run(interpreter: str, code: str, *numbers: int) -> Result | str:
    """Seconds, peak memory (MB), first and total indices of one side, or why there are none."""
    done = subprocess.run(
        [interpreter, "-c", COMMON + code, *map(str, numbers)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    line = next((s for s in done.stdout.splitlines() if s.startswith("RESULT ")), None)
    if line is None:
        return " ".join(done.stderr.strip().splitlines()[-1:])
    return tuple(json.loads(line.removeprefix("RESULT ")))


def show(name: str, found: Result | str) -> None:
    """One line of the table."""
    if isinstance(found, str):
        print(f"  {name:44s}  none: {found}")
    else:
        print(f"  {name:44s}{found[0]:11.3f} s{found[1]:9.0f} MB   S1 {_few(found[2])}  ST {_few(found[3])}")


def _few(values: list[float]) -> str:
    return " ".join(f"{v:.3f}" for v in values[:3])


def ratio(ours: Result | str, peer: Result | str, wanted: str) -> None:
    """SALib's seconds and memory over ours."""
    if not isinstance(ours, str) and not isinstance(peer, str):
        print(f"  SALib / ours: {peer[0] / ours[0]:.1f} x in time, {peer[1] / ours[1]:.2f} x in memory ({wanted})")


def main() -> None:
    """Runs all three pieces of work on both sides."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", default=sys.executable, help="interpreter with SALib")
    parser.add_argument("--repeats", type=int, default=3, help="runs of our side, of which the best counts")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes: does it run?")
    arguments = parser.parse_args()
    repeats = arguments.repeats
    works = ((65_536, 100, "wanted: >= 50 and >= 2", 1), (1_024, 1_000, "wanted: >= 30", 3))
    if arguments.smoke:
        works, repeats = ((256, 20, "smoke", 1),), 1
    for n, resamples, wanted, peer_repeats in works:
        print(f"8 inputs, N = {n:,}, S1 + ST + S2, {resamples:,} resamples: sample + analyse")
        ours = run(sys.executable, OURS, 8, n, resamples, 1, repeats)
        show("ours, bootstrap", ours)
        show("ours, 16 scramblings (default)", run(sys.executable, OURS, 8, n, resamples, 16, repeats))
        peer = run(arguments.peers, PEER, 8, n, resamples, 1, min(peer_repeats, repeats))
        show("SALib, bootstrap", peer)
        ratio(ours, peer, wanted)
    d, n, small = (64, 32, 16) if arguments.smoke else (3_072, 1_024, 16)
    print(f"{d:,} inputs, network of 3 layers, S1 + ST")
    ours = run(sys.executable, OURS, d, n, 100, 16, 1)
    show(f"ours, N = {n:,}, 10 outputs (< 20 s, < 1 GB)", ours)
    show(f"ours, N = {small}, 10 outputs", run(sys.executable, OURS, d, small, 100, 16, 1))
    peer = run(arguments.peers, PEER, d, small, 100, 1, 1)
    show(f"SALib, N = {small}, 1 output", peer)
    ratio(ours, peer, f"our {n:,} points against its {small}")


if __name__ == "__main__":
    main()
