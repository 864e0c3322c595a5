"""Agreement with OpenTURNS and chaospy, from tables that they gave, on the same points."""

from pathlib import Path

import numpy as np
import pytest

from shiftgauge.estimate.chaos.basis import input_bases
from shiftgauge.estimate.chaos.fit import fit_terms
from shiftgauge.estimate.chaos.index_set import total_degree
from shiftgauge.estimate.chaos.surrogate import ChaosSurrogate
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.estimate.reference import ISHIGAMI

# written by this, with OpenTURNS 1.27 and chaospy 4.3.21, for x = π·default_rng(0).uniform(-1, 1, (2000, 3)):
#   basis = ot.OrthogonalProductPolynomialFactory([ot.LegendreFactory()] * 3, ot.LinearEnumerateFunction(3))
#   ot.FunctionalChaosAlgorithm(x, y, ot.JointDistribution([ot.Uniform(-np.pi, np.pi)] * 3),
#                               ot.FixedStrategy(basis, 84), ot.LeastSquaresStrategy()) → getCoefficients()
#   terms = chaospy.generate_expansion(6, chaospy.J(*[chaospy.Uniform(-np.pi, np.pi)] * 3), normed=True)
#   chaospy.fit_regression(terms, x.T, y, retall=1)[1], by numpoly.lead_exponent(terms, graded=True, reverse=True)
TABLE = np.loadtxt(Path(__file__).parent / "data" / "openturns_chaospy_ishigami.csv", delimiter=",", skiprows=1)
# ot.FunctionalChaosSobolIndices(result).getSobolIndex(i), .getSobolTotalIndex(i)
OPENTURNS_FIRST = (0.3193349359124096, 0.4420968647188918, 0.00012573698827573823)
OPENTURNS_TOTAL = (0.5573786205755699, 0.44309340559586124, 0.23836757202752873)


def ours():
    x = np.pi * np.random.default_rng(0).uniform(-1, 1, (2000, 3))
    inputs = Inputs(space=ISHIGAMI.space)
    bases, indices = input_bases(inputs, None, 0), total_degree(3, 6)
    fit = fit_terms(bases, indices, x, ISHIGAMI.function(x)[:, None])
    return ChaosSurrogate(
        names=inputs.names,
        outputs=("y",),
        bases=bases,
        indices=indices,
        coefficients=fit.coefficients,
        q2=fit.q2,
        n_points=2000,
    )


@pytest.mark.parametrize("column", [3, 4], ids=["openturns", "chaospy"])
def test_coefficients_equal_those_of_the_peer(column):
    model = ours()
    theirs = {tuple(row): value for row, value in zip(TABLE[:, :3].astype(int).tolist(), TABLE[:, column], strict=True)}
    assert len(theirs) == 84
    wanted = [theirs[tuple(row)] for row in model.indices.tolist()]
    assert np.allclose(model.coefficients[:, 0], wanted, rtol=0, atol=1e-7)


def test_indices_equal_those_of_openturns():
    model = ours()
    assert np.allclose(model.first_order()[0], OPENTURNS_FIRST, atol=1e-7)
    assert np.allclose(model.total_order()[0], OPENTURNS_TOTAL, atol=1e-7)
