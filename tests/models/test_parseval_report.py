"""The report tells singular values of the kernel from the norm of the layer, and how each was found."""

import numpy as np
import pytest
import torch
from torch import nn

from shiftgauge.errors import ModelError
from shiftgauge.models.parseval import ParsevalOptions, orthogonal_
from shiftgauge.models.parseval_layers import ScaledConv2d
from shiftgauge.models.parseval_report import layer_spectra, spectra_table
from shiftgauge.models.wide_resnet import parseval_network


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, padding_mode="circular"),
        nn.ReLU(),
        ScaledConv2d(4, 6, 3, stride=2, padding=1, groups=2),
        nn.Conv2d(6, 2, 3, padding=1, padding_mode="reflect"),
        nn.Flatten(),
        nn.Linear(32, 3),
    )


def dense_norm(layer, shape):
    units = torch.eye(int(np.prod(shape))).view(-1, *shape)
    with torch.no_grad():
        return float(torch.linalg.matrix_norm((layer(units) - layer(torch.zeros(1, *shape))).flatten(1), 2))


def test_every_number_agrees_with_the_dense_layer():
    net = network().train()
    circular, scaled, reflected, linear = layer_spectra(net, (1, 8, 8))
    assert [s.name for s in (circular, scaled, reflected, linear)] == ["0", "2", "3", "5"]
    assert [s.norm_kind for s in (circular, scaled, reflected, linear)] == ["fourier", "power", "power", "exact"]
    assert [s.size for s in (circular, scaled, reflected, linear)] == [(8, 8), (8, 8), (4, 4), (1, 1)]
    assert circular.norm == pytest.approx(dense_norm(net[0], (1, 8, 8)), rel=1e-5)
    assert scaled.norm == pytest.approx(dense_norm(net[2], (4, 8, 8)), rel=1e-4)
    assert reflected.norm == pytest.approx(dense_norm(net[3], (6, 4, 4)), rel=1e-4)
    assert linear.norm == pytest.approx(float(torch.linalg.matrix_norm(net[5].weight.detach(), 2)), rel=1e-5)
    assert scaled.factor == pytest.approx(0.5)
    kernels = [group.flatten(1) for group in net[2].weight.detach().chunk(2)]
    expected = torch.cat([torch.linalg.svdvals(k) for k in kernels]).sort(descending=True).values
    assert scaled.singular_values == pytest.approx(expected.numpy(), rel=1e-5)
    assert circular.norm <= circular.norm_bound
    assert scaled.norm <= scaled.norm_bound < 1.1 * scaled.norm + 0.1
    assert np.isnan(reflected.norm_bound)
    assert net.training
    assert net[0].weight.requires_grad
    assert not any(m._forward_pre_hooks for m in net.modules())


def test_a_tight_kernel_is_told_from_a_layer_of_norm_one():
    net = parseval_network(n_classes=4, channels=1, depth=10, scaling="none")
    table = spectra_table(layer_spectra(net, (1, 8, 8))).set_index("layer")
    convolutions = table[table.constrained]
    assert len(convolutions) == 10
    assert "classifier" not in convolutions.index
    assert convolutions.smallest.to_numpy() == pytest.approx(np.ones(10), abs=1e-4)
    assert convolutions.largest.to_numpy() == pytest.approx(np.ones(10), abs=1e-4)
    assert convolutions["norm"].max() > 1.5
    assert table.loc["stem.0", "rank"] == 9  # 16 outputs of a 3×3 window of one channel
    assert table.loc["group2.0.skip", "norm"] == pytest.approx(1, abs=1e-3)


def test_linear_layers_count_where_the_options_say_so_and_alone():
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    assert not layer_spectra(net, (1, 2, 2))[0].constrained
    options = ParsevalOptions(layers="convolutions_and_linear")
    orthogonal_(net, options)
    (found,) = layer_spectra(net, (1, 2, 2), options)
    assert found.constrained
    assert found.norm == pytest.approx(1, abs=1e-5)


def test_what_cannot_be_measured_is_told():
    with pytest.raises(ModelError, match=r"fails on images of the shape \(3, 8, 8\)"):
        layer_spectra(network(), (3, 8, 8))
    with pytest.raises(ModelError, match="runs no convolution and no linear layer"):
        layer_spectra(nn.Sequential(nn.ReLU()), (3, 8, 8))
