"""Surrogates of the weld study's points, and what watching the test images is worth, against plain versions."""

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score

from shiftgauge.errors import ConfigError, NumericalError
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.studies.weld_compare import ORDERS, point_arrays, resampled, surrogate_of
from shiftgauge.studies.weld_points import PLAIN, design_points, variants
from shiftgauge.studies.weld_recipe import WeldRecipe
from shiftgauge.studies.weld_watch import choose_and_judge, confusions, macro_f1
from shiftgauge.train.schedules import multiplier


def scaled(theta):
    brightness, rotation, tilt = theta.T
    return rotation / 90, brightness - 1, tilt / 20


def test_b1_the_indices_of_a_polynomial_are_those_of_its_closed_form():
    theta = design_points(1024, 0)
    r, b, t = scaled(theta)
    found = surrogate_of(theta, r + 2 * b**2 + 3 * r * t, ORDERS["order 6, all products (published)"])
    shares = {"".join(k): float(v[0]) for k, v in found.subsets().items()}
    assert shares["rotation"] == pytest.approx(0.1973684, abs=1e-7)
    assert shares["brightness"] == pytest.approx(0.2105263, abs=1e-7)
    assert shares["rotationtilt"] == pytest.approx(0.5921053, abs=1e-7)
    assert float(found.mean[0]) == pytest.approx(2 / 3, abs=1e-9)
    assert float(found.variance[0]) == pytest.approx(1.6888889, abs=1e-7)


def test_the_published_order_has_343_terms_and_the_same_total_degree_84():
    assert {len(ORDERS[k]) for k in ("order 6, all products (published)", "total degree 6")} == {343, 84}


def test_points_fill_the_ranges_of_the_preset_and_follow_the_seed():
    theta = design_points(256, 3)
    assert np.allclose(theta.min(axis=0), [0, -90, -20], atol=[0.02, 2, 0.4])
    assert np.allclose(theta.max(axis=0), [2, 90, 20], atol=[0.02, 2, 0.4])
    assert np.array_equal(theta, design_points(256, 3))
    assert not np.array_equal(theta, design_points(256, 4))


def test_alike_ways_of_shifting_have_alike_indices_and_no_difference():
    own, other = (Preprocessing(height=s, width=s, channels=1) for s in (28, 30))
    shown = variants(own, other)
    theta = design_points(512, 0)
    r, b, t = scaled(theta)
    values = {v.name: r * b + t for v in shown}
    values["other order"] = 1 - values[PLAIN]
    found = point_arrays(theta, values, shown)
    assert np.ptp(found["variant_total_order"].values, axis=0).max() < 1e-12
    assert found["variant_correlation"].sel(variant="other order") == pytest.approx(-1)
    assert found["variant_difference"].sel(variant="larger input") == 0
    assert found["variant_size"].values.tolist() == [28, 30, 28, 28, 30, 30]


def test_the_published_ways_are_compared_with_ours_at_their_own_size():
    own, other = (Preprocessing(height=s, width=s, channels=1) for s in (28, 30))
    by_name = {v.name: v for v in variants(own, other)}
    assert all(v.size == by_name[v.reference].size or v.name == "larger input" for v in by_name.values())
    assert by_name["as published"].reference == by_name["as published, large picture"].reference == "larger input"
    assert "nearest pixel" in by_name["as published"].text


def test_without_a_tilt_dragged_corners_are_the_pictures_of_the_audits():
    own, other = (Preprocessing(height=s, width=s, channels=1) for s in (28, 30))
    by_name = {v.name: v for v in variants(own, other)}
    picture = torch.rand(1, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    theta = torch.tensor([[1.3, 25.0, 0.0], [0.4, -80.0, 0.0], [1.0, 10.0, 15.0]], dtype=torch.float64)
    found, ours = (by_name[n].shift(picture, theta) for n in ("corners after resizing", PLAIN))
    assert torch.allclose(found[:2], ours[:2], atol=1e-5)
    assert (found[2] - ours[2]).abs().mean() > 0.01


def test_intervals_of_gaps_are_as_wide_as_gaps_vary_between_designs():
    rng = np.random.default_rng(0)
    gaps, widths = [], []
    for _ in range(12):
        theta = rng.uniform([0, -90, -20], [2, 90, 20], (1200, 3))
        r, b, t = scaled(theta)
        noise = rng.normal(0, 0.5, 1200)
        values = np.stack([r + 0.5 * b + noise, r + 0.5 * b + 0.6 * t + noise], axis=1)
        totals = [surrogate_of(theta, v, ORDERS["total degree 8"]).total_order()[0] for v in values.T]
        spread = resampled(theta, values, [0, 0], resamples=60).totals
        gaps.append((totals[1] - totals[0])[0])
        widths.append((spread[:, 1] - spread[:, 0]).std(axis=0)[0])
    assert 0.5 < np.mean(widths) / np.std(gaps) < 2


@pytest.mark.parametrize("still", [0.75, np.nan])
def test_an_output_that_never_changes_has_no_indices(still):
    own, other = (Preprocessing(height=s, width=s, channels=1) for s in (28, 30))
    shown, theta = variants(own, other), design_points(512, 0)
    r, b, t = scaled(theta)
    values = {v.name: r * b + t for v in shown} | {"other order": np.full(512, still)}
    found = point_arrays(theta, values, shown).sel(variant=["camera", "other order"])
    assert np.isfinite(found["variant_total_order"]).all(axis=1).values.tolist() == [True, False]
    assert np.isnan(found["variant_q2"].values[1])
    assert np.isnan(found["variant_gap_interval"].values[1]).all()


def test_too_few_points_for_the_published_terms_are_named():
    with pytest.raises(NumericalError, match="343 terms need more points, got 300"):
        point_arrays(design_points(300, 0), {}, ())


def test_macro_f1_of_weighted_images_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    truth, said = rng.integers(0, 4, 60), rng.integers(0, 4, 60)
    weights = (rng.random((5, 60)) < 0.7).astype(float)
    found = macro_f1(confusions(said, truth, weights, 4))
    expected = [f1_score(truth[w > 0], said[w > 0], average="macro") for w in weights]
    assert np.allclose(found, expected)


def test_choosing_among_equally_good_epochs_is_too_good_by_chance_alone():
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 2, 200)
    predicted = np.where(rng.random((20, 200)) < 0.8, truth, 1 - truth)
    found = choose_and_judge(predicted, truth, np.arange(200), 2, resamples=200)
    assert found.chosen.mean() > found.fresh.mean() + 0.01
    one = choose_and_judge(predicted[:1], truth, np.arange(200), 2, resamples=200)
    assert abs(one.chosen.mean() - one.fresh.mean()) < 0.01
    assert np.array_equal(one.fresh, one.last)


def test_images_that_belong_together_are_never_divided():
    truth = np.tile([0, 1], 20)
    units = np.repeat(np.arange(10), 4)
    right = np.isin(units, [0, 1, 2, 3, 4])
    predicted = np.where(right, truth, 1 - truth)[None]
    found = choose_and_judge(predicted, truth, units, 2, resamples=64)
    steps = np.round(np.concatenate([found.chosen, found.fresh]) * 5, 9)
    assert np.array_equal(steps, np.round(steps))


def test_b7_the_recipe_follows_the_published_schedule_and_optimiser():
    recipe = WeldRecipe()
    options = recipe.options
    rates = [multiplier(options.schedule, e, options.epochs) for e in range(options.epochs)]
    assert np.allclose(rates, [1, 1, 1, 1, 0.9554, 0.8306, 0.6501, 0.4499, 0.2694, 0.1446, 0.1, 0.1, 0.1], atol=1e-4)
    optimizer = options.optimizer
    assert (optimizer.kind, optimizer.learning_rate, optimizer.weight_decay) == ("adamw", 1e-4, 1e-4)
    assert (options.sampling.batch_size, recipe.network.dropout, recipe.input_size, recipe.other_size) == (
        128,
        0.5,
        224,
        244,
    )
    assert recipe.network.preprocessing_for(1).mean == (0.5,)
    assert recipe.published
    assert options.precision == "float32"
    for other in ({"weights": "packaged"}, {"size": 64}, {"epochs": 2}, {"quick": True}):
        assert not WeldRecipe(**other).published
    assert WeldRecipe(size=224, epochs=13).published


def test_weights_that_are_not_there_are_named():
    with pytest.raises(ConfigError, match=r"no\.pth do not exist"):
        WeldRecipe(weights="no.pth")
