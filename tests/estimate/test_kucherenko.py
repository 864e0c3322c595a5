import numpy as np
import pytest

from shiftgauge.errors import DataError, NumericalError
from shiftgauge.estimate.conditional import KucherenkoDesign
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.estimate.kucherenko import kucherenko
from shiftgauge.estimate.reference import ISHIGAMI, DependentLinear, ImageStudy, sobol_g
from shiftgauge.space import Space

TIED = DependentLinear(weights=(1.0, 1.0, 2.0), covariance=[[1, 0.5, 0.2], [0.5, 1, -0.3], [0.2, -0.3, 2]])


def run(reference, n_base=1024, confidence_level=0.95, **options):
    design = KucherenkoDesign(inputs=Inputs(space=reference.space), n_base=n_base, **options)
    y = reference.function(design.rows(0, design.n_rows).theta)
    return kucherenko(design, y, outputs=["y"], confidence_level=confidence_level)


@pytest.mark.parametrize("reference", [TIED, ISHIGAMI, sobol_g((0.0, 1.0, 4.5))])
def test_intervals_hold_the_exact_indices(reference):
    found = run(reference, 4096, 0.999)
    for name in ("first_order", "total_order"):
        low, high = np.moveaxis(getattr(found, f"{name}_interval")[0], 1, 0)
        truth = getattr(reference, name)
        assert ((low <= truth) & (truth <= high)).all()
        assert np.abs(getattr(found, name)[0] - truth).max() < 0.05
    assert found.variance[0] == pytest.approx(reference.variance, rel=0.03)


@pytest.mark.parametrize("method", ["sobol", "random"])
def test_intervals_cover_the_truth_as_often_as_they_say(method):
    truth, hits = np.concatenate([TIED.first_order, TIED.total_order]), []
    for seed in range(120):
        found = run(TIED, 256, seed=seed, method=method)
        both = np.concatenate([found.first_order_interval[0], found.total_order_interval[0]])
        hits.append((both[:, 0] <= truth) & (truth <= both[:, 1]))
    assert 0.91 <= np.mean(hits) <= 0.985


def test_total_order_may_lie_below_first_order():
    pair = DependentLinear(weights=(1.0, 1.0), covariance=[[1.0, 0.9], [0.9, 1.0]])
    found = run(pair)
    assert (found.total_order_interval[0, :, 1] < found.first_order_interval[0, :, 0]).all()


def test_nonlinear_function_of_tied_uniform_inputs_equals_a_plain_double_loop():
    rank = np.array([[1.0, 0.8], [0.8, 1.0]])
    space = Space(Space.from_dict({"a": {"low": 0, "high": 1}, "b": {"low": -1, "high": 1}}).parameters, rank)

    def function(x):
        return np.exp(x[:, 0]) * x[:, 1] ** 2

    from scipy.special import ndtr

    r, rng = 2 * np.sin(np.pi * 0.8 / 6), np.random.default_rng(0)

    def value(z1, z2):
        return np.exp(ndtr(z1)) * (2 * ndtr(z2) - 1) ** 2

    given, free = rng.normal(size=(1500, 1)), rng.normal(size=(1, 1500))
    tied = r * given + np.sqrt(1 - r**2) * free
    tables = value(given, tied), value(tied, given)
    variance = np.mean([t.var() for t in tables])
    first = np.array([t.mean(axis=1).var() for t in tables]) / variance
    total = np.array([t.var(axis=1).mean() for t in tables[::-1]]) / variance
    design = KucherenkoDesign(inputs=Inputs(space=space), n_base=8192)
    found = kucherenko(design, function(design.rows(0, design.n_rows).theta), outputs=["y"])
    assert found.first_order[0] == pytest.approx(first, abs=0.04)
    assert found.total_order[0] == pytest.approx(total, abs=0.04)


def test_groups_and_many_outputs():
    groups = {"pair": ["x1", "x2"]}
    design = KucherenkoDesign(inputs=Inputs(space=TIED.space), n_base=4096, groups=groups)
    y = TIED.function(design.rows(0, design.n_rows).theta)
    found = kucherenko(design, np.column_stack([y, 3 - y, np.ones(len(y))]), outputs=["a", "b", "c"])
    assert found.names == ("pair", "x3")
    assert found.first_order[0] == pytest.approx([TIED.closed([0, 1]), TIED.closed([2])], abs=0.04)
    assert found.total_order[0] == pytest.approx([1 - TIED.closed([2]), 1 - TIED.closed([0, 1])], abs=0.04)
    assert np.allclose(found.first_order[0], found.first_order[1])
    assert found.defined.tolist() == [True, True, False]
    assert np.isnan(found.first_order[2]).all()
    assert found.mean[1] == pytest.approx(3 - found.mean[0])
    assert [s.code for s in found.status] == ["constant_output"]


def test_image_and_noise_are_inputs_like_any_other():
    study = ImageStudy(n_images=20, noise=0.5)
    design = KucherenkoDesign(inputs=Inputs(space=study.space, n_images=20, repeat=True), n_base=4096)
    found = kucherenko(design, study.function(design.rows(0, design.n_rows)), outputs=["y"])
    variance = sum(study.components.values())
    assert found.names == ("image", "rotation", "brightness", "repeat")
    assert found.first_order[0, 0] == pytest.approx(study.components["image"] / variance, abs=0.03)
    assert found.first_order[0, 3] == pytest.approx(study.components["repeat"] / variance, abs=0.03)
    assert found.total_order[0, 3] == pytest.approx(study.components["repeat"] / variance, abs=0.03)


def test_same_seed_same_bits():
    one, again, other = (run(TIED, 64, seed=s) for s in (0, 0, 1))
    assert np.array_equal(one.first_order, again.first_order)
    assert np.array_equal(one.total_order_interval, again.total_order_interval)
    assert not np.array_equal(one.first_order, other.first_order)


def test_discrete_inputs_are_served_and_named_where_tied():
    parameters = Space.from_dict({"a": {"low": 0, "high": 1}, "k": {"values": [0, 1, 2]}}).parameters
    for rank, codes in ((np.array([[1.0, 0.5], [0.5, 1.0]]), ["latent_score"]), (None, [])):
        design = KucherenkoDesign(inputs=Inputs(space=Space(parameters, rank)), n_base=512)
        theta = design.rows(0, design.n_rows).theta
        found = kucherenko(design, theta[:, 0] + theta[:, 1], outputs=["y"])
        assert [s.code for s in found.status] == codes
        if rank is None:
            exact = np.array([1 / 12, 2 / 3]) / 0.75
            assert found.first_order[0] == pytest.approx(exact, abs=0.05)


def test_failed_rows_and_wrong_shapes_are_named():
    design = KucherenkoDesign(inputs=Inputs(space=TIED.space), n_base=64)
    y = np.ones(design.n_rows)
    y[17] = np.nan
    with pytest.raises(NumericalError, match=r"row 17 \(row 1 of block 2\)"):
        kucherenko(design, y, outputs=["y"])
    with pytest.raises(DataError, match="512 rows"):
        kucherenko(design, y[:-1], outputs=["y"])
