import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from report.train_results import train_result
from shiftgauge.errors import ConfigError, StoreError
from shiftgauge.results.train import TrainResult


@pytest.mark.parametrize("task", ["single", "multi"])
def test_a_training_comes_back_from_its_folder(tmp_path: Path, task: str) -> None:
    result = train_result(task=task, averaging=task == "multi")
    again = TrainResult.from_disk(result.to_disk(tmp_path / "run"))
    xr.testing.assert_identical(result.arrays, again.arrays)
    assert (again.headline, again.messages, again.gates) == (result.headline, result.messages, result.gates)
    assert again.model_folder == tmp_path / "run" / "model"
    assert {p.name for p in (tmp_path / "run").iterdir()} == {"run.json", "results.nc", "metrics.csv", "history.csv"}


def test_history_metrics_and_thresholds_are_at_hand() -> None:
    result = train_result(task="multi", epochs=3)
    assert list(result.history.index) == [1, 2, 3]
    assert result.part == "test"
    value, low, high = result.metric("macro_f1")
    assert low <= value <= high
    assert value == float(result.arrays["overall"].sel(part="test", summary="macro_f1"))
    assert result.metric("recall", part="validation", of="defect 2")[0] == float(
        result.arrays["class_metric"].sel({"part": "validation", "measure": "recall", "class": "defect 2"})
    )
    assert result.thresholds is not None
    assert set(result.thresholds) == {f"defect {k}" for k in range(4)}
    assert train_result().thresholds is None


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"name": "recal", "of": "defect 1"}, "unknown figure of a class `recal`; did you mean `recall`"),
        ({"name": "macro_f"}, "unknown figure `macro_f`; did you mean `macro_f1`"),
        ({"name": "recall", "of": "defekt 1"}, "unknown class `defekt 1`; did you mean `defect 1`"),
        ({"name": "macro_f1", "part": "tests"}, "unknown part `tests`; did you mean `test`"),
        ({"name": "recall"}, r"`recall` is of a class; name it, such as `metric\('recall', of='defect 0'\)`"),
        ({"name": "accuracy", "of": "defect 1"}, "`accuracy` is of the whole part; leave `of` out"),
    ],
)
def test_an_unknown_figure_is_one_line_with_the_nearest_name(asked: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        train_result(n_classes=3).metric(**asked)


def test_the_table_holds_every_figure_with_its_prevalence() -> None:
    result = train_result(n_classes=3)
    frame = result.to_dataframe()
    assert len(frame) == 2 * (5 + 3 * 5)
    row = frame[(frame["part"] == "test") & (frame["class"] == "defect 1") & (frame["measure"] == "f1")].iloc[0]
    assert row["prevalence"] == pytest.approx(float(result.arrays["prevalence"][1, 1]))
    assert row["estimate"] == pytest.approx(float(result.arrays["class_metric"][1, 2, 1]))


@pytest.mark.parametrize("name", ["class_metric", "history_loss", "split_count", "reliability_count"])
def test_a_file_that_lacks_a_part_is_one_line(tmp_path: Path, name: str) -> None:
    result = train_result()
    folder = result.to_disk(tmp_path)
    result.arrays.drop_vars(name).to_netcdf(folder / "results.nc", engine="h5netcdf")
    with pytest.raises(StoreError, match=name):
        TrainResult.from_disk(folder)


def test_a_run_of_another_kind_is_refused(tmp_path: Path) -> None:
    folder = train_result().to_disk(tmp_path)
    record = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**record, "kind": "audit"}))
    with pytest.raises(StoreError, match="not `train`"):
        TrainResult.from_disk(folder)


def test_confusions_belong_to_their_axes(tmp_path: Path) -> None:
    result = train_result()
    arrays = result.arrays.drop_vars("confusion").assign(confusion=("part", np.zeros(2)))
    folder = result.to_disk(tmp_path)
    arrays.to_netcdf(folder / "results.nc", engine="h5netcdf")
    with pytest.raises(StoreError, match="confusion"):
        TrainResult.from_disk(folder)
