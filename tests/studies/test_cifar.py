"""The CIFAR-10 study on made-up pictures and two tiny networks: what is measured, judged and shown."""

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

from shiftgauge.data.arrays import from_arrays
from shiftgauge.errors import ConfigError
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.models.torch_model import TorchClassifier
from shiftgauge.report.cifar_figures import write_study_figures
from shiftgauge.report.cifar_page import render_study_page
from shiftgauge.report.cifar_terminal import study_summary
from shiftgauge.results.study import StudyResult
from shiftgauge.studies.cifar import Looks, cifar, look
from shiftgauge.studies.cifar_findings import find, headline, messages
from shiftgauge.studies.cifar_recipe import CifarRecipe
from shiftgauge.studies.cifar_trainings import Plan

SIDE = 8


class Tiny(nn.Module):
    def __init__(self, seed):
        super().__init__()
        torch.manual_seed(seed)
        width = 3
        for k in range(1, 6):
            block = nn.Sequential(nn.Conv2d(width, 4, 3, padding=1), nn.ReLU())
            setattr(self, f"block{k}", block)
            width = 4
        self.classifier = nn.Linear(4 * SIDE * SIDE, 3)

    def forward(self, x):
        for k in range(1, 6):
            x = getattr(self, f"block{k}")(x)
        return self.classifier(x.flatten(1))


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (12, SIDE, SIDE, 3), dtype=np.uint8)
    test = from_arrays(pixels, ["cat", "deer", "ship"] * 4)
    how = Preprocessing(height=SIDE, width=SIDE, mean=(0.5,), std=(0.5,))
    networks = {
        name: TorchClassifier(
            Tiny(k).eval(), preprocessing=how, device=torch.device("cpu"), classes=("cat", "deer", "ship")
        )
        for k, name in enumerate(("vgg16", "resnet18"))
    }
    folder = tmp_path_factory.mktemp("cifar")
    plan = Plan(recipe=CifarRecipe(), dataset=test, folder=folder, name="made up", progress=False)
    looks = Looks(images=6, shown=2, pairs=3, steps=2)
    arrays = look(plan, looks, networks, test)
    again = look(plan, looks, networks, test)
    trained = xr.Dataset(
        {
            "accuracy": (("part", "network"), np.full((2, 2), 0.86)),
            "accuracy_interval": (("part", "network", "bound"), np.broadcast_to([0.85, 0.87], (2, 2, 2)).copy()),
            "epochs": ("network", [3, 3]),
            "best_epoch": ("network", [2, 3]),
            "fit_seconds": ("network", [1.0, 1.0]),
        },
        coords={"part": ["validation", "test"], "network": ["vgg16", "resnet18"], "bound": ["low", "high"]},
    )
    arrays = xr.merge([trained, arrays], combine_attrs="drop")
    arrays.attrs = {
        "title": "CIFAR-10 study",
        "quantity_of_interest": "sensitivity of blocks",
        "confidence_level": 0.95,
        "data_name": "made up",
        "quick": 0,
        "published_recipe": 0,
        "recipe_text": "none",
        "classes": list(test.class_names),
        "n_test": 12,
        "n_looked": 6,
        "shown_class": "cat",
        "steps": 2,
        "seed": 0,
    }
    return arrays, again, folder


def result_of(arrays):
    findings = find(arrays)
    return StudyResult(
        study="cifar",
        config={},
        provenance={"hashes": {}, "versions": {}, "device": "cpu", "seed": 0, "started": "", "finished": ""},
        cost={"trainings": 2, "training_seconds": 1.0, "seconds": 2.0},
        headline=headline(arrays, findings),
        findings=findings,
        arrays=arrays,
        messages=messages(arrays),
    )


def test_maps_are_kept_and_read_again(measured):
    arrays, again, folder = measured
    assert len(list((folder / "maps").rglob("*.npz"))) == 4
    np.testing.assert_array_equal(arrays["sensitivity"].values, again["sensitivity"].values)


def test_both_networks_have_blocks_in_order(measured):
    arrays = measured[0]
    assert arrays["block"].sel(network="vgg16").values.tolist() == [f"block{k}" for k in range(1, 6)]
    assert arrays["sensitivity"].dims == ("network", "looked", "depth", "colour")
    assert arrays["sensitivity"].shape == (2, 6, 5, 3)


def test_few_images_give_no_verdict_on_maps(measured):
    findings = {f.topic: f for f in find(measured[0])}
    assert findings["Colour"].agreement == "unclear"
    assert findings["VGG-16, accuracy"].agreement == "agrees"


def depth_of(arrays, name, values):
    changed = arrays.copy(deep=True)
    for kind in ("sensitivity", "relative"):
        noise = np.random.default_rng(1).normal(0, 0.01, changed[kind].sel(network=name).shape)
        changed[kind].loc[{"network": name}] = np.reshape(values, (1, -1, 1)) * np.exp(noise)
    return changed


def test_claims_of_depth_are_judged_by_their_numbers(measured):
    arrays = measured[0].assign_attrs(n_looked=100)
    published = depth_of(depth_of(arrays, "vgg16", [1, 1, 0.1, 0.1, 0.01]), "resnet18", [1, 1, 1, 1, 0.9])
    found = {f.topic: f.agreement for f in find(published)}
    assert (found["VGG-16, depth"], found["ResNet-18, depth"]) == ("agrees", "agrees")
    swapped = depth_of(depth_of(arrays, "resnet18", [1, 1, 0.1, 0.1, 0.01]), "vgg16", [1, 1, 1, 1, 1.2])
    found = {f.topic: f.agreement for f in find(swapped)}
    assert (found["VGG-16, depth"], found["ResNet-18, depth"]) == ("differs", "differs")


def test_the_claim_of_colour_is_judged_by_its_number(measured):
    arrays = measured[0].assign_attrs(n_looked=100).copy(deep=True)
    noise = np.random.default_rng(2).normal(0, 0.001, arrays["share"].sel(network="vgg16").shape)
    arrays["share"].loc[{"network": "vgg16"}] = np.array([0.4, 0.3, 0.2, 0.02, 0.01]) + noise
    assert {f.topic: f.agreement for f in find(arrays)}["Colour"] == "agrees"
    arrays["share"].loc[{"network": "vgg16"}] = np.array([0.1, 0.3, 0.2, 0.4, 0.4]) + noise
    assert {f.topic: f.agreement for f in find(arrays)}["Colour"] == "differs"


def test_page_figures_and_summary_come_of_a_stored_result(measured, tmp_path):
    folder = result_of(measured[0]).to_disk(tmp_path / "run")
    result = StudyResult.from_disk(folder)
    page = render_study_page(result)
    assert "One image towards every class" in page
    assert page.count("data:image/png") >= 10
    names = {path.name for path in write_study_figures(result, tmp_path / "figures")}
    assert {f"figure-{n:02d}.png" for n in range(5, 15)} <= names
    assert study_summary(result) is not None


def test_quick_and_full_exclude_each_other(tmp_path):
    with pytest.raises(ConfigError, match="exclude each other"):
        cifar("nowhere", out=tmp_path / "run", quick=True, full=True)


def test_an_unknown_network_is_named(tmp_path):
    with pytest.raises(ConfigError, match="vgg19"):
        cifar("nowhere", out=tmp_path / "run", trained={"vgg19": "x"})
