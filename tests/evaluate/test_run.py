"""The driver: values, trial, bad outputs, interruption and resumption."""

import numpy as np
import pytest
from scipy.special import expit

from fakes import GreyImages, MeanClassifier
from grids import Grid, NarrowGrid, Rows, make
from shiftgauge.errors import ConfigError, DataError, InterruptedRunError, NumericalError, StoreError
from shiftgauge.evaluate.images import PreparedImages
from shiftgauge.evaluate.options import ExecutionOptions
from shiftgauge.evaluate.run import Plan, disagreement, evaluate, make_plan
from shiftgauge.evaluate.store import Store
from shiftgauge.evaluate.trial import choose_execution
from shiftgauge.types import Execution


def test_values_are_those_of_the_closed_form(tmp_path):
    evaluator, design = make(), Grid(50, 3)
    with Store(tmp_path, {}) as store:
        plan = make_plan(evaluator, design, ExecutionOptions(batch_size=7, chunk_rows=20), store)
        values = evaluate(evaluator, design, plan, store)
    points = design.points(0, 50)
    grey = np.array(evaluator.source.greys)[points.image_n] * points.theta_np[:, 0]
    sign = np.where(evaluator.source.labels[points.image_n] == 1, 1, -1)
    np.testing.assert_allclose(values[:, 0], expit(8 * sign * (grey - 0.5)), atol=1e-6)
    np.testing.assert_allclose(values[:, 1], 8 * sign * (grey - 0.5), atol=1e-5)


@pytest.mark.parametrize("stop_after", [0, 1, 2])
def test_an_interrupted_run_goes_on_and_repeats_nothing_finished(tmp_path, stop_after):
    design, options = Grid(50, 3), ExecutionOptions(batch_size=5, chunk_rows=20)
    with Store(tmp_path / "whole", {}) as store:
        evaluator = make()
        whole = evaluate(evaluator, design, make_plan(evaluator, design, options, store), store)

    finished: list[int] = []

    def stop(rows: int) -> None:
        finished.append(rows)
        if len(finished) > stop_after:
            raise KeyboardInterrupt

    with Store(tmp_path / "cut", {}) as store:
        evaluator = make()
        with pytest.raises(InterruptedRunError, match="the same command goes on"):
            evaluate(evaluator, design, make_plan(evaluator, design, options, store), store, on_chunk=stop)
    with Store(tmp_path / "cut", {}) as store:
        evaluator, redone = make(), []
        plan = make_plan(evaluator, design, ExecutionOptions(), store)
        assert (plan.execution.batch_size, plan.chunk_rows) == (5, 20)
        again = evaluate(evaluator, design, plan, store, on_chunk=redone.append)
    assert finished + redone == [20, 20, 10]
    assert again.tobytes() == whole.tobytes()


def test_a_bad_output_names_the_image_and_the_shift(tmp_path):
    evaluator, design = make(poison=0.8), Grid(30, 3)
    plan = Plan(execution=Execution(batch_size=4), chunk_rows=8)
    with Store(tmp_path, {}) as store, pytest.raises(NumericalError, match=r"grey_2\.png` at brightness 0\.9"):
        evaluate(evaluator, design, plan, store)


def test_images_of_different_sizes_are_shifted_natively_in_their_own_batches():
    mixed = make((0.2, 0.7, 0.9), native=True, shapes=((8, 8), (12, 16), (8, 8)))
    plain = make((0.2, 0.7, 0.9))
    points = Grid(12, 3).points(0, 12)
    execution = Execution(batch_size=5)
    np.testing.assert_allclose(mixed.values(points, execution), plain.values(points, execution), atol=1e-6)


def test_the_cache_keeps_its_limit_and_changes_nothing():
    source, classifier = GreyImages((0.1, 0.2, 0.3, 0.4)), MeanClassifier()
    small = PreparedImages(source, classifier, memory_bytes=2 * 8 * 8 * 4)
    for index in (0, 1, 2, 3, 0, 2):
        assert float(small.one(index).mean()) == pytest.approx(source.greys[index])
        assert len(small._cache) <= 2


def test_an_empty_data_set_is_refused():
    with pytest.raises(DataError, match="no images"):
        PreparedImages(GreyImages(()), MeanClassifier())


@pytest.mark.parametrize(("bias", "expected"), [(0.0, {"float32", "bfloat16"}), (1.0, {"float32"})])
def test_bfloat16_is_taken_only_when_it_agrees(bias, expected):
    evaluator = make(bias_bfloat16=bias)
    trial = choose_execution(evaluator, Grid(64, 3).points(0, 64), ExecutionOptions(), 10_000)
    assert trial.execution.precision in expected
    half = [row for row in trial.table if row["precision"] == "bfloat16"]
    assert half
    assert half[0]["agrees"] == (bias == 0.0)
    assert half[0]["max_difference"] == pytest.approx(0.0 if bias == 0 else 0.24, abs=0.02)


@pytest.mark.parametrize("bias", [0.002, 0.2])
def test_bfloat16_must_differ_little_against_what_the_shifts_do(bias):
    """A logit that is 8 (g b - 0.5): a bias of it is one of the margin, whose spread under narrow shifts is small."""
    design = NarrowGrid(64, 1)
    points = design.points(0, 64)
    options = ExecutionOptions(tolerance=0.1)
    trial = choose_execution(make(bias_bfloat16=bias), points, options, 10_000, quantity="margin")
    row = next(row for row in trial.table if row["precision"] == "bfloat16")
    spread = 8 * 0.2 * points.theta_np[:, 0].std(ddof=1)
    assert row["relative_difference"] == pytest.approx(bias / spread, rel=1e-3)
    assert row["agrees"] == (bias < 0.02 * spread)
    assert row["refused_by"] == ("" if row["agrees"] else "spread")
    plain = next(row for row in trial.table if row["precision"] == "float32")
    assert (plain["relative_difference"], plain["agrees"]) == (0.0, True)


def test_what_the_user_fixed_stays_fixed():
    options = ExecutionOptions(batch_size=3, precision="float32")
    trial = choose_execution(make(), Grid(64, 3).points(0, 64), options, 10_000)
    assert trial.execution == Execution(batch_size=3)
    with pytest.raises(ConfigError, match="cannot be run with channels_last True"):
        choose_execution(make(), Grid(64, 3).points(0, 64), ExecutionOptions(channels_last=True), 10_000)


def test_a_forced_precision_that_disagrees_is_taken_and_told(tmp_path):
    with Store(tmp_path, {}) as store:
        design = Grid(600, 3)
        options = ExecutionOptions(precision="bfloat16", batch_size=8)
        plan = make_plan(make(bias_bfloat16=1.0), design, options, store)
        assert plan.execution.precision == "bfloat16"
        row = disagreement(plan)
        assert row is not None
        assert row["max_difference"] > 0.05
        assert disagreement(Plan(execution=Execution(), chunk_rows=8)) is None


@pytest.mark.parametrize(
    "options", [{"precision": "bfloat16"}, {"batch_size": 4}, {"chunk_rows": 99}, {"streams": 2}, {"compiled": True}]
)
def test_a_resumed_run_refuses_another_setting_than_it_was_begun_with(tmp_path, options):
    with Store(tmp_path, {}) as store:
        begun = make_plan(make(), Grid(50, 3), ExecutionOptions(batch_size=8), store)
        assert make_plan(make(), Grid(50, 3), ExecutionOptions(batch_size=8), store) == begun
        with pytest.raises(StoreError, match=f"begun with {next(iter(options))}"):
            make_plan(make(), Grid(50, 3), ExecutionOptions(**options), store)


def test_a_short_run_takes_the_plain_setting_untried():
    trial = choose_execution(make(), Grid(10, 3).points(0, 10), ExecutionOptions(), 10)
    assert trial.table == ()
    assert trial.execution.precision == "float32"


def test_a_longer_design_computes_only_what_is_missing(tmp_path):
    options, computed = ExecutionOptions(batch_size=5, chunk_rows=20), []
    with Store(tmp_path, {}) as store:
        evaluator, short = make(), Rows(Grid(50, 3), 27)
        plan = make_plan(evaluator, short, options, store)
        first = evaluate(evaluator, short, plan, store)
        whole = evaluate(evaluator, Rows(Grid(50, 3), 50), plan, store, on_chunk=computed.append)
        again = evaluate(evaluator, short, plan, store, on_chunk=computed.append)
    assert computed == [13, 10]
    assert whole[:27].tobytes() == first.tobytes() == again.tobytes()
