"""The whole engine runs on elementary tensor operations: nothing differentiates, convolves or pools for it."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from shiftgauge import engine
from shiftgauge.engine.activations import LeakyReLU, ReLU, Sigmoid
from shiftgauge.engine.convolution import Conv2d
from shiftgauge.engine.dropout import Dropout
from shiftgauge.engine.gradcheck import CheckOptions, check_network
from shiftgauge.engine.linear import Flatten, Linear
from shiftgauge.engine.losses import BinaryCrossEntropy, BinaryCrossEntropyWithLogits, CrossEntropy, FocalLoss
from shiftgauge.engine.network import Network
from shiftgauge.engine.networks import glass_layers
from shiftgauge.engine.normalisation import BatchNorm2d
from shiftgauge.engine.optimizers import SGD, Adam, AdamW, clip
from shiftgauge.engine.pooling import AvgPool2d, MaxPool2d
from shiftgauge.engine.sequential import Residual, Sequential

ELEMENTARY = {
    "matrix products": "mm addmm_ dot",
    "views": "alias as_strided detach detach_ expand_as permute reshape select slice split split_with_sizes t "
    "transpose unsqueeze view",
    "memory": "_local_scalar_dense _to_copy arange cat clone contiguous copy_ empty fill_ full item lift_fresh "
    "new_empty ones set_ to zero_ zeros zeros_like",
    "elementwise": "abs add add_ addcdiv_ addcmul addcmul_ clamp div div_ eq exp exp_ gt lerp_ log log1p maximum "
    "mul mul_ neg pow reciprocal_ rsqrt_ rsub sign_ sqrt_ square sub",
    "sums and maxima": "amax max mean min sum",
    "look up and chance": "index bernoulli_",
    "of the test itself": "remainder",
}


class Recorded(TorchDispatchMode):
    """Notes every operation that reaches PyTorch's kernels."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.names.add(function.overloadpacket.__name__)
        return function(*args, **(kwargs or {}))


def _every_layer():
    body = Sequential(Conv2d(6, 6, 3, padding=1, groups=2), BatchNorm2d(6), LeakyReLU(), Conv2d(6, 6, 3, padding=1))
    shortcut = Conv2d(6, 6, 3, padding=1, groups=6)
    return Sequential(
        Conv2d(1, 6, 5, padding=2),
        ReLU(),
        MaxPool2d(2),
        Residual(body, shortcut),
        Conv2d(6, 6, 3, stride=2),
        AvgPool2d(3, stride=1, padding=1),
        MaxPool2d(3, stride=2, padding=1),
        Flatten(),
        Dropout(0.5),
        Linear(24, 3),
        Sigmoid(),
    )


def _train_everything():
    """Every layer, loss and optimiser, forward, back to the weights and back to the images."""
    torch.set_num_threads(1)
    images, targets = torch.arange(4 * 256.0).view(4, 1, 16, 16).remainder(7), torch.tensor([0, 1, 1, 2])
    several = (targets[:, None] == torch.arange(3)).float()
    for layers, losses in (
        (_every_layer(), (BinaryCrossEntropy(), FocalLoss(), CrossEntropy(class_weights=(1.0, 2.0, 3.0)))),
        (glass_layers(side=16), (BinaryCrossEntropyWithLogits(),)),
    ):
        network = Network(layers, input_shape=(1, 16, 16), part_images=2)
        for loss in losses:
            for optimizer in (SGD(momentum=0.9, weight_decay=0.1), Adam(weight_decay=0.1), AdamW()):
                wanted = targets if isinstance(loss, CrossEntropy) else several[:, : network.output_shape[0]]
                network.backpropagate(images, wanted, loss)
                clip(network.gradient, 1e-3)
                state = optimizer.init(network.parameters)
                optimizer.step(network.parameters, network.gradient, state, decayed=network.decayed)
        outputs, back = network.vjp(images)
        back(outputs)
        network.outputs(images)


@pytest.fixture(autouse=True)
def _threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_only_elementary_operations_reach_the_kernels():
    with Recorded() as recorded:
        _train_everything()
    assert {"addmm_", "maximum", "as_strided"} <= recorded.names
    allowed = {name for names in ELEMENTARY.values() for name in names.split()}
    assert recorded.names <= allowed, sorted(recorded.names - allowed)


def test_it_runs_without_autograd_and_without_functions_that_hide_the_work(monkeypatch):
    def forbidden(name):
        def refuse(*args, **kwargs):
            raise AssertionError(f"{name} was called")

        return refuse

    for module in (torch.nn.functional, torch.optim, torch._C._nn):
        for name, value in vars(module).items():
            if callable(value) and not name.startswith("__"):
                monkeypatch.setattr(module, name, forbidden(name))
    hiding = (
        "conv1d conv2d conv3d convolution conv_transpose2d conv_tbc max_pool2d max_pool1d avg_pool1d batch_norm relu"
    )
    hiding += " relu_ sigmoid sigmoid_ softmax log_softmax dropout native_dropout linear unfold_copy im2col col2im"
    hiding += " max_pool2d_with_indices mkldnn_max_pool2d adaptive_avg_pool1d threshold native_batch_norm layer_norm"
    for name in hiding.split():
        if hasattr(torch, name):
            monkeypatch.setattr(torch, name, forbidden(name))
        if hasattr(Tensor, name):
            monkeypatch.setattr(Tensor, name, forbidden(name))
    for name in ("backward", "requires_grad_", "register_hook", "unfold"):
        monkeypatch.setattr(Tensor, name, forbidden(name))
    for name in ("backward", "grad"):
        monkeypatch.setattr(torch.autograd, name, forbidden(name))
    monkeypatch.setattr(torch.autograd.Function, "apply", forbidden("apply"))
    with pytest.raises(AssertionError, match="conv2d was called"):
        torch.nn.functional.conv2d(torch.zeros(1, 1, 3, 3), torch.zeros(1, 1, 3, 3))
    _train_everything()
    network = Network(glass_layers(side=16), input_shape=(1, 16, 16))
    options = CheckOptions(entries=1)
    images, targets = torch.rand(2, 1, 16, 16), torch.tensor([0.0, 1.0])
    check_network(network, images, targets, BinaryCrossEntropyWithLogits(), options=options).require()


def test_the_engine_names_none_of_them_in_its_code():
    files = sorted(Path(engine.__path__[0]).glob("*.py"))
    assert len(files) > 15
    for path in files:
        code = path.read_text()
        for word in (
            "functional",
            "from torch import nn",
            "torch.nn",
            "torch.optim",
            "torch.autograd",
            "requires_grad",
        ):
            assert word not in code, f"{word} in {path.name}"
