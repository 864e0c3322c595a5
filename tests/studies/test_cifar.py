"""The CIFAR-10 study on made-up pictures: with two tiny networks what is measured and shown; and the whole of it."""

import shutil
from dataclasses import replace
from io import StringIO
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from rich.console import Console
from torch import nn

from shiftgauge.data.arrays import from_arrays
from shiftgauge.errors import ConfigError, InterruptedRunError
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.models.torch_model import TorchClassifier
from shiftgauge.report import cifar_figures
from shiftgauge.report.blocks.cifar import build_pairs, build_walk
from shiftgauge.report.cifar_figures import plot_depth
from shiftgauge.report.cifar_terminal import study_summary
from shiftgauge.report.kinds import open_run
from shiftgauge.results.study import StudyResult
from shiftgauge.results.train import TrainResult
from shiftgauge.studies import cifar as study
from shiftgauge.studies import cifar_look, cifar_maps, cifar_trainings
from shiftgauge.studies.cifar import cifar
from shiftgauge.studies.cifar_findings import find, headline, messages
from shiftgauge.studies.cifar_look import Looks, first_of, look
from shiftgauge.studies.cifar_recipe import CifarRecipe, cifar_data, split_options
from shiftgauge.studies.cifar_trainings import Plan
from shiftgauge.studies.train_data import divide
from shiftgauge.studies.train_options import NetworkChoice

SIDE = 8
LOOKS = Looks(images=6, shown=2, pairs=3, steps=2)


class Tiny(nn.Module):
    """Blocks named as in the two networks: five of VGG-16, or a stem and four layers."""

    def __init__(self, name):
        super().__init__()
        torch.manual_seed(len(name))
        self.names = [f"block{k}" for k in range(1, 6)] if name == "vgg16" else ["stem", *(f"layer{k}" for k in "1234")]
        width = 3
        for block in self.names:
            setattr(self, block, nn.Sequential(nn.Conv2d(width, 4, 3, padding=1), nn.ReLU()))
            width = 4
        self.classifier = nn.Linear(4 * SIDE * SIDE, 3)

    def forward(self, x):
        for name in self.names:
            x = getattr(self, name)(x)
        return self.classifier(x.flatten(1))


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (12, SIDE, SIDE, 3), dtype=np.uint8)
    test = from_arrays(pixels, ["cat", "deer", "ship"] * 4)
    how = Preprocessing(height=SIDE, width=SIDE, mean=(0.5,), std=(0.5,))
    networks = {
        name: TorchClassifier(
            Tiny(name).eval(), preprocessing=how, device=torch.device("cpu"), classes=("cat", "deer", "ship")
        )
        for name in ("vgg16", "resnet18")
    }
    folder = tmp_path_factory.mktemp("cifar")
    plan = Plan(recipe=CifarRecipe(), dataset=test, folder=folder, name="made up", progress=False)
    return plan, networks, test


@pytest.fixture(scope="module")
def looked(given):
    plan, networks, test = given
    return look(plan, LOOKS, networks, test)


@pytest.fixture(scope="module")
def measured(given, looked):
    test = given[2]
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
    arrays = xr.merge([trained, looked], combine_attrs="drop")
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
    return arrays


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


def test_a_second_call_reads_all_that_was_measured(given, measured, monkeypatch):
    def again(*given, **named):
        raise AssertionError("measured once more")

    plan, networks, test = given
    for name in ("perturbation_maps", "pair_arrays", "walk_arrays"):
        monkeypatch.setattr(cifar_look, name, again)
    monkeypatch.setattr(cifar_maps, "perturbation_maps", again)
    found = look(plan, LOOKS, networks, test)
    for name, values in found.data_vars.items():
        np.testing.assert_array_equal(values.values, measured[name].values, err_msg=str(name))
    with pytest.raises(AssertionError, match="once more"):
        look(plan, replace(LOOKS, steps=3), networks, test)


def test_both_networks_have_blocks_in_order(measured):
    assert measured["block"].sel(network="vgg16").values.tolist() == [f"block{k}" for k in range(1, 6)]
    assert measured["block"].sel(network="resnet18").values.tolist() == ["stem", *(f"layer{k}" for k in "1234")]
    assert measured["number"].sel(network="resnet18").values.tolist() == [0, 1, 2, 3, 4]
    assert measured["sensitivity"].dims == ("network", "looked", "depth", "colour")
    assert measured["sensitivity"].shape == (2, 6, 5, 3)


def test_cells_are_means_of_square_pieces_of_the_maps(measured):
    maps = measured["map_fixed"].values
    np.testing.assert_allclose(measured["cells_4"].values[..., 1, 0], maps[..., 4:8, :4].mean(axis=(-2, -1)), rtol=1e-5)
    np.testing.assert_allclose(measured["cells_8"].values[..., 0, 0], maps.mean(axis=(-2, -1)), rtol=1e-5)


def test_of_an_absent_class_images_of_another_are_taken(given):
    test = given[2].select([0, 2, 3])  # cat, ship, cat
    assert first_of(test, "deer", 5).labels.tolist() == [0, 0]
    assert first_of(test, "ship", 5).labels.tolist() == [2]
    assert first_of(given[2].select([2]), "horse", 1).labels.tolist() == [2]


def test_page_and_summary_come_of_a_stored_result(measured, tmp_path):
    folder = result_of(measured).to_disk(tmp_path / "run")
    result = StudyResult.from_disk(folder)
    page = open_run(folder).write_page(tmp_path / "page.html").read_text()
    for text in ("One image towards every class", "log10 of the relative sensitivity of layer4 over layer1"):
        assert text in page
    n_pictures = 6 + 2 + 2 + 2 * 3 * 2 + 2  # blocks, published push and red, curves, pairs of three classes, walks
    assert page.count("data:image/") == n_pictures
    console = Console(width=80, file=StringIO())
    console.print(study_summary(result))
    assert "layer4" in console.file.getvalue()


def test_every_published_figure_is_drawn(measured, tmp_path, monkeypatch):
    monkeypatch.setattr(cifar_figures, "save_figures", lambda result, drawings, folder: drawings)
    drawings = cifar_figures.write_study_figures(result_of(measured), tmp_path)
    assert {f"figure-{n:02d}" for n in range(5, 15)} < set(drawings)
    titles = [axes.get_title() for axes in drawings["figure-14"](result_of(measured)).axes]
    assert titles == ["cat", "deer", "ship", "", "", ""]  # one pair of each class: above as given, below raised


def test_the_table_of_main_numbers_is_the_profile(measured, tmp_path):
    table = pd.read_csv(result_of(measured).to_disk(tmp_path / "run") / "depth.csv")
    assert len(table) == 2 * 5 * 4
    row = table.set_index(["network", "number", "figure"]).loc[("resnet18", 1, "share")]
    values = measured["share"].sel(network="resnet18").values[:, 1]
    assert row["block"] == "layer1"
    assert row["estimate"] == pytest.approx(values.mean())
    half = 2.5706 * values.std(ddof=1) / np.sqrt(6)  # Student's t, five degrees of freedom
    assert row["high"] - row["estimate"] == pytest.approx(half, rel=1e-4)


def test_images_of_each_class_are_shown_once(measured):
    many = measured.isel(pair=[0, 0, 1, 1, 2, 2])
    for each in build_pairs(result_of(many)):
        assert [p["name"] for p in each["pictures"]] == ["cat", "deer", "ship"]


def test_what_does_not_stay_at_a_class_is_said(measured):
    changed = measured.copy(deep=True)
    changed["walk_reached_at"][:] = 1
    changed["walk_stayed"][:] = [[1, 0, 1], [1, 1, 1]]
    assert [row[1] for row in build_walk(result_of(changed))["rows"]] == ["1", "1, left again", "1"]


def test_the_stem_stands_before_the_first_block(measured):
    axes = plot_depth(result_of(measured)).axes[0]
    assert [text.get_text() for text in axes.get_xticklabels()][:2] == ["stem", "block1\nlayer1"]
    assert [line.get_xdata().tolist() for line in axes.get_lines()] == [[1, 2, 3, 4, 5], [0, 1, 2, 3, 4]]


def test_quick_and_full_exclude_each_other(tmp_path):
    with pytest.raises(ConfigError, match="exclude each other"):
        cifar("nowhere", out=tmp_path / "run", quick=True, full=True)


def test_an_unknown_network_is_named(tmp_path):
    with pytest.raises(ConfigError, match="vgg19"):
        cifar("nowhere", out=tmp_path / "run", trained={"vgg19": "x"})


def pictures(seed=0):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (90, 32, 32, 3), dtype=np.uint8)
    return from_arrays(pixels, ["airplane", "cat", "ship"] * 30, splits=["train"] * 72 + ["test"] * 18)


ARCHITECTURES = {"vgg16": "test_efficientnet", "resnet18": "test_resnet"}
QUICK = {"quick": True, "device": "cpu", "progress": False}


@pytest.fixture(autouse=True, scope="module")
def small(looked):
    """Tiny networks in the place of the two, what was measured of others, and no drawings, which have tests above."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            CifarRecipe,
            "network",
            lambda self, name: NetworkChoice(architecture=ARCHITECTURES[name], size=32, channels=3),
        )
        patch.setattr("shiftgauge.studies.train.write_train_figures", lambda result, place: [])
        patch.setattr(study, "write_study_figures", lambda result, place: [])
        patch.setattr(study, "PAGE", SimpleNamespace(write=lambda result, path: path.write_text(result.headline)))
        patch.setattr(study, "look", lambda *given: looked)
        yield


@pytest.fixture(scope="module")
def run(small, tmp_path_factory):
    folder = tmp_path_factory.mktemp("study") / "out"
    return folder, cifar(pictures(), out=folder, **QUICK)


def test_a_quick_run_judges_nothing_and_says_what_it_trained(run):
    folder, result = run
    assert {f.agreement for f in result.findings} == {"unclear", "fact"}
    assert result.headline.startswith("Quick run, no result:")
    assert result.cost["trainings"] == 2
    assert result.arrays.attrs["recipe_text"].startswith("VGG-16: 1 epoch of AdamW at 0.001, cosine")
    assert (result.arrays.attrs["published_recipe"], result.arrays.attrs["n_test"]) == (0, 18)
    assert (folder / "report.html").is_file()
    assert StudyResult.from_disk(folder).findings == result.findings


def test_a_finished_study_is_only_read(run, monkeypatch):
    folder, result = run
    for name in ("train", "divide"):
        monkeypatch.setattr(cifar_trainings, name, None)
    before = (folder / "training-vgg16" / "run.json").read_bytes()
    again = cifar(pictures(), out=folder, **QUICK)
    assert (folder / "training-vgg16" / "run.json").read_bytes() == before
    assert again.cost["trainings"] == 0
    np.testing.assert_array_equal(again.arrays["fit_seconds"], result.arrays["fit_seconds"])


def test_a_call_stopped_between_the_trainings_goes_on_with_the_second(run, tmp_path, monkeypatch):
    shutil.copytree(run[0] / "training-vgg16", tmp_path / "training-vgg16")
    wanted = []
    monkeypatch.setattr(cifar_trainings, "train", lambda choice, *given, **named: wanted.append(choice) or stop())
    with pytest.raises(InterruptedRunError, match="goes on"):
        cifar(pictures(), out=tmp_path, **QUICK)
    assert [choice.architecture for choice in wanted] == ["test_resnet"]


def test_given_trainings_serve_as_they_are_and_say_their_recipe(run, tmp_path):
    folder, result = run
    trained = {name: folder / f"training-{name}" for name in ARCHITECTURES}
    found = cifar(pictures(), out=tmp_path, trained=trained, **QUICK)
    assert found.cost["trainings"] == 0
    assert found.arrays.attrs["recipe_text"] == result.arrays.attrs["recipe_text"]
    assert found.provenance["hashes"] == result.provenance["hashes"]
    assert not list(tmp_path.glob("training-*"))


def test_a_call_stopped_after_maps_of_given_trainings_goes_on(run, tmp_path, monkeypatch):
    trained = {name: run[0] / f"training-{name}" for name in ARCHITECTURES}
    with monkeypatch.context() as patch:
        patch.setattr(study, "look", lambda plan, *given: (plan.folder / "maps").mkdir() or stop())
        with pytest.raises(InterruptedRunError, match="goes on"):
            cifar(pictures(), out=tmp_path / "out", trained=trained, **QUICK)
    (tmp_path / "out" / "maps" / "00000.npz").touch()
    assert cifar(pictures(), out=tmp_path / "out", trained=trained, **QUICK).cost["trainings"] == 0


def test_trainings_that_do_not_fit_are_refused(run, tmp_path):
    vgg, resnet = (run[0] / f"training-{name}" for name in ARCHITECTURES)
    with pytest.raises(ConfigError, match="training of `test_resnet`"):
        cifar(pictures(), out=tmp_path / "a", trained={"vgg16": resnet, "resnet18": vgg}, **QUICK)
    with pytest.raises(ConfigError, match="other images"):
        cifar(pictures(1), out=tmp_path / "b", trained={"vgg16": vgg}, **QUICK)
    with pytest.raises(ConfigError, match="holds no training"):
        cifar(pictures(), out=tmp_path / "c", trained={"vgg16": run[0]}, **QUICK)


def test_a_given_training_that_does_not_fit_is_refused_before_the_other_is_trained(run, tmp_path, monkeypatch):
    vgg, resnet = (run[0] / f"training-{name}" for name in ARCHITECTURES)
    monkeypatch.setattr(cifar_trainings, "train", lambda *given, **named: pytest.fail("trained before all was checked"))
    for wrong, match in ((tmp_path, "holds no training"), (vgg, "training of `test_efficientnet`")):
        with pytest.raises(ConfigError, match=match):
            cifar(pictures(), out=tmp_path / "a", trained={"resnet18": wrong}, **QUICK)
    with pytest.raises(ConfigError, match="other images"):
        cifar(pictures(1), out=tmp_path / "b", trained={"resnet18": resnet}, **QUICK)
    other = TrainResult.from_disk(resnet)
    other.provenance["hashes"]["test part"] = "0" * 32
    monkeypatch.setattr(cifar_trainings, "_given", lambda plan, name: other)
    with pytest.raises(ConfigError, match="resnet18 has another test part"):
        cifar(pictures(), out=tmp_path / "c", trained={"resnet18": resnet}, **QUICK)


def test_the_test_part_is_that_of_the_trainings(run, monkeypatch):
    dataset = cifar_data(pictures())
    plan = Plan(recipe=CifarRecipe(quick=True), dataset=dataset, folder=run[0], name="made up")
    trained = {name: TrainResult.from_disk(run[0] / f"training-{name}") for name in ARCHITECTURES}
    test = divide(dataset, split_options(dataset), 0).part("test")
    assert cifar_trainings.held_out(plan, trained).fingerprint == test.fingerprint
    monkeypatch.setattr(cifar_trainings, "SPLIT_FILE", "none.csv")
    assert cifar_trainings.held_out(plan, trained).fingerprint == test.fingerprint
    cifar_trainings.require_test(trained, test)
    with pytest.raises(ConfigError, match="vgg16 has another test part"):
        cifar_trainings.require_test(trained, test.select(np.arange(17)))


def test_a_training_by_another_recipe_is_not_taken_for_the_wanted_one(run):
    plan = Plan(recipe=CifarRecipe(quick=True), dataset=cifar_data(pictures()), folder=run[0], name="made up")
    for wrong in (
        replace(plan, recipe=CifarRecipe(quick=True, seed=1)),
        replace(plan, dataset=cifar_data(pictures(1))),
    ):
        one = cifar_trainings.wanted(wrong.recipe, "vgg16", wrong.dataset)
        assert cifar_trainings.finished(run[0] / "training-vgg16", one) is None


def stop():
    raise KeyboardInterrupt
