"""Within the certified radius no change moves the answer; of a linear classifier it is the distance to the boundary."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from shiftgauge.errors import ConfigError, ModelError
from shiftgauge.models.lipschitz import lipschitz_bound
from shiftgauge.models.lipschitz_radius import certified_radius
from shiftgauge.models.wide_resnet import parseval_network

SHAPE = (1, 2, 2)


def linear():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 3))


def test_the_radius_of_a_linear_classifier_is_the_distance_to_its_nearest_boundary():
    net, images = linear(), torch.randn(20, *SHAPE)
    logits = net(images).detach()
    found = certified_radius(lipschitz_bound(net, SHAPE), logits)
    weight, bias = net[1].weight.detach().numpy(), net[1].bias.detach().numpy()
    for image, radius in zip(images.flatten(1).numpy(), found, strict=True):
        y = int((weight @ image + bias).argmax())
        distances = [
            (weight[y] - weight[j]) @ image / np.linalg.norm(weight[y] - weight[j])
            + (bias[y] - bias[j]) / np.linalg.norm(weight[y] - weight[j])
            for j in range(3)
            if j != y
        ]
        assert radius == pytest.approx(min(distances), rel=1e-4)


def test_the_worst_direction_moves_the_answer_just_beyond_the_radius():
    net, image = linear(), torch.randn(1, *SHAPE)
    logits = net(image).detach()
    (radius,) = certified_radius(lipschitz_bound(net, SHAPE), logits)
    y, rows = int(logits.argmax()), net[1].weight.detach()
    moves = [(rows[j] - rows[y]) / (rows[j] - rows[y]).norm() for j in range(3) if j != y]
    inside = [net(image + 0.999 * radius * move.view(1, *SHAPE)).argmax().item() for move in moves]
    outside = [net(image + 1.001 * radius * move.view(1, *SHAPE)).argmax().item() for move in moves]
    assert set(inside) == {y}
    assert set(outside) != {y}


def test_no_gradient_step_within_the_radius_moves_the_answer_of_a_network():
    torch.manual_seed(0)
    net = parseval_network(n_classes=3, channels=1, depth=10, normalisation="mean_only")
    net.train()(torch.randn(16, 1, 8, 8))
    net.eval()
    images = torch.randn(6, 1, 8, 8)
    radii = certified_radius(lipschitz_bound(net, (1, 8, 8), tolerance=0.05), net(images))
    assert (radii > 0).all()
    answers = net(images).argmax(dim=1)
    attacked = images.clone().requires_grad_()
    nn.functional.cross_entropy(net(attacked), answers, reduction="sum").backward()
    step = attacked.grad / attacked.grad.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    moved = images + torch.tensor(radii, dtype=torch.float32).view(-1, 1, 1, 1) * 0.99 * step
    assert torch.equal(net(moved).argmax(dim=1), answers)


def test_l_infinity_is_the_same_ball_shrunk_by_the_root_of_the_number_of_values():
    net, images = linear(), torch.randn(3, *SHAPE)
    bound = lipschitz_bound(net, SHAPE)
    wide, cube = (certified_radius(bound, net(images), norm=norm) for norm in ("l2", "linf"))
    assert cube == pytest.approx(wide / math.sqrt(4))


def test_a_wrong_answer_has_no_radius():
    bound = lipschitz_bound(linear(), SHAPE)
    logits = np.array([[2.0, 1.0, 0.0], [2.0, 1.0, 0.0]])
    found = certified_radius(bound, logits, np.array([0, 1]))
    assert found[0] > 0
    assert found[1] == 0
    assert certified_radius(bound, np.array([[1.0, 1.0, 0.0]])) == 0


def test_outputs_that_cannot_move_apart_keep_their_order():
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    nn.init.ones_(net[1].weight)
    bound = lipschitz_bound(net, SHAPE)
    assert certified_radius(bound, np.array([[1.0, 0.0], [0.0, 0.0]])).tolist() == [math.inf, 0]


def test_nothing_is_certain_where_no_bound_follows_or_an_output_is_nan():
    none = lipschitz_bound(nn.Sequential(nn.Flatten(), nn.LayerNorm(4)), SHAPE)
    assert certified_radius(none, np.array([[3.0, 0.0]])).tolist() == [0]
    bound = lipschitz_bound(linear(), SHAPE)
    assert certified_radius(bound, np.array([[math.nan, 0.0, 1.0]])).tolist() == [0]


def test_outputs_and_labels_that_do_not_fit_are_told():
    bound = lipschitz_bound(linear(), SHAPE)
    with pytest.raises(ModelError, match=r"3 outputs for each image, got the shape \(1, 2\)"):
        certified_radius(bound, np.zeros((1, 2)))
    with pytest.raises(ModelError, match="1 whole numbers, one for each image, got float64"):
        certified_radius(bound, np.zeros((1, 3)), np.zeros(1))
    with pytest.raises(ModelError, match="from 0 to 2, got 3 to 3"):
        certified_radius(bound, np.zeros((1, 3)), np.array([3]))
    with pytest.raises(ConfigError, match="did you mean `l2`"):
        certified_radius(bound, np.zeros((1, 3)), norm="l1")
