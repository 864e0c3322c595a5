"""`shiftgauge explain` from its configuration to the page, and what it refuses."""

import json
import re

import pytest
import yaml

from shiftgauge.results.explain import PARTS

CLIMB = {"steps": 3, "step_size": 0.5, "gradient": "normalised", "jitter_px": 1, "blur_px": 0.5, "l2": 0.01}
NETWORK = """
import torch


def build():
    torch.manual_seed(0)
    net = torch.nn
    return net.Sequential(net.Conv2d(1, 3, 3, stride=2), net.ReLU(), net.Flatten(), net.Linear(147, 2))
"""


@pytest.fixture
def config(project):
    """A configuration of a look inside beside the images of the small audit."""
    name = f"network_{abs(hash(str(project.folder)))}"
    (project.folder / f"{name}.py").write_text(NETWORK)
    model = {"factory": f"{name}:build", "classes": ["dark", "bright"], "output": "logits",
             "preprocessing": {"size": 16, "channels": 1}}  # fmt: skip
    section = {"per_class": 1, "blocks": ["0"], "attribution": {"methods": ["saliency", "grad_cam"]}, "device": "cpu",
               "maximize": {**CLIMB, "start": "class_mean"}, "walk": CLIMB, "batch_size": 32, "derivatives": {},
               "curves": {"steps": 3, "random_orders": 1}, "randomisation": {"images": 1, "law": "permute"},
               "bounds": {"n": 32}, "masks": {"grid": [2, 3], "n_base": 32, "n_gradients": 32},
               "units": [{"kind": "neuron", "block": "0", "index": [0, 1, 1]}]}  # fmt: skip
    path = project.folder / "look.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "model": model,
                "data": {"folder": "images"},
                "compare": {"other": model},
                "explain": section,
                "out": "look",
            }
        )
    )
    return path


def test_a_configuration_becomes_a_run_folder_with_a_page(cli, config):
    found = cli("explain", config)
    assert found.code == 0, found.err
    assert "Sensitivity to pushed pixels" in found.out
    folder = config.parent / "look"
    record = json.loads((folder / "run.json").read_text())
    assert record["kind"] == "explain"
    assert record["config"]["explain"]["walk"]["jitter_px"] == 1
    assert list(record["config"]["compare"]) == ["other"]
    assert set(record["cost"]["parts"]) == set(PARTS)
    assert "Attributions beside Grad-CAM" in (folder / "report.html").read_text()
    names = {path.name for path in folder.glob("figures/**/*")}
    assert {"depth.png", "maps.npz", "walks.npz"} <= names
    again = cli("report", folder)
    assert again.code == 0, again.err


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("explain.per_clas=2", "per_class"),
        ("explain.maps.epsilon=0", "epsilon"),
        ("explain.maps.offset=0.5", "offset"),
        ("explain.units=[{kind: neuron, block: '0', channel: 1}]", "neuron"),
        ("explain.blocks=['1x']", "1x"),
        ("explain.units=[{kind: neuron, block: '0'}]", "needs `index`"),
        ("explain.masks.grid=99", "finer than images"),
        ("explain.curves.steps=0", "steps"),
        ("explain.attribution.about=grey", "about"),
        ("explain.maximize.start_image=x", "start_image"),
        ("compare.other.foldr=x", "did you mean `compare.other.folder`|did you mean `folder`"),
        ("explain.maps=false", "compare"),
        ("shifts={preset: demo}", "shiftgauge audit"),
    ],
)
def test_a_mistake_is_told_on_one_line(cli, config, override, said):
    found = cli("explain", config, "--set", override)
    assert re.search(said, found.error)


def test_an_audit_points_a_look_inside_to_its_command(cli, config):
    assert "shiftgauge explain" in cli("audit", config).error


def test_init_writes_a_configuration_that_is_read(cli, project, tmp_path):
    out = tmp_path / "look.yaml"
    assert cli("init", project.folder / "images", "--explain", "--out", out).code == 0
    from shiftgauge.cli.reader import load_explain_config

    assert load_explain_config(out).config.explain.per_class == 2


def test_blocks_of_a_look_inside_are_listed(cli, config):
    found = cli("blocks", config)
    assert found.code == 0, found.err
    assert "Conv2d" in found.out
