import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import nn

from shiftgauge.errors import ModelError
from shiftgauge.models.output_kind import sample_images, settle_output_kind
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.models.torch_model import TorchClassifier


@given(arrays(np.float64, (4, 3), elements=st.floats(-20, 20)))
def test_softmax_is_always_seen_as_probabilities(z):
    p = np.exp(z - z.max(axis=1, keepdims=True))
    assert settle_output_kind(p / p.sum(axis=1, keepdims=True), None)[0] == "probabilities"


@given(arrays(np.float64, (4, 3), elements=st.floats(-20, 20)))
def test_values_beyond_the_unit_range_are_logits(z):
    z[0, 0] = 1.5
    assert settle_output_kind(z, None)[0] == "logits"


def test_independent_sigmoids_are_not_guessed_at():
    with pytest.raises(ModelError, match=r"do not sum to 1; state `output_kind`"):
        settle_output_kind(np.full((4, 3), 0.7), None)


def test_small_logits_of_a_network_are_told_from_sigmoids():
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    with torch.no_grad():
        net[1].weight.fill_(0.01)
        net[1].bias.fill_(0.3)
    size = Preprocessing(height=2, width=2)
    c = TorchClassifier(net, preprocessing=size, device=torch.device("cpu"))
    assert c.output_kind == "logits"
    assert "bright" in str(c.description["output_kind_found"])
    with pytest.raises(ModelError, match="state `output_kind`"):
        TorchClassifier(nn.Sequential(net, nn.Sigmoid()), preprocessing=size, device=torch.device("cpu"))
    stated = TorchClassifier(
        nn.Sequential(net, nn.Sigmoid()), preprocessing=size, device=torch.device("cpu"), output_kind="probabilities"
    )
    assert stated.description["output_kind_found"] == "stated"


def test_stated_probabilities_outside_the_unit_range_are_refused():
    with pytest.raises(ModelError, match="says probabilities but the model gives values from -1 to 2"):
        settle_output_kind(np.array([[-1.0, 2.0]]), "probabilities")


def test_stated_logits_that_look_like_probabilities_are_noted():
    assert "look like probabilities" in settle_output_kind(np.array([[0.5, 0.5]]), "logits")[1]


def test_not_finite_rows_decide_nothing():
    assert settle_output_kind(np.array([[np.nan, 1.0], [0.2, 0.8]]), None)[0] == "probabilities"
    with pytest.raises(ModelError, match="not finite"):
        settle_output_kind(np.full((2, 2), np.nan), None)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 7), (4, 224, 224)])
def test_sample_images_are_fixed_varied_and_in_the_unit_range(shape):
    x = sample_images(shape)
    assert x.shape == (4, *shape)
    assert torch.equal(x, sample_images(shape))
    assert 0 <= float(x.min()) < float(x.max()) < 1
