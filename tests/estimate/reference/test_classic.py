from itertools import combinations

import numpy as np
import pytest

from shiftgauge.estimate.chaos.basis import parameter_basis
from shiftgauge.estimate.designs import PickFreezeDesign
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.estimate.reference import (
    ImageStudy,
    ishigami,
    linear_gaussian,
    rough_ishigami,
    sobol_g,
    weld_polynomial,
)

FUNCTIONS = [
    ishigami(),
    ishigami(a=2, b=0.05),
    rough_ishigami(),
    rough_ishigami(share=0.6, frequency=7),
    weld_polynomial(),
    linear_gaussian(),
    sobol_g((0.0, 1.0, 4.5)),
]


def nodes(parameter):
    """Gauss rules on four panels, so that kinks at the middle and fast ripples are integrated exactly."""
    if parameter.distribution == "normal":
        return parameter_basis(parameter).quadrature(30)
    x, w = np.polynomial.legendre.leggauss(30)
    low, high = parameter.support
    edges = np.linspace(low, high, 5)
    half = (high - low) / 8
    return np.concatenate([e + half * (x + 1) for e in edges[:-1]]), np.tile(w, 4) / 8


@pytest.mark.parametrize("reference", FUNCTIONS, ids=lambda r: r.name)
def test_indices_equal_quadrature(reference):
    rules = [nodes(p) for p in reference.space.parameters]
    grid = np.meshgrid(*(x for x, _ in rules), indexing="ij")
    f = reference.function(np.column_stack([g.ravel() for g in grid])).reshape(grid[0].shape)
    weight = [w / w.sum() for _, w in rules]
    mean = np.einsum("abc,a,b,c->", f, *weight)
    variance = np.einsum("abc,a,b,c->", (f - mean) ** 2, *weight)
    assert mean == pytest.approx(reference.mean, abs=1e-9)
    assert variance == pytest.approx(reference.variance, rel=1e-9)

    def explained(kept):
        left = "".join("abc"[i] for i in kept)
        others = [weight[i] for i in range(3) if i not in kept]
        names = ",".join("abc"[i] for i in range(3) if i not in kept)
        inner = np.einsum(f"abc,{names}->{left}", f - mean, *others)
        return np.einsum(f"{left},{','.join(left)}->", inner**2, *(weight[i] for i in kept)) / variance

    for i in range(3):
        assert explained([i]) == pytest.approx(reference.first_order[i], abs=1e-9)
        rest = [j for j in range(3) if j != i]
        assert 1 - explained(rest) == pytest.approx(reference.total_order[i], abs=1e-9)
    for i, j in combinations(range(3), 2):
        assert explained([i, j]) == pytest.approx(reference.closed[i, j], abs=1e-9)
        expected = reference.closed[i, j] - reference.first_order[i] - reference.first_order[j]
        assert reference.second_order[i, j] == pytest.approx(expected, abs=1e-12)


def test_interactions_hold_every_term_with_both_inputs():
    g = sobol_g((0.0, 1.0, 4.5))
    assert (g.total_interaction[np.triu_indices(3, 1)] > g.second_order[np.triu_indices(3, 1)]).all()


def test_image_study_components_sum_to_the_variance_of_its_score():
    study = ImageStudy(n_images=20, n_classes=4, noise=0.5, roughness=0.3)
    inputs = Inputs(space=study.space, n_images=20, repeat=True)
    design = PickFreezeDesign(inputs=inputs, n_base=1 << 15)
    rows = design.rows(0, design.n_rows)
    assert study.function(rows).var() == pytest.approx(sum(study.components.values()), rel=0.02)
    means = [study.image_effect[study.labels == c].mean() for c in range(4)]
    assert np.allclose(means, 0)


def test_image_study_noise_depends_on_the_stream_alone():
    study = ImageStudy(noise=1.0)
    inputs = Inputs(space=study.space, n_images=40, repeat=True)
    rows = PickFreezeDesign(inputs=inputs, n_base=4096).rows(0, 8192)
    noise = study.function(rows) - ImageStudy().function(rows)
    streams, first = np.unique(rows.stream, return_index=True)
    assert np.allclose(noise, noise[first][np.searchsorted(streams, rows.stream)])
    assert noise[first].std() == pytest.approx(1, abs=0.05)
