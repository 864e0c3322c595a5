from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from shiftgauge.cli.build import build_space, chaos_options, execution_options, shift_options
from shiftgauge.cli.reader import LoadedConfig, load_config
from shiftgauge.errors import ConfigError
from shiftgauge.estimate.chaos.candidates import ChaosOptions
from shiftgauge.estimate.resampling import check_resampling
from shiftgauge.evaluate.options import ExecutionOptions, ShiftOptions
from shiftgauge.shifts.pipeline import ShiftPipeline


def _load(folder: Path, **sections: dict[str, Any]) -> LoadedConfig:
    values = {"model": {"demo": True}, "data": {"demo": True}, "shifts": {"preset": "weld"}, **sections}
    (folder / "audit.yaml").write_text(yaml.safe_dump(values))
    return load_config(folder / "audit.yaml")


def _accepted(make: Callable[[], object]) -> bool:
    try:
        make()
    except ConfigError:
        return False
    return True


@pytest.mark.parametrize(
    ("estimate", "expected"),
    [
        ({}, ChaosOptions()),
        ({"degree": 4}, ChaosOptions(degree=4)),
        ({"chaos": {"degree": 4, "max_terms": 90}}, ChaosOptions(degree=4, max_terms=90)),
        ({"chaos": {"terms": "tensor", "degree": [2, 0, 6]}}, ChaosOptions(terms="tensor", degree=[2, 0, 6])),
        (
            {"chaos": {"terms": "hyperbolic", "q_norm": 0.5, "interaction_order": 2}, "degree": 8},
            ChaosOptions(terms="hyperbolic", q_norm=0.5, interaction_order=2, degree=8),
        ),
        ({"chaos": {"terms": "hyperbolic"}}, ChaosOptions(terms="hyperbolic")),
    ],
)
def test_the_terms_of_the_surrogate_reach_its_options(tmp_path: Path, estimate: Any, expected: ChaosOptions) -> None:
    assert chaos_options(_load(tmp_path, estimate=estimate)) == expected


@pytest.mark.parametrize(
    ("estimate", "message"),
    [
        ({"degree": 3, "chaos": {"degree": 4}}, "give one of them"),
        ({"chaos": {"terms": "tensor"}}, "tensor needs `degree`"),
        ({"chaos": {"degree": [2, 2]}}, "belongs to `terms: tensor`"),
        ({"chaos": {"q_norm": 0.5}}, "belongs to `terms: hyperbolic`"),
        ({"chaos": {"degree": 0}}, "≥ 1"),
        ({"chaos": {"max_terms": 1}}, "≥ 2"),
        ({"chaos": {"tems": "total"}}, "did you mean `terms`?"),
        ({"n_base": 16}, "`n_base` must be ≥ 32 for the assisted estimator"),
    ],
)
def test_estimates_that_cannot_be_made_are_refused_with_their_line(tmp_path: Path, estimate: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=r"audit\.yaml:\d+: .*") as caught:
        chaos_options(_load(tmp_path, estimate=estimate))
    assert message in str(caught.value)


def test_few_base_samples_will_do_without_a_surrogate(tmp_path: Path) -> None:
    assert _load(tmp_path, estimate={"n_base": 16, "estimator": "pick_freeze"}).config.estimate.n_base == 16


@pytest.mark.parametrize(("given", "expected"), [({}, None), ({"streams": "auto"}, None), ({"streams": 3}, 3)])
def test_streams_reach_the_execution(tmp_path: Path, given: dict[str, Any], expected: int | None) -> None:
    assert execution_options(_load(tmp_path, execution=given)) == ExecutionOptions(streams=expected)


def test_every_option_of_the_execution_can_be_written(tmp_path: Path) -> None:
    keys = set(type(_load(tmp_path).config.execution).model_fields)
    assert {name.replace("compiled", "compile") for name in ExecutionOptions.__dataclass_fields__} <= keys


@pytest.mark.parametrize(
    ("key", "option", "values"),
    [
        ("field_of_view", "field_of_view_deg", [5, 150, 4.9, 150.1, 0, 180]),
        ("interpolation", "interpolation", ["bilinear", "bicubic", "nearest", "lanczos"]),
        ("fill", "fill", ["constant", "edge", "reflect", "wrap"]),
        ("fill_value", "fill_value", [0, 1, -0.1, 1.1]),
    ],
)
def test_file_options_and_pipeline_agree_on_what_is_allowed(
    tmp_path: Path, key: str, option: str, values: list[Any]
) -> None:
    def from_file(value: Any) -> ShiftOptions:
        loaded = _load(tmp_path, shifts={"preset": "weld", key: value})
        return shift_options(loaded, build_space(loaded))

    for value in values:
        options: dict[str, Any] = {option: value}
        ways = [
            _accepted(lambda value=value: from_file(value)),
            _accepted(lambda options=options: ShiftOptions(**options)),
            _accepted(lambda options=options: ShiftPipeline(["tilt"], **options)),
        ]
        assert len(set(ways)) == 1, (key, value, ways)


@pytest.mark.parametrize("level", [0.49, 0.5, 0.999, 0.9991, 1.0])
def test_file_and_estimators_agree_on_the_level_of_intervals(tmp_path: Path, level: float) -> None:
    from_file = _accepted(lambda: _load(tmp_path, estimate={"confidence_level": level}))
    assert from_file == _accepted(lambda: check_resampling(100, level))
