"""Networks of the engine as modules: values, gradients of images and weights, modes, files, errors."""

import copy
import pickle

import pytest
import torch
from torch import nn

from shiftgauge.engine.activations import LeakyReLU, ReLU, Sigmoid
from shiftgauge.engine.convolution import Conv2d
from shiftgauge.engine.description import describe
from shiftgauge.engine.dropout import Dropout
from shiftgauge.engine.linear import Flatten, Linear
from shiftgauge.engine.network import Network
from shiftgauge.engine.networks import glass_layers
from shiftgauge.engine.normalisation import BatchNorm2d
from shiftgauge.engine.pooling import AvgPool2d, MaxPool2d
from shiftgauge.engine.sequential import Residual, Sequential
from shiftgauge.errors import ConfigError, ModelError
from shiftgauge.models.engine_convert import from_torch, to_torch
from shiftgauge.models.engine_module import as_module, classifier_module, engine_classifier, engine_network
from shiftgauge.models.load import load_model
from shiftgauge.models.model_folder import write_model_folder
from shiftgauge.models.model_record import ModelRecord, NetworkOptions
from shiftgauge.models.preprocessing import Preprocessing

GREY = Preprocessing(height=16, width=16, channels=1, mean=(0.4,), std=(0.3,))


def layers():
    body = Sequential(Conv2d(6, 6, 3, padding=1, groups=2), BatchNorm2d(6), LeakyReLU(0.1), Conv2d(6, 4, 1))
    return Sequential(
        Conv2d(1, 6, 3, padding=1, bias=False),
        BatchNorm2d(6),
        ReLU(),
        MaxPool2d(2),
        Residual(body, Conv2d(6, 4, 1)),
        AvgPool2d(2),
        Flatten(),
        Linear(64, 3),
    )


def network(dtype=torch.float64, seed=1):
    made = Network(layers(), input_shape=(1, 16, 16), dtype=dtype)
    rng = torch.Generator().manual_seed(seed)
    for name, value in (made.named_parameters() | made.named_buffers()).items():
        noise = torch.rand(value.shape, generator=rng, dtype=dtype)
        value.copy_(noise + 0.5 if name.endswith("running_var") else 0.6 * (noise - 0.5))
    return made


def images(n=4, dtype=torch.float64):
    return torch.randn(n, 1, 16, 16, generator=torch.Generator().manual_seed(3), dtype=dtype)


@pytest.mark.parametrize("training", [False, True])
def test_values_and_all_gradients_are_those_of_the_pytorch_twin(training):
    made = network()
    ours, twin = as_module(copy.deepcopy(made).layers).train(training), to_torch(made.layers).double().train(training)
    x, y = (images().requires_grad_() for _ in range(2))
    weights = torch.randn(4, 3, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    first, second = ours(x), twin(y)
    torch.testing.assert_close(first, second, rtol=0, atol=1e-10)
    (first * weights).sum().backward()
    (second * weights).sum().backward()
    torch.testing.assert_close(x.grad, y.grad, rtol=0, atol=1e-10)
    for one, other in zip(ours.parameters(), twin.parameters(), strict=True):
        assert one.grad is not None
        assert other.grad is not None
        grad = one.grad.permute(3, 2, 0, 1) if one.ndim == 4 else one.grad.t() if one.ndim == 2 else one.grad
        torch.testing.assert_close(grad, other.grad, rtol=0, atol=1e-10)
    held, known = dict(ours.named_buffers()), dict(twin.named_buffers())
    for name, value in held.items():
        torch.testing.assert_close(value, known[name], rtol=0, atol=1e-12)


def test_one_pass_can_be_gone_back_twice_and_leaves_outputs_alone():
    module, x = as_module(network().layers).eval(), images().requires_grad_()
    seen = []
    module[2].register_forward_hook(lambda *given: seen.append(given[2]))
    outputs = module(x)
    before = seen[0].detach().clone()
    first, second = (torch.autograd.grad(outputs[:, 1].sum(), x, retain_graph=True)[0] for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(seen[0], before)


def test_dropout_goes_back_through_the_entries_that_it_kept():
    module = as_module(Sequential(Dropout(0.5))).train()
    x = torch.ones(1, 1000, requires_grad=True)
    outputs = module(x)
    outputs.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, outputs.detach())
    assert 350 < int((outputs == 0).sum()) < 650
    assert torch.equal(module.eval()(x), x)


def test_without_a_gradient_nothing_is_differentiated():
    module = as_module(network().layers).eval().requires_grad_(requires_grad=False)
    assert not module(images()).requires_grad
    with torch.inference_mode():
        assert torch.equal(module(images()), as_module(network().layers).eval()(images()).detach())


def test_no_pytorch_layer_and_no_other_derivative_is_used(monkeypatch):
    module, x = as_module(network().layers).eval(), images().requires_grad_()
    for name in ("conv2d", "linear", "relu", "leaky_relu", "max_pool2d", "avg_pool2d", "batch_norm"):
        monkeypatch.setattr(nn.functional, name, lambda *given, **named: pytest.fail("a layer of PyTorch was run"))
    module(x).sum().backward()
    kinds = set()
    todo = [module(x).grad_fn]
    while todo:
        node = todo.pop()
        kinds.add(type(node).__name__)
        todo += [inner for inner, _ in node.next_functions if inner is not None]
    assert kinds == {"_DifferentiatedBackward", "AddBackward0", "AccumulateGrad"}


def test_the_classifier_gives_the_engines_outputs_and_input_gradients():
    made = Network(glass_layers(side=16), input_shape=(1, 16, 16), seed=2)
    model = engine_classifier(made, preprocessing=GREY, classes=("good", "defect"))
    x = torch.rand(6, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    normal = GREY.normalise(x)
    assert model.output_kind == "logits"
    torch.testing.assert_close(model.outputs(x)[:, 1:], made.outputs(normal), rtol=0, atol=1e-5)
    assert not model.outputs(x)[:, 0].any()
    x.requires_grad_()
    (ours,) = torch.autograd.grad(model.logits_with_grad(x)[:, 1].sum(), x)
    known = made.vjp(normal)[1](torch.ones(6, 1)) / 0.3
    torch.testing.assert_close(ours, known, rtol=0, atol=1e-5)


def test_a_model_folder_holds_a_network_of_the_engine(tmp_path):
    made = network(torch.float32)
    options = NetworkOptions(
        name="engine",
        n_classes=3,
        channels=1,
        arguments={"layers": describe(made.layers), "height": 16, "width": 16},
    )
    record = ModelRecord(architecture=options, task="single", classes=("a", "b", "c"), preprocessing=GREY)
    write_model_folder(tmp_path, classifier_module(made), record)
    model = load_model({"kind": "folder", "path": str(tmp_path)})
    x = torch.rand(3, 1, 16, 16, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(model.outputs(x), made.outputs(GREY.normalise(x)), rtol=0, atol=1e-5)


def test_an_unknown_layer_in_a_model_folder_is_told(tmp_path):
    made = network(torch.float32)
    options = NetworkOptions(
        name="engine",
        n_classes=3,
        channels=1,
        arguments={"layers": describe(made.layers), "height": 16, "width": 16},
    )
    record = ModelRecord(architecture=options, task="single", classes=("a", "b", "c"), preprocessing=GREY)
    write_model_folder(tmp_path, classifier_module(made), record)
    file = tmp_path / "model.json"
    file.write_text(file.read_text().replace("LeakyReLU", "SmoothReLU"))
    with pytest.raises((ConfigError, ModelError), match="SmoothReLU"):
        load_model({"kind": "folder", "path": str(tmp_path)})


def test_copies_and_pickles_work_alone():
    module = as_module(network().layers).eval()
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert torch.equal(other(images()), module(images()))
        with torch.no_grad():
            next(other.parameters()).zero_()
        assert not torch.equal(other(images()), module(images()))


def test_weights_and_images_may_lie_channels_last():
    module, x = as_module(network().layers).eval(), images()
    before = module(x).detach()
    module.to(memory_format=torch.channels_last)
    turned = x.contiguous(memory_format=torch.channels_last).requires_grad_()
    after = module(turned)
    after.sum().backward()
    assert turned.grad is not None
    torch.testing.assert_close(after.detach(), before, rtol=0, atol=1e-12)


def test_there_and_back_through_pytorch_nothing_changes():
    made = network()
    again = from_torch(to_torch(made.layers), input_shape=(1, 16, 16), dtype=torch.float64)
    for name, value in made.state().items():
        assert torch.equal(value, again.state()[name]), name
    assert describe(again.layers) == describe(made.layers)
    single = from_torch(nn.Linear(3, 2), input_shape=(3,))
    assert single.n_parameters == 8


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (nn.Sequential(nn.Conv2d(1, 1, 3, dilation=2)), "no dilation"),
        (nn.Sequential(nn.Conv2d(1, 1, (3, 1))), "one number for rows and columns"),
        (nn.Sequential(nn.MaxPool2d(2, ceil_mode=True)), "round down"),
        (nn.Sequential(nn.AvgPool2d(2, count_include_pad=False)), "count the border"),
        (nn.Sequential(nn.BatchNorm2d(1, affine=False)), "needs weights"),
        (nn.Sequential(nn.Sequential(nn.GELU())), "no layer like `0.0`, a GELU"),
    ],
)
def test_modules_that_the_engine_lacks_are_told(module, words):
    with pytest.raises(ModelError, match=words):
        from_torch(module, input_shape=(1, 8, 8))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"n_classes": 5}, "5 classes need"),
        ({"n_classes": 3, "channels": 2}, "layer 0"),
        ({"n_classes": 3, "height": 0}, "height"),
    ],
)
def test_layers_that_do_not_fit_are_refused(given, words):
    with pytest.raises(ConfigError, match=words):
        engine_network(**{"channels": 1, "height": 16, "width": 16, "layers": describe(layers()), **given})


def test_other_images_than_the_preprocessing_gives_are_refused():
    with pytest.raises(ConfigError, match="the preprocessing gives"):
        engine_classifier(
            network(), preprocessing=Preprocessing(height=8, width=8, channels=1, mean=(0.5,), std=(1.0,))
        )


def test_probabilities_of_a_sigmoid_are_kept():
    made = as_module(Sequential(Flatten(), Linear(4, 1), Sigmoid()))
    assert ((made(torch.randn(3, 1, 2, 2)) > 0) & (made(torch.randn(3, 1, 2, 2)) < 1)).all()
