"""One network handed over in four ways has one set of indices."""

import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import save_file

from shiftgauge.models.compat import prepare_torchvision

SIZE = 48
CODE = """
import torch
import timm


def build():
    network = timm.create_model("test_resnet", num_classes=3).eval()
    from safetensors.torch import load_file
    network.load_state_dict(load_file({weights!r}))

    def classify(images):
        with torch.no_grad():
            return network((images - 0.5) / 0.5)

    return classify
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A small network whose outputs really move, in four forms, and six images."""
    prepare_torchvision()
    import timm

    root = tmp_path_factory.mktemp("kinds")
    torch.manual_seed(0)
    network = timm.create_model("test_resnet", num_classes=3).eval()
    rng = np.random.default_rng(0)
    noise = torch.from_numpy(rng.random((6, 3, SIZE, SIZE), dtype=np.float32))
    pictures = torch.nn.functional.avg_pool2d(noise, 9, 1, 4, count_include_pad=False)
    pictures = (pictures - pictures.amin()) / (pictures.amax() - pictures.amin())
    with torch.no_grad():
        shifted = torch.cat([pictures * b for b in (0.3, 0.7, 1.0, 1.4)]).clamp(0, 1)
        network.fc.weight *= 2 / network((shifted - 0.5) / 0.5).std(dim=0).mean()
        network.fc.bias -= network((pictures - 0.5) / 0.5).mean(dim=0)
        labels = network((pictures - 0.5) / 0.5).argmax(1)
    state = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    save_file(state, root / "weights.safetensors")
    for i, (picture, label) in enumerate(zip(pictures, labels.tolist(), strict=True)):
        path = root / "images" / f"class {label}" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((picture.permute(1, 2, 0) * 255).round().byte().numpy()).save(path)
    example = pictures[:2]
    batch = {0: torch.export.Dim("batch", min=1, max=1024)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(network, (example,), dynamic_shapes=(batch,))
        torch.export.save(program, root / "network.pt2")
        torch.onnx.export(
            network, (example,), root / "network.onnx", dynamic_shapes=(batch,), dynamo=True, verbose=False
        )
    (root / "four_ways.py").write_text(CODE.format(weights=str(root / "weights.safetensors")))
    return root


PREPROCESSING = {"size": SIZE, "channels": 3, "resize": "squash", "mean": [0.5] * 3, "std": [0.5] * 3}
CLASSES = ["class 0", "class 1", "class 2"]
MODELS = {
    "timm": {"timm": "test_resnet", "num_classes": 3, "weights": "weights.safetensors", "preprocessing": PREPROCESSING},
    "pt2": {"pt2": "network.pt2", "preprocessing": PREPROCESSING},
    "onnx": {"onnx": "network.onnx", "preprocessing": PREPROCESSING},
    "callable": {
        "factory": "four_ways:build",
        "preprocessing": {"size": SIZE, "channels": 3, "resize": "squash"},
    },
}


def test_four_kinds_of_model_have_the_same_indices(cli, folder, monkeypatch):
    monkeypatch.syspath_prepend(str(folder))
    tables = {}
    for kind, model in MODELS.items():
        config = {
            "model": {**model, "classes": CLASSES, "output": "logits"},
            "data": {"folder": "images"},
            "shifts": {"preset": "weld"},
            "estimate": {"n_base": 64, "resamples": 100},
            "execution": {"precision": "float32"},
            "out": f"run-{kind}",
        }
        path = folder / f"{kind}.yaml"
        path.write_text(yaml.safe_dump(config))
        outcome = cli("audit", path, "--quiet")
        assert outcome.code == 0, outcome.err
        tables[kind] = pd.read_csv(folder / f"run-{kind}" / "indices.csv")
    sys.modules.pop("four_ways", None)
    reference = tables["timm"]
    wanted = reference["quantity"].isin(["probability", "margin", "cross_entropy"])
    assert (reference["estimate"][wanted & (reference["kind"] == "total_order")] > 0.05).sum() > 4
    for table in tables.values():
        np.testing.assert_allclose(table["estimate"][wanted], reference["estimate"][wanted], atol=1e-3)
