"""`shiftgauge train` with the sections `folds` and `grid`."""

from pathlib import Path

import pandas as pd
import pytest
import yaml

from cli.training import image_folder
from shiftgauge.studies.cross_validated import CrossValidation

FOLDS = {"k": 2, "by": "stratified", "near_duplicates": False, "validation": 0.2}


@pytest.fixture
def written(tmp_path: Path):
    image_folder(tmp_path / "images", count=30)

    def write(**more) -> Path:
        values = {
            "model": {"architecture": "test_resnet", "size": 16},
            "data": {"folder": "images"},
            "train": {"epochs": 1, "device": "cpu", "sampling": {"batch_size": 8}},
            "measure": {"confidence_level": 0.8},
            "out": "run",
            **more,
        }
        path = tmp_path / "folds.yaml"
        path.write_text(yaml.safe_dump(values))
        return path

    return write


def test_folds_print_and_keep_their_table_and_are_read_the_second_time(cli, written, tmp_path: Path):
    path = written(folds=FOLDS)
    first = cli("train", str(path))
    assert first.code == 0, first.err
    found = CrossValidation.from_disk(tmp_path / "run")
    spread = found.spread("accuracy", confidence_level=0.8)
    assert f"Accuracy {spread.mean:.3f} [{spread.low:.3f}, {spread.high:.3f}]" in first.out.replace("−", "-")
    assert "Intervals of 80 %" in first.out.replace("\xa0", " ")
    assert len(pd.read_csv(tmp_path / "run" / "folds.csv")) == 2
    assert (tmp_path / "run" / "fold-01" / "model").is_dir()
    times = {p: p.stat().st_mtime_ns for p in tmp_path.glob("run/fold-*/fold.json")}
    again = cli("train", str(path), "--quiet")
    assert (again.code, again.out) == (0, "")
    assert times == {p: p.stat().st_mtime_ns for p in tmp_path.glob("run/fold-*/fold.json")}


def test_a_grid_prints_its_rows_from_the_best_and_a_longer_range_goes_on(cli, written, tmp_path: Path):
    grid = {"ranges": {"learning_rate": [0.01, 0.0001]}, "metric": "loss"}
    first = cli("train", str(written(folds=FOLDS, grid=grid)))
    assert first.code == 0, first.err
    table = pd.read_csv(tmp_path / "run" / "grid.csv")
    assert table["learning_rate"].tolist() == [0.01, 0.0001]
    assert table["fold_2"].notna().all()
    best = table.loc[table["best"]].iloc[0]
    assert f"Best: learning_rate {best['learning_rate']}" in first.out
    assert first.out.index(f"{best['mean']:.3f}") < first.out.index(f"{table['mean'].max():.3f}")
    assert "Chosen without each fold" in " ".join(first.out.split())
    cells = set(tmp_path.glob("run/cells/*"))
    grid["ranges"]["learning_rate"].append(0.001)
    assert cli("train", str(written(folds=FOLDS, grid=grid)), "--quiet").code == 0
    assert len(pd.read_csv(tmp_path / "run" / "grid.csv")) == 3
    assert cells < set(tmp_path.glob("run/cells/*"))


def test_what_folds_cannot_do_is_told_on_one_line(cli, written, tmp_path: Path):
    for more, said in (
        ({"folds": {**FOLDS, "by": "group"}}, "has no groups"),
        ({"folds": FOLDS, "grid": {"ranges": {"rate": [1]}}}, "any other key is written out"),
        ({"folds": FOLDS, "split": {"by": "group"}}, "`split` is about one training"),
        ({"folds": FOLDS, "train": {"device": "cpu", "devices": 2}}, "one device"),
    ):
        found = cli("train", str(written(**more)))
        assert found.code == 2
        assert said in found.error
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{}")
    assert "another kind of run" in cli("train", str(written(folds=FOLDS))).error
