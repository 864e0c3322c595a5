"""The audit of a tabular model against closed forms."""

import io

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from rich.console import Console
from sklearn.dummy import DummyClassifier

from shiftgauge.errors import ConfigError, DataError, ModelError, NumericalError, SpaceError
from shiftgauge.estimate.reference import ISHIGAMI
from shiftgauge.parameter import Parameter
from shiftgauge.report.table_page import render_table_page
from shiftgauge.report.table_terminal import table_summary
from shiftgauge.results.table import TableAuditResult
from shiftgauge.space import Space
from shiftgauge.studies.reduction import Reduction
from shiftgauge.studies.table_audit import audit_table
from shiftgauge.studies.table_measure import TableEstimate

SMALL = TableEstimate(n_base=512)
LABELS = ["no", "yes"]


def rows(n=200, seed=0):
    values = np.random.default_rng(seed).random((n, 3))
    values[:, 2] *= 10
    return pd.DataFrame(values, columns=["age", "bmi", "dose"])


def linear(x):
    return x[:, 0] + 2 * x[:, 1] + 0.1 * x[:, 2]


def test_the_indices_of_ishigami_are_within_their_intervals():
    data = np.random.default_rng(0).uniform(-np.pi, np.pi, (50, 3))
    found = audit_table(ISHIGAMI.function, data, ISHIGAMI_SPACE, estimate=TableEstimate(n_base=2048), progress=False)
    for kind, wanted in (("first_order", ISHIGAMI.first_order), ("total_order", ISHIGAMI.total_order)):
        low, high = found.arrays[f"{kind}_interval"][0].values.T
        assert (low - 0.01 < wanted).all()
        assert (wanted < high + 0.01).all()


ISHIGAMI_SPACE = {f"x{k}": (-np.pi, np.pi) for k in (1, 2, 3)}


def test_the_space_is_the_table_s_range_and_the_rule_is_stated():
    found = audit_table(linear, rows(), estimate=TableEstimate(n_base=4096), progress=False)
    variance = rows().max().sub(rows().min()).to_numpy() ** 2 * np.array([1, 4, 0.01])
    assert np.allclose(found.arrays["total_order"][0], variance / variance.sum(), atol=0.02)
    assert "smallest and the largest" in found.arrays.attrs["rule_text"]
    assert found.arrays.attrs["rule"] == "range"


def test_a_part_of_the_space_can_be_given_and_a_column_held():
    found = audit_table(linear, rows(), {"bmi": 0.5, "age": [0, 3]}, estimate=SMALL, progress=False)
    assert found.arrays["input"].values.tolist() == ["age", "dose"]
    assert found.arrays["feature_text"].sel(feature="age").item() == "uniform on [0, 3]"
    assert found.arrays.attrs["rule_text"].startswith("2 of 3 ranges were given")


def test_columns_of_codes_are_drawn_as_they_occur_and_the_rule_says_so():
    data = rows(400).assign(sex=np.arange(400) % 4 == 0, stage=np.repeat([0, 1, 2, 4], [100, 200, 60, 40]))
    found = audit_table(lambda x: 3 * x[:, 3] + x[:, 4], data, estimate=TableEstimate(n_base=2048), progress=False)
    variance = np.array([9 * 0.25 * 0.75, data["stage"].var(ddof=0)])
    total = found.arrays["total_order"][0].sel(input=["sex", "stage"])
    assert np.allclose(total, variance / variance.sum(), atol=0.02)
    text = found.arrays.attrs["rule_text"]
    assert text.endswith("as often as the table does: sex, stage.")
    assert found.arrays["feature_text"].sel(feature="stage").item() == "one of 0, 1, 2, 4"
    assert "zeros" not in {m.code for m in found.messages}
    given = audit_table(linear, data, {"sex": [0, 1], "stage": 2}, estimate=SMALL, progress=False)
    assert "as often as" not in given.arrays.attrs["rule_text"]


def test_one_input_can_be_held_while_the_rule_draws_the_rest():
    found = audit_table(linear, rows(), {"bmi": 0.5}, estimate=SMALL, progress=False)
    assert found.arrays["input"].values.tolist() == ["age", "dose"]


def test_one_row_is_enough_where_every_range_is_given():
    ranges = {"age": (0, 1), "bmi": (0, 1), "dose": (0, 10)}
    found = audit_table(linear, rows(1), ranges, estimate=TableEstimate(n_base=4096), progress=False)
    assert np.allclose(found.arrays["total_order"][0], [1 / 6, 4 / 6, 1 / 6], atol=0.02)
    with pytest.raises(SpaceError, match="nothing varies"):
        audit_table(linear, rows(1), estimate=SMALL, progress=False)


def test_the_curve_comes_from_nested_parts_and_ends_at_the_indices():
    found = audit_table(linear, rows(), estimate=TableEstimate(n_base=1024), progress=False).arrays
    assert found["n_base"].values.tolist() == [128, 256, 512, 1024]
    assert np.array_equal(found["curve_total_order"][-1], found["total_order"])
    part = audit_table(linear, rows(), estimate=TableEstimate(n_base=256), progress=False).arrays
    assert np.allclose(found["curve_total_order"].sel(n_base=256), part["total_order"], atol=1e-12)


def test_a_tolerance_doubles_the_design_until_it_is_kept():
    options = TableEstimate(n_base=32, tolerance=0.03, budget=100_000)
    found = audit_table(linear, rows(), estimate=options, progress=False)
    bounds = found.arrays["total_order_interval"][0].values
    assert (np.diff(bounds)[:, 0] / 2 <= 0.03).all()
    assert "tolerance" in found.arrays.attrs["reason"]


def test_a_tolerance_starts_small_and_one_that_is_missed_is_told_everywhere():
    def product(x):
        return np.prod(np.abs(4 * x - 2), axis=1)

    options = TableEstimate(tolerance=0.001, budget=3000)
    found = audit_table(product, rows(), estimate=options, derivatives=False, progress=False)
    assert found.arrays["n_base"].values.tolist() == [64, 128, 256]
    caution = next(m for m in found.messages if m.code == "tolerance_missed")
    assert caution.level == "caution"
    assert "more than the tolerance of ±0.001" in caution.text
    assert found.cost["ending"] == "budget"
    assert found.cost["evaluations"] == 256 * 8
    reason = found.cost["reason"]
    assert reason.startswith("The budget of 3,000 evaluations ended the run")
    assert reason in render_table_page(found)
    told = Console(width=10_000, file=io.StringIO())
    told.print(table_summary(found))
    assert reason in told.file.getvalue()
    kept = audit_table(linear, rows(), estimate=TableEstimate(tolerance=0.05), derivatives=False, progress=False)
    assert kept.cost["ending"] == "tolerance"
    assert "tolerance_missed" not in {m.code for m in kept.messages}
    assert TableEstimate().start == 4096
    assert TableEstimate(tolerance=0.05, n_base=512).start == 512


def test_the_headline_tells_of_inputs_acting_together_where_noise_cannot_feign_it():
    def alone(x):
        return np.exp(4 * x[:, 0]) + np.exp(4 * x[:, 1]) + np.exp(0.4 * x[:, 2])

    def together(x):
        return np.prod(x[:, :2] - 0.5, axis=1)

    feigned = []
    for seed in range(8):
        options = TableEstimate(n_base=64, second_order=False, seed=seed)
        found = audit_table(alone, rows(), estimate=options, derivatives=False, progress=False)
        feigned.append(float(found.arrays["joint_share"][0]))
        assert "acting together" not in found.headline
    assert max(feigned) > 0.1
    found = audit_table(together, rows(), estimate=SMALL, derivatives=False, progress=False)
    assert "100% of the variance (95% interval" in found.headline
    assert "inputs acting together" in found.headline


def test_no_input_is_named_both_as_most_and_as_hardly_mattering():
    found = audit_table(lambda x: x[:, 0] + 1e-3 * x[:, 1], rows(), estimate=SMALL, derivatives=False, progress=False)
    assert found.headline == "The output depends most on age (1.00), by total index; bmi and dose hardly matter here."
    ranges = {f"x{k + 1}": (0, 1) for k in range(300)}
    values = np.random.default_rng(0).random((40, 300))
    options = TableEstimate(n_base=256, second_order=False)
    found = audit_table(lambda x: x.sum(axis=1), values, ranges, estimate=options, derivatives=False, progress=False)
    assert found.headline == "The output depends on no input alone to speak of: each total index is below 0.01."


def test_the_slopes_of_a_linear_model_are_its_coefficients():
    found = audit_table(linear, rows(), estimate=SMALL, progress=False).arrays
    assert np.allclose(found["derivative_mean"][0], [1, 2, 0.1], atol=1e-6)
    assert np.allclose(found["derivative_std"][0], 0, atol=1e-6)
    assert np.allclose(found["second_derivative_mean"][0], 0, atol=1e-4)
    assert np.allclose(found["derivative_per_std"][0], [1, 2, 0.1] * rows().std(ddof=0).to_numpy(), atol=1e-6)


def classifier(data):
    from sklearn.linear_model import LogisticRegression

    truth = np.where(data["bmi"] + 0.1 * np.sin(50 * data["age"]) > 0.5, *LABELS[::-1])
    return LogisticRegression(C=100).fit(data, truth), truth


def test_retraining_tells_leading_from_trailing_inputs_and_shows_the_majority_rule():
    data = rows()
    model, truth = classifier(data)
    found = audit_table(model, (data, truth), estimate=SMALL, reduction=Reduction(leading=1, repeats=4), progress=False)
    score = found.arrays["reduction_accuracy"].mean("repeat")
    assert found.arrays["reduction_features"].sel(set="leading").item() == "bmi"
    assert float(score.sel(set="leading")) > 0.85
    assert float(score.sel(set="trailing")) < 0.75
    assert 0.4 < float(found.arrays["reduction_majority"].mean()) < 0.7
    assert found.arrays.attrs["accuracy"] == pytest.approx((model.predict(data) == truth).mean())
    assert "reduction" in {m.code for m in found.messages}


def test_a_split_column_decides_the_split_of_retraining(tmp_path):
    data = rows()
    model, truth = classifier(data)
    table = data.assign(y=truth, part=["train"] * 150 + ["test"] * 50)
    table.to_csv(tmp_path / "t.csv", index=False)
    spec = {"path": tmp_path / "t.csv", "label_column": "y", "split_column": "part"}
    found = audit_table(model, spec, estimate=SMALL, reduction=Reduction(leading=1), progress=False)
    wanted = (classifier(data)[0].fit(data[:150], truth[:150]).predict(data[150:]) == truth[150:]).mean()
    assert found.arrays["reduction_accuracy"].sel(set="all").values.tolist() == [wanted]


def test_a_table_in_parquet_gives_the_same_as_in_csv(tmp_path):
    rows().to_csv(tmp_path / "t.csv", index=False)
    rows().to_parquet(tmp_path / "t.parquet")
    found = [
        audit_table(linear, tmp_path / name, estimate=SMALL, progress=False).arrays for name in ("t.csv", "t.parquet")
    ]
    xr.testing.assert_allclose(found[0], found[1])


def test_the_run_folder_survives_the_disk(tmp_path):
    found = audit_table(linear, rows(), estimate=SMALL, out=tmp_path / "run", progress=False)
    again = TableAuditResult.from_disk(tmp_path / "run")
    xr.testing.assert_identical(again.arrays, found.arrays)
    assert (again.headline, again.messages) == (found.headline, found.messages)
    names = {p.name for p in (tmp_path / "run").iterdir()}
    assert names == {"figures", "indices.csv", "report.html", "results.nc", "run.json"}


def test_the_same_seed_gives_the_same_bytes_and_seed_0_is_a_seed():
    runs = [
        audit_table(linear, rows(), estimate=TableEstimate(n_base=128, seed=s), progress=False).arrays
        for s in (0, 0, 1)
    ]
    assert runs[0].identical(runs[1])
    assert not runs[0]["total_order"].identical(runs[2]["total_order"])


def test_a_constant_output_is_an_alarm_and_no_number():
    found = audit_table(lambda x: np.ones(len(x)), rows(), estimate=SMALL, progress=False)
    assert found.level == "alarm"
    assert np.isnan(found.arrays["total_order"]).all()
    assert "did not change" in found.headline


def test_correlated_columns_and_zeros_that_stand_apart_are_told():
    data = rows()
    data["bmi"] = 20 + 10 * data["age"]
    data.loc[:5, "bmi"] = 0
    codes = {m.code for m in audit_table(linear, data, estimate=SMALL, progress=False).messages}
    assert {"dependent_columns", "zeros"} <= codes
    codes = {m.code for m in audit_table(linear, data, rule="nonzero", estimate=SMALL, progress=False).messages}
    assert "zeros" not in codes


def test_a_model_of_steps_is_told_to_have_no_slopes():
    data = np.tile([[0.2, 0.7], [0.6, 0.1], [0.9, 0.4]], (5, 1))
    steps = audit_table(lambda x: (x[:, 0] > 0.5) * 1.0, data, estimate=SMALL, progress=False)
    assert float(steps.arrays["derivative_mean_square"].max()) == 0
    assert "steps" in {m.code for m in steps.messages}
    smooth = audit_table(lambda x: (x[:, 0] > 0.5) + 1e-3 * x[:, 1], data, estimate=SMALL, progress=False)
    assert "steps" not in {m.code for m in smooth.messages}


def test_gates_are_judged():
    gates = {"max_total_order": {"bmi": 0.5}, "max_first_order": 1.0}
    found = audit_table(linear, rows(), estimate=SMALL, gates=gates, progress=False)
    assert {g.name: g.passed for g in found.gates} == {
        "max_total_order.bmi": False,
        "max_first_order.age": True,
        "max_first_order.bmi": True,
        "max_first_order.dose": True,
    }
    assert not found.passed


def test_several_outputs_each_have_their_indices():
    found = audit_table(lambda x: x[:, :2] * [1, 3], rows(), estimate=SMALL, quantity_of_interest="output 1")
    assert np.allclose(found.arrays["total_order"].sel(quantity="output 1"), [0, 1, 0], atol=0.05)
    assert "bmi" in found.headline


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"space": {"agee": [0, 1]}}, SpaceError, "did you mean `age`"),
        ({"gates": {"min_acuracy": 0.5}}, ConfigError, "did you mean `min_accuracy`"),
        ({"gates": {"max_total_order": {"weight": 0.5}}}, ConfigError, "weight"),
        ({"quantity_of_interest": "y"}, ConfigError, "output"),
        ({"reduction": Reduction()}, ConfigError, "scikit-learn"),
        ({"rule": "rnage"}, SpaceError, "rule"),
    ],
)
def test_wrong_options_are_one_clear_line(options, error, words):
    with pytest.raises(error, match=words) as caught:
        audit_table(linear, rows(), estimate=SMALL, progress=False, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_base": 1}, "n_base"),
        ({"method": "lhs"}, "lhs"),
        ({"tolerance": 2.0}, "tolerance"),
        ({"tolerance": 0.1, "resamples": 0}, "`resamples` must be at least 1 "),
        ({"tolerance": 0.1, "resamples": 2, "method": "random"}, "`resamples` must be at least 100 "),
        ({"tolerance": 0.1, "resamples": 2, "replicates": 1}, "`resamples` must be at least 100 "),
        ({"tolerance": 0.1, "resamples": 2, "estimator": "gpc"}, "`resamples` must be at least 100 "),
    ],
)
def test_wrong_sizes_are_one_clear_line(options, words):
    with pytest.raises(ConfigError, match=words):
        TableEstimate(**options)


def test_wrong_tables_are_one_clear_line():
    for data, words in ((3, "table of numbers"), (rows().assign(age="x"), "no number"), ((rows(), [1]), "one label")):
        with pytest.raises(DataError, match=words):
            audit_table(linear, data, estimate=SMALL, progress=False)
    with np.errstate(all="ignore"), pytest.raises(NumericalError, match="NaN or infinity"):
        audit_table(lambda x: np.log(x[:, 0] - 0.5), rows(), estimate=SMALL, progress=False)


def test_a_predict_that_gives_names_is_told_to_be_a_predict_proba():
    data = rows()
    _, truth = classifier(data)
    model = DummyClassifier().fit(data.to_numpy(), truth)
    with pytest.raises(ModelError, match=r"gives names such as `(no|yes)`, no numbers; give its predict_proba"):
        audit_table(model.predict, (data, truth), estimate=SMALL, progress=False)


def with_gaps():
    data = rows()
    data.loc[3, "bmi"] = np.nan
    data.loc[[7, 9], "dose"] = None
    return data


def test_an_empty_cell_is_named_by_row_and_column():
    for data in (with_gaps(), with_gaps().to_numpy(), (with_gaps(), ["a", "b"] * 100)):
        with pytest.raises(DataError, match=r"row 4 has an empty cell in `(bmi|x2)`; fill it, or leave such rows out"):
            audit_table(linear, data, estimate=SMALL, progress=False)


def test_rows_with_empty_cells_can_be_left_out_and_are_counted(tmp_path):
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    data, truth = with_gaps(), classifier(rows())[1].astype(object)
    model = make_pipeline(SimpleImputer(), LogisticRegression(C=100)).fit(data, truth)
    truth[5] = None
    full = data.notna().all(axis=1).to_numpy() & (np.arange(200) != 5)
    data.assign(y=truth).to_csv(tmp_path / "t.csv", index=False)
    quick = {"estimate": TableEstimate(n_base=64), "missing": "drop", "progress": False}
    of_file = {"path": tmp_path / "t.csv", "label_column": "y"}
    for found in (audit_table(model, (data, truth), **quick), audit_table(model, of_file, **quick)):
        assert (found.arrays.attrs["n_missing"], found.arrays.attrs["n_rows"]) == (4, 196)
        wanted = (model.predict(data[full]) == truth[full]).mean()
        assert found.arrays.attrs["accuracy"] == pytest.approx(wanted)
        assert "4 of 200 rows have an empty cell" in " ".join(m.text for m in found.messages)
        assert float(found.arrays["feature_high"].sel(feature="dose")) == data["dose"][full].max()
    with pytest.raises(DataError, match="every row of the table has an empty cell"):
        audit_table(linear, data.assign(age=np.nan), **quick)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (rows().set_axis(["a", "a", "b"], axis=1), "`a` stands 2 times"),
        (
            rows().assign(sex=["m", "f"] * 100),
            "the table: row 1 has `m` in `sex`, which is no number; code `sex` as 0, 1",
        ),
        (rows().assign(sex=pd.Categorical(["m", "f"] * 100)), "cat.codes"),
        (rows().assign(age=np.inf), "row 1 has an infinite cell in `age`"),
    ],
)
def test_columns_that_stand_twice_or_hold_text_are_named(data, words):
    with pytest.raises(DataError, match=words) as caught:
        audit_table(linear, data, estimate=SMALL, progress=False)
    assert "\n" not in str(caught.value)


def test_a_correlated_space_is_refused_with_what_serves_it():
    options = {"low": 0, "high": 1}
    whole = [Parameter(name=n, distribution="uniform", options=options) for n in ("age", "bmi", "dose")]
    for parameters in (whole, whole[:2]):
        tied = np.eye(len(parameters))
        tied[0, 1] = tied[1, 0] = 0.5
        with pytest.raises(
            SpaceError, match=r"kucherenko\.kucherenko or shiftgauge\.estimate\.shapley\.shapley_effects"
        ):
            audit_table(linear, rows(), Space(parameters, tied), estimate=SMALL, progress=False)
