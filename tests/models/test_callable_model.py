import numpy as np
import pytest
import torch

from shiftgauge.errors import ConfigError, ModelError
from shiftgauge.models.callable_model import CallableClassifier
from shiftgauge.models.load import load_model
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.types import Classifier, Execution

SIZE = Preprocessing(height=4, width=4, mean=(0.5,), std=(0.5,))


def scores(x):
    m = x.mean(dim=(2, 3))
    return torch.stack([m[:, 0], m[:, 1] * 3, -m[:, 2]], dim=1)


def test_callable_gets_normalised_images_and_may_give_arrays():
    x = torch.rand(3, 3, 4, 4)
    expected = scores((x - 0.5) / 0.5)
    for function in (scores, lambda v: scores(v).numpy(), lambda v: scores(v).tolist()):
        c = load_model({"kind": "callable", "target": function, "preprocessing": SIZE, "output_kind": "logits"})
        assert isinstance(c, Classifier)
        assert torch.allclose(c.outputs(x), expected)
        assert c.outputs(x).dtype == torch.float32
        assert c.executions([4, 8]) == [Execution(batch_size=4), Execution(batch_size=8)]


def test_images_of_the_caller_are_not_written_into():
    c = CallableClassifier(
        lambda v: scores(v.mul_(2)), preprocessing=Preprocessing(height=4, width=4), output_kind="logits"
    )
    x = torch.rand(2, 3, 4, 4)
    before = x.clone()
    c.outputs(x)
    assert torch.equal(x, before)


def make(factor, fingerprint=None):
    def function(x):
        return scores(x) * torch.as_tensor(factor)

    return CallableClassifier(function, preprocessing=SIZE, output_kind="logits", fingerprint=fingerprint)


def test_fingerprint_sees_captured_values():
    assert make(2).fingerprint == make(2).fingerprint
    assert make(2).fingerprint != make(3).fingerprint
    assert make(np.arange(3.0)[:1].repeat(3)).fingerprint != make(np.ones(3)).fingerprint
    assert make(torch.ones(3)).fingerprint != make(torch.zeros(3)).fingerprint


def test_fingerprint_tells_two_functions_of_one_line_apart():
    one, two = [CallableClassifier(f, preprocessing=SIZE, output_kind="logits") for f in (lambda x: scores(x) * 2, lambda x: scores(x) * 3)]  # fmt: skip  # noqa: E501
    assert one.fingerprint != two.fingerprint


def test_stated_fingerprint_replaces_the_source():
    assert make(2, "version 1").fingerprint == make(3, "version 1").fingerprint
    assert make(2, "version 1").fingerprint != make(2, "version 2").fingerprint
    assert make(2, "version 1").description["fingerprint_from"] == "stated"
    assert "give `fingerprint`" in str(make(2).description["fingerprint_from"])


class Model:
    def __init__(self, weight):
        self.weight = weight

    def __call__(self, x):
        return scores(x) * self.weight


def test_fingerprint_of_an_object_sees_its_state():
    one, same, other = (
        CallableClassifier(Model(w), preprocessing=SIZE, output_kind="logits").fingerprint
        for w in (torch.ones(3), torch.ones(3), torch.full((3,), 2.0))
    )
    assert one == same
    assert one != other


def test_callable_without_preprocessing_is_told_to_state_it():
    with pytest.raises(ConfigError, match="lacks height and width"):
        load_model(scores)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: x.mean(dim=(1, 2, 3)), "outputs of the shape"),
        (lambda x: scores(x)[:-1], "outputs of the shape"),
        (lambda x: None, "outputs of the shape"),
        (lambda x: x["a"], "fails on images"),
    ],
)
def test_callable_that_is_no_classifier_is_refused_in_one_line(function, message):
    with pytest.raises(ModelError, match=message) as caught:
        load_model({"kind": "callable", "target": function, "preprocessing": SIZE})
    assert "\n" not in str(caught.value)
