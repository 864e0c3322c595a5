import json

import numpy as np
import pytest
import torch
from sklearn import metrics as sk

from shiftgauge.errors import ConfigError, DataError
from shiftgauge.models.compat import prepare_torchvision
from shiftgauge.train import metric_values
from shiftgauge.train.decisions import decide
from shiftgauge.train.metrics import classification_metrics
from shiftgauge.train.monitor import average_precision, validation_values

prepare_torchvision()
functional = pytest.importorskip("torchmetrics.functional.classification", reason="needs the extra `train`")
NAMES = ("good", "crack", "stain", "hole")


def _single(n=400, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.choice(4, n, p=[0.6, 0.2, 0.15, 0.05])
    z = rng.normal(0, 1, (n, 4)) + 1.7 * np.eye(4)[y]
    p = np.exp(z)
    return np.round(p / p.sum(axis=1, keepdims=True), 6), y


def _multi(n=400, seed=0):
    rng = np.random.default_rng(seed)
    y = (rng.random((n, 4)) < [0.5, 0.3, 0.1, 0.05]).astype(int)
    return np.round(1 / (1 + np.exp(-(rng.normal(-1, 1, (n, 4)) + 2 * y))), 3), y


def _torch(p, y):
    return torch.tensor(p), torch.tensor(y)


@pytest.mark.parametrize("name", ["precision", "recall", "f1_score"])
@pytest.mark.parametrize("average", ["none", "macro", "micro"])
def test_single_label_numbers_are_those_of_torchmetrics(name, average):
    p, y = _single()
    found = classification_metrics("single", p, y, NAMES, resamples=0)
    expected = getattr(functional, f"multiclass_{name}")(*_torch(p, y), num_classes=4, average=average)
    field = name.removesuffix("_score")
    shown = (
        [getattr(c, field) for c in found.classes] if average == "none" else [getattr(getattr(found, average), field)]
    )
    np.testing.assert_allclose([s.value for s in shown], np.atleast_1d(expected.numpy()), atol=1e-6)


@pytest.mark.parametrize("name", ["precision", "recall", "f1_score"])
@pytest.mark.parametrize("average", ["none", "macro", "micro"])
def test_multi_label_numbers_are_those_of_torchmetrics(name, average):
    p, y = _multi()
    limits = (0.4, 0.5, 0.6, 0.35)
    found = classification_metrics("multi", p, y, NAMES, thresholds=limits, resamples=0)
    said = torch.tensor(decide(p, "multi", thresholds=limits))
    expected = getattr(functional, f"multilabel_{name}")(said, torch.tensor(y), num_labels=4, average=average)
    field = name.removesuffix("_score")
    shown = (
        [getattr(c, field) for c in found.classes] if average == "none" else [getattr(getattr(found, average), field)]
    )
    np.testing.assert_allclose([s.value for s in shown], np.atleast_1d(expected.numpy()), atol=1e-6)
    assert tuple(c.threshold for c in found.classes) == limits


@pytest.mark.parametrize(("task", "make"), [("single", _single), ("multi", _multi)])
def test_areas_are_those_of_scikit_learn_and_of_the_monitor(task, make):
    p, y = make()
    truth = np.eye(4, dtype=int)[y] if task == "single" else y
    found = classification_metrics(task, p, y, NAMES, resamples=0)
    for k, shown in enumerate(found.classes):
        assert shown.average_precision.value == pytest.approx(
            sk.average_precision_score(truth[:, k], p[:, k]), abs=1e-6
        )
        assert shown.average_precision.value == pytest.approx(average_precision(p[:, k], truth[:, k] > 0), abs=1e-6)
        assert shown.roc_auc.value == pytest.approx(sk.roc_auc_score(truth[:, k], p[:, k]), abs=1e-6)
    assert found.roc_auc.value == pytest.approx(sk.roc_auc_score(truth, p, average="macro"), abs=1e-6)
    logits = np.log(p) if task == "single" else np.log(p / (1 - p))
    watched = validation_values(logits, y)
    assert watched["macro_f1"] == pytest.approx(found.macro.f1.value, abs=1e-6)
    assert watched["accuracy"] == pytest.approx(found.accuracy.value, abs=1e-12)
    assert watched["average_precision"] == pytest.approx(found.average_precision.value, abs=1e-6)


def test_accuracy_is_the_share_of_images_that_are_wholly_right():
    p, y = _multi()
    found = classification_metrics("multi", p, y, NAMES, resamples=0)
    assert found.accuracy.value == pytest.approx(sk.accuracy_score(y, p >= 0.5))


def test_confusion_matrices_are_those_of_scikit_learn():
    p, y = _single()
    found = classification_metrics("single", p, y, NAMES, resamples=50)
    np.testing.assert_array_equal(found.confusion, sk.confusion_matrix(y, p.argmax(axis=1)))
    np.testing.assert_allclose(found.confusion_share.sum(axis=1), 1)
    p, y = _multi()
    found = classification_metrics("multi", p, y, NAMES, resamples=50)
    np.testing.assert_array_equal(found.confusion, sk.multilabel_confusion_matrix(y, p >= 0.5))
    assert (found.confusion_low <= found.confusion_share).all()
    assert (found.confusion_share <= found.confusion_high).all()


def test_intervals_are_those_of_a_plain_loop_over_resamples():
    from shiftgauge.estimate.group_bootstrap import GroupBootstrap

    p, y = _multi(150)
    groups = [str(i // 3) for i in range(150)]
    found = classification_metrics("multi", p, y, NAMES, groups=groups, resamples=60, seed=4)
    drawn = GroupBootstrap.of(groups, 150, resamples=60, seed=4)
    assert found.n_groups == 50
    values = []
    for r in range(60):
        rows = np.repeat(np.arange(150), drawn.count_gr[drawn.group_n, r])
        t, said = y[rows], p[rows] >= 0.5
        f1 = sk.f1_score(t, said, average=None, zero_division=0)
        values.append([*f1, f1.mean(), sk.f1_score(t, said, average="micro"), sk.accuracy_score(t, said)])
    expected = np.percentile(values, [2.5, 97.5], axis=0).T
    shown = [*(c.f1 for c in found.classes), found.macro.f1, found.micro.f1, found.accuracy]
    np.testing.assert_allclose([(s.low, s.high) for s in shown], expected, atol=1e-9)


def test_every_number_lies_in_its_interval_and_every_curve_has_a_band():
    for task, make in (("single", _single), ("multi", _multi)):
        found = classification_metrics(task, *make(), NAMES, resamples=100)
        for c in found.classes:
            for shown in (c.precision, c.recall, c.f1, c.average_precision, c.roc_auc):
                assert shown.low <= shown.value <= shown.high
                assert shown.low < shown.high
            for curve in (c.roc, c.precision_recall):
                assert curve is not None
                assert (curve.low <= curve.high).all()
                assert (np.diff(curve.x) >= 0).all()
        for shown in (found.average_precision, found.roc_auc, found.macro.f1, found.micro.precision):
            assert shown.low < shown.value < shown.high


def test_curves_are_those_of_scikit_learn():
    p, y = _multi(200)
    shown = classification_metrics("multi", p, y, NAMES, resamples=0).classes[1]
    assert shown.roc is not None
    assert shown.precision_recall is not None
    false, true, thresholds = sk.roc_curve(y[:, 1], p[:, 1], drop_intermediate=False)
    np.testing.assert_allclose(shown.roc.x, false, atol=1e-6)
    np.testing.assert_allclose(shown.roc.y, true, atol=1e-6)
    np.testing.assert_allclose(shown.roc.threshold, thresholds)
    precision, recall, thresholds = sk.precision_recall_curve(y[:, 1], p[:, 1])
    np.testing.assert_allclose(shown.precision_recall.x, recall[::-1], atol=1e-6)
    np.testing.assert_allclose(shown.precision_recall.y, precision[::-1], atol=1e-6)
    np.testing.assert_allclose(shown.precision_recall.threshold[1:], thresholds[::-1])


def test_without_an_error_the_interval_is_that_of_so_few_images():
    y = np.repeat([0, 1], [90, 10])
    p = np.where(np.eye(2)[y] > 0, 0.9, 0.1)
    found = classification_metrics("single", p, y, ("good", "bad"), resamples=100)
    rare = found.classes[1].recall
    assert (rare.value, rare.high) == (1.0, 1.0)
    assert rare.low == pytest.approx(0.025 ** (1 / 10))
    assert found.accuracy.low == pytest.approx(0.025 ** (1 / 100))
    assert found.macro.recall.low == pytest.approx(1 - (1 - 0.025 ** (1 / 10)) / 2)


def test_a_class_that_neither_occurs_nor_is_decided_is_left_out_of_the_means():
    p, y = _single()
    p = np.column_stack([p, np.zeros(len(p))])
    found = classification_metrics("single", p, y, (*NAMES, "never"), resamples=20)
    plain = classification_metrics("single", p[:, :4], y, NAMES, resamples=20)
    assert found.macro == plain.macro
    never = found.classes[4]
    assert never.roc is None
    assert never.precision_recall is None
    assert np.isnan([never.f1.value, never.recall.value, never.average_precision.value, never.f1.low]).all()
    assert str(never.f1) == "-"


def test_a_class_that_occurs_and_is_never_decided_counts_as_nought():
    y, p = np.array([0, 0, 1]), np.tile([[0.9, 0.1]], (3, 1))
    found = classification_metrics("single", p, y, ("good", "bad"), resamples=20)
    assert np.isnan(found.classes[1].precision.value)
    assert found.classes[1].f1.value == 0
    assert found.macro.precision.value == pytest.approx(1 / 3)


def test_decisions_may_be_given_for_costs():
    p, y = _single()
    decided = decide(p, "single", costs_kk=1 - np.eye(4) + 9 * np.eye(4)[3][:, None] * (1 - np.eye(4)))
    found = classification_metrics("single", p, y, NAMES, decided=decided, resamples=0)
    np.testing.assert_array_equal(found.confusion, sk.confusion_matrix(y, decided))
    plain = classification_metrics("single", p, y, NAMES, resamples=0)
    assert found.classes[3].recall.value > plain.classes[3].recall.value


def test_prevalence_and_support_are_those_of_the_images():
    p, y = _multi()
    found = classification_metrics("multi", p, y, NAMES, resamples=0)
    assert [c.support for c in found.classes] == y.sum(axis=0).tolist()
    assert [c.prevalence for c in found.classes] == pytest.approx(y.mean(axis=0))
    assert np.isnan(found.accuracy.low)


def test_balanced_f1_falls_with_the_prevalence_as_the_closed_form_says():
    """A true positive rate of .9 and a false one of .1: F1 .900 at one to one, .621 at one to ten."""
    for n_negative, expected in ((100, 0.900), (1000, 0.621)):
        y = np.repeat([1, 0], [100, n_negative])
        said = np.concatenate(
            [np.repeat([1, 0], [90, 10]), np.repeat([1, 0], [n_negative // 10, n_negative * 9 // 10])]
        )
        p = np.column_stack([1 - said, said]).astype(float)
        found = classification_metrics("single", p, y, ("good", "bad"), resamples=0)
        assert found.classes[1].f1.value == pytest.approx(expected, abs=5e-4)


def test_the_same_seed_gives_the_same_intervals():
    p, y = _multi(100)
    a, b, c = (classification_metrics("multi", p, y, NAMES, resamples=50, seed=s) for s in (0, 0, 1))
    assert a.macro == b.macro
    assert a.macro != c.macro


def test_metrics_are_plain_values():
    p, y = _multi(60)
    plain = json.loads(json.dumps(classification_metrics("multi", p, y, NAMES, resamples=20).to_dict()))
    assert plain["macro"]["f1"]["low"] <= plain["macro"]["f1"]["value"]
    assert np.shape(plain["confusion"]) == (4, 2, 2)
    assert plain["classes"][0]["roc"]["x"][0] == 0


def test_a_missing_library_is_said(monkeypatch):
    from shiftgauge.errors import MissingExtraError

    def absent(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(metric_values.importlib, "import_module", absent)
    with pytest.raises(MissingExtraError, match="needs `torchmetrics`"):
        classification_metrics("single", *_single(), NAMES, resamples=0)


@pytest.mark.parametrize(
    ("task", "change", "error", "message"),
    [
        ("single", {"class_names": ("a",)}, DataError, "1 class names do not go with"),
        ("single", {"targets": np.zeros((400, 4))}, DataError, "one class for each image"),
        ("single", {"targets": np.full(400, 4)}, DataError, "must lie in 0 … 3"),
        ("single", {"thresholds": (0.5,) * 4}, ConfigError, "belong to several labels"),
        ("single", {"probabilities_nk": np.full((400, 4), 2.0)}, DataError, "are these logits"),
        ("multi", {"targets": np.zeros(400)}, DataError, "must both have shape"),
        ("multi", {"thresholds": (0.5,)}, ConfigError, "1 thresholds for 4 labels"),
        ("multi", {"groups": ["a"]}, DataError, "1 groups for 400 images"),
        ("multi", {"confidence_level": 1.0}, ConfigError, "confidence_level"),
        ("both", {}, ConfigError, "unknown task"),
    ],
)
def test_what_does_not_go_together_is_refused(task, change, error, message):
    p, y = _single() if task == "single" else _multi()
    given = {"probabilities_nk": p, "targets": y, "class_names": NAMES, "resamples": 0, **change}
    with pytest.raises(error, match=message):
        classification_metrics(task, **given)
