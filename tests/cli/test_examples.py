"""The examples in README and documentation are read by the program as they stand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from shiftgauge.cli.config import Config
from shiftgauge.cli.reader import checked
from shiftgauge.cli.yaml_file import parse_yaml
from shiftgauge.studies.shift_space import shift_space

ROOT = Path(__file__).parents[2]
BASE = {"model": {"demo": True}, "data": {"demo": True}, "shifts": {"preset": "weld"}}


def _examples() -> Iterator[tuple[str, str]]:
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        for k, match in enumerate(re.finditer(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL)):
            values = yaml.safe_load(match[1])
            if isinstance(values, dict) and set(values) <= set(Config.model_fields):
                yield f"{page.relative_to(ROOT)} #{k + 1}", match[1]


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in _examples()])
def test_an_example_configuration_is_valid(text: str) -> None:
    values = {**BASE, **parse_yaml(text, "example").values}
    shifts = checked(values, parse_yaml(text, "example")).shifts
    shift_space(shifts.parameters, preset=shifts.preset)


def test_there_are_examples() -> None:
    assert len(list(_examples())) >= 8


def test_the_parameters_of_the_how_to_are_valid() -> None:
    page = (ROOT / "docs" / "howto" / "configuration.md").read_text()
    block = next(b for b in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if b.startswith("parameters:"))
    space = shift_space(parse_yaml(block, "example").values["parameters"])
    assert space.names == ("rotation", "exposure", "jpeg_quality", "gamma")


def test_python_examples_compile() -> None:
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        for block in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL):
            compile(block, str(page), "exec")
