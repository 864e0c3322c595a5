"""The network: the study's figures, batches in parts and on threads, ways back to the images, states."""

import copy
import math
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn
from torch.nn import functional

from engine_twins import randomised, to_torch, twin
from shiftgauge.engine.activations import ReLU
from shiftgauge.engine.convolution import Conv2d
from shiftgauge.engine.dropout import Dropout
from shiftgauge.engine.layer import named_parameters, walk
from shiftgauge.engine.linear import Flatten, Linear
from shiftgauge.engine.losses import BinaryCrossEntropy, BinaryCrossEntropyWithLogits, CrossEntropy
from shiftgauge.engine.network import Network
from shiftgauge.engine.networks import glass_layers
from shiftgauge.engine.normalisation import BatchNorm2d
from shiftgauge.engine.optimizers import Adam
from shiftgauge.engine.pooling import AvgPool2d, MaxPool2d
from shiftgauge.engine.sequential import Residual, Sequential
from shiftgauge.errors import ConfigError, DataError


@pytest.fixture
def threads():
    """Sets the number of torch's threads, and puts it back."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def _glass(**options):
    return Network(glass_layers(side=16), input_shape=(1, 16, 16), **options)


def _batch(n, seed=0, side=16):
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(n, 1, side, side, generator=rng), (torch.arange(n) % 2).float()


def _mixing():
    body = Sequential(Conv2d(4, 4, 3, padding=1, bias=False), BatchNorm2d(4), ReLU(), Conv2d(4, 4, 3, padding=1))
    layers = [
        Conv2d(1, 4, 3, padding=1),
        BatchNorm2d(4),
        ReLU(),
        Residual(body),
        AvgPool2d(16),
        Flatten(),
        Linear(4, 1),
    ]
    return Sequential(*layers)


def _random_mixing(seed):
    """That network with random weights and running means."""
    network = Network(_mixing(), input_shape=(1, 16, 16), dtype=torch.float64, part_images=2)
    other = randomised(_mixing(), seed)
    network.load_state(named_parameters(other) | {p + n: v for p, o in walk(other) for n, v in o.buffers.items()})
    return network


def test_the_study_s_network_has_its_585025_parameters():
    network = Network(glass_layers(probabilities=True), input_shape=(1, 128, 128))
    assert network.n_parameters == 585025
    counts = [line.n_parameters for line in network.summary() if line.n_parameters]
    assert counts == [416, 4640, 18496, 36928, 524416, 129]
    flat = next(k for k, line in enumerate(network.summary()) if line.kind == "Flatten")
    assert network.summary()[flat - 1].shape == (64, 8, 8)
    assert network.summary()[-1].kind == "Sigmoid"


@pytest.mark.parametrize("probabilities", [False, True])
def test_the_study_s_network_learns_as_by_autograd(probabilities):
    layers = glass_layers(side=16, probabilities=probabilities)
    network = Network(layers, input_shape=(1, 16, 16), dtype=torch.float64, part_images=3, seed=3)
    module = twin(network.layers)
    ours, state = Adam(), Adam().init(network.parameters)
    theirs = torch.optim.Adam(module.parameters(), lr=1e-3, eps=1e-8)
    loss = BinaryCrossEntropy() if probabilities else BinaryCrossEntropyWithLogits()
    reference = functional.binary_cross_entropy if probabilities else functional.binary_cross_entropy_with_logits
    for k in range(8):
        images, targets = _batch(8, seed=k)
        images, targets = images.double(), targets.double()
        step = network.backpropagate(images, targets, loss)
        ours.step(network.parameters, network.gradient, state)
        theirs.zero_grad()
        expected = reference(module(images)[:, 0], targets)
        expected.backward()
        theirs.step()
        assert step.loss == pytest.approx(expected.item(), rel=1e-9)
    for mine, other in zip(network.named_parameters().values(), module.parameters(), strict=True):
        torch.testing.assert_close(to_torch(mine), other.detach(), rtol=0, atol=1e-9)


@pytest.mark.parametrize(("parts", "count"), [(1, 1), (1, 7), (2, 7), (3, 9), (100, 7)])
def test_parts_and_threads_change_nothing_but_the_last_digits(threads, parts, count):
    images, targets = _batch(count)
    found = {}
    for n in (1, 2, 3):
        threads(n)
        network = _glass(part_images=parts)
        step = network.backpropagate(images, targets, BinaryCrossEntropyWithLogits())
        found[n] = (step.loss, step.outputs, network.gradient, network.outputs(images))
        assert torch.get_num_threads() == n
    for n in (2, 3):
        assert found[n][0] == pytest.approx(found[1][0], rel=1e-6)
        for mine, other in zip(found[n][1:], found[1][1:], strict=True):
            torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-6)


def test_the_same_training_twice_gives_the_same_bytes(threads):
    threads(2)

    def trained():
        layers = glass_layers(side=16)
        network = Network(
            Sequential(*layers.layers[:-1], Dropout(0.3), layers.layers[-1]), input_shape=(1, 16, 16), part_images=2
        )
        optimizer, state = Adam(learning_rate=0.01), Adam().init(network.parameters)
        for k in range(5):
            network.backpropagate(*_batch(8, seed=k), BinaryCrossEntropyWithLogits(), draw=k)
            optimizer.step(network.parameters, network.gradient, state)
        return network.parameters

    assert torch.equal(trained(), trained())


def test_dropout_draws_anew_for_each_step_and_each_part():
    layers = Sequential(Flatten(), Dropout(0.5), Linear(256, 1))
    network = Network(layers, input_shape=(1, 16, 16), part_images=2)
    images, targets = torch.ones(4, 1, 16, 16), torch.zeros(4)
    found = [network.backpropagate(images, targets, BinaryCrossEntropyWithLogits(), draw=k).outputs for k in (0, 1, 0)]
    assert torch.equal(found[0], found[2])
    assert not torch.equal(found[0], found[1])
    assert not torch.equal(found[0][:2], found[0][2:])
    assert torch.equal(*network.outputs(images).chunk(2))


def test_batch_statistics_are_those_of_the_whole_batch(threads):
    threads(2)
    network = _random_mixing(0)
    module = twin(network.layers)
    images, targets = _batch(8)
    step = network.backpropagate(images.double(), targets, BinaryCrossEntropyWithLogits())
    expected = functional.binary_cross_entropy_with_logits(module(images.double())[:, 0], targets.double())
    expected.backward()
    assert step.loss == pytest.approx(expected.item())
    for mine, other in zip(network.named_gradients().values(), module.parameters(), strict=True):
        torch.testing.assert_close(to_torch(mine), other.grad, rtol=0, atol=1e-10)
    torch.testing.assert_close(network.outputs(images.double()), module.eval()(images.double()).detach())


@pytest.mark.parametrize("count", [1, 5])
def test_the_way_back_to_the_images_is_that_of_autograd(threads, count):
    threads(2)
    network = _random_mixing(1)
    images = _batch(count)[0].double().requires_grad_()
    expected = twin(network.layers).eval()(images)
    expected.square().sum().backward()
    gradient = network.gradient.clone()
    outputs, back = network.vjp(images)
    network.outputs(torch.randn(6, 1, 16, 16))  # another batch in between does not matter
    slopes = back(2 * outputs)
    torch.testing.assert_close(outputs, expected.detach())
    torch.testing.assert_close(slopes, images.grad, rtol=0, atol=1e-10)
    assert torch.equal(network.gradient, gradient)
    with pytest.raises(DataError, match="call `vjp` again"):
        back(outputs)


def test_memory_does_not_grow_with_the_batch(threads):
    threads(2)
    network = _glass(part_images=2)
    held = []
    for count in (4, 32, 64):
        network.backpropagate(*_batch(count), BinaryCrossEntropyWithLogits())
        network.outputs(_batch(count)[0])
        held.append(network.n_bytes)
    assert held[0] == held[1] == held[2] > 0


def test_one_vector_holds_all_weights():
    network = _glass()
    network.parameters.zero_()
    assert all(not value.any() for value in network.named_parameters().values())
    assert bool((network.outputs(_batch(2)[0]) == 0).all())
    network.backpropagate(*_batch(2), BinaryCrossEntropyWithLogits())
    flat = torch.cat([value.flatten() for value in network.named_gradients().values()])
    assert torch.equal(flat, network.gradient)


def test_biases_and_scales_do_not_decay():
    network = Network(_mixing(), input_shape=(1, 16, 16))
    decayed = {"0.weight", "3.body.0.weight", "3.body.3.weight", "6.weight"}
    parts = [torch.full((v.numel(),), float(name in decayed)) for name, v in network.named_parameters().items()]
    assert torch.equal(network.decayed, torch.cat(parts))
    assert 0 < network.decayed.sum() < network.n_parameters


def test_a_state_restores_weights_and_running_means():
    network, other = (Network(_mixing(), input_shape=(1, 16, 16), seed=seed) for seed in (0, 1))
    network.backpropagate(*_batch(4), BinaryCrossEntropyWithLogits())
    images = _batch(3)[0]
    assert not torch.equal(network.outputs(images), other.outputs(images))
    other.load_state(network.state())
    assert torch.equal(network.outputs(images), other.outputs(images))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda network: pickle.loads(pickle.dumps(network))])
def test_copies_stand_on_their_own(copied):
    network = _glass()
    images, targets = _batch(4)
    network.backpropagate(images, targets, BinaryCrossEntropyWithLogits())
    expected = network.outputs(images)
    other = copied(network)
    assert torch.equal(other.outputs(images), expected)
    other.parameters.zero_()
    assert not other.outputs(images).any()
    assert torch.equal(network.outputs(images), expected)


def test_two_networks_of_the_same_layers_do_not_share_weights():
    layers = glass_layers(side=16)
    first, second = (Network(layers, input_shape=(1, 16, 16), seed=seed) for seed in (0, 1))
    images = _batch(2)[0]
    expected = first.outputs(images)
    second.parameters.zero_()
    assert torch.equal(first.outputs(images), expected)


def test_calls_from_several_threads_do_not_disturb_one_another():
    network = _glass(part_images=1)
    batches = [_batch(3, seed=seed)[0] for seed in range(8)]
    expected = [network.outputs(batch) for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(network.outputs, batches))
    for mine, other in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, other)


def test_images_of_a_tensor_with_gradients_and_other_types_are_taken():
    network = _glass()
    images = _batch(2)[0]
    expected = network.outputs(images)
    assert torch.equal(network.outputs(images.double().requires_grad_()), expected)
    assert not expected.requires_grad
    assert not expected.is_inference()


def test_no_images_give_no_outputs():
    outputs, back = _glass().vjp(torch.zeros(0, 1, 16, 16))
    assert outputs.shape == (0, 1)
    assert back(outputs).shape == (0, 1, 16, 16)


def test_rows_of_numbers_are_an_input_too():
    network = Network(Sequential(Linear(3, 4), ReLU(), Linear(4, 2)), input_shape=(3,))
    step = network.backpropagate(torch.randn(5, 3), torch.arange(5) % 2, CrossEntropy())
    assert step.outputs.shape == (5, 2)
    assert math.isfinite(step.loss)


def test_an_error_within_a_part_reaches_the_caller(threads):
    threads(2)
    network = _glass(part_images=1)
    with pytest.raises(DataError, match=r"targets must be in \[0, 1\]"):
        network.backpropagate(_batch(4)[0], torch.full((4,), 3.0), BinaryCrossEntropyWithLogits())


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: Network(Sequential(MaxPool2d(2)), input_shape=(1, 4, 4)), ConfigError, "must end in a row of numbers"),
        (lambda: Network(glass_layers(), input_shape=(1, 64, 64)), ConfigError, r"layer 13: `Linear` takes rows"),
        (lambda: _glass(dtype=torch.float16), ConfigError, "`dtype` must be torch.float32 or torch.float64"),
        (lambda: _glass(part_images=0), ConfigError, "`part_images` must be a whole number ≥ 1"),
        (lambda: _glass(initialisation="lecun"), ConfigError, "unknown initialisation `lecun`"),
        (
            lambda: _glass().outputs(torch.zeros(2, 3, 16, 16)),
            DataError,
            r"shape \(N, 1, 16, 16\), got \(2, 3, 16, 16\)",
        ),
        (
            lambda: _glass().backpropagate(torch.zeros(2, 1, 16, 16), torch.zeros(3), BinaryCrossEntropyWithLogits()),
            DataError,
            "got 2 images and 3 targets",
        ),
        (lambda: _glass().vjp(torch.zeros(2, 1, 16, 16))[1](torch.zeros(2, 2)), DataError, r"shape \(2, 1\)"),
        (lambda: _glass().load_state({}), ConfigError, "lacks `0.bias`"),
        (lambda: _glass().load_state(_glass().state() | {"9.mass": torch.ones(1)}), ConfigError, "unknown `9.mass`"),
        (lambda: _glass().load_state(_glass().state() | {"0.bias": torch.ones(1)}), ConfigError, r"shape \(16,\)"),
        (lambda: glass_layers(side=8), ConfigError, "`side` must be a whole number ≥ 16"),
        (lambda: Network(Sequential(nn.ReLU()), input_shape=(1,)), ConfigError, "must be a `Layer`"),  # type: ignore[arg-type]
    ],
)
def test_what_does_not_fit_is_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()
