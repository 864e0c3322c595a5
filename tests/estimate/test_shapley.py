import numpy as np
import pytest

from shiftgauge.estimate.conditional import PermutationDesign, SubsetDesign
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.estimate.reference import ISHIGAMI, DependentLinear, ImageStudy, bratley, sobol_g
from shiftgauge.estimate.shapley import shapley_effects

TIED = DependentLinear(weights=(1.0, 1.0, 2.0), covariance=[[1, 0.5, 0.2], [0.5, 1, -0.3], [0.2, -0.3, 2]])
WIDE = DependentLinear(weights=np.linspace(-1, 2, 12), covariance=0.6 * np.eye(12) + 0.4)
KINDS = [SubsetDesign, PermutationDesign]


def run(kind, reference, n_base=1024, confidence_level=0.95, **options):
    design = kind(inputs=Inputs(space=reference.space), n_base=n_base, **options)
    y = reference.function(design.rows(0, design.n_rows).theta)
    return shapley_effects(design, y, outputs=["y"], confidence_level=confidence_level)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reference", [TIED, ISHIGAMI, bratley(4), sobol_g((0.0, 1.0, 4.5))])
def test_intervals_hold_the_exact_effects(kind, reference):
    found = run(kind, reference, 4096, 0.999)
    low, high = np.moveaxis(found.shapley_interval[0], 1, 0)
    assert ((low <= reference.shapley) & (reference.shapley <= high)).all()
    assert np.abs(found.shapley[0] - reference.shapley).max() < 0.05
    assert found.shapley.sum() == pytest.approx(1)
    assert found.variance[0] == pytest.approx(reference.variance, rel=0.06)


def test_twelve_tied_inputs_by_random_orders():
    found = run(PermutationDesign, WIDE, 2048, 0.999)
    low, high = np.moveaxis(found.shapley_interval[0], 1, 0)
    assert ((low <= WIDE.shapley) & (WIDE.shapley <= high)).all()
    assert found.n_evaluations == 2048 * 13


@pytest.mark.parametrize("kind", KINDS)
def test_intervals_cover_the_truth_as_often_as_they_say(kind):
    hits = []
    for seed in range(150):
        found = run(kind, TIED, 256, seed=seed)
        low, high = np.moveaxis(found.shapley_interval[0], 1, 0)
        hits.append((low <= TIED.shapley) & (TIED.shapley <= high))
    assert 0.91 <= np.mean(hits) <= 0.985


def test_subset_sums_equal_the_mean_over_orders():
    from itertools import permutations

    design = SubsetDesign(inputs=Inputs(space=TIED.space), n_base=32, replicates=4)
    y = TIED.function(design.rows(0, design.n_rows).theta).reshape(32, -1)
    left = {u: np.mean((y[:, 0] - y[:, k]) ** 2) / 2 for k, u in enumerate(design.subsets)}
    expected = np.zeros(3)
    for order in permutations(range(3)):
        for k, i in enumerate(order):
            expected[i] += left[tuple(sorted(order[: k + 1]))] - left[tuple(sorted(order[:k]))]
    found = shapley_effects(design, y.ravel(), outputs=["y"])
    assert found.shapley[0] == pytest.approx(expected / 6 / left[(0, 1, 2)])


def test_an_input_without_a_weight_has_an_effect_through_its_tie():
    pair = DependentLinear(weights=(1.0, 0.0), covariance=[[1.0, 0.9], [0.9, 1.0]])
    for kind in KINDS:
        found = run(kind, pair)
        assert found.shapley[0] == pytest.approx([1 - 0.81 / 2, 0.81 / 2], abs=0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_groups_image_and_many_outputs(kind):
    study = ImageStudy(n_images=20)
    design = kind(
        inputs=Inputs(space=study.space, n_images=20), n_base=4096, groups={"both": ["rotation", "brightness"]}
    )
    y = study.function(design.rows(0, design.n_rows))
    found = shapley_effects(design, np.column_stack([y, 1 - 2 * y, np.zeros(len(y))]), outputs=["a", "b", "c"])
    parts = study.components
    shared = parts["image × rotation"] / 2
    variance = sum(parts.values())
    assert found.names == ("image", "both")
    assert found.shapley[0, 0] == pytest.approx((parts["image"] + shared) / variance, abs=0.04)
    assert np.allclose(found.shapley[0], found.shapley[1])
    assert np.isnan(found.shapley[2]).all()
    assert [s.code for s in found.status] == ["constant_output"]


@pytest.mark.parametrize("kind", KINDS)
def test_chunks_of_the_analysis_change_nothing(kind, monkeypatch):
    whole = run(kind, TIED, 64)
    monkeypatch.setattr("shiftgauge.estimate.resampling._WORK", 16 * 20)
    pieces = run(kind, TIED, 64)
    assert np.allclose(whole.shapley, pieces.shapley, rtol=1e-12)
    assert np.allclose(whole.shapley_interval, pieces.shapley_interval, rtol=1e-9)
