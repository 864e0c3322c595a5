"""Networks that split, gate and attend: the walk and its derivatives are those of the whole network."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from pushed_networks import wrapped
from shiftgauge.errors import ModelError
from shiftgauge.explain import window_rules
from shiftgauge.explain.derivative_maps import derivative_maps
from shiftgauge.explain.window_change import Change, Way, whole
from shiftgauge.explain.windows import PlainNetwork, pushed_network


class Split(nn.Module):
    """A split that meets a sum."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.head = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1), nn.Linear(4, 3)

    def forward(self, x):
        y = torch.tanh(self.a(x))
        one, two = y.chunk(2, 1)
        return self.head(self.b(y + torch.cat([two, one], 1)).mean(dim=(2, 3)))


class Scales(nn.Module):
    """A bottleneck as of Res2Net: each group of channels is added to the next before its convolution."""

    def __init__(self):
        super().__init__()
        self.a, self.head = nn.Conv2d(2, 6, 3, padding=1), nn.Linear(6, 3)
        self.convs = nn.ModuleList(nn.Conv2d(2, 2, 3, padding=1) for _ in range(2))
        self.b = nn.Conv2d(6, 6, 1)

    def forward(self, x):
        x = self.a(x)
        groups = torch.split(x, 2, 1)
        found = [groups[0]]
        for i, conv in enumerate(self.convs):
            found.append(functional.silu(conv(found[-1] + groups[i + 1])))
        return self.head((self.b(torch.cat(found, 1)) + x).mean(dim=(2, 3)))


class Selective(nn.Module):
    """Paths weighted by attention over them, as of SKNet."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.head = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(2, 4, 5, padding=2), nn.Linear(4, 3)
        self.gate, self.mixed = nn.Conv2d(4, 8, 1), nn.Conv2d(4, 4, 1)

    def forward(self, x):
        paths = torch.stack([torch.tanh(self.a(x)), torch.tanh(self.b(x))], dim=1)
        weights = self.gate(paths.sum(1).mean((2, 3), keepdim=True)).reshape(x.shape[0], 2, 4, 1, 1).softmax(dim=1)
        both = (paths * weights).unbind(1)
        return self.head(self.mixed(both[0] + both[1]).mean(dim=(2, 3)))


class Largest(nn.Module):
    """Values, places and masks of one tuple, a gate of channels among them."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.head = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1), nn.Linear(4, 3)

    def forward(self, x):
        x = self.a(x)
        found = x.flatten(2).max(dim=2)
        seen = torch.gather(x.flatten(2), 2, found[1][..., None])[..., 0]
        x = self.b(x * found.values.sigmoid()[..., None, None] + (x > 0).to(x.dtype) * x)
        return self.head(x.mean(dim=(2, 3)) + seen)


class Attentive(nn.Module):
    """An attention block over patches with a class token."""

    def __init__(self):
        super().__init__()
        self.patch, self.token = nn.Conv2d(2, 8, 3, stride=3), nn.Parameter(torch.randn(1, 1, 8))
        self.norm, self.qkv, self.out, self.head = nn.LayerNorm(8), nn.Linear(8, 24), nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], dim=1)
        n, tokens = x.shape[0], x.shape[1]
        qkv = self.qkv(self.norm(x)).reshape(n, tokens, 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)
        mixed = functional.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2])
        return self.head((x + self.out(mixed.transpose(1, 2).reshape(n, tokens, 8)))[:, 0])


NETWORKS = [(Split, "b"), (Scales, "b"), (Selective, "mixed"), (Largest, "b"), (Attentive, "out")]


def made(make):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return make().eval().requires_grad_(False)


def told(network, image, push, way):
    found = {}
    with torch.no_grad():
        network.respond(network.at_rest(image), push, way, lambda n, c, rest: found.update({n: whole(c, rest).clone()}))
    return found


def output_of(net, name):
    def output(x):
        kept = []
        handle = net.get_submodule(name).register_forward_hook(lambda m, i, o: kept.append(o))
        net(x)
        handle.remove()
        return kept[0].reshape(-1)

    return output


@pytest.mark.parametrize(("make", "block"), NETWORKS)
@pytest.mark.parametrize("way", [Way(), Way(is_derivative=True)])
def test_the_walk_equals_whole_runs(make, block, way):
    net = made(make).double()
    image = torch.randn(1, 2, 9, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    values = torch.randn(3, 2, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        local = pushed_network(net, (block, "head"), image, way)
        assert local.local
        for corner in ((0, 0), (4, 5)):
            ours = told(local, image, Change(values, corner), way)
            full = told(PlainNetwork(net, (block, "head")), image, Change(values, corner), way)
            for name in full:
                torch.testing.assert_close(ours[name], full[name], rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(("make", "block"), NETWORKS)
def test_derivative_maps_are_the_lengths_of_the_columns_of_the_jacobian(make, block):
    net, image = made(make), torch.rand(1, 2, 9, 9, generator=torch.Generator().manual_seed(1))
    found = derivative_maps(wrapped(net, 9, 2), image, blocks=[block, "head"], batch_size=32)
    assert found.cost["local"] is True
    net, x = net.double(), ((image.double() - 0.5) / 0.25)
    for b, name in enumerate(found.blocks):
        value = output_of(net, name)(x)
        jacobian = torch.autograd.functional.jacobian(output_of(net, name), x)[:, 0]
        length = jacobian.norm(dim=0).numpy()
        np.testing.assert_allclose(found.norm_of_derivative[0, b], length, rtol=1e-5, atol=1e-6 * length.max())
        along = (torch.einsum("k,kcij->cij", value, jacobian) / value.norm()).numpy()
        np.testing.assert_allclose(found.derivative_of_norm[0, b], along, atol=1e-5 * length.max())


class Wide(nn.Module):
    def __init__(self, bias):
        super().__init__()
        self.conv, self.relu, self.head = nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.Linear(128, 3)
        self.head.bias.data[0] = bias

    def forward(self, x):
        return self.head(self.relu(self.conv(x)).flatten(1))


@pytest.mark.parametrize("bias", [0.0, 1e2, 1e4, 1e7])
def test_a_wrong_rule_is_not_trusted_whatever_the_size_of_the_values(monkeypatch, bias):
    net, image = made(lambda: Wide(bias)), torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    assert pushed_network(net, ["head"], image).local
    right = window_rules._linear

    def halved(node, module):
        rule = right(node, module)
        return lambda *a: Change(rule(*a).values / 2)

    monkeypatch.setattr(window_rules, "_linear", halved)
    assert not pushed_network(net, ["head"], image).local


def test_a_rule_that_is_wrong_for_derivatives_alone_is_not_trusted_for_them(monkeypatch):
    net, image = made(lambda: Wide(0.0)), torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    right = Way.through_relu

    def wrong(self, rest, change, *, owned):
        return change if self.is_derivative else right(self, rest, change, owned=owned)

    monkeypatch.setattr(Way, "through_relu", wrong)
    assert pushed_network(net, ["head"], image).local
    assert not pushed_network(net, ["head"], image, Way(is_derivative=True)).local


@pytest.mark.parametrize("make", [Split, Scales])
@pytest.mark.parametrize("derivative", [False, True])
@pytest.mark.parametrize("fault", ["at rest", "another", "pushed value"])
def test_a_split_that_meets_a_sum_wrongly_is_not_trusted(monkeypatch, make, derivative, fault):
    """One member of a split stays at rest, is taken for its neighbour, or loses its derivative."""
    net, image, way = made(make), torch.rand(1, 2, 9, 9), Way(is_derivative=derivative)
    right = window_rules.through_member

    def wrong(node):
        rule, index = right(node), node.args[1]

        def handed(traced, rest, found, asked):
            change = rule(traced, rest, found, asked)
            if index != 1:
                return change
            if fault == "another":
                return found[node.args[0]].leaves[0]
            kept = Change(torch.zeros_like(change.values), change.corner)
            return kept if fault == "at rest" or asked.is_derivative else change

        return handed

    assert pushed_network(net, ["head"], image, way).local
    monkeypatch.setattr(window_rules, "through_member", wrong)
    assert pushed_network(net, ["head"], image, way).local == (fault == "pushed value" and not derivative)


@pytest.mark.parametrize(("derivative", "most"), [(False, 4), (True, 4)])
def test_the_check_of_a_walk_costs_few_whole_runs(monkeypatch, derivative, most):
    ran = []
    run = PlainNetwork._run

    def counted(self, images_nchw):
        ran.append(len(images_nchw))
        return run(self, images_nchw)

    monkeypatch.setattr(PlainNetwork, "_run", counted)
    image = torch.rand(1, 2, 9, 9, generator=torch.Generator().manual_seed(1))
    assert pushed_network(made(Split), ["b", "head"], image, Way(is_derivative=derivative)).local
    assert 2 < sum(ran) <= most


def test_a_layer_without_a_forward_derivative_is_told():
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return 2 * x

        @staticmethod
        def backward(ctx, grad):
            return 2 * grad

    class Custom(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.head = nn.Conv2d(1, 2, 3), nn.Linear(2, 3)

        def forward(self, x):
            return self.head(Double.apply(self.conv(x)).mean(dim=(2, 3)))

    with pytest.raises(ModelError, match=r"no forward derivative.*perturbation maps with a small `epsilon`"):
        derivative_maps(wrapped(Custom(), 5, 1), torch.rand(1, 1, 5, 5), blocks=["head"])


def test_a_block_that_no_push_moves_is_not_trusted():
    net = made(lambda: Wide(0.0))
    net.conv.bias.data.fill_(-1e4)
    assert not pushed_network(net, ["relu"], torch.rand(1, 1, 8, 8)).local
    assert pushed_network(net, ["conv"], torch.rand(1, 1, 8, 8)).local


def test_a_block_that_a_stride_hides_from_tiles_is_tried_by_the_whole_image():
    net = nn.Sequential(nn.Conv2d(1, 2, 1, stride=30), nn.Conv2d(2, 2, 1)).eval()
    assert pushed_network(net, ["0", "1"], torch.rand(1, 1, 40, 40)).local
