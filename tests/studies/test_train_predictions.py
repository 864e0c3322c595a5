"""What is said of each image: the table, the worst mistakes, contradictions."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import shiftgauge
from shiftgauge.data.arrays import from_arrays
from shiftgauge.data.folder import read_folder
from shiftgauge.errors import ConfigError, StoreError
from shiftgauge.models.model_folder import load_model_folder
from shiftgauge.report.train_page import render_train_page
from shiftgauge.results.train import TrainResult
from shiftgauge.studies.train_data import no_defect_label
from shiftgauge.studies.train_options import NetworkChoice, SplitOptions
from shiftgauge.studies.train_predictions import MISTAKES, Predicted
from shiftgauge.train.options import TrainOptions
from shiftgauge.train.sampling import SamplingOptions
from train.toy import stripes

HOSTILE = ("=1+1", "<script>alert(1)</script>", 'a, "b"')


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def run(out, data):
    options = TrainOptions(epochs=1, sampling=SamplingOptions(batch_size=16))
    network = NetworkChoice(architecture="test_resnet", size=32)
    split = SplitOptions(near_duplicates=False)
    return shiftgauge.train(
        network, data, out=out, options=options, split=split, device="cpu", progress=False, resamples=100
    )


def labelled(rows, names):
    matrix = np.asarray(rows, float)
    data = from_arrays(np.random.default_rng(0).random((len(matrix), 8, 8)), ["a"] * len(matrix))
    return replace(data, label_matrix=matrix, class_names=tuple(names), labels=np.full(len(matrix), -1))


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    """A training on files, of classes with names that would act if they were not text."""
    root, part = tmp_path_factory.mktemp("said"), stripes(60)
    for k, (image, c) in enumerate(zip(part.pixels.bytes_nchw[:, 0].numpy(), part.targets.tolist(), strict=True)):
        (root / "images" / str(c)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(root / "images" / str(c) / f"{k}.png")
    data = replace(read_folder(root / "images"), class_names=HOSTILE)
    return root, data, run(root / "run", data)


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    """A training on arrays with a label “no defect”."""
    part = stripes(60)
    matrix = np.eye(3)[part.targets.numpy()]
    data = from_arrays(part.pixels.bytes_nchw[:, 0].numpy(), ["a"] * 60)
    data = replace(data, label_matrix=matrix, class_names=("chip", "no defect", "stain"), labels=matrix.argmax(1))
    return data, run(tmp_path_factory.mktemp("several") / "run", data)


def test_every_image_of_validation_and_test_stands_in_the_table_as_the_model_folder_sees_it(single):
    root, data, result = single
    rows = rows_of(root / "run" / "predictions.csv")
    assert list(rows[0]) == ["path", "split", "right", "truth", "decision", *(f"probability {n}" for n in HOSTILE)]
    assert [r["split"] for r in rows] == ["validation"] * 12 + ["test"] * 12
    model = load_model_folder(result.model_folder, "cpu")
    for row in rows:
        place = (root / "run" / row["path"]).resolve()
        k = [p.resolve() for p in data.images.paths].index(place)
        assert row["truth"] == HOSTILE[data.labels[k]]
        prepared = model.preprocessing.prepare(torch.from_numpy(data.load(k))[None])
        said = model.outputs(prepared)[0].softmax(0).numpy()
        written = [float(row[f"probability {n}"]) for n in HOSTILE]
        assert np.allclose(written, said, atol=5e-3)  # pictures are held as bytes in a training
        assert row["decision"] == HOSTILE[int(np.argmax(written))]
        assert row["right"] == str(int(row["decision"] == row["truth"]))
    share = np.mean([int(r["right"]) for r in rows if r["split"] == "test"])
    assert share == pytest.approx(result.metric("accuracy")[0])


def test_the_table_is_at_hand_and_its_absence_one_line(single, tmp_path):
    _, _, result = single
    table = result.predictions
    assert len(table) == 24
    assert set(table["truth"]) == set(HOSTILE)
    with pytest.raises(StoreError, match=r"predictions\.csv"):
        replace(result, folder=tmp_path).predictions  # noqa: B018


def test_the_worst_mistakes_are_in_the_folder_and_on_the_page(single):
    root, _, result = single
    table = result.predictions.query("split == 'test' and right == 0")
    again = TrainResult.from_disk(root / "run").arrays
    assert int(again["n_wrong"].sel(part="test")) == len(table)
    assert again.sizes["mistake"] == min(len(table), MISTAKES)
    sure = sorted((float(row[f"probability {row.decision}"]) for _, row in table.iterrows()), reverse=True)
    assert again["mistake_probability"].values == pytest.approx(sure[:MISTAKES])
    assert again["mistake_image"].shape[1:] == (32, 32, 3)
    assert not (again["mistake_truth"] == again["mistake_decision"]).any()
    page = render_train_page(result)
    assert page.count("<script>alert") == 0
    assert "&lt;script&gt;alert" in page[page.index('id="mistakes"') :]


def test_labels_have_a_column_each_for_truth_decision_and_probability(several):
    data, result = several
    rows = rows_of(result.folder / "predictions.csv")
    assert list(rows[0])[:5] == ["name", "split", "right", "truth chip", "truth no defect"]
    thresholds = result.thresholds
    for row in rows:
        k = data.names.index(row["name"])
        assert [int(row[f"truth {n}"]) for n in data.class_names] == data.label_matrix[k].tolist()
        for name, limit in thresholds.items():
            if abs(float(row[f"probability {name}"]) - limit) > 1e-6:
                assert int(row[f"decision {name}"]) == (float(row[f"probability {name}"]) > limit)
        assert int(row["right"]) == all(row[f"truth {n}"] == row[f"decision {n}"] for n in data.class_names)


def test_contradictory_decisions_of_a_training_are_counted_and_told(several):
    _, result = several
    table = result.predictions.query("split == 'test'")
    none = table["decision no defect"] == 1
    some = (table["decision chip"] == 1) | (table["decision stain"] == 1)
    expected = [int((none & some).sum()), int((~none & ~some).sum())]
    assert result.arrays["inconsistent"].sel(part="test").values.tolist() == expected
    assert ("contradictory" in {m.code for m in result.messages}) is any(expected)
    assert result.arrays.attrs["no_defect"] == "no defect"


def test_the_most_confident_wrong_label_of_an_image_decides_its_place():
    said = np.array([[0.9, 0.2], [0.55, 0.01], [0.1, 0.9]])
    found = Predicted(said_nk=said, truth=np.array([[0, 0], [0, 1], [0, 1]]), decided=(said >= 0.5).astype(np.int64))
    rows, labels = found.worst()
    assert (rows.tolist(), labels.tolist()) == ([1, 0], [1, 0])
    assert found.right_n.tolist() == [False, False, True]


def test_which_label_says_that_there_is_no_defect():
    mixed = labelled([[1, 0, 0], [0, 1, 0], [0, 1, 1]], ["good", "chip", "stain"])
    assert no_defect_label(mixed) == "good"
    exclusive = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert no_defect_label(labelled(exclusive, ["good", "chip", "stain"])) is None
    assert no_defect_label(labelled(exclusive, ["no defect", "chip", "stain"])) == "no defect"
    assert no_defect_label(labelled(exclusive, ["good", "chip", "stain"]), "good") == "good"
    assert no_defect_label(labelled(exclusive, ["good", "chip", "stain"]), None, {"no_defect": "good"}) == "good"
    assert no_defect_label(labelled([[1, 1, 0], [0, 0, 0]], ["a", "b", "c"])) is None
    with pytest.raises(ConfigError, match="did you mean `good`"):
        no_defect_label(mixed, "goood")
    assert no_defect_label(from_arrays(np.zeros((2, 4, 4)), ["a", "b"])) is None
