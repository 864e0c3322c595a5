"""Which finished trainings are the wanted ones."""

import json
from dataclasses import replace

import numpy as np
import pytest

from shiftgauge.data.arrays import from_arrays
from shiftgauge.data.splits import Split
from shiftgauge.models.model_record import plain
from shiftgauge.results.train import TrainResult
from shiftgauge.studies.train import train
from shiftgauge.studies.train_finished import Wanted, differences, finished, hashes_of
from shiftgauge.studies.train_options import NetworkChoice, SplitOptions
from shiftgauge.train.checkpoints import claim
from shiftgauge.train.options import TrainOptions

PARTS = {"train": np.arange(20), "validation": np.arange(20, 30), "test": np.arange(30, 40)}


def pictures():
    grey = np.random.default_rng(0).random((40, 16, 16)) / 2
    grey[1::2] += 0.5
    return from_arrays(grey, ["dark", "bright"] * 20)


def weights(folder, value):
    return train(
        NetworkChoice(architecture="test_resnet", size=16, channels=1), pictures(), out=folder, device="cpu",
        options=TrainOptions(epochs=1, precision="float32", seed=value), progress=False, split=Split(parts=PARTS),
    ).model_folder  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        for name in ("write_train_figures", "write_train_page"):
            patch.setattr(f"shiftgauge.studies.train.{name}", lambda result, place: None)
        root = tmp_path_factory.mktemp("finished")
        one, other = weights(root / "a" / "run", 0), weights(root / "b" / "run", 1)
        wanted = Wanted(
            network=NetworkChoice(architecture="test_resnet", size=16, channels=1, pretrained=str(one)),
            options=TrainOptions(epochs=1, precision="float32"),
            splitting=SplitOptions(by=Split(parts=PARTS, by="fold 1"), near_duplicates=False),
            dataset=pictures(),
        )
        given = {"options": wanted.options, "split": wanted.splitting, "device": "cpu", "progress": False}
        train(wanted.network, wanted.dataset, out=root / "run", **given)
    return root / "run", wanted, other


def test_the_same_training_is_read(made):
    folder, wanted, _ = made
    found = finished(folder, wanted)
    assert hashes_of({"one": found}) == {"weights of one": found.provenance["hashes"]["weights"]}


def test_a_folder_without_a_finished_training_or_its_network_holds_none(made, tmp_path):
    folder, wanted, _ = made
    assert finished(tmp_path, wanted) is None
    for name in ("run.json", "results.nc"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    assert finished(tmp_path, wanted) is None


def test_what_differs_is_named(made):
    folder, wanted, other = made
    result = TrainResult.from_disk(folder)
    dealt = Split(parts={**PARTS, "train": np.arange(1, 20)}, by="fold 1")
    cases = {
        "network": replace(wanted, network=replace(wanted.network, dropout=0.1)),
        "options": replace(wanted, options=replace(wanted.options, epochs=2)),
        "split": replace(wanted, splitting=SplitOptions(by=dealt, near_duplicates=False)),
    }
    for name, case in cases.items():
        assert differences(result, case) == [name]
    same_name = replace(wanted, network=replace(wanted.network, pretrained=str(other)))
    assert same_name.network.to_dict() == wanted.network.to_dict()
    assert differences(result, same_name) == ["network"]
    fewer = replace(wanted, dataset=pictures().select(np.arange(40)[::-1]))
    assert differences(result, fewer) == ["split", "images"]


def test_trainings_from_before_an_option_was_known_are_those_without_it(made, tmp_path):
    folder, wanted, _ = made
    result = TrainResult.from_disk(folder)
    assert result.config["model"].pop("head") == "random"
    assert result.config["resolved"].pop("frozen_statistics") is False
    assert differences(result, wanted) == []
    assert differences(result, replace(wanted, network=replace(wanted.network, head="linear_probe"))) == ["network"]
    assert differences(result, replace(wanted, options=replace(wanted.options, frozen_statistics=True))) == ["options"]
    now = {"network": wanted.network.to_dict(), "options": wanted.resolved()}
    before = json.loads(json.dumps(plain(now)))
    del before["network"]["head"], before["options"]["frozen_statistics"]
    claim(tmp_path, before)
    (tmp_path / "checkpoint.pt").touch()
    assert claim(tmp_path, now)
