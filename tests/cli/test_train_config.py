"""The schema of a training's configuration says what the options of the program say."""

from __future__ import annotations

import typing
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from pydantic import BaseModel

from shiftgauge.cli import adversarial_section, train_config, train_section
from shiftgauge.cli.reader import load_train_config
from shiftgauge.cli.train_build import (
    additions,
    averaging_options,
    network_choice,
    split_options,
    threshold_options,
    train_options,
)
from shiftgauge.cli.train_config import TrainConfig
from shiftgauge.cli.train_folds import fold_options, grid_recipe
from shiftgauge.errors import ConfigError
from shiftgauge.models.parseval import ParsevalOptions
from shiftgauge.studies.adversarial_options import AdversarialOptions
from shiftgauge.studies.enlargement import EnlargeOptions
from shiftgauge.studies.grid_ranges import recipes
from shiftgauge.studies.recipe import Recipe
from shiftgauge.studies.train_options import SplitOptions, ThresholdOptions
from shiftgauge.train.augment import AugmentOptions
from shiftgauge.train.averaging import AveragingOptions
from shiftgauge.train.losses import LossOptions
from shiftgauge.train.options import OptimizerOptions, TrainOptions
from shiftgauge.train.sampling import SamplingOptions
from shiftgauge.train.schedules import ScheduleOptions, multiplier

PAIRS = [
    (train_section.OptimizerSection, OptimizerOptions, {}),
    (train_section.ScheduleSection, ScheduleOptions, {"kind": "cosine"}),
    (train_section.LossSection, LossOptions, {"kind": "auto"}),
    (train_section.SamplingSection, SamplingOptions, {}),
    (train_config.SplitSection, SplitOptions, {}),
    (train_config.ThresholdsSection, ThresholdOptions, {}),
    (train_config.AveragingSection, AveragingOptions, {}),
    (adversarial_section.AdversarialSection, AdversarialOptions, {}),
    (adversarial_section.ConstraintSection, ParsevalOptions, {}),
    (adversarial_section.EnlargeSection, EnlargeOptions, {}),
]


def _words(annotation: Any) -> set[Any]:
    if typing.get_origin(annotation) is Literal:
        return set(typing.get_args(annotation))
    return set().union(*(_words(part) for part in typing.get_args(annotation)))


def _default(field: Any) -> Any:
    return field.default_factory() if field.default_factory is not MISSING else field.default


@pytest.mark.parametrize(("section", "options", "other"), PAIRS)
def test_keys_words_and_defaults_are_those_of_the_options(section, options, other):
    hints = typing.get_type_hints(options)
    for field in fields(options):
        if field.name not in section.model_fields:
            assert field.name == "mode"  # the monitor decides it
            continue
        annotation, default = (
            section.model_fields[field.name],
            section.model_fields[field.name].get_default(call_default_factory=True),
        )
        if field.name not in ("parts", "quarter_turns"):  # words of their own, checked where they are used
            assert _words(annotation.annotation) - {"auto"} == _words(hints[field.name]), field.name
        if field.default is MISSING and field.default_factory is MISSING:
            assert section.model_fields[field.name].is_required()
            continue
        expected = other.get(field.name, _default(field))
        same = list(default) == list(expected) if isinstance(default, list) else default == expected
        assert same, (field.name, default, expected)


def test_an_empty_section_gives_the_options_of_the_program(tmp_path: Path):
    path = tmp_path / "t.yaml"
    path.write_text(yaml.safe_dump({"model": {"architecture": "resnet18"}, "data": {"folder": "x"}}))
    found = train_options(load_train_config(path))
    assert found.resolved("single").to_dict() == TrainOptions().resolved("single").to_dict()


def test_the_weld_schedule_of_a_file_has_the_published_multipliers(tmp_path: Path):
    path = tmp_path / "t.yaml"
    train = {"epochs": 13, "schedule": {"kind": "weld"}}
    path.write_text(yaml.safe_dump({"model": {"architecture": "resnet18"}, "data": {"folder": "x"}, "train": train}))
    schedule = train_options(load_train_config(path)).schedule
    rates = [multiplier(schedule, epoch, 13) for epoch in range(13)]
    published = [1, 1, 1, 1, 0.9554, 0.8306, 0.6501, 0.4499, 0.2694, 0.1446, 0.1, 0.1, 0.1]
    assert rates == pytest.approx(published, abs=1e-4)


def test_the_shifts_of_an_audit_can_be_trained_on(tmp_path: Path):
    path = tmp_path / "t.yaml"
    shifts = {"preset": "weld", "parameters": {"rotation": [-5, 5], "gaussian_noise": [0, 0.05]}, "fill": "edge"}
    augment = {"shifts": {**shifts, "share": {"rotation": 0.5}}, "flips": ["vertical"]}
    augment["kornia"] = [{"name": "RandomErasing", "arguments": {"scale": [0.02, 0.1]}, "p": 0.2}]
    values = {
        "model": {"architecture": "resnet18", "pretrained": "old.pt", "preprocessing": {"mean": [0.5]}},
        "data": {"folder": "x"},
        "train": {"augment": augment},
        "averaging": {"rotations_deg": [-5, 5]},
    }
    path.write_text(yaml.safe_dump(values))
    loaded = load_train_config(path)
    found: AugmentOptions = train_options(loaded).augment
    assert found.space is not None
    assert found.space.names == ("brightness", "rotation", "tilt", "gaussian_noise")
    assert found.shares == (1.0, 0.5, 1.0, 1.0)
    assert found.shifts.fill == "edge"
    assert found.shifts.order is not None
    assert found.kornia[0].p == 0.2
    assert network_choice(loaded).pretrained == tmp_path / "old.pt"
    assert split_options(loaded) == SplitOptions()
    views = averaging_options(loaded)
    assert views is not None
    assert len(views.views) == 3


def test_every_key_says_what_it_means_and_unknown_ones_are_refused():
    def sections(model: type[BaseModel]) -> list[type[BaseModel]]:
        inner = [
            part
            for field in model.model_fields.values()
            for part in (field.annotation, *typing.get_args(field.annotation))
            if isinstance(part, type) and issubclass(part, BaseModel)
        ]
        return [model, *(below for one in inner for below in sections(one))]

    found = sections(TrainConfig)
    assert len(found) > 14
    assert all(section.model_config["extra"] == "forbid" for section in found)
    assert [f"{s.__name__}.{n}" for s in found for n, f in s.model_fields.items() if not f.description] == []


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"recall_floor": 0.9}, "add `aim: recall`"),
        ({"aim": "f1", "cost_ratio": 20}, "add `aim: cost`"),
        ({"aim": "cost"}, "needs `cost_ratio`"),
    ],
)
def test_a_floor_or_a_ratio_that_would_do_nothing_is_an_error_at_its_line(tmp_path: Path, section, said):
    path = tmp_path / "t.yaml"
    values = {"model": {"architecture": "resnet18"}, "data": {"folder": "x"}, "thresholds": section}
    path.write_text(yaml.safe_dump(values))
    with pytest.raises(ConfigError, match=said) as caught:
        threshold_options(load_train_config(path))
    assert str(caught.value).startswith(f"{path}:")


def test_what_a_training_adds_is_built_from_its_sections(tmp_path: Path):
    path = tmp_path / "t.yaml"
    values = {
        "model": {"architecture": "resnet18"},
        "data": {"folder": "x"},
        "adversarial": {"method": "fgsm", "epsilon": 0.032, "unit": "input", "clip": False},
        "constraint": {"kind": "parseval", "beta": 0.002, "exclude": ["fc"]},
        "enlarge": {"kind": "pgd", "epsilon": 0.01, "share": 0.5, "source": "old/model"},
        "train": {"schedule": {"kind": "cyclic", "peak": 0.4}},
    }
    path.write_text(yaml.safe_dump(values))
    loaded = load_train_config(path)
    found = additions(loaded)
    assert found["adversarial"] == AdversarialOptions(method="fgsm", epsilon=0.032, unit="input", clip=False)
    assert found["constraint"] == ParsevalOptions(beta=0.002, exclude=("fc",))
    source = tmp_path / "old/model"
    assert found["enlarge"] == EnlargeOptions(kind="pgd", epsilon=0.01, share=0.5, source=source)
    assert train_options(loaded).schedule.peak == 0.4


@pytest.mark.parametrize(
    ("name", "section", "said"),
    [
        ("adversarial", {"method": "fast", "epsilon": 0.1, "steps": 3}, "`steps` counts with `method` pgd or trades"),
        ("constraint", {"variant": "published", "row_share": 0.3}, "takes all rows"),
        ("enlarge", {"kind": "fgsm", "epsilon": 0.1}, "need `source`"),
        ("enlarge", {"kind": "gaussian_noise", "epsilon": 0.1}, "give `snr_db`, or `norm: l2`"),
    ],
)
def test_keys_that_do_not_go_together_are_an_error_at_their_section(tmp_path: Path, name, section, said):
    path = tmp_path / "t.yaml"
    path.write_text(f"model: {{architecture: resnet18}}\ndata: {{folder: x}}\n{yaml.safe_dump({name: section})}")
    with pytest.raises(ConfigError, match=said) as caught:
        additions(load_train_config(path))
    assert str(caught.value).startswith(f"{path}:3: ")


@pytest.mark.parametrize(
    ("name", "section", "said"),
    [
        ("adversarial", {}, "epsilon"),
        ("adversarial", {"epsilon": 0}, "epsilon"),
        ("adversarial", {"epsilon": 0.1, "metod": "pgd"}, "method"),
        ("constraint", {"kind": "orthogonal"}, "parseval"),
        ("enlarge", {"kind": "noise"}, "uniform_noise"),
    ],
)
def test_a_wrong_key_or_value_of_what_is_added_is_named(tmp_path: Path, name, section, said):
    path = tmp_path / "t.yaml"
    path.write_text(yaml.safe_dump({"model": {"architecture": "resnet18"}, "data": {"folder": "x"}, name: section}))
    with pytest.raises(ConfigError, match=said):
        load_train_config(path)


def test_the_recipe_of_a_grid_is_that_of_the_file(tmp_path: Path):
    path = tmp_path / "t.yaml"
    values = {
        "model": {"architecture": "wide_resnet_small", "size": 24, "arguments": {"depth": 10}},
        "data": {"folder": "x"},
        "train": {
            "epochs": 3,
            "optimizer": {"kind": "sgd", "learning_rate": 0.1, "momentum": 0.9},
            "schedule": {"kind": "step", "warmup_epochs": 2},
            "loss": {"class_weights": [1.0, 2.0]},
            "augment": {"flips": ["horizontal"], "shifts": {"parameters": {"brightness": [0.9, 1.1]}}},
            "sampling": {"batch_size": 8},
        },
        "enlarge": {"kind": "pgd", "epsilon": 0.01, "source": "old"},
        "constraint": {"beta": 0.002},
        "grid": {"ranges": {"epochs": [9, 5]}},
    }
    path.write_text(yaml.safe_dump(values))
    loaded = load_train_config(path)
    found = Recipe.of(task="single", **grid_recipe(loaded))
    expected = Recipe.of(network_choice(loaded), "single", options=train_options(loaded), **additions(loaded))
    assert found.to_dict() == expected.to_dict()
    assert found.additions == expected.additions
    longer = next(recipes(grid_recipe(loaded), [{"epochs": 9, "learning_rate": 0.01}], "single"))
    assert (longer.options.epochs, longer.options.optimizer.learning_rate) == (9, 0.01)
    assert (fold_options(loaded).k, fold_options(loaded).by) == (3, "group")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"folds": {}, "split": {"by": "group"}}, "`split` is about one training and does not count with `folds`"),
        ({"grid": {"ranges": {"epochs": [1]}}, "gates": {}}, "`gates` is about one training .* with `grid`"),
        ({"folds": {"k": 1}}, r"`folds\.k` must be ≥ 2, got 1"),
        ({"grid": {"ranges": {}}}, "at least 1"),
        ({"grid": {"ranges": {"epochs": []}}}, "at least 1"),
    ],
)
def test_what_does_not_go_with_folds_is_an_error(tmp_path: Path, more, said):
    path = tmp_path / "t.yaml"
    path.write_text(yaml.safe_dump({"model": {"architecture": "resnet18"}, "data": {"folder": "x"}, **more}))
    with pytest.raises(ConfigError, match=said):
        load_train_config(path)
