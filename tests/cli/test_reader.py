from __future__ import annotations

from pathlib import Path

import pytest

from shiftgauge.cli.build import build_space
from shiftgauge.cli.reader import (
    load_attack_config,
    load_config,
    load_explain_config,
    load_train_config,
    with_override,
)
from shiftgauge.errors import ConfigError

MINIMAL = """\
model:
  timm: resnet18
  weights: weights.safetensors
data:
  folder: images
shifts:
  preset: weld
"""


def _write(folder: Path, text: str) -> Path:
    path = folder / "audit.yaml"
    path.write_text(text)
    return path


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    config = load_config(_write(tmp_path, MINIMAL)).config
    assert config.estimate.estimator == "assisted"
    assert config.execution.batch_size == "auto"
    assert config.gates.min_accuracy is None


def test_relative_paths_start_from_the_file(tmp_path: Path) -> None:
    loaded = load_config(_write(tmp_path, MINIMAL))
    assert loaded.resolve("images") == tmp_path.resolve() / "images"
    assert loaded.resolve("/abs/images") == Path("/abs/images")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MINIMAL + "estimate: {n_bse: 64}", r":8: unknown key `estimate\.n_bse`; did you mean `n_base`\?"),
        (MINIMAL + "estimates: {n_base: 64}", r":8: unknown key `estimates`; did you mean `estimate`\?"),
        (MINIMAL + "xyz: 1", r":8: unknown key `xyz`; allowed are model, data, shifts"),
        (MINIMAL.replace("timm", "tim"), r":2: unknown key `model\.tim`; did you mean `timm`\?"),
        (MINIMAL + "estimate:\n  n_base: 2", r":9: `estimate\.n_base` must be ≥ 8, got 2"),
        (MINIMAL + "estimate:\n  n_base: many", r":9: `estimate\.n_base` must be a whole number, got 'many'"),
        (MINIMAL + "estimate:\n  n_base: 64.5", r"must be a whole number, got 64\.5"),
        (MINIMAL + "estimate:\n  n_base: true", r"must be a whole number, got True"),
        (MINIMAL + "estimate: {estimator: asisted}", r"did you mean `assisted`\?"),
        (MINIMAL + "estimate: {confidence_level: 1}", r"`estimate\.confidence_level` must be ≤ 0.999, got 1"),
        (MINIMAL + "execution: {batch_size: big}", r"must be a whole number or 'auto', got 'big'"),
        (MINIMAL + "gates: {min_accuracy: 90}", r"`gates\.min_accuracy` must be ≤ 1, got 90"),
        (MINIMAL + "gates: {max_total_order: {tilt: 2}}", r"`gates\.max_total_order\.tilt` must be ≤ 1, got 2"),
        (MINIMAL.replace("  preset: weld", "  fill: edge"), r":6: `shifts`: give `preset`, `parameters`, or both"),
        (
            MINIMAL + "  parameters: {rotation: [1, 2, 3]}",
            r"`shifts\.parameters\.rotation` must be .* list of at most 2",
        ),
        (MINIMAL + "  parameters: {rotation: fast}", r"`shifts\.parameters\.rotation` must be .*, got 'fast'"),
        (
            MINIMAL.replace("  timm: resnet18\n", ""),
            r":1: `model`: give exactly one of folder, timm.*found none of them",
        ),
        (MINIMAL.replace("weights:", "onnx:"), r"found `timm` and `onnx`"),
        (MINIMAL.replace("timm", "onnx"), r"`weights` belongs to `timm` or `factory`"),
        (MINIMAL.replace("  folder: images", "  split: test"), r"`data`: give exactly one of folder, manifest"),
        (MINIMAL.replace("folder: images", "{folder: a, labels: {1: 2}}").replace("data:\n  ", "data: "), "labels"),
        (
            MINIMAL.replace("model:\n", "modell:\n"),
            r"unknown key `modell`; did you mean `model`\? \(and 1 more problem\)",
        ),
        ("data: {folder: x}\nshifts: {preset: weld}", r"`model` is missing"),
        ("", "found an empty file"),
        ("- a\n- b", "found a list"),
        ("just words", "found a str"),
    ],
)
def test_a_mistake_is_named_with_place_and_cure(tmp_path: Path, text: str, message: str) -> None:
    path = _write(tmp_path, text)
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_an_override_replaces_one_value_and_keeps_its_neighbours(tmp_path: Path) -> None:
    text = MINIMAL + "estimate: {n_base: 64, seed: 3}\n"
    loaded = load_config(
        _write(tmp_path, text),
        ["estimate.n_base=128", "shifts.parameters.rotation=[-5, 5]", "execution.precision=float32", "title=a=b"],
    )
    assert loaded.config.estimate.n_base == 128
    assert loaded.config.estimate.seed == 3
    assert loaded.config.shifts.parameters == {"rotation": [-5, 5]}
    assert loaded.config.execution.precision == "float32"
    assert loaded.config.title == "a=b"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("n_base", "--set takes key.sub=value"),
        ("=3", "--set takes key.sub=value"),
        ("estimate..seed=1", "--set takes key.sub=value"),
        ("model.timm.depth=3", "`timm` is 'resnet18' in the file and has no keys of its own"),
        ("estimate.n_bse=64", r"--set: unknown key `estimate\.n_bse`; did you mean `n_base`"),
        ("estimate.n_base=1", r"--set: `estimate\.n_base` must be ≥ 8, got 1"),
        ("estimate.images=[", "--set estimate.images:1:2: not valid YAML"),
    ],
)
def test_a_mistaken_override_is_named_as_such(tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(_write(tmp_path, MINIMAL), [override])


@pytest.mark.parametrize(
    ("load", "named"),
    [
        (load_config, "execution.device"),
        (load_train_config, "train.device"),
        (load_explain_config, "explain.device"),
        (load_attack_config, "attack.device"),
    ],
)
def test_a_device_in_another_place_is_told_its_own(tmp_path: Path, load, named: str) -> None:
    heads = {"execution": "shifts: {preset: weld}", "train": "train: {}"}
    section = named.split(".")[0]
    model = "architecture: resnet18" if section == "train" else "timm: resnet18"
    text = f"model: {{{model}}}\ndata: {{folder: images}}\n" + heads.get(section, f"{section}: {{}}") + "\n"
    assert load(_write(tmp_path, text)).config is not None
    wrong = ["device: cpu", "model: {" + model + ", device: cpu}"]
    wrong += ["execution: {device: cpu}"] if section != "execution" else []
    for line in wrong:
        given = text.replace(text.splitlines()[0], line) if line.startswith("model") else text + line
        with pytest.raises(ConfigError, match=rf"unknown key `.*`; here the device stands in `{named}`"):
            load(_write(tmp_path, given))
    assert load(_write(tmp_path, text), [f"{named}=cpu"]).config is not None


def test_later_mistakes_of_an_override_are_named_as_such_too(tmp_path: Path) -> None:
    text = MINIMAL + "  parameters: {rotation: [-500, 500]}\n"
    with pytest.raises(ConfigError, match=r"\.yaml:\d+: .*rotation"):
        build_space(load_config(_write(tmp_path, text)))
    loaded = load_config(_write(tmp_path, MINIMAL), ["shifts.parameters.tilt=[-500, 500]"])
    with pytest.raises(ConfigError, match=r"^--set: .*tilt"):
        build_space(loaded)


def test_an_override_does_not_change_what_it_is_given() -> None:
    values = {"estimate": {"seed": 1}}
    assert with_override(values, "estimate.seed=2") == {"estimate": {"seed": 2}}
    assert values == {"estimate": {"seed": 1}}
