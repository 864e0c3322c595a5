"""A model folder: written, read and opened; everything that can be wrong with it."""

import dataclasses
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from shiftgauge.errors import ConfigError, ModelError, StoreError
from shiftgauge.models.load import load_model
from shiftgauge.models.model_folder import load_model_folder, read_model_record, write_model_folder
from shiftgauge.models.model_record import ModelRecord, NetworkOptions
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.types import DifferentiableClassifier, Execution, MultiLabelClassifier

OPTIONS = NetworkOptions(name="mobilenetv3_small_050", n_classes=3, channels=1, dropout=0.3)
RECORD = ModelRecord(
    architecture=OPTIONS,
    task="single",
    classes=("good", "scratch", "stain"),
    preprocessing=Preprocessing(height=40, width=32, channels=1, mean=(0.4,), std=(0.2,)),
    temperature=2.5,
    metrics={"macro_f1": 0.9, "undefined": float("nan")},
    data={"fingerprint": "a1", "parts": {"train": 10}},
    training={"epochs": 3, "first": NetworkOptions(name="resnet18", n_classes=2), "rate": np.float32(0.5)},
    averaging=({"flip": "horizontal"},),
)
SEVERAL = dataclasses.replace(RECORD, task="multi", thresholds=(0.5, 0.25, 0.75))


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    built = OPTIONS.build().network
    with torch.no_grad():
        for module in built.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.fill_(0.05)
    return built.eval()


@pytest.fixture(scope="module")
def written(network, tmp_path_factory) -> Path:
    """A folder that tests copy."""
    return write_model_folder(tmp_path_factory.mktemp("written"), network, RECORD)


@pytest.fixture
def copied(written, tmp_path) -> Path:
    """A folder that a test may damage."""
    return Path(shutil.copytree(written, tmp_path / "copied"))


@pytest.fixture
def pictures() -> torch.Tensor:
    return torch.rand(4, 1, 40, 32, generator=torch.Generator().manual_seed(0))


def logits(network: torch.nn.Module, pictures: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return network((pictures - 0.4) / 0.2)


def changed(folder, **values):
    """Writes other values into `model.json`."""
    content = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**content, **values}))


def test_a_model_comes_back_as_it_was_written_with_its_temperature(tmp_path, network, pictures):
    folder = write_model_folder(tmp_path / "new" / "model", network, RECORD)
    found = load_model_folder(folder, "cpu")
    torch.testing.assert_close(found.outputs(pictures), logits(network, pictures) / 2.5)
    assert found.output_kind == "logits"
    assert found.class_names == RECORD.classes
    assert found.preprocessing == RECORD.preprocessing
    assert not isinstance(found, MultiLabelClassifier)
    assert sorted(p.name for p in folder.iterdir()) == ["model.json", "weights.safetensors"]


def test_the_record_comes_back_but_for_numbers_that_are_none(tmp_path, network):
    write_model_folder(tmp_path, network, RECORD)
    found = read_model_record(tmp_path)
    assert found.metrics == {"macro_f1": 0.9, "undefined": None}
    assert set(found.versions) == {"shiftgauge", "torch", "timm", "safetensors"}
    assert found.training["first"]["name"] == "resnet18"
    assert found.training["rate"] == 0.5
    empty = {"metrics": {}, "versions": {}, "training": {}}
    assert dataclasses.replace(found, **empty) == dataclasses.replace(RECORD, **empty)
    assert load_model_folder(tmp_path, "cpu").record == found


def test_several_labels_have_independent_probabilities_and_thresholds(tmp_path, network, pictures):
    write_model_folder(tmp_path, network, SEVERAL)
    found = load_model_folder(tmp_path, "cpu")
    expected = 1 / (1 + np.exp(-logits(network, pictures).double().numpy() / 2.5))
    np.testing.assert_allclose(found.outputs(pictures).numpy(), expected, rtol=1e-5)
    assert found.output_kind == "probabilities"
    assert isinstance(found, MultiLabelClassifier)
    assert found.thresholds == (0.5, 0.25, 0.75)
    without = dataclasses.replace(SEVERAL, thresholds=None)
    assert load_model_folder(write_model_folder(tmp_path, network, without), "cpu").thresholds == (0.5, 0.5, 0.5)


@pytest.mark.parametrize("record", [RECORD, SEVERAL])
def test_gradients_are_those_of_the_calibrated_logits(tmp_path, network, pictures, record):
    found = load_model_folder(write_model_folder(tmp_path, network, record), "cpu")
    assert isinstance(found, DifferentiableClassifier)
    given = pictures.clone().requires_grad_()
    found.logits_with_grad(given)[:, 1].sum().backward()
    own = pictures.clone().requires_grad_()
    (network((own - 0.4) / 0.2)[:, 1] / 2.5).sum().backward()
    torch.testing.assert_close(given.grad, own.grad)
    torch.testing.assert_close(found.logits_with_grad(pictures), logits(network, pictures) / 2.5)


@pytest.mark.parametrize("record", [RECORD, SEVERAL])
def test_faster_executions_and_blocks_give_the_calibrated_outputs_too(tmp_path, network, pictures, record):
    found = load_model_folder(write_model_folder(tmp_path, network, record), "cpu")
    plain = found.outputs(pictures)
    fast = found.outputs(pictures, Execution(channels_last=True))
    torch.testing.assert_close(fast, plain, rtol=1e-4, atol=1e-5)
    name = found.main_blocks[0]
    outputs, blocks = found.outputs_and_blocks(pictures, [name], lambda _, x: x.flatten(1)[:, :2])
    torch.testing.assert_close(outputs, plain)
    assert blocks[name].shape == (4, 2)


def test_every_front_door_opens_it(tmp_path, network, pictures):
    write_model_folder(tmp_path, network, RECORD)
    expected = load_model_folder(tmp_path, "cpu")
    for spec in (tmp_path, str(tmp_path), tmp_path / "model.json", {"kind": "folder", "path": tmp_path}):
        found = load_model(spec, device="cpu")
        assert found.fingerprint == expected.fingerprint
        torch.testing.assert_close(found.outputs(pictures), expected.outputs(pictures))


def test_preprocessing_and_names_can_be_replaced(tmp_path, network):
    write_model_folder(tmp_path, network, RECORD)
    spec = {"kind": "folder", "path": tmp_path, "preprocessing": {"height": 64}, "classes": ["a", "b", "c"]}
    found = load_model(spec, device="cpu")
    assert found.input_shape == (1, 64, 32)
    assert found.class_names == ("a", "b", "c")
    for name, value in {"arguments": {"a": 1}, "num_classes": 3, "output_kind": "logits", "weights": "w"}.items():
        with pytest.raises(ConfigError, match=f"`{name}` do(es)? not go with a model folder"):
            load_model({"kind": "folder", "path": tmp_path, name: value})


def test_what_decides_an_output_decides_the_fingerprint(tmp_path, network):
    prints = set()
    for i, changes in enumerate(
        ({}, {"temperature": 1.0}, {"task": "multi"}, {"task": "multi", "thresholds": (0.1,) * 3})
    ):
        folder = write_model_folder(tmp_path / str(i), network, dataclasses.replace(RECORD, **changes))
        prints.add(load_model_folder(folder, "cpu").fingerprint)
    assert len(prints) == 4
    again = write_model_folder(tmp_path / "again", network, dataclasses.replace(RECORD, metrics={}))
    assert load_model_folder(again, "cpu").fingerprint in prints


def test_training_can_begin_from_a_folder(tmp_path, network):
    write_model_folder(tmp_path, network, RECORD)
    options = dataclasses.replace(OPTIONS, pretrained=tmp_path, n_classes=5)
    built = options.build()
    assert torch.equal(built.network.state_dict()["conv_stem.weight"], network.state_dict()["conv_stem.weight"])
    assert built.notes[0] == f"the weights are those of the model folder {tmp_path.name}"
    assert "is left out" in built.notes[1]
    assert options.to_dict()["pretrained"] == tmp_path.name


def test_a_wrapped_network_is_written_under_its_own_names(tmp_path, network):
    wrapped = torch.nn.Module()
    wrapped.add_module("model", network)
    write_model_folder(tmp_path, wrapped, RECORD)
    assert set(load_file(tmp_path / "weights.safetensors")) == set(network.state_dict())


def test_another_network_is_not_written_under_a_record(tmp_path, network):
    for other in (torch.nn.Linear(2, 2), dataclasses.replace(OPTIONS, n_classes=4).build().network):
        with pytest.raises(ModelError, match="is not the `mobilenetv3_small_050` that the record describes"):
            write_model_folder(tmp_path / "none", other, RECORD)
    assert not (tmp_path / "none").exists()


def test_weights_that_are_no_numbers_are_not_written(tmp_path):
    network = OPTIONS.build().network
    with torch.no_grad():
        network.state_dict()["conv_stem.weight"].fill_(math.nan)
    with pytest.raises(ModelError, match=r"`conv_stem\.weight` hold NaN or infinity"):
        write_model_folder(tmp_path, network, RECORD)


def test_writing_again_replaces_and_an_interrupted_writing_is_told(tmp_path, network, monkeypatch):
    write_model_folder(tmp_path, network, RECORD)
    write_model_folder(tmp_path, network, SEVERAL)
    assert read_model_record(tmp_path).task == "multi"
    other = dataclasses.replace(OPTIONS, seed=1).build().network

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("shiftgauge.models.model_folder.write_atomic", stop)
    with pytest.raises(KeyboardInterrupt):
        write_model_folder(tmp_path, other, RECORD)
    with pytest.raises(ModelError, match="its writing was interrupted"):
        load_model_folder(tmp_path, "cpu")


def test_damaged_weights_are_told_in_one_line(copied):
    file = copied / "weights.safetensors"
    whole = file.read_bytes()
    for damaged in (whole[:-100], whole[:-1] + bytes([whole[-1] ^ 1]), b""):
        file.write_bytes(damaged)
        with pytest.raises(ModelError, match=r"is not the file that model\.json records") as caught:
            load_model_folder(copied, "cpu")
        assert "\n" not in str(caught.value)
    file.unlink()
    with pytest.raises(ModelError, match=r"incomplete: weights\.safetensors is missing"):
        load_model_folder(copied, "cpu")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"schema_version": 2}, "has schema version 2, this shiftgauge reads up to 1; upgrade"),
        ({"schema_version": None}, "states no `schema_version`"),
        ({"weights": {"file": "weights.safetensors"}}, "`weights` must name the file and its sha256"),
        ({"weights": {"file": "../weights.safetensors", "sha256": "a"}}, "must lie in the folder itself"),
        ({"task": "several"}, "unknown task of a model `several`"),
        ({"task": 1}, "`task` must be text, got int"),
        ({"classes": ["good"]}, "one name for each of 3 outputs, got 1"),
        ({"classes": ["good", "good", "bad"]}, "holds `good` more than once"),
        ({"classes": "good"}, "`classes` must be a list, got str"),
        ({"temperature": 0}, "`temperature` must be in"),
        ({"temperature": "hot"}, "`temperature` must be a number, got str"),
        ({"thresholds": [0.5, 0.5, 0.5]}, "`thresholds` belong to a model of several labels"),
        ({"task": "multi", "thresholds": [0.5]}, "one for each of 3 labels, got 1"),
        ({"task": "multi", "thresholds": [0.5, 2, 0.5]}, r"`thresholds` must be in \[0, 1\], got 2"),
        ({"preprocessing": {"height": 8}}, "lacks width"),
        ({"preprocessing": {"height": 8, "width": 8}}, r"gives 3 channel\(s\), the network takes 1"),
        ({"preprocessing": {"height": 8, "width": 8, "blur": 1}}, "unknown key of `preprocessing` `blur`"),
        ({"architecture": {"n_classes": 3}}, "name"),
        ({"architecture": {"name": "resnet18", "n_classes": "3"}}, "n_classes"),
        ({"architecture": {"name": "resnet181", "n_classes": 3, "channels": 1}}, "did you mean `resnet18`"),
        ({"architecture": {"name": "resnet18", "n_classes": 3, "channels": 1}}, "does not fit the network"),
        ({"architecture": {"name": 18, "n_classes": 3, "channels": 1}}, "`architecture.name` must be text"),
        ({"architecture": {**OPTIONS.to_dict(), "dropout": "much"}}, "`dropout` must be a number"),
        ({"architecture": {**OPTIONS.to_dict(), "arguments": [1]}}, "`architecture.arguments` must be"),
    ],
)
def test_a_record_that_cannot_be_right_is_told_with_its_file(copied, values, said):
    changed(copied, **values)
    with pytest.raises(ModelError, match=said) as caught:
        load_model_folder(copied, "cpu")
    assert "\n" not in str(caught.value)
    assert str(copied) in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", '"model"', "\xff"])
def test_a_damaged_record_is_told(copied, text):
    (copied / "model.json").write_text(text, encoding="latin-1")
    with pytest.raises(ModelError, match=r"model\.json"):
        read_model_record(copied)


def test_a_missing_part_of_the_record_is_named(copied):
    content = json.loads((copied / "model.json").read_text())
    for name in ("architecture", "task", "classes", "preprocessing"):
        (copied / "model.json").write_text(json.dumps({k: v for k, v in content.items() if k != name}))
        with pytest.raises(ModelError, match=f"`{name}` is missing"):
            read_model_record(copied)


def test_what_is_no_model_folder_is_told(tmp_path):
    with pytest.raises(ModelError, match=r"no model folder: model\.json is missing"):
        load_model(tmp_path)
    with pytest.raises(ModelError, match="there is no such folder"):
        load_model(str(tmp_path / "none"))


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path, network):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write"):
        write_model_folder(tmp_path / "file" / "model", network, RECORD)
