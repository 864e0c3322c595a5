import numpy as np
import pytest
import torch
from torch import nn

from shiftgauge.errors import ModelError
from shiftgauge.estimate.derivative import derivative_bounds
from shiftgauge.models.gradients import module_gradient, pixel_gradient
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.models.torch_model import TorchClassifier
from shiftgauge.space import Space


def network(p=5, q=3):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(p, 16), nn.BatchNorm1d(16), nn.Tanh(), nn.Dropout(0.5), nn.Linear(16, q)).double()


def test_gradients_equal_finite_differences():
    gradient = module_gradient(network(), batch_size=4)
    x = np.random.default_rng(0).normal(size=(10, 5))
    values, slopes = gradient(x)
    assert values.shape == (10, 3)
    for i in range(5):
        step = np.eye(5)[i] * 1e-6
        expected = (gradient(x + step)[0] - gradient(x - step)[0]) / 2e-6
        assert np.allclose(slopes[:, :, i], expected, atol=1e-6)


def test_module_is_left_as_it_was():
    net = network().train()
    net[0].weight.requires_grad_(False)
    state = {k: v.clone() for k, v in net.state_dict().items()}
    module_gradient(net)(np.ones((6, 5)))
    assert all(m.training for m in net.modules())
    assert [p.requires_grad for p in net.parameters()] == [False] + [True] * 5
    assert all(p.grad is None for p in net.parameters())
    assert all(torch.equal(v, state[k]) for k, v in net.state_dict().items())


def test_batch_size_changes_nothing():
    x = np.random.default_rng(1).normal(size=(37, 5))
    one, two = (module_gradient(network(), batch_size=b)(x) for b in (37, 5))
    assert np.allclose(one[0], two[0], rtol=1e-12)
    assert np.allclose(one[1], two[1], rtol=1e-12)


def test_outputs_that_ignore_the_inputs_have_zero_gradients():
    class Flat(nn.Module):
        def forward(self, x):
            return torch.stack([torch.ones(len(x)), x[:, 0]], dim=1)

    _, slopes = module_gradient(Flat())(np.ones((4, 2)))
    assert slopes[:, 0].tolist() == [[0, 0]] * 4
    assert slopes[:, 1].tolist() == [[1, 0]] * 4
    _, slopes = module_gradient(nn.Flatten(0))(np.ones((4, 1)))
    assert slopes.shape == (4, 1, 1)


def test_pixels_of_a_classifier():
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 4))
    classifier = TorchClassifier(net, preprocessing=Preprocessing(height=2, width=2), device=torch.device("cpu"))
    x = np.random.default_rng(2).random((5, 12))
    values, slopes = pixel_gradient(classifier, batch_size=2)(x)
    assert values.shape == (5, 4)
    moved = x.copy()
    moved[:, 3] += 0.01
    expected = (pixel_gradient(classifier)(moved)[0] - values) / 0.01
    assert np.allclose(slopes[:, :, 3], expected, atol=1e-3)
    probability = pixel_gradient(classifier, lambda z: z.softmax(dim=1)[:, 1])(x)
    assert probability[0].shape == (5, 1)
    assert all(p.grad is None for p in classifier.module.parameters())


def test_bounds_of_a_network_lie_above_its_indices():
    net = nn.Linear(4, 1, bias=False)
    with torch.no_grad():
        net.weight.copy_(torch.tensor([[1.0, 2.0, 0.0, 0.5]]))
    space = Space.from_dict({f"x{i}": {"low": 0, "high": 1} for i in range(4)})
    found = derivative_bounds(module_gradient(net), space, outputs=["y"], n=512)
    exact = np.array([1, 4, 0, 0.25]) / 5.25
    assert found.stein_bound[0] == pytest.approx(exact, abs=0.02)
    assert (found.poincare_bound[0] >= exact).all()


def test_wrong_shapes_are_named():
    with pytest.raises(ModelError, match=r"shape \(4, 2\)"):
        module_gradient(nn.Linear(3, 1))(np.ones((4, 2)))
    with pytest.raises(ModelError, match="n ≥ 1"):
        module_gradient(nn.Linear(3, 1))(np.ones(3))
    with pytest.raises(ModelError, match="one row of values"):
        module_gradient(nn.Unflatten(1, (1, 3)))(np.ones((4, 3)))
