"""A training is told by plain mappings what its options say."""

import numpy as np
import pytest

import shiftgauge
from shiftgauge.data.arrays import from_arrays
from shiftgauge.errors import ConfigError
from shiftgauge.studies.train_arguments import as_options, as_train_options
from shiftgauge.studies.train_options import SplitOptions, ThresholdOptions
from shiftgauge.train.augment import AugmentOptions, PipelineOptions
from shiftgauge.train.averaging import AveragingOptions
from shiftgauge.train.kornia_transforms import KorniaTransform
from shiftgauge.train.losses import LossOptions
from shiftgauge.train.options import OptimizerOptions, TrainOptions
from shiftgauge.train.sampling import SamplingOptions
from shiftgauge.train.schedules import ScheduleOptions, multiplier


def test_a_mapping_is_the_options_of_its_keys():
    given = {
        "epochs": 8,
        "optimizer": {"kind": "sgd", "learning_rate": 0.1, "betas": [0.8, 0.9]},
        "schedule": {"kind": "step"},
        "loss": {"class_weights": "balanced"},
        "sampling": SamplingOptions(batch_size=8),
        "augment": {"flips": ["horizontal"], "kornia": [{"name": "RandomErasing", "p": 0.3}]},
        "monitor": "auto",
    }
    assert as_train_options(given, "single") == TrainOptions(
        epochs=8,
        optimizer=OptimizerOptions(kind="sgd", learning_rate=0.1, betas=(0.8, 0.9)),
        schedule=ScheduleOptions(kind="step"),
        loss=LossOptions(class_weights="balanced"),
        sampling=SamplingOptions(batch_size=8),
        augment=AugmentOptions(flips=("horizontal",), kornia=(KorniaTransform(name="RandomErasing", p=0.3),)),
    )
    assert as_train_options(None, "single") == as_train_options({}, "multi") == TrainOptions()
    chosen = TrainOptions(epochs=2)
    assert as_train_options(chosen, "single") is chosen
    assert as_train_options({"loss": {"gamma": 1}}, "multi").loss == LossOptions(kind="binary_cross_entropy", gamma=1)


@pytest.mark.parametrize("kind", ["constant", "step", "warm_restarts", "weld", "plateau"])
def test_a_schedule_by_its_kind_alone_has_no_warm_up_but_cosine(kind):
    found = as_train_options({"epochs": 13, "schedule": {"kind": kind}}, "single")
    assert multiplier(found.schedule, 0, 13) == 1
    assert found.to_dict()["schedule"]["warmup_epochs"] == 0


def test_the_weld_schedule_of_a_mapping_has_the_published_multipliers():
    schedule = as_train_options({"epochs": 13, "schedule": {"kind": "weld"}}, "single").schedule
    published = [1, 1, 1, 1, 0.9554, 0.8306, 0.6501, 0.4499, 0.2694, 0.1446, 0.1, 0.1, 0.1]
    assert [multiplier(schedule, epoch, 13) for epoch in range(13)] == pytest.approx(published, abs=1e-4)


def test_a_schedule_without_a_kind_is_the_cosine_of_a_training_with_its_warm_up():
    schedule = as_train_options({"epochs": 4, "schedule": {"minimum": 0.1}}, "single").schedule
    assert (schedule.kind, schedule.minimum, multiplier(schedule, 0, 4)) == ("cosine", 0.1, 0.5)


def test_shifts_are_those_of_a_configuration_or_a_space():
    shifts = {"parameters": {"brightness": [0.9, 1.1]}, "share": 0.5, "fill": "edge", "field_of_view": 40}
    found = as_train_options({"augment": {"shifts": shifts}}, "single").augment
    assert (found.space.names, found.share) == (("brightness",), 0.5)
    assert found.shifts == PipelineOptions(fill="edge", field_of_view_deg=40)
    same = {"space": {"brightness": (0.9, 1.1)}, "share": 0.5, "shifts": {"fill": "edge", "field_of_view_deg": 40}}
    assert as_train_options({"augment": same}, "single").augment.to_dict() == found.to_dict()
    preset = as_train_options({"augment": {"shifts": {"preset": "weld"}}}, "single").augment
    assert set(preset.space.names) == {"brightness", "rotation", "tilt"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epoch": 1}, "unknown key of `options` `epoch`; did you mean `epochs`"),
        ({"optimizer": {"learning_rat": 1}}, "unknown key of `options.optimizer` `learning_rat`; did you mean `learn"),
        ({"augment": {"flip": []}}, "unknown key of `options.augment` `flip`; did you mean `flips`"),
        ({"augment": {"shifts": {"parameter": {}}}}, "unknown key of `options.augment.shifts` `parameter`"),
        ({"augment": {"kornia": [{"p": 0.5}]}}, r"`options.augment.kornia\[0\]` lacks `name`"),
        ({"augment": {"kornia": "RandomErasing"}}, "must be a list of transforms"),
        ({"augment": {"kornia": ["RandomErasing"]}}, r"kornia\[0\]` must be KorniaTransform or a mapping"),
        ({"devices": 2}, "`devices` is no key of `options`; give `train` the argument `n_devices`"),
        ({"epochs": 0}, "`epochs` must be a whole number"),
        ([1], "`options` must be TrainOptions or a mapping of its keys, got list"),
    ],
)
def test_wrong_options_are_one_line(options, message):
    with pytest.raises(ConfigError, match=message):
        as_train_options(options, "single")


def test_the_other_options_may_be_mappings_too():
    assert as_options("thresholds", {"aim": "recall"}, ThresholdOptions) == ThresholdOptions(aim="recall")
    assert as_options("averaging", {"flips": ["vertical"]}, AveragingOptions) == AveragingOptions(flips=("vertical",))
    assert as_options("split", {"near_duplicates": False}, SplitOptions) == SplitOptions(near_duplicates=False)
    assert as_options("split", None, SplitOptions) is None
    with pytest.raises(ConfigError, match="unknown key of `thresholds` `recall_flor`; did you mean `recall_floor`"):
        as_options("thresholds", {"recall_flor": 0.9}, ThresholdOptions)


def test_a_training_takes_them(tmp_path):
    images = np.random.default_rng(0).integers(0, 255, (30, 8, 8)).astype(np.uint8)
    data = from_arrays(images, [f"class {k % 2}" for k in range(30)])
    given = {"model": "test_resnet", "data": data, "out": tmp_path / "run", "progress": False, "device": "cpu"}
    for name, keys in {
        "options": {"epoch": 1},
        "split": {"b": 1},
        "thresholds": {"am": 1},
        "averaging": {"flp": 1},
    }.items():
        with pytest.raises(ConfigError, match=f"unknown key of `{name}`"):
            shiftgauge.train(**given, **{name: keys})
    result = shiftgauge.train(
        **given,
        options={"epochs": 1, "sampling": {"batch_size": 8}},
        split={"near_duplicates": False},
        averaging={"flips": ["horizontal"]},
        resamples=100,
    )
    assert len(result.history) == 1
    assert "averaging" in result.arrays
