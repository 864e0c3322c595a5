"""Gradients by a copy with folded batch normalisations: the same function, made once, never stale."""

import pytest
import torch
from torch import nn

from shiftgauge.errors import ModelError
from shiftgauge.models.architectures import build_network
from shiftgauge.models.folded import folded_logits
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.models.torch_model import TorchClassifier
from small_networks import ConvNet, held, in_place, left_as_it_was, linear, wrap

IMAGES = torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def _with_slope(function, images):
    at = images.clone().requires_grad_()
    logits = function(at)
    return logits.detach(), torch.autograd.grad(logits[:, 0].sum(), at)[0]


def _trained(net):
    torch.manual_seed(0)
    for part in net.modules():
        if isinstance(part, nn.BatchNorm2d):
            if part.affine:
                nn.init.uniform_(part.weight, 0.5, 2)
            nn.init.uniform_(part.running_mean, -1, 1)
            nn.init.uniform_(part.running_var, 0.5, 2)
    return net


@pytest.mark.parametrize("net", [ConvNet(), build_network("resnet18_small", n_classes=4)], ids=["conv", "resnet"])
def test_logits_and_gradients_are_those_of_the_network(net):
    classifier = wrap(_trained(net), mean=0.4, std=0.3)
    with left_as_it_was(classifier.module):
        folded = _with_slope(folded_logits(classifier), IMAGES)
    plain = _with_slope(classifier.logits_with_grad, IMAGES)
    for ours, theirs in zip(folded, plain, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5 * float(theirs.abs().max()), rtol=1e-4)


class PreActivation(nn.Module):
    """Normalisations before convolutions, ReLUs whose input is read twice, a sum into a ReLU."""

    def __init__(self):
        super().__init__()
        self.stem, self.norm0 = nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.norm1, self.conv1 = nn.BatchNorm2d(6), nn.Conv2d(6, 6, 3, padding=1)
        self.norm2, self.head = nn.BatchNorm2d(6, affine=False), nn.Linear(6, 4)
        self.relu = nn.ReLU()

    def forward(self, x):
        x = self.norm0(self.stem(x))
        y = self.relu(self.norm1(x))
        y = self.conv1(y) + torch.relu(x) + x
        z = self.relu(y + x)
        return self.head((self.norm2(z) + torch.relu(y)).relu().mean(dim=(2, 3)))


def test_normalisations_before_convolutions_and_shared_inputs_are_the_same_function():
    torch.manual_seed(1)
    classifier = wrap(_trained(PreActivation()), mean=0.4, std=0.3)
    function = folded_logits(classifier)
    (copy,) = [c.cell_contents for c in function.__closure__ if isinstance(c.cell_contents, nn.Module)]
    assert not any(isinstance(part, nn.BatchNorm2d) for part in copy.modules())
    assert copy.code.count("inplace = True") >= 2
    for ours, theirs in zip(
        _with_slope(function, IMAGES), _with_slope(classifier.logits_with_grad, IMAGES), strict=True
    ):
        assert torch.allclose(ours, theirs, atol=1e-5 * float(theirs.abs().max()), rtol=1e-4)


def test_copy_is_made_once_for_a_classifier():
    classifier = wrap(ConvNet())
    first, again = (folded_logits(classifier).__closure__ for _ in range(2))
    assert any(
        a.cell_contents is b.cell_contents for a in first for b in again if isinstance(a.cell_contents, nn.Module)
    )


def test_network_with_nothing_to_fold_runs_as_it_is():
    for classifier in (wrap(linear()), in_place(traceable=False)[0], wrap(held())):
        assert folded_logits(classifier) == classifier.logits_with_grad


def test_probabilities_become_their_logarithms():
    class Softmax(ConvNet):
        def forward(self, x):
            return super().forward(x).softmax(dim=1)

    preprocessing = Preprocessing(height=8, width=8)
    classifier = TorchClassifier(Softmax(), preprocessing=preprocessing, device=torch.device("cpu"))
    assert classifier.output_kind == "probabilities"
    folded, plain = _with_slope(folded_logits(classifier), IMAGES), _with_slope(classifier.logits_with_grad, IMAGES)
    assert torch.allclose(folded[0], plain[0], atol=1e-5)


def test_images_of_another_shape_are_named():
    with pytest.raises(ModelError, match=r"takes images of the shape \(N, 3, 8, 8\), got \(2, 1, 8, 8\)"):
        folded_logits(wrap(ConvNet()))(torch.rand(2, 1, 8, 8))
