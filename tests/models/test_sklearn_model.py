import os
import pickle

import joblib
import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from shiftgauge.errors import ConfigError, ModelError
from shiftgauge.models.load import load_model
from shiftgauge.models.preprocessing import Preprocessing

SIZE = Preprocessing(height=8, width=8, channels=1)


def digits(n=300):
    data = load_digits()
    return data.images[:n] / 16.0, data.target[:n]


@pytest.mark.parametrize(
    ("estimator", "kind"),
    [
        (make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)), "probabilities"),
        (DecisionTreeClassifier(random_state=0), "probabilities"),
        (LinearSVC(random_state=0), "logits"),
        (RidgeClassifier(), "logits"),
    ],
)
def test_scores_are_those_of_the_estimator(estimator, kind):
    x, y = digits()
    estimator.fit(x.reshape(len(x), -1), y)
    c = load_model({"kind": "sklearn", "target": estimator, "preprocessing": SIZE})
    name = "predict_proba" if kind == "probabilities" else "decision_function"
    # the estimator sees float32 images, as the classifier gives them
    expected = getattr(estimator, name)(x.reshape(len(x), -1).astype(np.float32))
    got = c.outputs(torch.from_numpy(x).float()[:, None])
    assert c.output_kind == kind
    assert c.class_names == tuple(str(k) for k in range(10))
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


def test_one_column_of_two_classes_becomes_two_logits():
    x, y = digits()
    keep = y < 2
    e = LinearSVC(random_state=0).fit(x[keep].reshape(keep.sum(), -1), np.array(["zero", "one"])[y[keep]])
    c = load_model({"kind": "sklearn", "target": e, "preprocessing": SIZE})
    got = c.outputs(torch.from_numpy(x[keep]).float()[:, None])
    assert c.class_names == ("one", "zero")
    assert [c.class_names[k] for k in got.argmax(dim=1)] == list(e.predict(x[keep].reshape(keep.sum(), -1)))


@pytest.mark.parametrize("order", ["hwc", "chw"])
def test_colour_features_come_in_the_stated_order(order):
    rng = np.random.default_rng(0)
    images = rng.random((60, 5, 4, 3))
    labels = (images[..., 0].mean(axis=(1, 2)) > 0.5).astype(int)
    flat = images if order == "hwc" else images.transpose(0, 3, 1, 2)
    e = LogisticRegression().fit(flat.reshape(60, -1), labels)
    spec = {
        "kind": "sklearn",
        "target": e,
        "preprocessing": {"height": 5, "width": 4},
        "arguments": {"feature_order": order},
    }
    got = load_model(spec).outputs(torch.from_numpy(images).permute(0, 3, 1, 2).float())
    np.testing.assert_allclose(got, e.predict_proba(flat.reshape(60, -1)), atol=1e-5)


def test_wrong_number_of_features_is_named():
    x, y = digits()
    e = LogisticRegression(max_iter=300).fit(x.reshape(len(x), -1), y)
    with pytest.raises(ModelError, match="takes 64 features, the preprocessing gives 3×8×8 = 192"):
        load_model({"kind": "sklearn", "target": e, "preprocessing": {"height": 8, "width": 8}})


def test_estimator_without_scores_and_one_not_fitted_are_refused():
    from sklearn.cluster import AgglomerativeClustering

    for e, message in ((AgglomerativeClustering(), "neither predict_proba"), (LogisticRegression(), "not fitted")):
        with pytest.raises(ModelError, match=message):
            load_model({"kind": "sklearn", "target": e, "preprocessing": SIZE})


class Trap:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (self.path,))


def test_pickle_is_opened_only_when_trusted(tmp_path):
    flag = tmp_path / "ran"
    (tmp_path / "bad.pkl").write_bytes(pickle.dumps(Trap(str(flag))))
    with pytest.raises(ModelError, match=r"run code when opened; pass --trust"):
        load_model({"kind": "sklearn", "path": tmp_path / "bad.pkl", "preprocessing": SIZE})
    assert not flag.exists()


def test_trusted_file_gives_the_estimator_and_its_hash(tmp_path):
    x, y = digits()
    e = LogisticRegression(max_iter=300).fit(x.reshape(len(x), -1), y)
    joblib.dump(e, tmp_path / "m.joblib")
    spec = {"kind": "sklearn", "path": tmp_path / "m.joblib", "preprocessing": SIZE}
    c = load_model(spec, trust=True)
    image = torch.from_numpy(x[:5]).float()[:, None]
    direct = load_model({"kind": "sklearn", "target": e, "preprocessing": SIZE})
    assert torch.equal(c.outputs(image), direct.outputs(image))
    assert c.fingerprint == load_model(spec, trust=True).fingerprint


def test_damaged_and_missing_files_are_one_line(tmp_path):
    (tmp_path / "x.pkl").write_bytes(b"not a pickle")
    for name in ("x.pkl", "no.pkl"):
        with pytest.raises(ModelError, match=name) as caught:
            load_model({"kind": "sklearn", "path": tmp_path / name, "preprocessing": SIZE}, trust=True)
        assert "\n" not in str(caught.value)


def test_specification_needs_a_file_or_an_estimator():
    with pytest.raises(ConfigError, match="needs `path`"):
        load_model({"kind": "sklearn"})
