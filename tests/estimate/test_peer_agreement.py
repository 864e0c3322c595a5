"""Agreement with SALib and OpenTURNS on the same values, from tables that they gave (tests/peer_tables.py)."""

import pytest

from peer_tables import AGGREGATED, DGSM, D, N, blocks, difference_quotients, openturns_aggregated, salib_dgsm
from shiftgauge.estimate.aggregate import aggregated_indices
from shiftgauge.estimate.derivative import derivative_bounds
from shiftgauge.estimate.designs import PickFreezeDesign
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.estimate.pick_freeze import pick_freeze
from shiftgauge.estimate.reference import ISHIGAMI


def test_the_tables_are_what_the_installed_packages_give():
    pytest.importorskip("SALib", reason="SALib is not installed (extra `bench`); a kept table stands for it")
    pytest.importorskip("openturns", reason="OpenTURNS is not installed (extra `bench`); a kept table stands for it")
    for found, table in ((salib_dgsm(), DGSM), (openturns_aggregated(), AGGREGATED)):
        for name, values in table.items():
            assert found[name] == pytest.approx(values, abs=1e-9)


def test_derivative_bounds_are_those_of_salib():
    y, slopes = difference_quotients()
    found = derivative_bounds(lambda _: (y, slopes), ISHIGAMI.space, outputs=["y"], n=N)
    assert found.gradient_square[0] == pytest.approx(DGSM["vi"], rel=1e-9)
    # SALib's variance has N in its denominator
    assert found.poincare_bound[0] * N / (N - 1) == pytest.approx(DGSM["dgsm"], rel=1e-9)


def test_aggregated_indices_are_those_of_openturns():
    f = blocks()
    design = PickFreezeDesign(inputs=Inputs(space=ISHIGAMI.space), n_base=N, replicates=1)
    found = aggregated_indices(pick_freeze(design, f.reshape(-1, 2), outputs=["y", "z"], resamples=0))
    a, b = f[:, 0], f[:, 1]
    variance = a.var(axis=0, ddof=1).sum()  # OpenTURNS takes that of A alone, and 2N - 1 for 2N in Jansen's estimate
    total = found.total_order[0] * found.variance[0] * 2 * N / (2 * N - 1)
    assert total / variance == pytest.approx(AGGREGATED["total"], rel=1e-9)
    # in first order it subtracts the product of means where ours has that of A and B, and centres by all rows
    tied = ((a - a.mean(axis=0)) * (b - b.mean(axis=0))).mean(axis=0).sum()
    first = (found.first_order[0] * found.variance[0] + tied) * N / (N - 1)
    assert len(first) == D
    assert first / variance == pytest.approx(AGGREGATED["first"], abs=5e-4)
