"""A step of the constraint is the retraction of each kernel; it touches nothing else and can be repeated."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from shiftgauge.models.parseval import ParsevalOptions, constrained_layers, kernel_matrices
from shiftgauge.models.parseval_layers import ConvexAggregation, ScaledConv2d, project_simplex
from shiftgauge.models.parseval_projection import parseval_projection
from shiftgauge.models.wide_resnet import parseval_network


def small(**options):
    torch.manual_seed(0)
    return parseval_network(n_classes=3, channels=1, depth=10, **options)


def disturbed(network):
    """The network with kernels and aggregation weights moved off their constraint."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.03 * torch.randn_like(parameter))
    return network


def by_hand(kernel, beta, passes, *, published=False):
    """The retraction as the formula stands, on NumPy's flattened kernel (outputs, inputs · k²)."""
    first = kernel.detach().double().numpy().reshape(len(kernel), -1)
    last = first
    for _ in range(passes):
        base = first if published else last
        last = (1 + beta) * base - beta * base @ last.T @ last
    return last.reshape(kernel.shape)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("passes", "variant"), [(1, "iterated"), (3, "iterated"), (3, "published")])
def test_each_kernel_is_retracted_as_by_hand(layout, passes, variant):
    network = disturbed(small()).to(memory_format=layout)
    before = copy.deepcopy(network)
    parseval_projection(ParsevalOptions(beta=0.05, passes=passes, variant=variant))(network)
    for name in constrained_layers(network):
        found = network.get_submodule(name).weight.detach().numpy()
        expected = by_hand(before.get_submodule(name).weight, 0.05, passes, published=variant == "published")
        assert np.allclose(found, expected, atol=1e-5)


def test_groups_are_retracted_each_by_itself():
    network = nn.Sequential(nn.Conv2d(4, 6, 3, groups=2))
    before = network[0].weight.detach().clone()
    parseval_projection(ParsevalOptions(beta=0.2))(network)
    for group in (0, 1):
        rows = slice(3 * group, 3 * group + 3)
        assert np.allclose(network[0].weight.detach().numpy()[rows], by_hand(before[rows], 0.2, 1), atol=1e-6)


def test_nothing_else_changes_and_no_gradient_is_touched():
    network = disturbed(small(aggregation="sigmoid"))
    network(torch.rand(2, 1, 8, 8)).sum().backward()
    kernels = {f"{name}.weight" for name in constrained_layers(network)}
    before = {name: value.clone() for name, value in network.state_dict().items()}
    gradients = {name: p.grad.clone() for name, p in network.named_parameters()}
    parseval_projection()(network)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]) == (name not in kernels), name
    for name, parameter in network.named_parameters():
        assert parameter.requires_grad
        assert parameter.grad_fn is None
        assert torch.equal(parameter.grad, gradients[name])


def test_weights_of_aggregation_go_back_to_the_simplex():
    network = disturbed(small())
    layers = [m for m in network.modules() if isinstance(m, ConvexAggregation)]
    with torch.no_grad():
        layers[0].lam.copy_(torch.tensor([1.4, -0.2]))
    expected = [project_simplex(layer.lam.detach()) for layer in layers]
    parseval_projection()(network)
    assert len(layers) == 3
    assert layers[0].weights.tolist() == [1, 0]
    for layer, weights in zip(layers, expected, strict=True):
        torch.testing.assert_close(layer.lam.detach(), weights)


def test_measured_norms_follow_the_weights():
    network = small(scaling="measured", image_size=8)
    projection = parseval_projection(ParsevalOptions(beta=1e-6))
    layers = [m for m in network.modules() if isinstance(m, ScaledConv2d)]
    before = [layer.norm.item() for layer in layers]
    assert all(norm <= layer.windows * 1.0001 for norm, layer in zip(before, layers, strict=True))
    with torch.no_grad():
        for layer in layers:
            layer.weight.mul_(0.5)
    projection(network)
    assert [layer.norm.item() for layer in layers] == pytest.approx([0.5 * norm for norm in before], rel=0.01)


def test_the_sampled_rows_are_as_many_as_asked_and_the_others_stay():
    network = nn.Sequential(nn.Conv2d(2, 10, 3), nn.Conv2d(10, 10, 3))
    before = copy.deepcopy(network)
    parseval_projection(ParsevalOptions(beta=0.3, row_share=0.3))(network)
    chosen = []
    for name in ("0", "1"):
        old, new = before.get_submodule(name).weight, network.get_submodule(name).weight
        rows = (old != new).flatten(1).any(dim=1).nonzero().flatten()
        assert len(rows) == 3
        assert np.allclose(new[rows].detach().numpy(), by_hand(old[rows], 0.3, 1), atol=1e-6)
        chosen.append(rows.tolist())
    assert chosen[0] != chosen[1]


def test_rows_are_drawn_anew_each_time_and_the_same_for_the_same_seeds():
    def run(seed, seeded_each_step):
        network = nn.Sequential(nn.Conv2d(1, 20, 3))
        nn.init.constant_(network[0].weight, 1.0)
        projection = parseval_projection(ParsevalOptions(row_share=0.5, seed=seed))
        torch.manual_seed(7)
        found = []
        for step in range(3):
            if seeded_each_step:
                torch.manual_seed(step)
            before = network[0].weight.detach().clone()
            projection(network)
            found.append(tuple((network[0].weight != before).flatten(1).any(dim=1).tolist()))
        return found

    plain, seeded = run(0, False), run(0, True)
    assert len(set(plain)) == len(set(seeded)) == 3
    assert run(0, False) == plain != run(1, False)
    network = nn.Sequential(nn.Conv2d(1, 20, 3))
    nn.init.constant_(network[0].weight, 1.0)
    torch.manual_seed(2)  # goes on at the last step alone
    parseval_projection(ParsevalOptions(row_share=0.5))(network)
    moved = (network[0].weight != 1).flatten(1).any(dim=1)
    assert tuple(moved.tolist()) == seeded[2]


def test_one_callable_serves_several_networks_and_linear_layers():
    projection = parseval_projection(ParsevalOptions(beta=0.3, layers="convolutions_and_linear"))
    first, second = nn.Sequential(nn.Linear(3, 5)), nn.Sequential(nn.Conv2d(1, 2, 3), nn.Linear(2, 2)).double()
    for network in (first, second, first):
        expected = [by_hand(m.weight, 0.3, 1) for m in network]
        projection(network)
        for layer, matrix in zip(network, expected, strict=True):
            assert np.allclose(layer.weight.detach().numpy(), matrix, atol=1e-6)


def trained(constrained):
    """A small network after a training with the published rates, the three lowest 800 steps long as they are there."""
    torch.manual_seed(1)
    layers = [nn.Conv2d(1, 8, 3, bias=False), nn.ReLU(), nn.Conv2d(8, 12, 3, bias=False), nn.ReLU()]
    network = nn.Sequential(*layers, nn.Flatten(), nn.Linear(12, 4))
    for layer in (network[0], network[2]):
        nn.init.orthogonal_(layer.weight)
    images, classes = torch.randn(64, 1, 5, 5), torch.randint(4, (64,))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=2e-4)
    projection = parseval_projection(ParsevalOptions(beta=1e-3))
    for rate, steps in ((0.1, 50), (0.01, 30), (1e-3, 800), (1e-4, 800), (1e-5, 800)):
        for group in optimizer.param_groups:
            group["lr"] = rate
        for _ in range(steps if constrained or rate > 1e-3 else 0):
            rows = torch.randint(64, (16,))
            optimizer.zero_grad()
            functional.cross_entropy(network(images[rows]), classes[rows]).backward()
            optimizer.step()
            if constrained:
                projection(network)
    return torch.cat([torch.linalg.svdvals(kernel_matrices(network[k])).flatten() for k in (0, 2)])


def test_after_a_training_kernels_are_tight_and_without_the_constraint_they_are_not():
    held, free = trained(constrained=True), trained(constrained=False)
    assert held.min() > 0.98
    assert held.max() < 1.02
    assert free.max() > 1.6
