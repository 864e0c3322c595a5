"""What acts on the weights after every step: when it acts, what it may draw, and that a killed training goes on."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from shiftgauge.errors import ConfigError
from shiftgauge.train.options import OptimizerOptions
from shiftgauge.train.schedules import ScheduleOptions
from train.toy import network, options, run, same


class Idle(nn.Module):
    """A layer and a weight that the outputs do not depend on."""

    def __init__(self):
        super().__init__()
        self.flat, self.linear, self.idle = nn.Flatten(), nn.Linear(144, 3), nn.Parameter(torch.ones(2, 2))

    def forward(self, x):
        return self.linear(self.flat(x)) + 0 * self.idle.sum()


def decaying(**more):
    """A constant rate of 0.1 with a decay of 0.5, apart from the gradient."""
    optimizer = OptimizerOptions(kind="adamw", learning_rate=0.1, weight_decay=0.5)
    return options(epochs=1, optimizer=optimizer, schedule=ScheduleOptions(kind="constant"), monitor="last", **more)


def unit_rows(net):
    """Every row of the first convolution gets the length 1, after a little noise."""
    weight = net[0].weight
    flat = weight.flatten(1) + 1e-3 * torch.randn(weight.flatten(1).shape)
    weight.copy_((flat / flat.norm(dim=1, keepdim=True)).view_as(weight))


def test_it_acts_after_step_and_decay(tmp_path):
    seen = []

    def look(net):
        seen.append(net.idle[0, 0].item())
        assert not torch.is_grad_enabled()
        net.idle.fill_(2.0)

    net, _ = run(tmp_path, Idle(), decaying(), after_step=look)
    assert seen == pytest.approx([1 - 0.1 * 0.5] + [2 * (1 - 0.1 * 0.5)] * 5)
    assert (net.idle == 2).all()


def test_the_moving_average_takes_up_what_it_left(tmp_path):
    net, _ = run(tmp_path, Idle(), decaying(ema_decay=0.9), after_step=lambda net: net.idle.fill_(2.0))
    assert (net.idle == 2).all()


def test_the_weights_that_are_validated_and_kept_obey_it(tmp_path):
    seen = []
    watch = lambda net, done: seen.append(net[0].weight.flatten(1).norm(dim=1))  # noqa: E731
    net, found = run(tmp_path, after_step=unit_rows, watch=watch)
    lengths = torch.cat([*seen, net[0].weight.flatten(1).norm(dim=1)])
    assert torch.allclose(lengths, torch.ones(6 * 5), atol=1e-6)
    assert found.history[found.best_epoch]["macro_f1"] > 0.9


def test_what_it_draws_is_a_function_of_seed_epoch_and_step(tmp_path):
    drawn = [[], [], []]
    for k, (seed, epochs) in enumerate(((0, 2), (0, 1), (1, 2))):
        keep = lambda net, to=drawn[k]: to.append(torch.rand(1).item())  # noqa: E731
        run(tmp_path / str(k), chosen=options(epochs=epochs, seed=seed, monitor="last"), after_step=keep)
    assert len(set(drawn[0])) == 12
    assert drawn[0][:6] == drawn[1]
    assert not set(drawn[0]) & set(drawn[2])


KILLED = """
import os, signal, sys
from shiftgauge.train.objectives import Free
from train.test_after_step import EMA, free, unit_rows
from train.toy import options, run

seen = 0

def kill(net):
    global seen
    seen += 1
    if seen == 2 * 18 + 7:
        os.kill(os.getpid(), signal.SIGKILL)
    unit_rows(net)

run(sys.argv[1], chosen=options(ema_decay=EMA, epochs=3), after_step=kill, objective=free(), progress=False)
"""
EMA = 0.9


def free():
    """Free adversarial training with three replays: it has something to carry, and dropout to draw."""
    from shiftgauge.train.objectives import Free

    return Free(advance=lambda x, d, g: (d + 0.02 * g.sign()).clamp(-0.05, 0.05), replays=3)


def test_a_killed_training_that_is_projected_and_replays_goes_on_bit_for_bit(tmp_path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        more = {"after_step": unit_rows, "progress": False}
        chosen = options(ema_decay=EMA, epochs=3)
        code = [sys.executable, "-c", KILLED, str(tmp_path / "a")]
        killed = subprocess.run(code, env={**environment, "OMP_NUM_THREADS": "1"}, check=False)
        assert killed.returncode == -signal.SIGKILL
        resumed, found = run(tmp_path / "a", chosen=chosen, objective=free(), **more)
        whole, expected = run(tmp_path / "b", chosen=chosen, objective=free(), **more)
    finally:
        torch.set_num_threads(threads)
    assert found.history == expected.history
    assert same(resumed, whole)


def test_it_is_part_of_what_a_folder_is_of(tmp_path):
    more = {"chosen": options(epochs=1), "after_step": unit_rows}
    run(tmp_path, network(), identity={"constraint": {"kind": "unit rows", "beta": 1}}, **more)
    with pytest.raises(ConfigError, match=r"`constraint\.beta` is 1 there and 2 here"):
        run(tmp_path, network(), identity={"constraint": {"kind": "unit rows", "beta": 2}}, **more)
