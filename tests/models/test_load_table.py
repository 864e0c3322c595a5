"""Models of tables: every kind gives the same numbers, and what does not fit is one clear line."""

import sys
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from shiftgauge.errors import ConfigError, ModelError, NumericalError
from shiftgauge.models.load_table import load_table_model
from shiftgauge.models.table_model import TableModel
from shiftgauge.models.table_specification import TableModelSpec

NAMES = ("a", "b", "c")
ROWS = np.random.default_rng(0).normal(size=(40, 3))


def network(outputs=1):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, outputs)).eval()


def wanted(net, rows=ROWS):
    with torch.no_grad():
        return net(torch.tensor(rows, dtype=torch.float32)).numpy().astype(float)


def exported(net, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dynamic = ({0: torch.export.Dim("n", min=1)},)
        torch.export.save(torch.export.export(net, (torch.zeros(2, 3),), dynamic_shapes=dynamic), path)
    return {"kind": "pt2", "path": path}


def onnx(net, path):
    pytest.importorskip("onnxruntime", reason="needs the extra `onnx`")
    pytest.importorskip("onnxscript", reason="writing the file needs onnxscript")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net, (torch.zeros(2, 3),), path, dynamo=True, verbose=False, dynamic_shapes=({0: torch.export.Dim("n")},)
        )
    return {"kind": "onnx", "path": path}


@pytest.mark.parametrize("make", [lambda n, p: n, exported, onnx])
def test_module_and_exported_files_give_the_network_s_numbers(make, tmp_path):
    net = network(2)
    model = load_table_model(make(net, tmp_path / "net"), NAMES, ROWS)
    assert model.outputs == ("output 0", "output 1")
    assert np.allclose(model.values(ROWS), wanted(net), atol=1e-5)


def test_a_callable_and_a_factory_give_theirs(tmp_path, monkeypatch):
    (tmp_path / "made_here.py").write_text("import numpy as np\ndef build(k):\n    return lambda x: k * x[:, 0]\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    spec = {"kind": "factory", "name": "made_here:build", "arguments": {"k": 3}}
    assert np.allclose(load_table_model(spec, NAMES, ROWS).values(ROWS)[:, 0], 3 * ROWS[:, 0])
    sys.modules.pop("made_here")
    assert np.allclose(load_table_model(lambda x: x @ np.eye(3)[:, :2], NAMES, ROWS).values(ROWS), ROWS[:, :2])


def test_an_estimator_gets_its_columns_by_name_and_gives_the_positive_class(tmp_path):
    from sklearn.linear_model import LogisticRegression

    frame = pd.DataFrame(ROWS, columns=list(NAMES))
    fitted = LogisticRegression().fit(frame[["c", "a", "b"]], np.where(ROWS[:, 0] > 0, "ill", "well"))
    model = load_table_model(fitted, NAMES, ROWS)
    assert model.outputs == ("probability[well]",)
    assert np.allclose(model.values(ROWS)[:, 0], fitted.predict_proba(frame[["c", "a", "b"]])[:, 1])
    joblib.dump(fitted, tmp_path / "m.joblib")
    with pytest.raises(ModelError, match="--trust"):
        load_table_model({"kind": "sklearn", "path": tmp_path / "m.joblib"}, NAMES, ROWS)
    again = load_table_model({"kind": "sklearn", "path": tmp_path / "m.joblib"}, NAMES, ROWS, trust=True)
    assert np.allclose(again.values(ROWS), model.values(ROWS))
    with pytest.raises(ModelError, match="other names"):
        load_table_model(fitted, ("a", "b", "d"), ROWS)


def test_a_regressor_gives_its_prediction():
    from sklearn.tree import DecisionTreeRegressor

    fitted = DecisionTreeRegressor(max_depth=2).fit(ROWS, ROWS[:, 0])
    model = load_table_model(fitted, NAMES, ROWS)
    assert model.outputs == ("output",)
    assert np.allclose(model.values(ROWS)[:, 0], fitted.predict(ROWS))


@pytest.mark.parametrize(("outputs", "names"), [(1, ("probability[yes]",)), (2, ("probability[yes]",))])
def test_logits_become_the_probability_of_the_second_class(outputs, names):
    net = network(outputs)
    spec = {"kind": "module", "target": net, "output": "logits", "classes": ["no", "yes"]}
    model = load_table_model(spec, NAMES, ROWS)
    raw = wanted(net)
    odds = raw[:, 0] if outputs == 1 else raw[:, 1] - raw[:, 0]
    assert model.outputs == names
    assert np.allclose(model.values(ROWS)[:, 0], 1 / (1 + np.exp(-odds)), atol=1e-6)


def test_columns_are_scaled_before_the_model():
    net = network()
    mean, std = ROWS.mean(axis=0), ROWS.std(axis=0)
    spec = {"kind": "module", "target": net, "mean": mean, "std": std}
    model = load_table_model(spec, NAMES, ROWS)
    assert np.allclose(model.values(ROWS), wanted(net, (ROWS - mean) / std), atol=1e-6)
    first, _ = model.derivatives(ROWS[:2])
    plain, _ = load_table_model(net, NAMES, ROWS).derivatives((ROWS[:2] - mean) / std)
    assert np.allclose(first, plain / std, atol=1e-6)


@pytest.mark.parametrize("form", ["values", "logits"])
def test_derivatives_agree_with_differences(form):
    from shiftgauge.estimate.partials import central_differences

    net = network(2).double()
    model = load_table_model({"kind": "module", "target": net, "output": form}, NAMES, ROWS)
    first, second = model.derivatives(ROWS[:5])
    about, twice = central_differences(model.values, ROWS[:5], np.ones(3), step=1e-4, second_step=1e-3)
    assert np.allclose(first, about, atol=1e-6)
    assert np.allclose(second, twice, atol=1e-4)


def test_the_network_given_is_left_as_it_was():
    net = network().train()
    load_table_model(net, NAMES, ROWS).derivatives(ROWS[:2])
    assert net.training
    assert all(p.requires_grad and p.grad is None for p in net.parameters())


@pytest.mark.parametrize(
    ("spec", "error", "words"),
    [
        ({"kind": "modul"}, ConfigError, "did you mean `module`"),
        ({"kind": "module", "targt": 1}, ConfigError, "did you mean `target`"),
        ({"target": 1}, ConfigError, "lacks `kind`"),
        ({"kind": "onnx"}, ConfigError, "needs `path`"),
        ({"kind": "pt2", "path": "nowhere.pt2"}, ModelError, "does not exist"),
        (3, ConfigError, "a table model is"),
        (lambda x: "text", ModelError, "must give numbers"),
        (lambda x: x[:1], ModelError, r"must give \(2,\)"),
        (lambda x: 1 / 0, ModelError, "fails on rows"),
        (nn.Linear(4, 1), ModelError, "fails on rows"),
    ],
)
def test_what_is_no_table_model_is_one_clear_line(spec, error, words):
    with pytest.raises(error, match=words) as caught:
        load_table_model(spec, NAMES, ROWS)
    assert "\n" not in str(caught.value)


def test_a_nan_names_the_row():
    model = load_table_model(lambda x: np.log(x[:, 0]), NAMES, np.ones((2, 3)))
    with np.errstate(all="ignore"), pytest.raises(NumericalError, match=r"\(-1, 2, 3\)"):
        model.values(np.array([[1.0, 2, 3], [-1, 2, 3]]))


def test_the_fingerprint_tells_models_apart():
    prints = {load_table_model(n, NAMES, ROWS).fingerprint for n in (network(), network(), network(2))}
    assert len(prints) == 2
    assert TableModelSpec(kind="callable", target=len).kind == "callable"
    assert isinstance(load_table_model(network(), NAMES, ROWS), TableModel)
