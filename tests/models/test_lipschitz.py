"""The bound of a network lies above its slope everywhere, is exact where it can be, and leaves the network alone."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from shiftgauge.errors import ConfigError, ModelError, NumericalError
from shiftgauge.models.cnn import SmallCnn
from shiftgauge.models.lipschitz import lipschitz_bound
from shiftgauge.models.resnet import SmallResNet
from shiftgauge.models.wide_resnet import PUBLISHED_PARSEVAL, WideResNet, parseval_network


def lived_in(network, shape, seed=0):
    """The network with running statistics of images and scales that are not those of its start."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight, -1.5, 1.5)
        for _ in range(20):
            network.train()(torch.randn(8, *shape))
    return network


def jacobian(network, image):
    network.eval()
    return torch.autograd.functional.jacobian(network, image[None]).flatten(3).flatten(0, 2).reshape(
        -1, image.numel()
    )  # fmt: skip


NETWORKS = {
    "wide residual": lambda: WideResNet(n_classes=3, channels=1, depth=10),
    "parseval": lambda: parseval_network(n_classes=3, channels=1, depth=10),
    "parseval, measured": lambda: parseval_network(
        n_classes=3, channels=1, depth=10, scaling="measured", image_size=12
    ),
    "parseval, mean only": lambda: parseval_network(n_classes=3, channels=1, depth=10, normalisation="mean_only"),
    "published parseval": lambda: parseval_network(n_classes=3, channels=1, depth=10, **PUBLISHED_PARSEVAL),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_no_slope_and_no_pair_of_images_lies_above_the_bound(name):
    shape = (1, 12, 12)
    network = lived_in(NETWORKS[name](), shape)
    bound = lipschitz_bound(network, shape, tolerance=0.05)
    assert bound.follows
    for seed in range(3):
        image = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
        slope = jacobian(network, image)
        assert float(torch.linalg.matrix_norm(slope, 2)) <= bound.value
        apart = (slope[:, None] - slope[None]).norm(dim=2).numpy()
        assert (apart <= bound.pairs_kk + 1e-9).all()
        other = image + 3 * torch.randn(shape)
        with torch.no_grad():
            change = (network(image[None]) - network(other[None])).norm() / (image - other).norm()
        assert float(change) <= bound.value


def test_a_linear_network_has_the_norm_of_its_matrix():
    torch.manual_seed(0)
    tall, flat = nn.Linear(12, 5), nn.Linear(5, 4)
    with torch.no_grad():
        u, _, vt = torch.linalg.svd(tall.weight, full_matrices=False)
        tall.weight.copy_(u @ torch.diag(torch.tensor([3.0, 1, 1, 1, 1])) @ vt)
        flat.weight.copy_(nn.init.orthogonal_(torch.empty(4, 4)) @ u.T[:4])
    bound = lipschitz_bound(nn.Sequential(nn.Flatten(), tall, flat), (3, 2, 2))
    assert bound.value == pytest.approx(3, rel=1e-5)


def test_differences_of_outputs_have_the_distance_of_their_rows():
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    rows = net[1].weight.detach()
    bound = lipschitz_bound(net, (1, 2, 2))
    assert np.allclose(bound.pairs_kk, torch.cdist(rows, rows).numpy(), atol=1e-5)
    assert (bound.pairs_kk <= math.sqrt(2) * bound.value + 1e-9).all()
    squashed = lipschitz_bound(nn.Sequential(*net, nn.Sigmoid()), (1, 2, 2))
    assert squashed.pairs_kk[0, 1] == pytest.approx(math.sqrt(2) * bound.value / 4)
    assert squashed.pairs_kk[1, 1] == 0


def test_a_convolution_is_taken_together_with_the_normalisation_that_alone_reads_it():
    conv, norm = nn.Conv2d(1, 2, 3, padding=1, bias=False), nn.BatchNorm2d(2, eps=0)
    with torch.no_grad():
        conv.weight[0], conv.weight[1] = 0.1, torch.tensor([[0, 0, 0], [0, 1.0, 0], [0, 0, 0]])
    norm.running_var.copy_(torch.tensor([0.25, 4.0]))  # gains 2 on the channel of norm 0.9, ½ on that of norm 1
    head = [nn.AdaptiveAvgPool2d(4), nn.Flatten()]
    together = lipschitz_bound(nn.Sequential(conv, norm, *head), (1, 4, 4))
    assert together.value == pytest.approx(math.hypot(2 * 0.9, 0.5), rel=2e-3)
    assert together.table().kind.tolist()[0] == "Conv2d and BatchNorm2d"

    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm, self.head = conv, norm, nn.Sequential(*head)

        def forward(self, x):
            x = self.conv(x)
            return self.head(self.norm(x) + x)

    read_twice = lipschitz_bound(Twice(), (1, 4, 4))
    assert read_twice.value > math.hypot(0.9, 1) * 2.9


def test_pixels_are_divided_by_the_standard_deviation_of_their_channel():
    net = nn.Sequential(nn.Flatten(), nn.Linear(2, 1, bias=False))
    with torch.no_grad():
        net[1].weight.copy_(torch.tensor([[3.0, 4.0]]))
    inputs = lipschitz_bound(net, (2, 1, 1))
    pixels = lipschitz_bound(net, (2, 1, 1), std=(0.5, 0.25))
    assert (inputs.scale, pixels.scale) == ("input", "pixel")
    assert inputs.value == pytest.approx(5)
    assert pixels.value == pytest.approx(math.hypot(6, 16))
    assert lipschitz_bound(net, (2, 1, 1), std=(0.5,)).value == pytest.approx(10)


def test_a_scaled_parseval_network_without_batch_normalisation_never_enlarges_before_its_last_layer():
    network = lived_in(NETWORKS["parseval, mean only"](), (1, 12, 12))
    table = lipschitz_bound(network, (1, 12, 12), tolerance=0.01).table().set_index("name")
    assert table.constant.drop("classifier").max() <= 1 + 1e-6
    assert table.loc["pool", "constant"] <= 1 / 3  # the mean of 3×3 values


def test_the_network_is_as_before():
    network = lived_in(NETWORKS["parseval, measured"](), (1, 12, 12)).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    lipschitz_bound(network, (1, 12, 12), tolerance=0.05)
    assert all(module.training for module in network.modules())
    assert all(p.requires_grad and p.grad is None for p in network.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_other_networks_of_the_library_have_a_bound_too():
    cnn = lived_in(SmallCnn(n_classes=3, channels=1, variant="basemodel"), (1, 16, 16))
    assert lipschitz_bound(cnn, (1, 16, 16), tolerance=0.05).follows
    resnet = SmallResNet(n_classes=3, channels=1)
    assert lipschitz_bound(
        nn.Sequential(resnet.stem, resnet.layer1[0], nn.Flatten()), (1, 4, 4), tolerance=0.05
    ).follows


def test_a_record_of_the_bound_is_plain():
    found = lipschitz_bound(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), (1, 2, 2), std=(0.5,)).to_dict()
    assert {"norm": "l2", "scale": "pixel", "input_shape": [1, 2, 2], "reason": ""}.items() <= found.items()


def test_what_cannot_be_bounded_is_told():
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    with pytest.raises(ModelError, match=r"fails on images of the shape \(1, 3, 3\)"):
        lipschitz_bound(net, (1, 3, 3))
    with pytest.raises(ConfigError, match=r"\(channels, rows, columns\), got \(4,\)"):
        lipschitz_bound(net, (4,))
    with pytest.raises(ConfigError, match="1 numbers above 0, or one"):
        lipschitz_bound(net, (1, 2, 2), std=(0.0,))
    with torch.no_grad():
        net[1].weight.fill_(float("nan"))
    with pytest.raises(NumericalError, match="NaN or infinity"):
        lipschitz_bound(net, (1, 2, 2))
