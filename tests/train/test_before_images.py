"""What `shiftgauge.train` refuses before it divides or reads an image."""

import json

import pytest

from shiftgauge.data.arrays import from_arrays
from shiftgauge.errors import ConfigError, StoreError
from shiftgauge.studies import train as study
from shiftgauge.train.augment import AugmentOptions
from shiftgauge.train.kornia_transforms import KorniaTransform
from shiftgauge.train.losses import LossOptions
from shiftgauge.train.options import TrainOptions
from train.toy import stripes


@pytest.fixture
def undivided(monkeypatch):
    def divide(*arguments):
        raise AssertionError("images were divided")

    monkeypatch.setattr(study, "divide", divide)


def train(out, **options):
    part = stripes(30)
    data = from_arrays(part.pixels.bytes_nchw[:, 0].numpy(), [f"class {c}" for c in part.targets.tolist()])
    network = study.NetworkChoice(architecture="test_resnet", size=32)
    return study.train(network, data, out=out, options=TrainOptions(**options), device="cpu", progress=False)


def test_a_finished_run_of_another_kind_is_not_overwritten(tmp_path, undivided):
    record = {"schema_version": 1, "kind": "audit"}
    (tmp_path / "run.json").write_text(json.dumps(record))
    with pytest.raises(StoreError, match=r"holds a run of the kind `audit`, which one of the kind `train`"):
        train(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": LossOptions(class_weights=(1, 2))}, "2 numbers for 3 classes"),
        ({"loss": LossOptions(kind="binary_cross_entropy")}, "does not fit one class an image"),
        ({"augment": AugmentOptions(kornia=(KorniaTransform(name="RandomErasng"),))}, "RandomErasng"),
    ],
)
def test_options_of_loss_and_changes_are_refused_before_images_are_divided(tmp_path, undivided, options, message):
    with pytest.raises(ConfigError, match=message):
        train(tmp_path, **options)
    assert not list(tmp_path.iterdir())
