"""The moving average equals a plain loop, is what validation looks at, and survives a kill as the weights do."""

import numpy as np
import pytest
import torch
from torch import nn

from shiftgauge.errors import ConfigError
from shiftgauge.train.moving_average import moving_average
from train.toy import network, options, run, same, stripes


def test_the_average_equals_a_plain_loop_over_weights_and_statistics():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    average, decay, expected = moving_average(net, 0.6), 0.6, []
    for step in range(9):
        with torch.no_grad():
            for weight in net.parameters():
                weight.add_(torch.randn_like(weight))
        net(torch.randn(2, 1, 5, 5))
        average.update_parameters(net)
        values = [value.detach().double().numpy().copy() for value in net.state_dict().values()]
        now = min(decay, (1 + step) / (10 + step))
        expected = [now * a + (1 - now) * w for a, w in zip(expected, values, strict=True)] if step else values
    found = average.module.state_dict()
    assert int(found.pop("1.num_batches_tracked")) == 9
    for value, wanted in zip(found.values(), expected, strict=False):
        np.testing.assert_allclose(value.numpy(), wanted, rtol=1e-5, atol=1e-6)


def test_the_average_wants_no_gradients_and_leaves_the_network_alone():
    net = network()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    average = moving_average(net, 0.9)
    average.update_parameters(net)
    assert not any(weight.requires_grad for weight in average.parameters())
    assert all(weight.requires_grad for weight in net.parameters())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_what_is_validated_and_kept_is_the_average(tmp_path, precision):
    net, found = run(tmp_path / "average", chosen=options(ema_decay=0.9, precision=precision))
    plain, other = run(tmp_path / "plain", chosen=options(precision=precision))
    assert not same(net, plain)
    lost = [[values["train_loss"] for values in each.history] for each in (found, other)]
    assert lost[0] == lost[1]
    validation = stripes(40, 1)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
        logits = net((validation.pixels.batch(range(40)) - 0.5) / 0.5)
    accuracy = (logits.argmax(1) == validation.targets).float().mean()
    assert accuracy == pytest.approx(found.history[found.best_epoch]["accuracy"])
    assert all(weight.requires_grad for weight in net.parameters())


@pytest.mark.parametrize("decay", [0.0, 1.0])
def test_a_decay_that_averages_nothing_is_refused(decay):
    with pytest.raises(ConfigError, match="`ema_decay` must be above 0 and below 1"):
        options(ema_decay=decay)
