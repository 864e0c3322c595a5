"""A grid search: every combination on the same folds, gone on with after a kill, and an honest best row."""

import itertools
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from shiftgauge.errors import NumericalError, ShiftgaugeError
from shiftgauge.studies import fold_training
from shiftgauge.studies.cross_validation import cross_validate
from shiftgauge.studies.fold_outcome import METRICS, FoldOutcome
from shiftgauge.studies.grid_found import GridSearch, chosen_without_fold
from shiftgauge.studies.grid_ranges import combinations, recipes
from shiftgauge.studies.grid_search import grid_search
from shiftgauge.train.crossval import compare_folds, fold_spread
from studies.test_cross_validation import persons

FOLDS = {"k": 2, "validation": 0.25, "near_duplicates": False}
BASE = {
    "model": {"architecture": "test_resnet", "size": 16},
    "options": {"epochs": 1, "precision": "float32", "sampling": {"batch_size": 16}},
}
RANGES = {"learning_rate": [1e-3, 1e-6], "batch_size": [16, 8]}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def run(out, ranges=None, base=None, **more):
    values = {"folds": FOLDS, "device": "cpu", "progress": False, **more}
    return grid_search(base or BASE, persons(), RANGES if ranges is None else ranges, out=out, **values)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return run(tmp_path_factory.mktemp("grid"))


@pytest.fixture
def trained(monkeypatch):
    """Counts what is trained rather than read."""
    seen, fit = [], fold_training.fit

    def counted(*arguments, **more):
        seen.append(more["folder"])
        return fit(*arguments, **more)

    monkeypatch.setattr(fold_training, "fit", counted)
    return seen


def test_every_row_is_the_cross_validation_of_its_values(found, tmp_path):
    table = found.table
    assert [tuple(row) for row in table[list(RANGES)].to_numpy()] == list(itertools.product(*RANGES.values()))
    options = {**BASE["options"], "optimizer": {"learning_rate": 1e-6}, "sampling": {"batch_size": 8}}
    alone = cross_validate(
        BASE["model"], persons(), out=tmp_path, folds=FOLDS, options=options, device="cpu", progress=False
    )
    assert table.loc[3, ["fold_1", "fold_2"]].tolist() == alone.values("accuracy").tolist()
    spread = alone.spread("accuracy")
    assert table.loc[3, "mean"] == pytest.approx(spread.mean)
    assert table.loc[3, "corrected_error"] == pytest.approx(spread.corrected_error)


def test_the_table_is_the_file(found):
    written = pd.read_csv(found.folder / "grid.csv")
    pd.testing.assert_frame_equal(written, found.table, check_dtype=False)
    assert written["best"].sum() == 1
    assert (written["status"] == "done").all()


def test_finished_rows_are_read_and_a_longer_range_trains_what_is_new(found, trained):
    again = run(found.folder)
    assert trained == []
    assert again.table.equals(found.table)
    longer = run(found.folder, {"learning_rate": [1e-3, 3e-3], "batch_size": [16]})
    assert len(trained) == 2
    assert longer.table.loc[0, "mean"] == found.table.loc[0, "mean"]


KILLED = """
import os, signal, sys
from shiftgauge.studies import fold_training
from studies.test_grid_search import run

done, fit = [], fold_training.fit

def counted(*arguments, **more):
    if len(done) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    done.append(1)
    return fit(*arguments, **more)

fold_training.fit = counted
run(sys.argv[1])
"""


def test_a_killed_search_goes_on_where_it_was(found, tmp_path, trained):
    place = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    environment = {**os.environ, "PYTHONPATH": place, "OMP_NUM_THREADS": "1"}
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(pd.read_csv(tmp_path / "grid.csv")) == 1
    resumed = run(tmp_path)
    assert len(trained) == 5
    columns = [name for name in found.table if name != "seconds"]
    assert resumed.table[columns].equals(found.table[columns])


def test_a_training_that_diverges_gets_a_row_that_says_so(tmp_path, trained):
    options = {**BASE["options"], "optimizer": {"kind": "sgd"}, "clip": None}
    base = {**BASE, "options": options}
    ranges = {"learning_rate": [1e-3, 1e30]}
    result = run(tmp_path, ranges, base)
    assert result.table["status"].str.contains("diverged").tolist() == [False, True]
    assert result.table["mean"].isna().tolist() == [False, True]
    assert result.best["learning_rate"] == 1e-3
    run(tmp_path, ranges, base)
    assert len(trained) == 4
    with pytest.raises(NumericalError, match="every training of the grid diverged"):
        _ = run(tmp_path, {"learning_rate": [1e30]}, base).best


def made(values_rj, metric="accuracy"):
    """A grid of given figures."""
    rows = []
    for values in values_rj:
        outcome = FoldOutcome(
            values=dict.fromkeys(METRICS, 0.0), history=(), best_epoch=0, n_images={"train": 80, "test": 20},
            seed=0, seconds=0.0, problem="", rows=np.arange(2), logits_nk=np.zeros((2, 2), np.float32), folder=Path(),
        )  # fmt: skip
        rows.append(tuple(replace(outcome, values={**outcome.values, metric: value}) for value in values))
    cells = tuple({"width": k} for k in range(len(rows)))
    return GridSearch(cells=cells, outcomes=tuple(rows), metric=metric, folder=Path())


def test_the_best_row_has_the_spread_of_its_folds_and_what_choosing_it_costs():
    values = [[0.70, 0.72, 0.71], [0.80, 0.60, 0.74], [0.70, 0.71, 0.70]]
    best = made(values).best
    assert best["width"] == 1
    spread = fold_spread(values[1], test_ratio=0.25)
    assert (best["mean"], best["low"]) == (spread.mean, spread.low)
    without = np.mean([0.70, 0.60, 0.71])
    assert best["chosen_without_fold"] == pytest.approx(without)
    assert best["optimism"] == pytest.approx(spread.mean - without)
    assert best["rows_within_error"] == 3
    table = made(values).table
    pair = compare_folds(values[0], values[1], test_ratio=0.25)
    assert table.loc[0, ["difference_to_best", "p_value"]].tolist() == pytest.approx([pair.difference, pair.p_value])


@pytest.mark.parametrize("key", ["epsilon", "adversarial.steps", "share", "enlarge.epsilon"])
def test_a_range_begins_no_training_that_nobody_asked_for(key):
    part = "enlarge" if "share" in key or "enlarge" in key else "adversarial"
    with pytest.raises(ShiftgaugeError, match=f"`{key}` changes `{part}`, which the recipe does not have"):
        list(recipes(BASE, [{key: 0.1}], "single"))


def test_all_intervals_of_the_table_have_the_level_that_was_asked_for():
    values = [[0.70, 0.72, 0.71], [0.80, 0.60, 0.74]]
    table = replace(made(values), confidence_level=0.8).table
    pair = compare_folds(values[0], values[1], test_ratio=0.25, confidence_level=0.8)
    assert table.loc[0, ["difference_low", "difference_high"]].tolist() == pytest.approx([pair.low, pair.high])
    assert table.loc[1, "high"] == fold_spread(values[1], test_ratio=0.25, confidence_level=0.8).high


def test_of_a_loss_less_is_better():
    values = [[0.5, 0.6, 0.7], [0.4, 0.5, 0.6]]
    best = made(values, "loss").best
    assert (best["width"], best["mean"], best["chosen_without_fold"]) == (1, pytest.approx(0.5), pytest.approx(0.5))
    assert best["optimism"] == pytest.approx(0)


def test_the_best_of_many_equal_rows_looks_better_than_it_is_and_the_choice_without_a_fold_does_not():
    rng = np.random.default_rng(0)
    grids = [made(0.7 + 0.02 * rng.standard_normal((30, 5))).best for _ in range(200)]
    assert np.mean([best["mean"] for best in grids]) > 0.715
    assert np.mean([best["chosen_without_fold"] for best in grids]) == pytest.approx(0.7, abs=0.003)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=1, max_size=6))
def test_the_choice_without_a_fold_is_that_of_a_loop(scores):
    expected = []
    for fold in range(3):
        others = [sum(v for f, v in enumerate(row) if f != fold) for row in scores]
        near = [row[fold] for row, total in zip(scores, others, strict=True) if total >= max(others) - 1e-12]
        expected.append((min(near), max(near)))
    found = chosen_without_fold(np.array(scores))
    assert np.mean([low for low, _ in expected]) - 1e-12 <= found <= np.mean([high for _, high in expected]) + 1e-12


def test_a_cell_says_what_it_is_of(found):
    cells = [json.loads(path.read_text()) for path in found.folder.glob("cells/*/cell.json")]
    wanted = [{"learning_rate": rate, "batch_size": size} for rate, size in itertools.product(*RANGES.values())]
    assert all(cell in cells for cell in wanted)


def test_long_and_short_names_reach_every_part_of_a_recipe():
    ranges = {"width": [2], "adversarial.epsilon": [0.1], "beta": [0.01], "options.schedule.kind": ["step"]}
    (recipe,) = recipes({**BASE, "adversarial": {"method": "fast"}}, combinations(ranges), "single")
    assert recipe.network.arguments == {"width": 2}
    assert recipe.additions.adversarial.epsilon == 0.1
    assert recipe.additions.constraint.beta == 0.01
    assert recipe.options.schedule.kind == "step"
    assert recipe.options.sampling.batch_size == 16


@pytest.mark.parametrize(
    ("ranges", "base", "message"),
    [
        ({}, {}, "a grid needs `ranges`"),
        ({"learning_rate": []}, {}, "`ranges.learning_rate` must be a list of values"),
        ({"learning_rate": 0.1}, {}, r"must be a list of values, got 0\.1"),
        ({"learning_rate": [0.1, 0.1]}, {}, r"`ranges.learning_rate` holds 0\.1 twice"),
        ({"learning_rat": [0.1]}, {}, "unknown key of `ranges` `learning_rat`; did you mean `learning_rate`"),
        ({"epochs": [1], "options.epochs": [2]}, {}, r"holds `options\.epochs` twice, by its short and its long name"),
        ({"learning_rate": [0.1, -1]}, {}, "with learning_rate -1: `learning_rate` must be ≥ 0"),
        ({"options.optimizer.learning_rat": [1]}, {}, "unknown key of `options.optimizer` `learning_rat`"),
        ({"width": [2]}, {}, "with width 2: timm cannot make `test_resnet`"),
        ({"epochs": [1]}, {"optoins": {}}, "unknown key of `recipe` `optoins`; did you mean `options`"),
        ({"epochs": [1]}, {"model": None}, "must be the name of an architecture or a mapping"),
    ],
)
def test_what_is_no_grid_is_said_before_anything_is_trained(tmp_path, ranges, base, message, trained):
    with pytest.raises(ShiftgaugeError, match=message):
        run(tmp_path, ranges, {**BASE, **base})
    assert trained == []
