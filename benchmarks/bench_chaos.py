"""Polynomial chaos regression of 343 terms at 10,000 points: against a bare Cholesky solve, pygpc, OpenTURNS, chaospy.

    python benchmarks/bench_chaos.py [--peers PYTHON] [--repeats 7] [--limit 600]

`--peers` names an interpreter that has the peers, when they are kept out of this environment. Every side gets the same
points and values in one run; peers run in a process of their own and report seconds alone. The bare solve is given the
Vandermonde matrix for nothing; "ours, parts" builds it, and adds leave-one-out errors and all indices; "ours, gpc()" is
the whole public call with the same and the tables of the result. Two spans are taken of a peer: its fit with indices
(chaospy at 1,000 outputs: the fit alone, since its indices take far longer), and the same with its own leave-one-out
error, where it has one: 25 refits of pygpc, the exact formula of OpenTURNS at one output. The second is like ours.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

N, DEGREE, OUTPUTS = 10_000, 6, (1, 1000)

PEER = """
import importlib.util, json, sys, time, warnings
from collections import OrderedDict
from pathlib import Path
import numpy as np
warnings.filterwarnings("ignore")
folder, only, out = Path(sys.argv[1]), sys.argv[2], {}
x, unit = np.load(folder / "x.npy"), np.load(folder / "unit.npy")
values = {q: np.load(folder / f"y{q}.npy") for q in (1, 1000)}

def timed(function, repeats=1):
    spans = []
    for _ in range(repeats):
        start = time.perf_counter(); result = function(); spans.append(time.perf_counter() - start)
    return min(spans), result

def record(name, key, span):
    out.setdefault(name, {})[key] = span
    print("RESULT " + json.dumps(out), flush=True)

if only == "pygpc" and importlib.util.find_spec("pygpc"):
    import pygpc
    parameters = OrderedDict((n, pygpc.Beta(pdf_shape=[1, 1], pdf_limits=[-np.pi, np.pi])) for n in ("x1", "x2", "x3"))
    problem = pygpc.Problem(pygpc.testfunctions.Ishigami(), parameters)
    def peer(q, errors=False):
        grid = pygpc.RandomGrid(parameters_random=parameters, coords=x, coords_norm=unit)
        gpc = pygpc.Reg(problem=problem, order=[6] * 3, order_max=18, order_max_norm=1, interaction_order=3,
                        interaction_order_current=3, options={"settings": None, "solver": "Moore-Penrose",
                        "verbose": False, "method": "reg", "gradient_enhanced": False, "backend": "omp"})
        gpc.grid = grid
        gpc.init_gpc_matrix(gradient_idx=None)
        coefficients = gpc.solve(results=values[q], gradient_results=None, solver="Moore-Penrose", settings=None)
        if errors:
            gpc.get_loocv(coefficients, values[q])
        sobol, index = gpc.get_sobol_indices(coefficients, algorithm="standard")[:2]
        return [float(sobol[[list(i) for i in index].index([k]), 0]) for k in range(3)]
    try:
        for q in values:
            record("pygpc", str(q), timed(lambda: peer(q)))
        for q in values:
            record("pygpc", f"{q} with errors", timed(lambda: peer(q, True)))
    except Exception as error:
        print("FAILED " + f"{type(error).__name__}: {error}", flush=True)
if only == "OpenTURNS" and importlib.util.find_spec("openturns"):
    import openturns as ot
    def peer(q, errors=False):
        basis = ot.OrthogonalProductPolynomialFactory([ot.LegendreFactory()] * 3, ot.NormInfEnumerateFunction(3))
        joint = ot.JointDistribution([ot.Uniform(-np.pi, np.pi)] * 3)
        fit = ot.FunctionalChaosAlgorithm(x, values[q], joint, ot.FixedStrategy(basis, 343), ot.LeastSquaresStrategy())
        fit.run()
        if errors:
            ot.FunctionalChaosValidation(fit.getResult(), ot.LeaveOneOutSplitter(len(x))).computeR2Score()
        indices = ot.FunctionalChaosSobolIndices(fit.getResult())
        for k in range(q):
            for i in range(3):
                indices.getSobolTotalIndex(i, k)
        return [indices.getSobolIndex(i) for i in range(3)]
    try:
        for q in values:
            record("OpenTURNS", str(q), timed(lambda: peer(q)))
        record("OpenTURNS", "1 with errors", timed(lambda: peer(1, True)))
    except Exception as error:
        print("FAILED " + f"{type(error).__name__}: {error}", flush=True)
if only == "chaospy" and importlib.util.find_spec("chaospy"):
    import chaospy
    joint = chaospy.J(*(chaospy.Uniform(-np.pi, np.pi) for _ in range(3)))
    def peer(q):
        terms = chaospy.generate_expansion(6, joint, normed=True, cross_truncation=np.inf)
        assert len(terms) == 343, len(terms)
        fitted = chaospy.fit_regression(terms, x.T, values[q][:, 0] if q == 1 else values[q])
        if q > 1:
            return []  # its indices of so many outputs take far longer than the fit: left out, in its favour
        return np.ravel(chaospy.Sens_m(fitted, joint)).tolist()
    try:
        for q in reversed(values):
            record("chaospy", str(q), timed(lambda: peer(q), 1))
    except Exception as error:
        print("FAILED " + f"{type(error).__name__}: {error}", flush=True)
"""


def best(function: Callable[[], object], repeats: int) -> float:
    """Least wall time of some runs, in seconds."""
    spans = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        spans.append(time.perf_counter() - start)
    return min(spans)


def ours(unit: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, float]:
    """Fit, leave-one-out error and all indices; returns first-order indices and Q² of output 0."""
    from shiftgauge.estimate.chaos.basis import input_bases
    from shiftgauge.estimate.chaos.fit import fit_terms
    from shiftgauge.estimate.chaos.index_set import tensor
    from shiftgauge.estimate.chaos.surrogate import ChaosSurrogate
    from shiftgauge.estimate.inputs import Inputs
    from shiftgauge.estimate.reference import ISHIGAMI

    inputs = Inputs(space=ISHIGAMI.space)
    bases, indices = input_bases(inputs, None, 0), tensor([DEGREE] * 3)
    fit = fit_terms(bases, indices, inputs.coordinates(unit), values)
    model = ChaosSurrogate(
        names=inputs.names,
        outputs=tuple(str(q) for q in range(values.shape[1])),
        bases=bases,
        indices=indices,
        coefficients=fit.coefficients,
        q2=fit.q2,
        n_points=len(unit),
    )
    model.subsets(), model.total_order(), model.second_order()
    return model.first_order()[0], float(model.q2[0])


def whole_call(design: object, values: np.ndarray) -> np.ndarray:
    """The public call on a design: fit, leave-one-out errors, all indices up to pairs; returns S1 of output 0."""
    from shiftgauge.estimate.chaos.candidates import ChaosOptions
    from shiftgauge.estimate.chaos.gpc import gpc

    names = [str(q) for q in range(values.shape[1])]
    return gpc(
        design, values, outputs=names, chaos=ChaosOptions(terms="tensor", degree=DEGREE), resamples=0
    ).first_order


def bare(terms: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Normal equations by Cholesky, nothing else."""
    from scipy.linalg import cho_factor, cho_solve

    return cho_solve(cho_factor(terms.T @ terms), terms.T @ values)


def main() -> None:
    """Times all sides and prints the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", default=sys.executable, help="interpreter with pygpc and chaospy")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--limit", type=float, default=600, help="seconds that each peer may take; what it told counts")
    arguments = parser.parse_args()

    from shiftgauge.estimate.chaos.basis import input_bases
    from shiftgauge.estimate.chaos.index_set import tensor
    from shiftgauge.estimate.chaos.vandermonde import vandermonde
    from shiftgauge.estimate.designs import PlainDesign
    from shiftgauge.estimate.inputs import Inputs
    from shiftgauge.estimate.reference import ISHIGAMI

    rng = np.random.default_rng(0)
    design = PlainDesign(inputs=Inputs(space=ISHIGAMI.space), n=N, method="random")
    unit = design.rows(0, N).unit
    x = ISHIGAMI.space.to_physical(unit)
    y = ISHIGAMI.function(x)[:, None]
    values = {1: y, 1000: y + rng.normal(size=(N, 1000))}
    bases = input_bases(Inputs(space=ISHIGAMI.space), None, 0)
    terms = np.ascontiguousarray(vandermonde(bases, tensor([DEGREE] * 3), x).T)
    mine, floor, whole = (dict.fromkeys(OUTPUTS, np.inf) for _ in range(3))
    for _ in range(arguments.repeats):  # both sides in turn, so that other load meets both
        for q in OUTPUTS:
            floor[q] = min(floor[q], best(lambda q=q: bare(terms, values[q]), 2))
            mine[q] = min(mine[q], best(lambda q=q: ours(unit, values[q]), 2))
            whole[q] = min(whole[q], best(lambda q=q: whole_call(design, values[q]), 2))
    print(f"{'':34s}" + "".join(f"{q:>7d} output{'s' if q > 1 else ' '}" for q in OUTPUTS))
    print(f"{'ours, gpc()':34s}" + "".join(f"{whole[q]:13.4f} s" for q in OUTPUTS))
    print(f"{'ours, parts':34s}" + "".join(f"{mine[q]:13.4f} s" for q in OUTPUTS))
    print(f"{'bare Cholesky solve':34s}" + "".join(f"{floor[q]:13.4f} s" for q in OUTPUTS))
    print(f"{'our parts / bare (wanted: <= 1.5)':34s}" + "".join(f"{mine[q] / floor[q]:13.2f}  " for q in OUTPUTS))
    first, q2 = ours(unit, y)
    print(f"our S1 {np.round(first, 6).tolist()}, leave-one-out Q2 {q2:.4f}")
    _print_peers(arguments.peers, x, unit, values, whole, arguments.limit)


def _print_peers(
    interpreter: str,
    x: np.ndarray,
    unit: np.ndarray,
    values: dict[int, np.ndarray],
    mine: dict[int, float],
    limit: float,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "x.npy", x)
        np.save(Path(folder) / "unit.npy", 2 * unit - 1)
        for q, y in values.items():
            np.save(Path(folder) / f"y{q}.npy", y)
        for peer in ("pygpc", "OpenTURNS", "chaospy"):
            _print_peer(peer, *_told(interpreter, folder, peer, limit), mine, limit)


def _told(interpreter: str, folder: str, peer: str, limit: float) -> tuple[dict[str, list], str]:
    """Spans that a peer's process told within the limit, and why it failed."""
    try:
        told = subprocess.run(
            [interpreter, "-c", PEER, folder, peer], capture_output=True, text=True, check=False, timeout=limit
        ).stdout
    except subprocess.TimeoutExpired as stopped:
        told = (stopped.stdout or b"").decode()
    lines = [line.removeprefix("RESULT ") for line in told.splitlines() if line.startswith("RESULT ")]
    failed = [line.removeprefix("FAILED ") for line in told.splitlines() if line.startswith("FAILED ")]
    return (json.loads(lines[-1])[peer] if lines else {}), "".join(failed)


def _print_peer(peer: str, found: dict[str, list], failed: str, mine: dict[int, float], limit: float) -> None:
    if failed:
        print(f"{peer}: failed, {failed}", flush=True)
    elif not found:
        print(
            f"{peer}: nothing within {limit:g} s, or not installed (extra `bench`, or name an interpreter by --peers)"
        )
    for key, (span, _) in found.items():
        q = int(key.split()[0])
        wanted = 15 if peer == "chaospy" else 5
        kind = "with leave-one-out" if "errors" in key else "fit and indices" if peer != "chaospy" or q == 1 else "fit"
        print(
            f"{peer} {kind}, {q} output(s): {span:.3f} s, {span / mine[q]:.1f} × gpc() (wanted: >= {wanted})",
            flush=True,
        )
    if "1" in found:
        print(f"{peer} S1 {np.round(found['1'][1][:3], 6).tolist()}", flush=True)


if __name__ == "__main__":
    main()
