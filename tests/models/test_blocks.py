"""Blocks found by themselves, their shapes, and their outputs under every execution of a classifier."""

import pickle

import pytest
import torch
from torch import nn

from shiftgauge.errors import ModelError
from shiftgauge.models.blocks import MAX_BLOCKS, find_blocks, in_run_order, list_blocks
from shiftgauge.models.capture import Tap, block_outputs
from shiftgauge.models.compat import prepare_torchvision
from shiftgauge.models.conversion import convert, fold_batch_norm
from shiftgauge.models.torch_model import TorchClassifier
from shiftgauge.types import BlockClassifier, Execution

CPU = torch.device("cpu")


class Residual(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.a, self.b = nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
        self.na, self.nb = nn.BatchNorm2d(width), nn.BatchNorm2d(width)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.act(x + self.nb(self.b(self.act(self.na(self.a(x))))))


class WideResNet(nn.Module):
    """The naming of the usual CIFAR wide ResNets."""

    def __init__(self):
        super().__init__()
        self.conv1, self.bn, self.relu = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU()
        self.block1 = nn.Sequential(Residual(8), Residual(8))
        self.block2 = nn.Sequential(Residual(8))
        self.fc = nn.Linear(8, 4)

    def forward(self, x):
        x = self.relu(self.bn(self.conv1(x)))
        return self.fc(self.block2(self.block1(x)).mean(dim=(2, 3)))


@pytest.fixture
def wide():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = WideResNet()
        for m in net.modules():
            if isinstance(m, nn.BatchNorm2d):
                m.running_mean.uniform_(-0.3, 0.3)
                m.running_var.uniform_(0.3, 2.0)
    return net.eval().requires_grad_(False)


def mean_map(name, value):
    return value.float().flatten(1).mean(dim=1, keepdim=True)


def whole(name, value):
    return value.float().flatten(1).clone()


@pytest.mark.parametrize(
    ("architecture", "expected"),
    [
        ("resnet18", ("act1", "layer1", "layer2", "layer3", "layer4")),
        ("vgg11_bn", ("features.2", "features.6", "features.13", "features.20", "features.27", "features.28")),
        ("tf_efficientnet_lite0", ("blocks.0", "blocks.1", "blocks.2", "blocks.4", "blocks.6")),
    ],
)
def test_stages_of_timm_networks_are_those_that_timm_declares(architecture, expected):
    prepare_torchvision()
    import timm

    with torch.device("meta"):
        net = timm.create_model(architecture)
    assert find_blocks(net) == expected


@pytest.mark.parametrize(
    ("architecture", "expected"),
    [
        ("resnet18", ("relu", "layer1", "layer2", "layer3", "layer4")),
        ("vgg11", ("features.2", "features.5", "features.10", "features.15", "features.20")),
        ("efficientnet_b0", tuple(f"features.{i}" for i in range(9))),
        ("wide_resnet50_2", ("relu", "layer1", "layer2", "layer3", "layer4")),
        (
            "densenet121",
            (
                "features.conv0",
                *(f"features.{n}" for i in (1, 2, 3) for n in (f"denseblock{i}", f"transition{i}")),
                "features.denseblock4",
            ),
        ),
    ],
)
def test_stages_of_torchvision_networks_are_found_by_their_names(architecture, expected):
    prepare_torchvision()
    from torchvision import models

    with torch.device("meta"):
        net = getattr(models, architecture)()
    assert find_blocks(net) == expected


def test_stages_of_a_wide_residual_network_follow_the_activation_of_its_stem(wide):
    assert find_blocks(wide) == ("relu", "block1", "block2")


def test_many_parts_are_thinned_with_both_ends_kept():
    net = nn.Sequential(*(nn.Linear(3, 3) for _ in range(40)))
    found = find_blocks(net)
    assert len(found) == MAX_BLOCKS
    assert (found[0], found[-1]) == ("0", "39")
    assert [int(n) for n in found] == sorted({int(n) for n in found})


def test_parts_that_are_not_run_once_are_left_out_and_the_rest_stands_in_the_order_of_the_network():
    class Auxiliary(nn.Module):
        def __init__(self):
            super().__init__()
            self.head, self.aux, self.twice = nn.Linear(4, 3), nn.Linear(4, 3), nn.Conv2d(4, 4, 1)
            self.pair, self.stem = nn.LSTM(4, 4, batch_first=True), nn.Conv2d(3, 4, 3)

        def forward(self, x):
            x = self.twice(self.twice(self.stem(x))).flatten(2).transpose(1, 2)
            x = self.pair(x)[0].mean(dim=1)
            return (self.head(x), self.aux(x)) if self.training else self.head(x)

    net, images = Auxiliary().train(), torch.rand(2, 3, 8, 8)
    assert find_blocks(net) == ("head", "aux", "twice", "pair", "stem")
    assert find_blocks(net, images) == ("stem", "head")
    assert in_run_order(net, images, ["aux", "head", "stem"]) == ("stem", "head", "aux")
    assert [b.name for b in list_blocks(net, images, ["head", "stem"])] == ["stem", "head"]
    assert net.training


def test_list_gives_shapes_and_leaves_the_mode(wide):
    wide.train()
    found = list_blocks(wide, torch.zeros(2, 3, 8, 8))
    assert [(b.name, b.kind, b.shape) for b in found] == [
        ("relu", "ReLU", (8, 8, 8)),
        ("block1", "Sequential", (8, 8, 8)),
        ("block2", "Sequential", (8, 8, 8)),
    ]
    assert all(m.training for m in wide.modules())
    with pytest.raises(ModelError, match="did you mean `block1`"):
        list_blocks(wide, torch.zeros(2, 3, 8, 8), ["blok1"])


def test_every_execution_gives_the_blocks_of_the_plain_network(wide, small, images):
    c = TorchClassifier(wide, preprocessing=small, device=CPU)
    assert isinstance(c, BlockClassifier)
    names = ["relu", "block1", "block2", "fc"]
    expected = block_outputs(wide, small.normalise(images), names)
    for execution in c.executions([2]):
        raw, found = c.outputs_and_blocks(images, names, whole, execution)
        assert torch.equal(raw, c.outputs(images, execution)), "taps changed the outputs"
        assert list(found) == names
        for name in names:
            plain = expected[name].flatten(1)
            tolerance = 1e-5 if execution.precision == "float32" else 0.05
            assert float((found[name] - plain).abs().max()) <= tolerance * float(plain.abs().max())


def test_folded_and_fused_copy_is_the_one_that_is_recorded(wide, small):
    samples = torch.rand(2, 3, 16, 16)
    folded = fold_batch_norm(wide, samples, ["relu", "block1"])
    assert not any(isinstance(m, nn.BatchNorm2d) for m in folded.modules())
    assert [m.name for m in folded.modules() if isinstance(m, Tap)] == ["relu", "block1"]
    fused = convert(wide, Execution(channels_last=True), samples, ["relu", "block1"])
    assert any(type(m).__name__ == "FusedConv2d" for m in fused.modules())


def test_block_that_ends_between_convolution_and_normalisation_is_not_folded_away(wide, small, images):
    c = TorchClassifier(wide, preprocessing=small, device=CPU)
    raw, found = c.outputs_and_blocks(images, ["conv1"], whole, Execution(channels_last=True))
    expected = block_outputs(wide, small.normalise(images), ["conv1"])["conv1"].flatten(1)
    assert torch.allclose(found["conv1"], expected, atol=1e-5)
    assert torch.allclose(raw, c.outputs(images), atol=1e-5)


def test_network_that_cannot_be_traced_is_recorded_by_its_modules(small, images):
    class Branching(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 3)

        def forward(self, x):
            x = self.stem(x)
            return self.head(x.mean(dim=(2, 3)) if float(x.sum()) > 0 else x.amax(dim=(2, 3)))

    net = Branching().eval()
    c = TorchClassifier(net, preprocessing=small, device=CPU)
    _, found = c.outputs_and_blocks(images, ["stem"], whole, Execution(channels_last=True))
    with torch.no_grad():
        assert torch.allclose(found["stem"], net.stem(small.normalise(images)).flatten(1), atol=1e-5)


def test_caller_s_network_that_cannot_be_copied_is_left_as_it_was(wide, small, images):
    import threading

    wide.lock = threading.Lock()
    wide.train()
    c = TorchClassifier(wide, preprocessing=small, device=CPU)
    raw, _ = c.outputs_and_blocks(images, ["block1"], mean_map)
    assert torch.equal(raw, c.outputs(images))
    assert all(m.training for m in wide.modules())
    assert not any(m._forward_hooks for m in wide.modules())


def test_classifier_tells_shapes_and_travels_without_its_recorders(wide, small, images):
    c = TorchClassifier(wide, preprocessing=small, device=CPU)
    assert c.main_blocks == ("relu", "block1", "block2")
    assert c.block_shapes(["block2", "fc"]) == {"block2": (8, 16, 16), "fc": (4,)}
    _, found = c.outputs_and_blocks(images, ["block2"], mean_map)
    there = pickle.loads(pickle.dumps(c))
    assert torch.equal(there.outputs_and_blocks(images, ["block2"], mean_map)[1]["block2"], found["block2"])


def test_compiled_execution_is_recorded_without_compilation(wide, small, images):
    c = TorchClassifier(wide, preprocessing=small, device=CPU)
    compiled, plain = Execution(compiled=True, channels_last=True), Execution(channels_last=True)
    a = c.outputs_and_blocks(images, ["block2"], mean_map, compiled)
    b = c.outputs_and_blocks(images, ["block2"], mean_map, plain)
    assert torch.equal(a[0], b[0])
