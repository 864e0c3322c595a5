"""The glass study, task 2, in its small mode: on tiles of circuit boards where they are, else on made ones.

The names of the tests say which. And the layouts that the study reads.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from PIL import Image
from sklearn.metrics import f1_score

from shared_data import FOLDER
from shiftgauge.errors import ConfigError, DataError, InterruptedRunError
from shiftgauge.models.model_folder import load_model_folder
from shiftgauge.results.study import StudyResult
from shiftgauge.results.train import TrainResult
from shiftgauge.studies import glass as study
from shiftgauge.studies import glass_trainings
from shiftgauge.studies.glass_recipe import (
    GlassRecipe,
    class_weights,
    glass_data,
    is_glass,
    native_size,
    published_changes,
    split_options,
)
from shiftgauge.studies.glass_trainings import FOLDERS, Plan, say_all
from shiftgauge.studies.train_data import divide
from shiftgauge.train.kornia_transforms import build_transforms
from shiftgauge.train.schedules import multiplier
from shiftgauge.train.thresholds import GRID

REAL = FOLDER / "deeppcb/deeppcb_tiles64.npz"


def synthetic(folder: Path) -> Path:
    """Tiles on which bars, dots and rings stand for defects, as an NPZ like that of deeppcb."""
    rng = np.random.default_rng(0)
    labels = (rng.random((360, 3)) < 0.3).astype(np.uint8)
    images = (rng.random((360, 48, 48)) * 120).astype(np.uint8)
    for image, (bar, dot, ring) in zip(images, labels, strict=True):
        x, y = rng.integers(4, 36, 2)
        image[x : x + 3, :] |= np.uint8(200) * bar
        image[x : x + 6, y : y + 6] |= np.uint8(220) * dot
        image[y : y + 2, x : x + 10] |= np.uint8(180) * ring
    group, split = np.arange(360) // 3, (np.arange(360) // 3 % 3 == 0).astype(np.uint8)
    file = folder / "tiles.npz"
    np.savez(file, images=images, labels=labels, classes=np.array(["bar", "dot", "ring"]), group=group, split=split)
    return file


@pytest.fixture(scope="module", params=[REAL.exists()], ids=["circuit boards" if REAL.exists() else "made-up images"])
def run(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("glass")
    data = REAL if request.param else synthetic(folder)
    with pytest.MonkeyPatch.context() as patch:  # pages of the trainings have tests of their own
        patch.setattr("shiftgauge.studies.train.write_train_figures", lambda result, place: [])
        result = study.glass(data, out=folder / "out", recipe="small", quick=True, device="cpu", progress=False)
    return data, folder / "out", result


def test_the_study_runs_and_its_folder_is_read_back(run):
    _, folder, result = run
    again = StudyResult.from_disk(folder)
    assert again.findings == result.findings
    assert again.headline == result.headline
    assert {f.topic for f in result.findings} >= {"Resolution matters", "A score “on validation”"}
    assert (folder / "report.html").is_file()
    assert len(pd.read_csv(folder / "scores.csv")) == (6 + 4) * result.arrays.sizes["figure"]
    assert (folder / "figures" / "chosen_on_test.svg").is_file()


def test_the_score_of_the_recipe_is_that_of_its_model_folder(run):
    data, folder, result = run
    dataset = glass_data(data, quick=True, seed=0)
    divided = divide(dataset, split_options(dataset), 0)
    model = load_model_folder(folder / "training" / "model", "cpu")
    sides = {}
    for part in ("validation", "test"):
        images = divided.part(part)
        tensors = [model.preprocessing.prepare(_tensor(images.load(i))) for i in range(len(images))]
        sides[part] = (_averaged(model, tensors), images.label_matrix)
    said, truth = sides["validation"]
    thresholds = [max(GRID, key=lambda t: f1(truth[:, k], said[:, k] >= t)) for k in range(said.shape[1])]
    best = [f1(truth[:, k], said[:, k] >= t) for k, t in enumerate(thresholds)]
    chosen = result.arrays["threshold"].values
    assert np.allclose(best, [f1(truth[:, k], said[:, k] >= t) for k, t in enumerate(chosen)], atol=1e-9)
    said, truth = sides["test"]
    expected = f1_score(truth, said >= chosen, average="micro", zero_division=0)
    assert np.isclose(
        result.arrays["ablation_score"].sel(ablation="the recipe", figure="micro F1"), expected, atol=0.01
    )


def test_no_board_and_no_likeness_is_on_two_sides(run):
    data, _, _ = run
    dataset = glass_data(data, quick=True, seed=0)
    divided = divide(dataset, split_options(dataset), 0)
    units = [set(divided.groups(name)) for name in ("train", "validation", "test")]
    assert not units[0] & units[1]
    assert not units[2] & (units[0] | units[1])


def test_a_second_call_trains_nothing_again(run):
    data, folder, result = run
    before = {way: (folder / way / "model" / "weights.safetensors").read_bytes() for way in FOLDERS.values()}
    with pytest.MonkeyPatch.context() as patch:
        for place in ("glass_trainings.train", "glass_measure.predict_probabilities", "watched.predict_logits"):
            patch.setattr(f"shiftgauge.studies.{place}", None)
        patch.setattr(study, "write_study_figures", lambda result, place: [])
        again = study.glass(data, out=folder, recipe="small", quick=True, device="cpu", progress=False)
    assert {way: (folder / way / "model" / "weights.safetensors").read_bytes() for way in before} == before
    assert again.headline == result.headline
    assert again.cost["trainings"] == 0
    xr.testing.assert_identical(again.arrays, result.arrays)


def test_what_a_network_says_is_measured_again_for_another_network(run, monkeypatch):
    data, folder, _ = run
    dataset = glass_data(data, quick=True, seed=0)
    divided, asked = divide(dataset, split_options(dataset), 0), []
    plan = Plan(
        recipe=GlassRecipe(name="small", quick=True),
        divided=divided,
        folder=folder,
        name="",
        device=None,
        progress=None,
    )
    trained = TrainResult.from_disk(folder / "training")
    monkeypatch.setattr(glass_trainings, "folder_probabilities", lambda *given, **named: asked.append(given) or 1 / 0)
    assert say_all(plan, {"one": trained})["one"][1].test_nk.shape == (
        len(divided.split.parts["test"]),
        len(dataset.class_names),
    )
    assert not asked
    hashes = {**trained.provenance["hashes"], "weights": "other"}
    other = replace(trained, provenance={**trained.provenance, "hashes": hashes})
    with pytest.raises(ZeroDivisionError):
        say_all(plan, {"one": other})
    assert len(asked) == 1


def test_the_first_training_serves_for_what_choosing_on_test_claims(run):
    _, folder, result = run
    assert result.cost["trainings"] == 3
    assert not (folder / "watched" / "training.json").exists()
    assert sorted(p.name for p in (folder / "watched").iterdir()) == ["epoch-001.npz", "epoch-002.npz"]
    assert result.headline.startswith("Quick run, no result:")
    assert result.arrays.attrs["native_size"] in (48, 64)


@pytest.mark.parametrize(("given", "name"), [("v1.2", "v1.2"), (".", "v1.2"), ("v1.2/tiles.v3.npz", "tiles.v3")])
def test_pages_name_the_data_by_their_folder_or_file(tmp_path, monkeypatch, given, name):
    folder = tmp_path / "v1.2"
    folder.mkdir()
    rng, rows = np.random.default_rng(0), np.eye(4, 3)[np.arange(60) % 4].astype(np.uint8)
    images = rng.integers(0, 255, (60, 24, 24), dtype=np.uint8)
    np.savez(folder / "tiles.v3.npz", images=images, labels=rows, classes=np.array(["bar", "dot", "ring"]))
    for k, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{k}.png")
    table = pd.DataFrame(rows, columns=["bar", "dot", "ring"]).assign(path=[f"{k}.png" for k in range(60)])
    table.to_csv(folder / "manifest.csv", index=False)
    plans = []
    monkeypatch.chdir(folder if given == "." else tmp_path)
    monkeypatch.setattr(study, "_result", lambda plan, *given, **named: plans.append(plan))
    monkeypatch.setattr(study, "write_with_page", lambda *given: None)
    study.glass(given, out=tmp_path / "out", recipe="small", quick=True, device="cpu", progress=False)
    assert [plan.name for plan in plans] == [name]


def test_an_interrupted_call_is_said_to_be_one(run, tmp_path, monkeypatch):
    def stop(*given, **named):
        raise KeyboardInterrupt

    data, _, _ = run
    monkeypatch.setattr(study, "train_all", stop)
    with pytest.raises(InterruptedRunError, match="goes on"):
        study.glass(data, out=tmp_path / "out", recipe="small", quick=True, device="cpu", progress=False)


def test_the_small_recipe_is_short_enough_for_a_processor():
    recipe = GlassRecipe(name="small")
    options = recipe.options("balanced")
    assert (options.epochs, options.sampling.batch_size, recipe.sizes) == (8, 64, (96, 64))
    assert GlassRecipe(name="small", epochs=3).options("balanced").epochs == 3


def test_the_stored_size_is_that_of_the_longer_side(tmp_path):
    for i, width in enumerate((10, 30, 30)):
        Image.new("L", (width, 20), 10 * i).save(tmp_path / f"{i}.png")
    rows = pd.DataFrame({"path": [f"{i}.png" for i in range(3)], "chip": [0, 1, 0], "stain": [1, 0, 0]})
    rows.to_csv(tmp_path / "manifest.csv", index=False)
    assert native_size(glass_data(tmp_path, quick=False, seed=0)) == 30


def test_the_published_recipe_has_the_published_values():
    recipe = GlassRecipe()
    options = recipe.options((1.0, 2.0, 5.0, 5.0))
    assert recipe.published
    assert (recipe.network().architecture, recipe.network().preprocessing_for(3).input_shape) == (
        "efficientnet_b3",
        (3, 336, 336),
    )
    assert (options.optimizer.kind, options.optimizer.learning_rate, options.optimizer.weight_decay) == (
        "adamw",
        1e-4,
        1e-3,
    )
    assert (options.loss.kind, options.loss.gamma, options.loss.class_weights) == ("focal", 2.0, (1, 2, 5, 5))
    assert (options.epochs, options.sampling.batch_size) == (30, 64)
    rates = [multiplier(options.schedule, e, 30) for e in range(30)]
    assert [e for e in range(30) if rates[e] == 1] == [0, 10]
    assert len(build_transforms(published_changes(), (3, 64, 64))) == 6
    assert not any(GlassRecipe(**k).published for k in ({"quick": True}, {"name": "small"}, {"epochs": 2}))


def test_the_published_layout_is_read_and_known(tmp_path):
    for part in ("train", "test"):
        for kind in ("img", "txt"):
            (tmp_path / part / kind).mkdir(parents=True)
        for i, text in enumerate(("", "0 .5 .5 .1 .1\n2 .2 .2 .1 .1\n", "1 .5 .5 .1 .1\n")):
            _picture(tmp_path / part / "img" / f"{i}.png", i)
            (tmp_path / part / "txt" / f"{i}.txt").write_text(text)
        _picture(tmp_path / part / "img" / "3.png", 3)
    dataset = glass_data(tmp_path, quick=False, seed=0)
    assert is_glass(dataset)
    assert class_weights(dataset) == (1, 2, 5, 5)
    rows = {n: r for n, r in zip(dataset.names, dataset.label_matrix.tolist(), strict=True) if n.startswith("train")}
    assert list(rows.values()) == [[1, 0, 0, 0], [0, 1, 0, 1], [0, 0, 1, 0], [1, 0, 0, 0]]
    assert split_options(dataset).by == "given"


def tiles_below(folder, *, first, images=6):
    """Different images with each published defect in turn, and their texts."""
    for kind in ("img", "txt"):
        (folder / kind).mkdir(parents=True)
    for i in range(images):
        _picture(folder / "img" / f"{i}.png", first + i)
        (folder / "txt" / f"{i}.txt").write_text(f"{i % 3} .5 .5 .1 .1\n" if i % 4 else "")


@pytest.mark.parametrize("names", [("train", "val", "test"), ("training", "Valid", "testing")])
def test_folders_by_the_usual_names_of_parts_are_all_read_and_kept_apart(tmp_path, names):
    for k, name in enumerate(names):
        tiles_below(tmp_path / name, first=10 * k)
    dataset = glass_data(tmp_path, quick=False, seed=0)
    assert len(dataset) == 18
    divided = divide(dataset, split_options(dataset), 0)
    stated = [np.unique([dataset.splits[i] for i in divided.split.parts[p]]) for p in ("train", "validation", "test")]
    assert [found.tolist() for found in stated] == [[name] for name in names]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ("extra", r"images in `extra/img`, which would not be read; name the folder"),
        ("", r"in `img` and in `test/img`"),
    ],
)
def test_images_that_would_not_be_read_are_refused(tmp_path, other, said):
    for k, name in enumerate(("train", "test", other)):
        tiles_below(tmp_path / name, first=10 * k)
    with pytest.raises(DataError, match=said):
        glass_data(tmp_path, quick=False, seed=0)


def test_a_table_of_labels_is_read(tmp_path):
    for i in range(4):
        _picture(tmp_path / f"{i}.png", i)
    rows = pd.DataFrame({"path": [f"{i}.png" for i in range(4)], "chip": [0, 1, 0, 1], "stain": [0, 0, 1, 1]})
    rows.assign(group=[0, 0, 1, 1], split=["train", "train", "test", "test"]).to_csv(tmp_path / "manifest.csv")
    with pytest.raises(DataError, match="label columns hold 0 or 1"):
        glass_data(tmp_path, quick=False, seed=0)  # an unnamed column of row numbers
    rows.assign(group=[0, 0, 1, 1]).to_csv(tmp_path / "manifest.csv", index=False)
    dataset = glass_data(tmp_path, quick=False, seed=0)
    assert dataset.class_names == ("no defect", "chip", "stain")
    assert dataset.groups == ("0", "0", "1", "1")
    assert class_weights(dataset) == "balanced"
    assert split_options(dataset).by == "stratified"


def test_a_label_without_an_image_is_refused_with_what_to_do(tmp_path):
    for i in range(4):
        _picture(tmp_path / f"{i}.png", i)
    rows = {"path": [f"{i}.png" for i in range(4)], "chip": [0, 1, 0, 1], "hole": [0] * 4, "dent": [0] * 4}
    pd.DataFrame(rows).to_csv(tmp_path / "manifest.csv", index=False)
    with pytest.raises(DataError, match=r"no image has the label `hole`, `dent`; .* manifest.csv without its column"):
        study.glass(tmp_path, out=tmp_path / "run", quick=True, progress=False)
    assert not (tmp_path / "run").exists()


def test_what_cannot_serve_is_refused(tmp_path):
    with pytest.raises(DataError, match="neither `img` and `txt`"):
        glass_data(tmp_path, quick=False, seed=0)
    np.savez(tmp_path / "one.npz", images=np.zeros((4, 8, 8), np.uint8), labels=np.array([0, 1, 0, 1]))
    with pytest.raises(DataError, match="needs images with several labels"):
        glass_data(tmp_path / "one.npz", quick=False, seed=0)
    with pytest.raises(ConfigError, match="task 2"):
        study.glass(tmp_path, out=tmp_path / "o", task=1)
    with pytest.raises(ConfigError, match="unknown recipe"):
        GlassRecipe(name="smal")
    with pytest.raises(ConfigError, match="do not exist"):
        GlassRecipe(weights="nowhere.pth")


def test_a_folder_of_another_run_is_left_alone(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps({"kind": "audit", "schema_version": 1}))
    with pytest.raises(Exception, match="audit"):
        study.glass(tmp_path, out=tmp_path, quick=True)


def _tensor(image):
    import torch

    return torch.from_numpy(image)[None]


def _averaged(model, tensors):
    import torch

    whole = torch.cat(tensors).mul(255).round().div(255)
    views = [whole, whole.flip(3), whole.flip(2)]
    with torch.inference_mode():
        z = [model.module(model.preprocessing.normalise(v)) / model.record.temperature for v in views]
    return torch.stack([torch.sigmoid(x) for x in z]).mean(dim=0).double().numpy()


def f1(truth, decided):
    return f1_score(truth, decided, zero_division=0)


def _picture(path, k):
    pixels = np.random.default_rng(k).integers(0, 256, (24, 24), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
