"""Cross-validation: who is on which side, that finished folds are read, and comparisons on the same folds."""

import itertools
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from shiftgauge.data.arrays import from_arrays
from shiftgauge.errors import ConfigError, DataError, StoreError
from shiftgauge.models.model_folder import load_model_folder
from shiftgauge.studies import fold_training
from shiftgauge.studies.cross_validated import CrossValidation
from shiftgauge.studies.cross_validation import FoldOptions, cross_validate
from shiftgauge.train.crossval import compare_folds
from train.toy import stripes

FOLDS = {"k": 3, "validation": 0.25, "near_duplicates": False}
NETWORK = {"architecture": "test_resnet", "size": 16}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def persons(n=60, seed=0):
    """Stripes of 20 persons, three images each."""
    part = stripes(n, seed)
    groups = [f"person {k // 3}" for k in range(n)]
    return from_arrays(
        part.pixels.bytes_nchw[:, 0].numpy(), [f"class {c}" for c in part.targets.tolist()], groups=groups
    )


def run(out, data=None, **more):
    options = {"epochs": 1, "precision": "float32", "sampling": {"batch_size": 16}, **more.pop("options", {})}
    values = {"folds": FOLDS, "device": "cpu", "progress": False, **more}
    return cross_validate(NETWORK, data or persons(), out=out, options=options, **values)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return run(tmp_path_factory.mktemp("plain"))


def test_every_image_is_held_out_once_and_no_person_is_on_two_sides(plain):
    held = np.concatenate([outcome.rows for outcome in plain.outcomes])
    assert sorted(held.tolist()) == list(range(60))
    for row in plain.division_jn:
        for person in range(20):
            assert len(set(row[3 * person : 3 * person + 3])) == 1
    assert plain.table["n_test"].sum() == 60
    assert (plain.table[["n_train", "n_validation", "n_test"]].sum(axis=1) == 60).all()


def test_figures_are_those_of_the_models_on_the_images_held_out(plain):
    data = persons()
    for fold, outcome in enumerate(plain.outcomes):
        model = load_model_folder(outcome.model_folder, "cpu")
        images = torch.from_numpy(np.stack([data.load(int(row)) for row in outcome.rows]))
        logits = model.outputs(model.prepare(images))
        assert np.allclose(logits.numpy(), outcome.logits_nk, atol=1e-2)
        accuracy = np.mean(outcome.logits_nk.argmax(axis=1) == data.labels[outcome.rows])
        assert plain.values("accuracy")[fold] == pytest.approx(accuracy)
    assert plain.predictions["right"].mean() == pytest.approx(
        np.average(plain.values("accuracy"), weights=plain.table["n_test"])
    )
    assert plain.test_ratio == pytest.approx((plain.table["n_test"] / plain.table["n_train"]).mean())


def test_folds_start_from_different_weights_and_the_same_recipe_gives_the_same(plain, tmp_path):
    assert plain.table["seed"].tolist() == [0, 1, 2]
    again = run(tmp_path, keep_models=False)
    columns = [name for name in plain.table if name != "seconds"]
    assert again.table[columns].equals(plain.table[columns])
    assert not (tmp_path / "fold-01" / "model").exists()
    assert not (tmp_path / "fold-01" / "training").exists()


def test_what_is_read_from_the_folder_is_what_was_found(plain):
    found = CrossValidation.from_disk(plain.folder)
    for name in ("table", "summary", "history", "predictions"):
        assert getattr(found, name).equals(getattr(plain, name))
    for name in ("recipe", "folds", "class_names", "notes"):
        assert getattr(found, name) == getattr(plain, name)
    comparison = found.compare(plain)
    assert (comparison.difference, comparison.p_value) == (0, 1)


def test_finished_folds_are_read(plain, monkeypatch):
    monkeypatch.setattr(fold_training, "fit", None)
    found = run(plain.folder)
    assert found.table.equals(plain.table)


def test_every_fold_is_a_line_where_there_is_no_terminal_unless_quiet(plain, capsys):
    run(plain.folder, progress=None)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines] == ["fold 1/3", "fold 2/3", "fold 3/3"]
    assert re.fullmatch(r"fold 3/3: accuracy \d\.\d{4}, \d+:\d\d:\d\d; 0:00:00 left", lines[-1])
    run(plain.folder, progress=False)
    assert capsys.readouterr().err == ""


def test_the_head_of_every_fold_may_begin_as_a_regression_on_its_own_training_images(plain, tmp_path):
    probed = {**NETWORK, "head": "linear_probe"}
    options = {"epochs": 1, "precision": "float32", "sampling": {"batch_size": 16}}
    found = cross_validate(
        probed, persons(), out=tmp_path, folds=FOLDS, options=options, device="cpu", progress=False, keep_models=False
    )
    assert found.recipe["network"]["head"] == "linear_probe"
    assert (found.values("loss") != plain.values("loss")).all()


def test_another_recipe_or_seed_of_folds_is_refused_in_the_folder(plain):
    with pytest.raises(ConfigError, match=r"holds another fold: `options\.epochs` is 1 there and 2 here"):
        run(plain.folder, options={"epochs": 2})
    with pytest.raises(ConfigError, match=r"holds another fold: .*split"):
        run(plain.folder, folds={**FOLDS, "seed": 1})
    with pytest.raises(ConfigError, match=r"`constraint` is not set there"):
        run(plain.folder, constraint={"beta": 0.01})


def test_a_damaged_fold_is_named(plain, tmp_path):
    found = run(tmp_path, keep_models=False)
    np.save(tmp_path / "fold-02" / "logits.npy", found.outcomes[1].logits_nk + 1)
    with pytest.raises(StoreError, match=r"fold-02 cannot be read as a fold: logits.npy is not what was"):
        run(tmp_path, keep_models=False)
    (tmp_path / "cross_validation.json").unlink()
    with pytest.raises(StoreError, match=r"holds no finished cross-validation: .*cross_validation.json is missing"):
        CrossValidation.from_disk(tmp_path)


def test_two_recipes_are_compared_on_the_same_folds(plain, tmp_path):
    other = run(tmp_path / "a", options={"optimizer": {"learning_rate": 1e-6}}, keep_models=False)
    found = plain.compare(other, "loss")
    expected = compare_folds(plain.values("loss"), other.values("loss"), test_ratio=plain.test_ratio)
    assert found == expected
    images = plain.compare_images(other, resamples=200)
    total = [plain.predictions["right"].mean(), other.predictions["right"].mean()]
    assert images.difference == pytest.approx(total[0] - total[1])
    assert images.low <= images.difference <= images.high
    elsewhere = run(tmp_path / "b", folds={**FOLDS, "seed": 1}, keep_models=False)
    with pytest.raises(ConfigError, match=r"has other folds than .*; give both the same `folds`"):
        plain.compare(elsewhere)
    with pytest.raises(ConfigError, match="is of other images than"):
        plain.compare(replace(other, data="x"))
    with pytest.raises(ConfigError, match="unknown figure of a fold `acuracy`; did you mean `accuracy`"):
        plain.compare(other, "acuracy")


def test_repeats_divide_anew_and_are_not_compared_image_by_image(tmp_path):
    options = FoldOptions(**{**FOLDS, "repeats": 2})
    splits, units = options.splits(persons())
    first, second = splits[:3], splits[3:]
    assert any(not np.array_equal(a.parts["test"], b.parts["test"]) for a, b in zip(first, second, strict=True))
    assert all(
        np.array_equal(a.parts["test"], b.parts["test"])
        for a, b in zip(first, FoldOptions(**FOLDS).splits(persons())[0], strict=True)
    )
    assert len(np.unique(units)) == 20


def test_copies_stay_with_their_originals(plain, tmp_path):
    """Noisy copies are of training images alone, and adversarial ones are those of the same fold's own model."""
    more = {"keep_models": False, "options": {"epochs": 1}}
    noisy = run(tmp_path / "a", enlarge={"kind": "uniform_noise", "epsilon": 0.01, "share": 0.5}, **more)
    assert (noisy.table["n_copies"] == (noisy.table["n_train"] / 2).round()).all()
    assert np.array_equal(noisy.division_jn, plain.division_jn)
    fooling = {"kind": "fgsm", "epsilon": 0.02, "source": str(plain.folder)}
    fooled = run(tmp_path / "b", enlarge=fooling, **more)
    for fold in range(3):
        record = json.loads((tmp_path / "b" / f"fold-{fold + 1:02d}" / "fold.json").read_text())
        model = load_model_folder(plain.outcomes[fold].model_folder, "cpu")
        assert record["added"]["enlarge"]["source"] == model.fingerprint
    assert fooled.compare(noisy).n_folds == 3


def test_a_source_that_knows_images_held_out_is_refused(plain, tmp_path):
    fooling = {"kind": "fgsm", "epsilon": 0.02, "source": str(plain.outcomes[1].model_folder)}
    with pytest.raises(ConfigError, match=r"was trained on \d+ images that fold 1 holds out; give the folder"):
        run(tmp_path, enlarge=fooling)
    elsewhere = {**fooling, "source": str(plain.folder)}
    with pytest.raises(ConfigError, match="has other images or folds, so its models may have been trained on"):
        run(tmp_path, enlarge=elsewhere, folds={**FOLDS, "seed": 1})


@pytest.mark.parametrize(
    ("more", "error", "message"),
    [
        ({"folds": {"k": 1}}, ConfigError, "`k` must be a whole number ≥ 2, got 1"),
        ({"folds": {"fold": 3}}, ConfigError, "unknown key of `folds` `fold`"),
        ({"folds": {"validation": 0}}, ConfigError, "`validation` must be above 0"),
        ({"folds": {"by": "person"}}, ConfigError, "unknown way to divide `person`"),
        ({"folds": {**FOLDS, "k": 21}}, DataError, "21 folds need as many units that may be separated"),
        ({"options": {"epochs": 0}}, ConfigError, "`epochs` must be a whole number ≥ 1"),
        ({"adversarial": {"method": "pdg", "epsilon": 1}}, ConfigError, "did you mean `pgd`"),
        ({"constraint": {"kind": "orthogonal"}}, ConfigError, "unknown kind of constraint `orthogonal`"),
        ({"enlarge": {"kind": "fgsm", "epsilon": 0.1}}, ConfigError, "need `source`"),
    ],
)
def test_what_cannot_be_cross_validated_is_said_before_anything_is_trained(tmp_path, more, error, message):
    with pytest.raises(error, match=message):
        run(tmp_path, **more)
    assert not list(tmp_path.iterdir())


def test_what_dividing_could_not_do_is_told(tmp_path):
    """A class of two persons is not held out in every one of three folds."""
    data = persons()
    rare = replace(data, labels=np.where(np.arange(60) < 6, 2, data.labels % 2))
    found = run(tmp_path, rare, keep_models=False)
    assert any("class `class 2` has no image in `test`, 6 in all" in note for note in found.notes)
    assert CrossValidation.from_disk(tmp_path).notes == found.notes


def test_images_without_groups_are_refused_unless_persons_do_not_matter():
    data = replace(persons(), groups=None)
    with pytest.raises(DataError, match=r"the data set has no groups; .*or divide `by` stratified"):
        FoldOptions(**FOLDS).splits(data)
    splits, _ = FoldOptions(**FOLDS, by="stratified").splits(data)
    rows = itertools.chain.from_iterable(split.parts["test"].tolist() for split in splits)
    assert sorted(rows) == list(range(60))


KILLED = """
import os, signal, sys
from shiftgauge.studies import fold_training
from studies.test_cross_validation import run

done, fit = [], fold_training.fit

def counted(*arguments, **more):
    if len(done) == 1:
        def watch(network, epochs):
            if epochs == 2:
                os.kill(os.getpid(), signal.SIGKILL)
        more["watch"] = watch
    done.append(1)
    return fit(*arguments, **more)

fold_training.fit = counted
run(sys.argv[1], options={"epochs": 3}, keep_models=False)
"""


def test_a_killed_cross_validation_goes_on_where_it_was(tmp_path, monkeypatch):
    place = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    environment = {**os.environ, "PYTHONPATH": place, "OMP_NUM_THREADS": "1"}
    code = [sys.executable, "-c", KILLED, str(tmp_path / "a")]
    assert subprocess.run(code, env=environment, check=False).returncode == -signal.SIGKILL
    assert (tmp_path / "a" / "fold-01" / "fold.json").is_file()
    assert (tmp_path / "a" / "fold-02" / "training" / "checkpoint.pt").is_file()
    seen, fit = [], fold_training.fit

    def counted(*arguments, **more):
        found = fit(*arguments, **more)
        seen.append(more["folder"].parent.name)
        return found

    monkeypatch.setattr(fold_training, "fit", counted)
    resumed = run(tmp_path / "a", options={"epochs": 3}, keep_models=False)
    assert seen == ["fold-02", "fold-03"]
    whole = run(tmp_path / "b", options={"epochs": 3}, keep_models=False)
    assert resumed.predictions.equals(whole.predictions)
    assert resumed.history.equals(whole.history)
