"""`estimate.blocks` from the file to the run folder."""

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import save_file

from shiftgauge.models.compat import prepare_torchvision
from shiftgauge.results.audit import AuditResult

SIZE = 32


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    prepare_torchvision()
    import timm

    root = tmp_path_factory.mktemp("blocks")
    torch.manual_seed(0)
    network = timm.create_model("test_resnet", num_classes=2).eval()
    save_file({name: t.contiguous() for name, t in network.state_dict().items()}, root / "weights.safetensors")
    rng = np.random.default_rng(0)
    for i in range(4):
        path = root / "images" / f"class {i % 2}" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (SIZE, SIZE, 3)).astype(np.uint8)).save(path)
    return root


def written(folder, **estimate):
    preprocessing = {"size": SIZE, "channels": 3, "resize": "squash", "mean": [0.5] * 3, "std": [0.5] * 3}
    config = {
        "model": {
            "timm": "test_resnet",
            "num_classes": 2,
            "weights": "weights.safetensors",
            "preprocessing": preprocessing,
            "classes": ["class 0", "class 1"],
            "output": "logits",
        },
        "data": {"folder": "images"},
        "shifts": {"parameters": {"brightness": [0.6, 1.4], "rotation": [-20, 20]}},
        "estimate": {"n_base": 32, "resamples": 100, "second_order": False, **estimate},
        "execution": {"precision": "float32", "batch_size": 16},
        "out": "run",
    }
    path = folder / "audit.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def test_blocks_of_a_file_stand_in_the_run_folder_and_on_the_terminal(cli, folder):
    outcome = cli("audit", written(folder, blocks="auto", block_directions=8))
    assert outcome.code == 0, outcome.err
    table = pd.read_csv(folder / "run" / "blocks.csv")
    blocks = list(dict.fromkeys(table["block"]))
    assert blocks[-1] == "output"
    assert "layer4" in blocks
    assert set(table["input"]) == {"image", "brightness", "rotation"}
    assert "Depth: total index from" in outcome.out
    assert 'id="depth"' in (folder / "run" / "report.html").read_text()
    assert (folder / "run" / "figures" / "depth.svg").is_file()


@pytest.mark.parametrize(("layout", "entries"), [("auto", 32), ("nhwc", 8)])
def test_pooled_blocks_of_a_file_have_a_number_for_each_channel(cli, folder, layout, entries):
    keys = {"blocks": ["layer1"], "block_pooled": True, "block_layout": layout, "block_directions": 8}
    outcome = cli("audit", written(folder, **keys), "--quiet", "--out", folder / f"pooled {layout}")
    assert outcome.code == 0, outcome.err
    found = AuditResult.from_disk(folder / f"pooled {layout}").arrays
    assert int(found["block_entries"].sel(block="layer1")) == entries


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        ({"blocks": "all"}, "estimate.blocks"),
        ({"blocks": []}, "estimate.blocks"),
        ({"blocks": ["layr1"]}, "did you mean `layer1`"),
        ({"blocks": "auto", "estimator": "gpc"}, "`blocks` needs the estimator assisted or pick_freeze"),
        ({"blocks": "auto", "block_directions": 1}, "block_directions"),
        ({"blocks": "auto", "block_layout": "nhwc"}, "belongs to `block_pooled: true`"),
        ({"blocks": "auto", "block_pooled": True, "block_layout": "NHWC"}, "block_layout"),
    ],
)
def test_a_mistake_is_one_line(cli, folder, estimate, text):
    assert text in cli("audit", written(folder, **estimate)).error
