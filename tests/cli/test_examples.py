"""The examples in README and documentation are read by the program as they stand."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from doctest import DocTestParser
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from shiftgauge.cli.config import Config
from shiftgauge.cli.reader import checked
from shiftgauge.cli.table_config import TableConfig
from shiftgauge.cli.train_config import TrainConfig
from shiftgauge.cli.yaml_file import parse_yaml
from shiftgauge.errors import ConfigError
from shiftgauge.results.audit import AuditResult
from shiftgauge.studies.shift_space import shift_space

ROOT = Path(__file__).parents[2]
BASE = {"model": {"demo": True}, "data": {"demo": True}, "shifts": {"preset": "weld"}}
TRAIN = {"model": {"architecture": "resnet18"}, "data": {"folder": "images"}}


def _examples() -> Iterator[tuple[str, str]]:
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        for k, match in enumerate(re.finditer(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL)):
            values = yaml.safe_load(match[1])
            if isinstance(values, dict) and any(
                set(values) <= set(kind.model_fields) for kind in (Config, TableConfig, TrainConfig)
            ):
                yield f"{page.relative_to(ROOT)} #{k + 1}", match[1]


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in _examples()])
def test_an_example_configuration_is_valid(text: str) -> None:
    source = parse_yaml(text, "example")
    if "table" in source.values.get("data", {}):
        checked(source.values, source, TableConfig)
        return
    if set(source.values) <= set(TrainConfig.model_fields):
        try:
            checked({**TRAIN, **source.values}, source, TrainConfig)
        except ConfigError:
            if not set(source.values) <= set(Config.model_fields):
                raise
        else:
            return
    shifts = checked({**BASE, **source.values}, source, Config).shifts
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
            sessions = DocTestParser().get_examples(block)  # blocks with `>>>` are Python sessions
            for source in [example.source for example in sessions] or [block]:
                compile(source, str(page), "exec")


def _network(path: Path, size: int) -> None:
    """Writes an ONNX network of three classes by the mean grey value, its input size fixed, its batch free."""
    onnx = pytest.importorskip("onnx", reason="writing a network needs onnx")
    helper, numpy_helper, kind = onnx.helper, onnx.numpy_helper, onnx.TensorProto.FLOAT
    nodes = [
        helper.make_node("GlobalAveragePool", ["images"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weight", "bias"], ["logits"]),
    ]
    values = {"weight": np.array([[-9, 0, 9]], np.float32), "bias": np.array([4.5, 1, -4.5], np.float32)}
    graph = helper.make_graph(
        nodes,
        "brightness",
        [helper.make_tensor_value_info("images", kind, ["batch", 1, size, size])],
        [helper.make_tensor_value_info("logits", kind, ["batch", 3])],
        [numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)


def test_the_commands_of_the_readme_run_on_a_small_network(cli, tmp_path: Path, monkeypatch) -> None:
    pytest.importorskip("onnxruntime", reason="running the network needs onnxruntime")
    page = (ROOT / "README.md").read_text()
    commands = re.findall(r"^shiftgauge ((?:init images/ --model net|audit audit\.yaml).*)$", page, re.MULTILINE)
    assert [command.split()[0] for command in commands] == ["init", "audit"]
    for name, level in (("crack", 40), ("good", 128), ("pore", 215)):
        (tmp_path / "images" / name).mkdir(parents=True)
        for k in range(2):
            noise = np.random.default_rng(k).integers(-20, 20, (12, 18))
            Image.fromarray((level + noise).astype(np.uint8)).save(tmp_path / "images" / name / f"{k}.png")
    _network(tmp_path / "net.onnx", 16)
    monkeypatch.chdir(tmp_path)
    values = ["n_base=8", "estimator=pick_freeze", "second_order=false", "resamples=100"]
    small = [part for value in values for part in ("--set", f"estimate.{value}")]
    for command in commands:
        arguments = shlex.split(command)
        found = cli(*arguments, *(small if arguments[0] == "audit" else ()))
        assert found.code == 0, found.err
    result = AuditResult.from_disk(tmp_path / "runs" / "audit")
    model = result.provenance["model"]["preprocessing"]
    assert (model["height"], model["width"], model["channels"]) == (16, 16, 1)  # the network's, not the images'
    assert float(result.arrays["clean_mean"].sel(quantity="correct")) == 1
