"""Wide residual networks layer for layer as published: counts, the way through them, Parseval parts, training."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from shiftgauge.errors import ConfigError
from shiftgauge.models.architectures import build
from shiftgauge.models.blocks import list_blocks
from shiftgauge.models.model_folder import load_model_folder, write_model_folder
from shiftgauge.models.model_record import ModelRecord, NetworkOptions
from shiftgauge.models.parseval import ParsevalOptions, constrained_layers, kernel_matrices
from shiftgauge.models.parseval_layers import ConvexAggregation, MeanOnlyBatchNorm2d, ScaledConv2d
from shiftgauge.models.parseval_projection import parseval_projection
from shiftgauge.models.parseval_report import layer_spectra
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.models.wide_resnet import PUBLISHED_PARSEVAL, PUBLISHED_WIDE_RESNET, WideResNet, parseval_network


def counts(network):
    trained = sum(p.numel() for p in network.parameters())
    running = sum(b.numel() for name, b in network.named_buffers() if name.endswith(("running_mean", "running_var")))
    return trained, running


def published(values, images, blocks=2):
    """The published network written out, on the weights of a state dict, with TensorFlow's padding, without softmax."""

    def norm(x, name):
        parts = [values[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
        return functional.batch_norm(x, *parts, training=False, eps=1e-5)

    def conv(x, name, stride=1):
        weight = values[f"{name}.weight"]
        kernel, (rows, columns) = weight.shape[-1], x.shape[-2:]
        pads = []
        for size in (columns, rows):
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            pads += [total // 2, total - total // 2]
        return functional.conv2d(functional.pad(x, pads), weight, stride=stride)

    x = functional.relu(norm(conv(images, "stem.0"), "stem.1"))
    for number in (1, 2, 3):
        name, stride = f"group{number}", 1 if number == 1 else 2
        inner = functional.relu(norm(conv(x, f"{name}.0.conv1", stride), f"{name}.0.norm"))
        x = conv(inner, f"{name}.0.conv2") + conv(x, f"{name}.0.skip", stride)
        for block in range(1, blocks):
            inner = conv(functional.relu(norm(x, f"{name}.{block}.norm1")), f"{name}.{block}.conv1")
            x = x + conv(functional.relu(norm(inner, f"{name}.{block}.norm2")), f"{name}.{block}.conv2")
        x = functional.relu(norm(x, f"{name}.{blocks}"))
    x = functional.avg_pool2d(x, 8).flatten(1)
    return x @ values["classifier.weight"].T + values["classifier.bias"]


def with_statistics(network):
    """The network with running statistics and scales that are not those of its start."""
    torch.manual_seed(5)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias)
    return network.eval()


def test_the_published_counts():
    network = WideResNet(n_classes=4, channels=1)
    assert counts(network) == (174_644, 928)
    assert sum(isinstance(m, nn.Conv2d) for m in network.modules()) == 16
    assert network(torch.zeros(2, 1, 32, 32)).shape == (2, 4)


def test_a_parseval_network_has_its_lambdas_besides():
    plain = counts(WideResNet(n_classes=4, channels=1))[0]
    forms = [("sigmoid", "identity", 3), ("simplex", "identity", 6), ("sigmoid", "all", 6), ("simplex", "all", 12)]
    for aggregation, aggregated, more in forms:
        network = parseval_network(n_classes=4, channels=1, aggregation=aggregation, aggregated=aggregated)
        assert counts(network) == (plain + more, 928)


@pytest.mark.parametrize(("depth", "width", "expected"), [(16, 1, 16), (10, 2, 10), (22, 1, 22), (28, 1, 28)])
def test_depth_counts_the_convolutions(depth, width, expected):
    with torch.device("meta"):
        network = WideResNet(depth=depth, width=width)
    assert sum(isinstance(m, nn.Conv2d) for m in network.modules()) == expected
    assert network.classifier.in_features == 64 * width


def test_widths_grow_with_the_square_of_k():
    with torch.device("meta"):
        sizes = {k: counts(WideResNet(n_classes=10, channels=3, width=k))[0] for k in (1, 2, 8)}
    assert sizes[8] > 7.9 * sizes[2] > 7.9 * 3.9 * sizes[1]


@pytest.mark.parametrize("depth", [16, 22])
def test_the_network_is_the_published_one_layer_for_layer(depth):
    network = with_statistics(WideResNet(n_classes=4, channels=1, depth=depth, **PUBLISHED_WIDE_RESNET))
    images = torch.randn(2, 1, 32, 32)
    torch.testing.assert_close(network(images), published(network.state_dict(), images, (depth - 4) // 6))


def test_symmetric_padding_differs_from_the_published_and_weights_fit_both():
    published_one = with_statistics(WideResNet(n_classes=4, channels=1, stride_padding="end"))
    other = WideResNet(n_classes=4, channels=1).eval()
    other.load_state_dict(published_one.state_dict())
    images = torch.randn(1, 1, 32, 32)
    assert not torch.allclose(other(images), published_one(images))
    flat = torch.ones(1, 1, 32, 32)
    assert other(flat).shape == published_one(flat).shape


def test_the_published_peculiarities_are_knobs_and_no_defaults():
    plain, odd = WideResNet().group1[1].norm1, WideResNet(**PUBLISHED_WIDE_RESNET).group1[1].norm1
    assert (plain.momentum, odd.momentum) == (0.1, 0.9)
    assert plain.weight.eq(1).all()
    assert 0 < odd.weight.abs().max() <= 0.05
    images = torch.randn(4, 16, 4, 4)
    odd(images)
    torch.testing.assert_close(odd.running_mean, 0.9 * images.mean(dim=(0, 2, 3)))


@pytest.mark.parametrize("size", [24, 31, 32, 48])
@pytest.mark.parametrize("make", [WideResNet, parseval_network])
def test_images_of_other_sizes_pass(size, make):
    assert make(n_classes=3, channels=1, depth=10).eval()(torch.zeros(1, 1, size, size)).shape == (1, 3)


def test_blocks_are_found_with_their_shapes():
    shapes = {b.name: b.shape for b in list_blocks(WideResNet(width=2), torch.zeros(1, 3, 32, 32))}
    assert shapes == {"stem": (16, 32, 32), "group1": (32, 32, 32), "group2": (64, 16, 16), "group3": (128, 8, 8)}


def test_every_convolution_of_a_parseval_network_is_orthogonal_and_scaled():
    network = parseval_network(n_classes=4, channels=1, normalisation="mean_only")
    for name in constrained_layers(network):
        layer = network.get_submodule(name)
        values = torch.linalg.svdvals(kernel_matrices(layer))
        assert values.min() == pytest.approx(1, abs=1e-4)
        assert values.max() == pytest.approx(1, abs=1e-4)
        strided = layer.stride == (2, 2)
        assert layer.factor == pytest.approx(1 / {1: 1, 3: 2 if strided else 3}[layer.kernel_size[0]])
    assert sum(isinstance(m, ConvexAggregation) for m in network.modules()) == 6
    assert sum(isinstance(m, MeanOnlyBatchNorm2d) for m in network.modules()) == 13
    assert not any(isinstance(m, nn.BatchNorm2d) for m in network.modules())


def test_the_published_parseval_network_is_unscaled_with_plain_sums_where_the_width_changes():
    network = parseval_network(n_classes=4, channels=1, **PUBLISHED_PARSEVAL)
    assert not any(isinstance(m, ScaledConv2d) for m in network.modules())
    assert [network.get_submodule(f"group{k}.0").aggregate for k in (1, 2, 3)] == [None] * 3
    assert all(network.get_submodule(f"group{k}.1").aggregate.form == "sigmoid" for k in (1, 2, 3))


def test_convex_blocks_join_the_identity_and_the_inner_branch():
    network = with_statistics(parseval_network(n_classes=4, channels=1, depth=16))
    block, features = network.group1[1], torch.randn(1, 16, 8, 8)
    inner = block.conv2(functional.relu(block.norm2(block.conv1(functional.relu(block.norm1(features))))))
    with torch.no_grad():
        block.aggregate.lam.copy_(torch.tensor([0.75, 0.25]))
    torch.testing.assert_close(block(features), 0.75 * features + 0.25 * inner)


@pytest.mark.parametrize("aggregation", ["simplex", "sigmoid"])
def test_lambda_is_trained_with_the_network_and_survives_saving(aggregation, tmp_path):
    torch.manual_seed(0)
    options = {"n_classes": 3, "channels": 1, "depth": 10, "aggregation": aggregation}
    network = parseval_network(**options)
    optimizer, projection = torch.optim.SGD(network.parameters(), lr=0.5), parseval_projection(ParsevalOptions())
    for _ in range(3):
        optimizer.zero_grad()
        functional.cross_entropy(network(torch.randn(8, 1, 8, 8)), torch.randint(3, (8,))).backward()
        optimizer.step()
        projection(network)
    layer = network.group1[0].aggregate
    assert "group1.0.aggregate.lam" in network.state_dict()
    assert layer.lam.grad.abs().max() > 0
    weights = layer.weights.detach()
    assert not torch.equal(weights, torch.full((2,), 0.5))
    assert weights.min() >= 0
    assert weights.sum().item() == pytest.approx(1)
    torch.save(network.state_dict(), tmp_path / "network.pt")
    again = parseval_network(**options)
    again.load_state_dict(torch.load(tmp_path / "network.pt", weights_only=True))
    assert torch.equal(again.group1[0].aggregate.weights.detach(), weights)
    images = torch.randn(2, 1, 8, 8)
    assert torch.equal(again.eval()(images), network.eval()(images))


def test_networks_without_normalisation_do_not_write_into_their_branches():
    torch.manual_seed(0)
    network = WideResNet(n_classes=3, channels=1, normalisation="none").eval()
    block, features = network.group1[1], torch.randn(1, 16, 8, 8)
    before = features.clone()
    inner = block.conv2(functional.relu(block.conv1(functional.relu(features))))
    torch.testing.assert_close(block(features), before + inner)


def test_dropout_stands_between_the_convolutions_and_only_while_training():
    network = WideResNet(n_classes=3, channels=1, block_dropout=0.5)
    assert sum(isinstance(m, nn.Dropout) for m in network.modules()) == 3
    network.eval()
    images = torch.randn(1, 1, 16, 16)
    assert torch.equal(network(images), network(images))


def test_measured_norms_are_known_from_the_start_and_for_the_size_of_each_layer():
    network = parseval_network(n_classes=3, channels=1, depth=10, scaling="measured", image_size=10)
    sizes = {name: tuple(m.vector.shape[2:]) for name, m in network.named_modules() if isinstance(m, ScaledConv2d)}
    seen = {s.name: s.size for s in layer_spectra(network, (1, 10, 10)) if s.kind == "ScaledConv2d"}
    assert sizes == seen
    for spectrum in layer_spectra(network, (1, 10, 10))[:-1]:
        assert spectrum.norm == pytest.approx(1, abs=0.02)
    padded = parseval_network(n_classes=3, channels=1, depth=10, scaling="measured", stride_padding="end")
    assert tuple(padded.group2[0].conv1.vector.shape[2:]) == (33, 33)
    with torch.device("meta"):
        assert parseval_network(scaling="measured").stem[0].norm.is_meta


def test_features_are_scaled_before_the_linear_layer_alone():
    torch.manual_seed(0)
    network = WideResNet(n_classes=3, channels=1, depth=10).eval()
    nn.init.normal_(network.classifier.bias)
    scaled = WideResNet(n_classes=3, channels=1, depth=10, feature_scale=100).eval()
    scaled.load_state_dict(network.state_dict())
    images, bias = torch.randn(2, 1, 8, 8), network.classifier.bias
    torch.testing.assert_close(scaled(images) - bias, 100 * (network(images) - bias), rtol=1e-3, atol=1e-3)


def test_a_parseval_network_comes_back_from_its_folder_and_runs_in_every_way(tmp_path):
    options = {"scaling": "measured", "depth": 10, "normalisation": "mean_only", "feature_scale": 100.0}
    architecture = NetworkOptions(name="parseval_resnet_small", n_classes=3, channels=1, arguments=options)
    network = architecture.build().network
    network(torch.randn(4, 1, 8, 8))
    parseval_projection()(network)
    record = ModelRecord(
        architecture=architecture,
        task="single",
        classes=("a", "b", "c"),
        preprocessing=Preprocessing(height=8, width=8, channels=1, mean=(0.5,), std=(0.5,)),
    )
    write_model_folder(tmp_path / "model", network, record)
    classifier = load_model_folder(tmp_path / "model", "cpu")
    images = torch.rand(5, 1, 8, 8)
    with torch.no_grad():
        expected = network.eval()(images * 2 - 1)
    for execution in classifier.executions([2]):
        close = 0.05 if execution.precision == "bfloat16" else 1e-4
        found = classifier.outputs(images, execution)
        torch.testing.assert_close(found, expected, rtol=close, atol=close * float(expected.abs().max()))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"feature_scale": 0}, "feature_scale"),
        ({"depth": 17}, r"`depth` must be 6N \+ 4 \(10, 16, 22, 28, …\), got 17"),
        ({"depth": 4}, "`depth`"),
        ({"width": 0}, "`width`"),
        ({"scaling": "window"}, "did you mean `windows`"),
        ({"aggregation": "convex"}, "`aggregation`"),
        ({"normalisation": "batchnorm"}, "did you mean `batch`"),
        ({"bn_momentum": 1.5}, "bn_momentum"),
        ({"gamma_init": "zeros"}, "allowed are ones, uniform"),
        ({"init": "she"}, "did you mean `he`"),
    ],
)
def test_what_cannot_be_built_is_told(options, said):
    with pytest.raises(ConfigError, match=said):
        build("wide_resnet_small", n_classes=3, arguments=options)
