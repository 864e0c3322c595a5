from pathlib import Path

import numpy as np
import pytest

from shiftgauge.errors import ConfigError, NumericalError
from shiftgauge.estimate.chaos.basis import input_bases
from shiftgauge.estimate.chaos.candidates import ChaosOptions, candidate_sets
from shiftgauge.estimate.chaos.fit import fit_terms
from shiftgauge.estimate.chaos.gpc import gpc
from shiftgauge.estimate.chaos.index_set import tensor
from shiftgauge.estimate.chaos.surrogate import ChaosSurrogate
from shiftgauge.estimate.designs import PickFreezeDesign, PlainDesign
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.estimate.reference import ISHIGAMI, ImageStudy, linear_gaussian, sobol_g, weld_polynomial

UPPER = np.triu_indices(3, 1)


def run(reference, n, **options):
    design = PlainDesign(inputs=Inputs(space=reference.space), n=n, method="random", seed=1)
    y = reference.function(design.rows(0, n).theta)[:, None]
    return gpc(design, y, outputs=["y"], **{"resamples": 100, **options})


@pytest.mark.parametrize(
    "chaos", [ChaosOptions(terms="tensor", degree=[6, 6, 6]), ChaosOptions(degree=6), ChaosOptions()]
)
def test_polynomial_is_recovered_exactly(chaos):
    found, exact = run(weld_polynomial(), 2000, chaos=chaos), weld_polynomial()
    assert np.allclose(found.first_order[0], [0.1973684211, 0.2105263158, 0], atol=1e-9)
    assert found.second_order is not None
    assert found.second_order[0, 0, 2] == pytest.approx(0.5921052632, abs=1e-9)
    assert np.allclose(found.second_order[0][UPPER], exact.second_order[UPPER], atol=1e-9)
    assert np.allclose(found.total_order[0], exact.total_order, atol=1e-9)
    assert found.mean[0] == pytest.approx(2 / 3, abs=1e-9)
    assert found.variance[0] == pytest.approx(1.6888888889, abs=1e-9)
    assert not found.status


def test_weld_study_sets_have_343_and_84_terms():
    sizes = [
        int(run(weld_polynomial(), 1000, chaos=c, resamples=0).surrogate.terms[0])
        for c in (ChaosOptions(terms="tensor", degree=6), ChaosOptions(degree=6))
    ]
    assert sizes == [343, 84]


def test_ishigami_of_order_6_agrees_with_the_published_figures():
    found = run(ISHIGAMI, 10_000, chaos=ChaosOptions(terms="tensor", degree=6), resamples=50)
    assert found.second_order is not None
    assert found.first_order[0, :2] == pytest.approx([0.3156, 0.4372], abs=0.004)
    assert found.second_order[0, 0, 2] == pytest.approx(0.2464, abs=0.004)
    assert found.variance[0] == pytest.approx(13.70, abs=0.15)
    assert not found.status


def test_ishigami_of_order_3_is_said_to_be_wrong_loudly():
    found = run(ISHIGAMI, 10_000, chaos=ChaosOptions(terms="tensor", degree=3), resamples=0)
    assert found.surrogate.q2[0] == pytest.approx(0.55, abs=0.03)
    assert found.first_order[0, 0] == pytest.approx(0.5613, abs=0.02)
    (status,) = found.status
    assert (status.level, status.code) == ("error", "surrogate_only")
    assert "not indices of the classifier" in status.message


def test_degree_is_chosen_by_the_error_on_points_left_out():
    found = run(ISHIGAMI, 1500, resamples=0)
    assert found.surrogate.q2[0] > 0.9999
    assert np.allclose(found.total_order[0], ISHIGAMI.total_order, atol=1e-3)


@pytest.mark.parametrize("reference", [linear_gaussian(), sobol_g((0.0, 1.0, 4.5))])
def test_subset_indices_sum_to_one_and_agree_with_the_tables(reference):
    found = run(reference, 800, resamples=0)
    model = found.surrogate.model
    subsets = model.subsets()
    assert sum(v[0] for v in subsets.values()) == pytest.approx(1)
    for i, name in enumerate(model.names):
        assert found.total_order[0, i] == pytest.approx(sum(v[0] for k, v in subsets.items() if name in k))
        assert found.first_order[0, i] == pytest.approx(subsets.get((name,), np.zeros(1))[0])
    pair = found.closed[0, 0, 1]
    assert model.closed(model.names[:2])[0] == pytest.approx(pair)


def test_intervals_cover_the_truth_under_noise():
    reference, hits = weld_polynomial(), []
    for seed in range(100):
        design = PlainDesign(inputs=Inputs(space=reference.space), n=200, method="random", seed=seed)
        y = reference.function(design.rows(0, 200).theta) + 0.5 * np.random.default_rng(seed).normal(size=200)
        options = ChaosOptions(degree=3)
        found = gpc(design, y[:, None], outputs=["y"], chaos=options, resamples=200, seed=seed, residual="noise")
        low, high = np.moveaxis(
            np.concatenate([found.first_order_interval[0, :2], found.total_order_interval[0]]), 1, 0
        )
        truth = np.concatenate([reference.first_order[:2], reference.total_order])
        hits.append((low <= truth) & (truth <= high))
    assert (np.mean(hits, axis=0) >= 0.9).all()
    assert 0.9 <= np.mean(hits) <= 0.99


def test_image_enters_through_its_features():
    study = ImageStudy(n_images=12, n_classes=3)
    design = PlainDesign(inputs=Inputs(space=study.space, n_images=12), n=2048)
    y = study.function(design.rows(0, 2048))[:, None]
    found = gpc(design, y, outputs=["y"], resamples=0)
    total = sum(study.components.values())
    assert found.surrogate.q2[0] > 0.999
    assert found.first_order[0, 0] == pytest.approx(study.components["image"] / total, abs=2e-3)
    assert found.second_order[0, 0, 1] == pytest.approx(study.components["image × rotation"] / total, abs=2e-3)


def test_pick_freeze_design_gives_its_independent_rows():
    reference = weld_polynomial()
    design = PickFreezeDesign(inputs=Inputs(space=reference.space), n_base=64)
    y = reference.function(design.rows(0, design.n_rows).theta)[:, None]
    found = gpc(design, y, outputs=["y"], resamples=0)
    assert found.n_base == 128
    assert np.allclose(found.first_order[0], reference.first_order)


def test_outputs_are_independent_of_one_another_and_constants_are_named():
    reference = weld_polynomial()
    design = PlainDesign(inputs=Inputs(space=reference.space), n=256)
    y = reference.function(design.rows(0, 256).theta)
    found = gpc(design, np.column_stack([y, np.full(256, 0.25), 3 * y - 1]), outputs=["a", "flat", "b"], resamples=50)
    assert np.allclose(found.first_order[0], found.first_order[2])
    assert found.defined.tolist() == [True, False, True]
    assert np.isnan(found.first_order[1]).all()
    assert [s.code for s in found.status] == ["constant_output"]
    assert "`flat` was 0.25 everywhere" in found.status[0].message


def test_surrogate_survives_a_round_trip_through_arrays(tmp_path):
    study = ImageStudy(n_images=6, n_classes=2)
    design = PlainDesign(inputs=Inputs(space=study.space, n_images=6), n=512)
    rows = design.rows(0, 512)
    y = study.function(rows)
    model = gpc(design, np.column_stack([y, y**2]), outputs=["a", "b"], resamples=0).surrogate.model
    np.savez(tmp_path / "g.npz", **model.to_arrays())
    with np.load(tmp_path / "g.npz", allow_pickle=False) as arrays:
        again = ChaosSurrogate.from_arrays(arrays)
    points = design.inputs.coordinates(rows.unit)
    assert np.array_equal(again.predict(points), model.predict(points))
    assert again.outputs == ("a", "b")
    assert np.array_equal(again.total_order(), model.total_order())


def test_conditional_mean_is_the_average_over_the_other_inputs():
    reference = weld_polynomial()
    model = run(reference, 300, resamples=0).surrogate.model
    r = np.array([-90.0, 0.0, 45.0])
    assert np.allclose(model.conditional_mean([0], r[:, None])[:, 0], r / 90 + 2 / 3)
    both = model.conditional_mean([2, 0], np.array([[20.0, 90.0]]))
    assert both[0, 0] == pytest.approx(1 + 2 / 3 + 3)


def test_candidates_stay_within_their_room():
    bases = input_bases(Inputs(space=ISHIGAMI.space, n_images=10), np.eye(10), 40)
    found = candidate_sets(bases, ChaosOptions(), room=100)
    assert max(len(c.indices) for c in found) <= 100
    assert len({c.label for c in found}) == len(found)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"terms": "tensor"}, ConfigError, "needs `degree`"),
        ({"terms": "totl", "degree": 2}, ConfigError, "did you mean `total`"),
        ({"degree": 0}, ConfigError, "≥ 1"),
        ({"terms": "tensor", "degree": [2, 2]}, ConfigError, "each of 3 parameters"),
        ({"terms": "tensor", "degree": 6}, NumericalError, "343 terms need more than 343 points"),
    ],
)
def test_bad_options_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        run(ISHIGAMI, 100, chaos=ChaosOptions(**options))


def test_nan_is_named_with_its_row():
    design = PlainDesign(inputs=Inputs(space=ISHIGAMI.space), n=100)
    y = np.zeros((100, 1))
    y[17] = np.nan
    with pytest.raises(NumericalError, match="`p` is nan at row 17"):
        gpc(design, y, outputs=["p"])


def our_coefficients(order):
    """Coefficients of ours for the multi-indices of a peer, on the points that both get."""
    unit = np.random.default_rng(0).uniform(-1, 1, (2000, 3))
    indices = tensor([6, 6, 6])
    bases = input_bases(Inputs(space=ISHIGAMI.space), None, 0)
    ours = fit_terms(bases, indices, np.pi * unit, ISHIGAMI.function(np.pi * unit)[:, None]).coefficients[:, 0]
    place = {tuple(row): k for k, row in enumerate(indices.tolist())}
    return ours[[place[tuple(row)] for row in order.tolist()]]


def test_coefficients_equal_those_that_pygpc_gave():
    # written from what pygpc 0.4.4 returns in the test below: peer.basis.b and peer.solve(...)
    table = np.loadtxt(Path(__file__).parent / "data" / "pygpc_ishigami.csv", delimiter=",", skiprows=1)
    assert len(table) == 343
    assert np.allclose(our_coefficients(table[:, :3].astype(int)), table[:, 3], rtol=0, atol=1e-6)


def test_coefficients_equal_pygpc_when_it_is_installed():
    pygpc = pytest.importorskip("pygpc", reason="pygpc is not installed (extra `bench`)")
    from collections import OrderedDict

    rng = np.random.default_rng(0)
    unit = rng.uniform(-1, 1, (2000, 3))
    y = ISHIGAMI.function(np.pi * unit)[:, None]
    parameters = OrderedDict((n, pygpc.Beta(pdf_shape=[1, 1], pdf_limits=[-np.pi, np.pi])) for n in ("x1", "x2", "x3"))
    problem = pygpc.Problem(pygpc.testfunctions.Ishigami(), parameters)
    peer = pygpc.Reg(
        problem=problem,
        order=[6] * 3,
        order_max=18,
        order_max_norm=1,
        interaction_order=3,
        interaction_order_current=3,
        options={"settings": None, "solver": "Moore-Penrose", "verbose": False, "method": "reg"},
    )
    peer.grid = pygpc.RandomGrid(parameters_random=parameters, coords=np.pi * unit, coords_norm=unit)
    peer.init_gpc_matrix(gradient_idx=None)
    wanted = peer.solve(results=y, gradient_results=None, solver="Moore-Penrose", settings=None)
    order = np.array([[basis.p["i"] for basis in row] for row in peer.basis.b])
    assert np.allclose(our_coefficients(order), wanted[:, 0], atol=1e-6)
