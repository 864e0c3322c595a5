"""How often intervals hold the exact index, over many repetitions, for each kind of interval.

    python benchmarks/coverage.py [--repetitions 200] [--only gpc] [--smoke]

A 95 % interval is fair when its coverage lies in 92-98 %. With 200 repetitions the coverage of one index has a standard
error of 1.5 points, so that a single index of a fair method lies between 90 and 99 % nearly always, and the mean over
the indices of a function within 92-98 %. The last column says whether that mean does; the command ends with 1 if any
does not. A surrogate that holds the function itself leaves nothing to cover: where no index of any repetition is off by
more than 1e-6, the method is called exact. Chaos expansions hold the linear function and, with a few hundred points,
Ishigami's; so their bootstrap is also measured on values with noise of 1 % of the variance, where none is exact.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from math import sqrt

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from shiftgauge.estimate.analysis import analyse
from shiftgauge.estimate.chaos.gpc import gpc
from shiftgauge.estimate.designs import PickFreezeDesign, PlainDesign
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.estimate.reference import ISHIGAMI, ReferenceFunction, linear_gaussian, sobol_g
from shiftgauge.random import generator

FAIR = (0.92, 0.98)
EXACT = 1e-6
NOISE = 0.01
FUNCTIONS: dict[str, Callable[[], ReferenceFunction]] = {
    "Ishigami": lambda: ISHIGAMI,
    "g, 3 inputs": lambda: sobol_g((0.0, 1.0, 4.5)),
    "linear Gaussian": linear_gaussian,
}


@dataclass(frozen=True)
class Method:
    """One way to an interval."""

    label: str
    estimator: str
    design: str
    n: int
    replicates: int = 16
    noise: float = 0.0

    def covers(self, reference: ReferenceFunction, seed: int) -> tuple[np.ndarray, float]:
        """Whether the interval of each first and total index holds the exact value (2d,), and the largest error."""
        inputs = Inputs(space=reference.space)
        if self.estimator == "gpc":
            design = PlainDesign(inputs=inputs, n=self.n, method=self.design, seed=seed)
        else:
            design = PickFreezeDesign(
                inputs=inputs, n_base=self.n, method=self.design, replicates=self.replicates, seed=seed
            )
        y = reference.function(design.rows(0, design.n_rows).theta)[:, None]
        if self.noise:
            y = y + generator(seed, "noise").normal(scale=sqrt(self.noise * reference.variance), size=y.shape)
            found = gpc(design, y, outputs=["y"], resamples=500, seed=seed, residual="noise")
        else:
            found = analyse(design, y, outputs=["y"], estimator=self.estimator, resamples=500, seed=seed)
        interval = np.concatenate([found.first_order_interval[0], found.total_order_interval[0]])
        exact = np.concatenate([reference.first_order, reference.total_order])
        error = np.abs(np.concatenate([found.first_order[0], found.total_order[0]]) - exact).max()
        return (interval[:, 0] - 1e-9 <= exact) & (exact <= interval[:, 1] + 1e-9), float(error)


METHODS = (
    Method("pick-freeze, randomised QMC", "pick_freeze", "sobol", 512),
    Method("pick-freeze, bootstrap of a random design", "pick_freeze", "random", 512),
    Method("surrogate-assisted, randomised QMC", "assisted", "sobol", 256),
    Method("surrogate-assisted, bootstrap of a random design", "assisted", "random", 256),
    Method("gPC, bootstrap", "gpc", "random", 512),
    Method("gPC, bootstrap, noisy values", "gpc", "random", 512, noise=NOISE),
)


def _one(job: tuple[Method, str, int]) -> tuple[np.ndarray, float]:
    method, function, seed = job
    return method.covers(FUNCTIONS[function](), seed)


def _rows(methods: list[Method], repetitions: int) -> Iterator[tuple[Method, str, np.ndarray, float]]:
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for method in methods:
            for function in FUNCTIONS:
                jobs = [(method, function, seed) for seed in range(repetitions)]
                hits, errors = zip(*pool.map(_one, jobs, chunksize=8), strict=True)
                yield method, function, np.mean(hits, axis=0), max(errors)


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=200)
    parser.add_argument("--only", default="", help="methods whose label holds this")
    parser.add_argument("--smoke", action="store_true", help="four repetitions: does it run?")
    options = parser.parse_args()
    repetitions = 4 if options.smoke else options.repetitions
    methods = [m for m in METHODS if options.only.lower() in m.label.lower()]
    print(f"{repetitions} repetitions, nominal 95 %\n")
    print(f"{'interval':50} {'N':>5}  {'function':16} {'lowest':>7} {'mean':>6} {'highest':>7}")
    failed = False
    for method, function, cover, error in _rows(methods, repetitions):
        verdict = "exact" if error < EXACT else "fair" if FAIR[0] <= cover.mean() <= FAIR[1] else "NOT FAIR"
        failed |= verdict == "NOT FAIR"
        numbers = f"{cover.min():7.3f} {cover.mean():6.3f} {cover.max():7.3f}"
        print(f"{method.label:50} {method.n:5}  {function:16} {numbers}  {verdict}", flush=True)
    return int(failed and not options.smoke)


if __name__ == "__main__":
    sys.exit(main())
