"""The mode in which images are looked for: what the network then computes, and that nothing of it stays."""

import pytest
import torch
from torch import nn

from shiftgauge.errors import ConfigError
from shiftgauge.train.inner_mode import inner_mode
from small_networks import left_as_it_was


def mixed():
    """A network in training of which one normalisation is held in evaluation, as in fine-tuning."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.InstanceNorm2d(4, track_running_stats=True), nn.ReLU(),
        nn.BatchNorm2d(4, momentum=None), nn.BatchNorm2d(4, track_running_stats=False), nn.Flatten(), nn.Dropout(0.5),
    ).train()  # fmt: skip
    net[4].eval()
    return net


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_nothing_of_the_network_changes(mode):
    net, images = mixed(), torch.rand(6, 1, 8, 8)
    with left_as_it_was(net):
        for _ in range(2):
            with inner_mode(net, mode):
                net(images)
    assert [m.momentum for m in net.modules() if hasattr(m, "momentum")] == [0.1, 0.1, None, 0.1]


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_an_error_inside_leaves_the_network_in_training(mode):
    net = mixed()
    with left_as_it_was(net), pytest.raises(RuntimeError), inner_mode(net, mode):
        net(torch.rand(6, 3, 8, 8))


def test_eval_is_the_network_in_evaluation():
    net, images = mixed(), torch.rand(6, 1, 8, 8)
    net[1].running_mean.fill_(0.3)
    with inner_mode(net, "eval"):
        found = net(images)
    assert torch.equal(found, mixed_in_evaluation(net, images))


def mixed_in_evaluation(net, images):
    net.eval()
    return net(images)


def test_train_normalises_by_the_batch_as_training_does():
    net, images = mixed(), torch.rand(6, 1, 8, 8)
    torch.manual_seed(1)
    with inner_mode(net, "train"):
        found = net(images)
    torch.manual_seed(1)
    assert torch.equal(found, net(images))


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_gradients_of_the_search_reach_images_and_leave_the_step_after_it_alone(mode):
    net, images = mixed(), torch.rand(6, 1, 8, 8)
    moved = images.clone().requires_grad_()
    with inner_mode(net, mode):
        found = net(moved).square().mean()
    (gradient,) = torch.autograd.grad(found, moved)
    assert gradient.abs().max() > 0
    assert all(weight.grad is None for weight in net.parameters())
    net(images).square().mean().backward()
    assert all(weight.grad is not None for weight in net.parameters())


def test_an_unknown_mode_is_named():
    with pytest.raises(ConfigError, match="unknown mode of the inner maximisation `evil`; did you mean `eval`"):
        inner_mode(mixed(), "evil").__enter__()
