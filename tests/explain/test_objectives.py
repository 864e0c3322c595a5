"""Targets: against the network's own modules; everything that can be asked wrongly."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from shiftgauge.errors import ConfigError, ModelError
from shiftgauge.explain.objectives import ChannelMean, ClassLogit, Direction, Neuron, Objectives
from shiftgauge.models.callable_model import CallableClassifier
from shiftgauge.models.preprocessing import Preprocessing
from small_networks import ConvNet, wrap

NAMES = ("good", "scratch", "stain", "dent")


@pytest.fixture
def classifier():
    return wrap(ConvNet(), classes=NAMES)


@pytest.fixture
def images():
    return torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def parts(net, images):
    """What norm and block give, computed without hooks."""
    net = net.eval()
    with torch.no_grad():
        norm = net.norm(net.stem((images - 0.5) / 0.5))
        block = net.block(norm.clamp(min=0))
        return norm, block, net.head(block.mean(dim=(2, 3)))


def test_each_image_is_measured_by_its_own_target(classifier, images):
    whole = np.random.default_rng(0).normal(size=(5, 4, 4))
    line = np.arange(6) - 2.0
    targets = [
        "stain",
        Neuron(block="norm", index=(2, 3, 4)),
        ChannelMean(block="block", channel=1),
        Direction(block="norm", vector=line),
        Direction(block="block", vector=whole),
        Neuron(block="head", index=3),
    ]
    found, logits = Objectives(classifier, targets).values(images, range(6))
    norm, block, expected = parts(ConvNet(), images)
    assert torch.allclose(logits, expected, atol=1e-5)
    wanted = [
        expected[0, 2],
        norm[1, 2, 3, 4],  # before the ReLU that writes into it
        block[2, 1].mean(),
        (norm[3].mean(dim=(1, 2)).double().numpy() * line).sum() / np.linalg.norm(line),
        (block[4].double().numpy() * whole).sum() / np.linalg.norm(whole),
        expected[5, 3],
    ]
    assert np.allclose(found.detach(), [float(w) for w in wanted], atol=1e-5)


def test_rows_choose_targets(classifier, images):
    asked = Objectives(classifier, ["good", "dent"])
    found, logits = asked.values(images[:3], [1, 1, 0])
    assert torch.equal(found, torch.stack([logits[0, 3], logits[1, 3], logits[2, 0]]))


def test_names_say_what_is_asked(classifier):
    asked = Objectives(
        classifier,
        [1, ClassLogit(label="dent"), Neuron(block="norm", index=(2, 3, 4)), ChannelMean(block="block", channel=1)],
    )
    assert asked.names == ("scratch", "dent", "norm[2, 3, 4]", "block, channel 1")
    assert len(asked) == 4
    for target in (*asked.targets, Direction(block="norm", vector=np.ones(6)), Neuron(block="head", index=np.int64(3))):
        assert json.loads(json.dumps(target.to_dict())) == target.to_dict()


def test_no_hooks_stay(classifier, images):
    Objectives(classifier, [ChannelMean(block="norm", channel=0)]).values(images[:1], [0])
    assert all(not m._forward_hooks for m in classifier.module.modules())


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("scrach", "did you mean `scratch`"),
        (4, "below 4"),
        (-1, "≥ 0"),
        (True, "a target must be"),
        (1.5, "a target must be"),
        (Neuron(block="norm", index=(6, 0, 0)), "place in the output"),
        (Neuron(block="norm", index=3), "place in the output"),
        (Neuron(block="norm", index=(0, 0, -1)), "≥ 0"),
        (ChannelMean(block="block", channel=5), "below 5"),
        (Direction(block="norm", vector=np.ones(5)), "6 numbers, one per channel"),
        (Direction(block="norm", vector=np.zeros(6)), "not all zero"),
        (Direction(block="norm", vector=np.full(6, np.nan)), "finite"),
    ],
)
def test_target_that_does_not_exist_is_named(classifier, target, message):
    with pytest.raises(ConfigError, match=message):
        Objectives(classifier, [target])


@pytest.mark.parametrize("targets", [[], "good"])
def test_targets_are_a_list(classifier, targets):
    with pytest.raises(ConfigError, match="at least one target"):
        Objectives(classifier, targets)


def test_unknown_block_is_named_with_the_nearest(classifier):
    with pytest.raises(ModelError, match="did you mean `block`"):
        Objectives(classifier, [ChannelMean(block="blok", channel=0)])


def test_model_without_gradients_is_refused_in_one_line():
    plain = CallableClassifier(
        lambda x: torch.stack([x.mean(dim=(1, 2, 3)), x.amax(dim=(1, 2, 3))], 1),
        preprocessing=Preprocessing(height=4, width=4),
        output_kind="logits",
        fingerprint="plain",
    )
    with pytest.raises(ModelError, match="gives no gradients") as told:
        Objectives(plain, [0])
    assert "\n" not in str(told.value)


def test_vectors_of_a_sequence_have_their_channels_last(images):
    class Tokens(nn.Module):
        def forward(self, x):
            return x.flatten(2).transpose(1, 2)

    net = nn.Sequential(Tokens(), nn.LayerNorm(3), nn.Flatten(), nn.Linear(192, 2))
    found, _ = Objectives(wrap(net), [ChannelMean(block="1", channel=2)]).values(images[:1], [0])
    with torch.no_grad():
        assert float(found) == pytest.approx(float(net[1](net[0]((images[:1] - 0.5) / 0.5))[0, :, 2].mean()), abs=1e-6)
