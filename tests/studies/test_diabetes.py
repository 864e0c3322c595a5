"""The diabetes study against its reference numbers, on the public table and the published weights."""

import dataclasses
import functools

import numpy as np
import pytest
import torch

from pima import FOLDER, needs_pima
from shiftgauge.errors import DataError, ModelError
from shiftgauge.estimate.designs import PickFreezeDesign
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.estimate.single_sequence import single_sequence
from shiftgauge.models.tabular_net import TabularNet, load_tabular_net
from shiftgauge.results.study import StudyResult
from shiftgauge.studies import diabetes_parts as parts
from shiftgauge.studies.diabetes import FEATURES, diabetes, read_pima, sobol_arrays, table_model
from shiftgauge.studies.table_measure import TableEstimate, grown, measure_table

RANKED = ["Glucose", "BMI", "Age", "Insulin", "Pregnancies", "SkinThickness", "BloodPressure"]
FIRST = [0.4066, 0.2731, 0.1095, 0.0740, 0.0138, 0.0088, 0.0013]
TOTAL = [0.4667, 0.3251, 0.1558, 0.1477, 0.0198, 0.0319, 0.0302]
"""SALib 1.6, sobol.sample and sobol.analyze, N = 65,536, mean of five scramblings, model1.pth in evaluation mode."""


@functools.cache
def table():
    return read_pima(FOLDER / "diabetes.csv")


@functools.cache
def network():
    return load_tabular_net(FOLDER / "model1.pth")


def silent(done, total):
    pass


@needs_pima
def test_a1_the_published_weights_score_as_they_do_in_evaluation_mode():
    found = parts.score_arrays(network(), table())
    right = found["accuracy"].values * found["part_size"].values
    assert np.allclose(right[:2], [386, 160], atol=1e-9)
    assert found["confusion"].sel(part="test").values.tolist() == [[123, 18], [22, 37]]
    assert np.allclose(found["first_probability"], [0.27034, 0.16178, 0.90099, 0.03868, 0.59924], atol=1e-4)
    assert np.allclose(found["accuracy_batch"], [0.762, 0.810, 0.8235], atol=1e-4)
    assert np.allclose(found["auc"], [0.8461, 0.8607, 0.7922], atol=1e-4)
    assert np.allclose(found["cross_entropy"][:2], [0.46089, 0.43001], atol=1e-4)


@needs_pima
def test_a2_the_indices_are_those_of_the_reference():
    model, space = table_model(network(), table()), parts.columns_space(table(), "range")
    small = measure_table(model, space, TableEstimate(n_base=4096), silent).indices
    at = [small.names.index(n) for n in RANKED]
    assert abs(small.first_order[0, at[0]] - 0.406) < 0.02
    assert abs(small.total_order[0, at[0]] - 0.466) < 0.02
    large = measure_table(model, space, TableEstimate(n_base=65536), silent)
    assert large.design.n_rows == 1_179_648
    assert np.abs(large.indices.first_order[0, at] - FIRST).max() < 0.006
    assert np.abs(large.indices.total_order[0, at] - TOTAL).max() < 0.006
    for values in (large.indices.first_order[0], large.indices.total_order[0]):
        assert [large.indices.names[i] for i in np.argsort(-values)[:4]] == RANKED[:4]


@needs_pima
def test_a3_the_published_kind_of_interval_shrinks_like_the_square_root():
    model, space = table_model(network(), table()), parts.columns_space(table(), "range")
    design = PickFreezeDesign(inputs=Inputs(space=space), n_base=65536, second_order=True, replicates=1)
    values = grown(model, design, np.empty((0, 1)), silent)[:, 0]
    found = single_sequence(design, values, [128, 1024, 65536])
    half = found.first_order_half[:, FEATURES.index("Glucose")]
    assert abs(half[2] - 0.0075) < 0.003
    assert abs(half[1] - 0.053) < 0.02
    assert 12 < half[0] / half[2] < 30


@needs_pima
def test_a5_the_published_number_of_the_hidden_layer_is_a_local_relative_sensitivity():
    found = parts.layer_arrays(network(), table(), 256, 0, 0.95)
    wanted = [0.02661, 0.57107, 0.28118, 0.14466, 0.57350, 0.17391, 0.00254, 0.25928]
    closed, measured = found["local_relative_closed"].values, found["local_relative"][0].values
    assert np.allclose(measured, closed, rtol=1e-6)
    assert np.allclose(closed, wanted, rtol=1e-4, atol=5e-6)
    after = found["local_relative"].sel(input="Glucose").values
    assert np.allclose(after, [0.57107, 0.02697, 0.01769, 0.005351], rtol=5e-4)
    assert float(found["layer_first_order"].sel(layer="before batch norm", input="Insulin")) > 0.9
    assert not [name for name in found if "s1" in str(name).lower()]


@needs_pima
def test_the_first_layer_s_aggregated_index_has_a_closed_form():
    found = parts.layer_arrays(network(), table(), 2048, 0, 0.95).sel(layer="before batch norm")
    space = parts.columns_space(table(), "range")
    weight = network().fn1.weight.double().numpy()
    share = (weight**2).sum(axis=0) * np.array([p.variance for p in space.parameters])
    assert np.allclose(found["layer_first_order"], share / share.sum(), atol=0.01)
    assert np.allclose(found["layer_total_order"], share / share.sum(), atol=0.01)


@needs_pima
@pytest.mark.slow
def test_a10_retraining_gives_the_reference_accuracies():
    found, _ = parts.training_arrays(table(), 20, None, silent)
    mean = found["training_accuracy"].sel(part="test").mean("seed")
    assert abs(float(mean.sel(training="all 8")) - 0.802) < 0.010
    assert abs(float(mean.sel(training="leading 4")) - 0.804) < 0.010
    assert abs(float(mean.sel(training="trailing 4")) - 0.696) < 0.020
    leaked = found["training_accuracy_leaked"].sel(part="test").mean("seed")
    assert abs(float(leaked.sel(training="trailing 4")) - 0.711) < 0.020
    batch = found["training_accuracy_batch"].sel(part="test").mean("seed")
    assert np.allclose(batch, [0.808, 0.804, 0.721], atol=0.012)
    assert float(parts.score_arrays(network(), table())["majority"].sel(part="test")) == pytest.approx(0.705)


@needs_pima
def test_a11_four_components_hold_less_than_seventy_percent():
    found = parts.component_arrays(table())
    share, weight = found["component_share"].sel(rows="positives"), found["component_importance"].sel(rows="positives")
    assert np.allclose(share, [0.23787, 0.20101, 0.13822, 0.11633], atol=1e-4)
    assert np.allclose(weight, [0.12526, 0.13682, 0.14009, 0.10822, 0.13688, 0.13776, 0.12398, 0.09099], atol=1e-4)
    assert float(share.sum()) == pytest.approx(0.6934, abs=1e-4)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    diabetes(
        FOLDER / "diabetes.csv",
        FOLDER / "model1.pth",
        out=folder,
        n_base=1024,
        seeds=2,
        epochs=30,
        progress=False,
    )
    return folder


@needs_pima
def test_the_study_writes_its_folder_and_every_claim(small):
    result = StudyResult.from_disk(small)
    names = {p.name for p in small.iterdir()}
    assert names == {"figures", "findings.csv", "indices.csv", "report.html", "results.nc", "run.json"}
    assert {p.stem for p in (small / "figures").iterdir()} >= {f"figure{k}" + s for k, s in FIGURES.items()}
    topics = {f.topic: f for f in result.findings}
    assert topics["First hidden layer"].agreement == "differs"
    assert topics["Four principal components"].agreement == "differs"
    assert "69.34" in topics["Four principal components"].measured
    assert "70.5%" in topics["Four trailing features"].measured


FIGURES = {1: "_indices", 2: "_pairs", 3: "_hidden_layer", 4: "_convergence"}


@needs_pima
def test_the_page_names_the_majority_rule_and_calls_nothing_s1_that_is_not(small):
    page = (small / "report.html").read_text(encoding="utf-8")
    assert "majority rule" in page
    assert "Local relative sensitivity of the first linear layer" in page
    assert "S1 of the first hidden layer" not in page.replace("“S1 of the first hidden layer”", "")


@needs_pima
def test_the_cost_is_the_number_of_rows_that_networks_were_run_at(monkeypatch):
    model, seen = table_model(network(), table()), []
    counted = dataclasses.replace(model, predict=lambda rows: seen.append(len(rows)) or model.predict(rows))
    found = sobol_arrays(counted, table(), 256, 0).attrs
    assert found["evaluations_main"] == 18 * 256
    assert found["evaluations_main"] + found["evaluations_as_published"] == sum(seen)
    seen.clear()
    assert parts.rule_arrays(counted, table(), 128, 0, 0.95).attrs["evaluations_ranges"] == sum(seen)
    layers, rows = TabularNet.layers, []
    monkeypatch.setattr(TabularNet, "layers", lambda own, x: rows.append(x.numpy().tobytes()) or layers(own, x))
    found = parts.layer_arrays(network(), table(), 64, 0, 0.95)
    assert found.attrs["evaluations_layers"] == sum(len(r) for r in rows) // (8 * 8)
    assert len(set(rows)) == len(rows)


@needs_pima
def test_the_parts_of_the_cost_add_up_and_stand_on_the_page(small):
    result = StudyResult.from_disk(small)
    parts_of = {k: v for k, v in result.cost.items() if k.startswith("evaluations_")}
    assert set(parts_of) == {f"evaluations_{k}" for k in ("main", "as_published", "layers", "ranges", "seeds")}
    assert result.cost["evaluations"] == sum(parts_of.values())
    assert (parts_of["evaluations_ranges"], parts_of["evaluations_seeds"]) == (3 * 40960, 2 * 40960)
    assert f"{result.cost['evaluations']:,}" in (small / "report.html").read_text(encoding="utf-8")


@needs_pima
def test_without_weights_a_network_is_trained_and_the_claim_about_them_is_left_out():
    result = diabetes(FOLDER / "diabetes.csv", n_base=128, seeds=1, epochs=5, progress=False)
    assert result.arrays.attrs["network"] == "trained here"
    assert "Accuracy of the network" not in {f.topic for f in result.findings}


@needs_pima
def test_the_same_seed_gives_the_same_numbers():
    runs = [diabetes(FOLDER / "diabetes.csv", n_base=128, seeds=1, epochs=3, progress=False).arrays for _ in range(2)]
    assert runs[0].identical(runs[1])


def test_another_table_is_refused(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("Glucose,Outcome\n1,0\n")
    with pytest.raises(DataError, match="unknown column `Pregnancies`"):
        diabetes(path)


def test_weights_of_another_network_are_refused(tmp_path):
    torch.save(TabularNet(3, 4).state_dict(), tmp_path / "w.pth")
    assert load_tabular_net(tmp_path / "w.pth").fn1.in_features == 3
    torch.save({"other": torch.zeros(2)}, tmp_path / "o.pth")
    with pytest.raises(ModelError, match="does not fit"):
        load_tabular_net(tmp_path / "o.pth")


def test_the_area_under_the_curve_agrees_with_scikit_learn():
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    p, y = rng.integers(0, 6, 80) / 5, rng.integers(0, 2, 80)
    assert parts.area_under_curve(p, y) == pytest.approx(roc_auc_score(y, p))
