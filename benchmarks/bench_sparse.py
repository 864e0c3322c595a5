"""Sparse chaos: time of one fit against OpenTURNS, and error of the total indices against SALib, OpenTURNS and chaospy.

    python benchmarks/bench_sparse.py [--peers PYTHON] [--seeds 10] [--smoke]

`--peers` names an interpreter that has the peers, when they are kept out of this environment. Time: the whole public
call, Ishigami at 1,000 points with 286 candidate terms (total degree 10), indices included; ours adds the share of the
variance explained on folds that had no part in picking the terms. Error: the largest error of a total index, median
over the seeds, with our default options. OpenTURNS and chaospy get the same points, and every peer is given the best,
by the true error, of several sets of terms: OpenTURNS LARS total degree and hyperbolic sets, chaospy every total degree
that the points can carry. SALib draws its own points, as many as the budget allows. All sides run on one thread.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

os.environ.update({"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})

import numpy as np

BUDGETS = {"ishigami": (100, 300, 1000), "sobol_g8": (100, 300, 1000)}

PEER = """
import importlib.util, json, sys, time, warnings
from pathlib import Path
import numpy as np
warnings.filterwarnings("ignore")
folder = Path(sys.argv[1])
jobs = json.loads((folder / "jobs.json").read_text())

def ishigami(x):
    return np.sin(x[:, 0]) * (1 + 0.1 * x[:, 2] ** 4) + 7 * np.sin(x[:, 1]) ** 2

def sobol_g8(x):
    a = np.array([0, 1, 4.5, 9, 99, 99, 99, 99.0])
    return np.prod((np.abs(4 * x - 2) + a) / (1 + a), axis=1)

FUNCTIONS = {"ishigami": (ishigami, -np.pi, np.pi, 3), "sobol_g8": (sobol_g8, 0.0, 1.0, 8)}
SETS = {"ishigami": [(1.0, 10), (0.7, 14)], "sobol_g8": [(1.0, 3), (0.5, 8), (0.4, 10)]}

def lars(name, x, y, q, degree):
    import openturns as ot
    ot.TBB.Disable()
    low, high, d = FUNCTIONS[name][1:]
    enumeration = ot.LinearEnumerateFunction(d) if q == 1 else ot.HyperbolicAnisotropicEnumerateFunction(d, q)
    basis = ot.OrthogonalProductPolynomialFactory([ot.LegendreFactory()] * d, enumeration)
    size = enumeration.getMaximumDegreeCardinal(degree)
    strategy = ot.LeastSquaresStrategy(ot.LeastSquaresMetaModelSelectionFactory(ot.LARS(), ot.CorrectedLeaveOneOut()))
    joint = ot.JointDistribution([ot.Uniform(low, high)] * d)
    algorithm = ot.FunctionalChaosAlgorithm(x, y, joint, ot.FixedStrategy(basis, size), strategy)
    algorithm.run()
    indices = ot.FunctionalChaosSobolIndices(algorithm.getResult())
    return [indices.getSobolTotalIndex(i) for i in range(d)]

def chaospy_totals(name, x, y, expansions):
    import chaospy, numpoly
    low, high, d = FUNCTIONS[name][1:]
    out = []
    for degree in range(1, 11):
        key = (name, degree)
        terms = int(np.prod([(degree + i) / i for i in range(1, d + 1)]) + 0.5)
        if 1.2 * terms > len(x) or terms > 300:
            break
        if key not in expansions:
            joint = chaospy.J(*(chaospy.Uniform(low, high) for _ in range(d)))
            expansions[key] = chaospy.generate_expansion(degree, joint, normed=True)
        _, c = chaospy.fit_regression(expansions[key], x.T, y[:, 0], retall=1)
        powers = np.array(numpoly.lead_exponent(expansions[key], graded=True, reverse=True)) > 0
        square = np.where(powers.any(axis=1), np.asarray(c) ** 2, 0)
        out.append(((powers * square[:, None]).sum(axis=0) / square.sum()).tolist())
    return out

def salib(name, budget, seed):
    from SALib.sample import sobol as draw
    from SALib.analyze import sobol
    function, low, high, d = FUNCTIONS[name]
    problem = {"num_vars": d, "names": [str(i) for i in range(d)], "bounds": [[low, high]] * d}
    x = draw.sample(problem, budget // (d + 2), calc_second_order=False, seed=seed)
    return sobol.analyze(problem, function(x), calc_second_order=False, num_resamples=2, seed=seed)["ST"].tolist()

out, expansions = [], {}
for job in jobs:
    name, n = job["function"], job["n"]
    x, y = np.load(folder / job["x"]), np.load(folder / job["y"])
    found = {}
    if importlib.util.find_spec("openturns"):
        if job.get("time"):
            spans = []
            for _ in range(3):
                start = time.perf_counter()
                total = lars(name, x, y, 1.0, 10)
                spans.append(time.perf_counter() - start)
            found["seconds"], found["OpenTURNS LARS"] = min(spans), [total]
        else:
            found["OpenTURNS LARS"] = [lars(name, x, y, q, degree) for q, degree in SETS[name]]
    if not job.get("time"):
        if importlib.util.find_spec("chaospy"):
            found["chaospy"] = chaospy_totals(name, x, y, expansions)
        if importlib.util.find_spec("SALib"):
            found["SALib"] = [salib(name, n, job["seed"])]
    out.append(found)
print("RESULT " + json.dumps(out))
"""


def ask_peers(interpreter: str, jobs: Sequence[dict], points: dict[str, np.ndarray]) -> list[dict]:
    """What the peers find for each job; empty where they are not installed."""
    with tempfile.TemporaryDirectory() as folder:
        for name, array in points.items():
            np.save(Path(folder) / name, array)
        (Path(folder) / "jobs.json").write_text(json.dumps(list(jobs)))
        run = subprocess.run([interpreter, "-c", PEER, folder], capture_output=True, text=True, check=False)
    line = next((s for s in run.stdout.splitlines() if s.startswith("RESULT ")), None)
    if line is None:
        print(f"peers: no result from {Path(interpreter).name}: {run.stderr.strip().splitlines()[-1:]}")
        return [{} for _ in jobs]
    return json.loads(line.removeprefix("RESULT "))


def references() -> dict:
    """The functions by name."""
    from shiftgauge.estimate.reference import ISHIGAMI, sobol_g

    return {"ishigami": ISHIGAMI, "sobol_g8": sobol_g()}


def ours(name: str, n: int, seed: int, **options: object) -> tuple[float, float, np.ndarray, np.ndarray]:
    """Seconds and largest error of a total index by our call, with its points and values."""
    from shiftgauge.estimate.chaos.candidates import ChaosOptions
    from shiftgauge.estimate.chaos.gpc import gpc
    from shiftgauge.estimate.designs import PlainDesign
    from shiftgauge.estimate.inputs import Inputs

    reference = references()[name]
    design = PlainDesign(inputs=Inputs(space=reference.space), n=n, seed=seed)
    x = design.rows(0, n).theta
    y = reference.function(x)[:, None]
    start = time.perf_counter()
    found = gpc(design, y, outputs=["y"], resamples=0, chaos=ChaosOptions(**options))
    span = time.perf_counter() - start
    return span, float(np.abs(found.total_order[0] - reference.total_order).max()), x, y


def one_fit(peers: str, repeats: int) -> None:
    """Prints the time of one sparse fit of both sides."""
    runs = [ours("ishigami", 1000, 0, degree=10, solver="omp") for _ in range(repeats)]
    job = {"function": "ishigami", "n": 1000, "seed": 0, "x": "x.npy", "y": "y.npy", "time": True}
    (found,) = ask_peers(peers, [job], {"x.npy": runs[0][2], "y.npy": runs[0][3]})
    runs += [ours("ishigami", 1000, 0, degree=10, solver="omp") for _ in range(repeats)]
    span, error = min(run[0] for run in runs), runs[0][1]
    print(
        f"one sparse fit, 1,000 points, 286 candidates: ours {span:.4f} s, largest error of a total index {error:.2e}"
    )
    if "seconds" in found:
        exact = references()["ishigami"].total_order
        theirs = np.abs(np.array(found["OpenTURNS LARS"][0]) - exact).max()
        ratio = found["seconds"] / span
        print(f"OpenTURNS LARS {found['seconds']:.3f} s, error {theirs:.2e}; ratio {ratio:.1f} (wanted: >= 50)")


def errors(peers: str, seeds: int, budgets: dict[str, tuple[int, ...]]) -> None:
    """Prints the table of errors."""
    jobs, points, mine = [], {}, {}
    for name, some in budgets.items():
        for n in some:
            for seed in range(seeds):
                span, error, x, y = ours(name, n, seed)
                mine.setdefault((name, n), []).append((error, span))
                key = f"{name}_{n}_{seed}"
                points[f"{key}_x.npy"], points[f"{key}_y.npy"] = x, y
                jobs.append({"function": name, "n": n, "seed": seed, "x": f"{key}_x.npy", "y": f"{key}_y.npy"})
    table: dict[tuple[str, int], dict[str, list[float]]] = {}
    for job, found in zip(jobs, ask_peers(peers, jobs, points), strict=True):
        exact = references()[job["function"]].total_order
        row = table.setdefault((job["function"], job["n"]), {})
        for peer, totals in found.items():
            if totals:
                row.setdefault(peer, []).append(float(np.abs(np.array(totals) - exact).max(axis=1).min()))
    print(f"\nlargest error of a total index, median of {seeds} seeds")
    print(f"{'':16s}{'ours':>12s}{'(seconds)':>12s}{'SALib':>12s}{'OT LARS':>12s}{'chaospy':>12s}")
    for (name, n), found in mine.items():
        error, span = np.median(found, axis=0)
        others = [np.median(table[name, n].get(p, [np.nan])) for p in ("SALib", "OpenTURNS LARS", "chaospy")]
        print(f"{name:10s}{n:6d}{error:12.2e}{span:12.2f}" + "".join(f"{v:12.2e}" for v in others))


def main() -> None:
    """Runs both parts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", default=sys.executable, help="interpreter with OpenTURNS, chaospy and SALib")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--smoke", action="store_true", help="one seed and one budget, to see that it runs")
    arguments = parser.parse_args()
    one_fit(arguments.peers, 1 if arguments.smoke else 5)
    budgets = {name: some[:1] for name, some in BUDGETS.items()} if arguments.smoke else BUDGETS
    errors(arguments.peers, 1 if arguments.smoke else arguments.seeds, budgets)


if __name__ == "__main__":
    main()
