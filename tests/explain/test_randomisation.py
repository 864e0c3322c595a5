"""The sanity check by randomised weights: weights come back bit for bit; what does not look at weights stays."""

import numpy as np
import pytest
import torch
from torch import nn

from shiftgauge.errors import ConfigError, ModelError
from shiftgauge.explain import randomisation
from shiftgauge.explain.agreement import rank_correlation
from shiftgauge.explain.attribution import attribute
from shiftgauge.explain.attribution_options import AttributionOptions
from shiftgauge.explain.randomisation import RandomisationOptions, cascading_randomisation, kept_weights
from shiftgauge.explain.weight_layers import weight_layers
from small_networks import ConvNet, linear, wrap

QUICK = AttributionOptions(steps=4, samples=3)


def pictures(n=3, shape=(3, 8, 8)):
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(0))


def state(classifier):
    return {name: values.clone() for name, values in classifier.module.state_dict().items()}


@pytest.mark.parametrize("law", ["normal", "permute"])
def test_weights_come_back_bit_for_bit(law):
    classifier, seen = wrap(ConvNet(), classes=("good", "scratch", "stain", "dent")), []
    before, outputs = state(classifier), classifier.outputs(pictures())
    found = cascading_randomisation(
        classifier,
        pictures(),
        "stain",
        options=RandomisationOptions(law=law),
        attribution_options=QUICK,
        progress=lambda i, n: seen.append((i, n)),
    )
    assert found.layers == ("head", "block.0", "stem")
    assert found.cam_layer == "block"
    assert found.magnitude.shape == found.signed.shape == (3, 3, 3)
    assert seen == [(i, 12) for i in range(1, 13)]
    after = state(classifier)
    assert all(torch.equal(after[name], values) for name, values in before.items())
    assert torch.equal(classifier.outputs(pictures()), outputs)
    assert all(p.grad is None for p in classifier.module.parameters())
    assert len(found.table()) == 2 * 3 * 3
    counted = np.isfinite(found.magnitude).sum(axis=2).ravel()
    assert found.table().query("maps == 'magnitude'")["images"].tolist() == counted.tolist()
    assert found.dataset()["signed"].dims == ("method", "layer", "image")
    assert np.nanmax(np.abs(found.magnitude[0, -1])) < 0.9


def test_correlations_are_those_of_a_network_drawn_by_hand():
    net, images = linear(), pictures()
    classifier = wrap(net)
    found = cascading_randomisation(
        classifier, images, 1, methods=["input_x_gradient"], options=RandomisationOptions(law="permute", seed=4)
    )
    drawn, sizes = [], net[1].weight.detach().numpy()

    def keep(parameters, options):
        genuine(parameters, options)
        drawn.append(parameters["1.weight"].detach().numpy().copy())

    genuine, randomisation._draw = randomisation._draw, keep
    try:
        again = cascading_randomisation(
            classifier, images, 1, methods=["input_x_gradient"], options=RandomisationOptions(law="permute", seed=4)
        )
    finally:
        randomisation._draw = genuine
    assert np.array_equal(found.signed, again.signed)
    np.testing.assert_array_equal(np.sort(drawn[0].ravel()), np.sort(sizes.ravel()))
    x = ((images - 0.5) / 0.5).numpy()
    first, second = (np.abs(w[1].reshape(3, 8, 8) * x).sum(axis=1).reshape(3, -1) for w in (sizes, drawn[0]))
    np.testing.assert_allclose(found.magnitude[0, 0], rank_correlation(first, second), atol=1e-3)


def test_weights_that_are_all_equal_lose_nothing_in_another_order():
    net = ConvNet()
    with torch.no_grad():
        net.stem.weight.fill_(0.2)
        net.stem.bias.fill_(0.1)
    found = cascading_randomisation(
        wrap(net), pictures(), 1, methods=["saliency"], layers=["stem"], options=RandomisationOptions(law="permute")
    )
    assert found.layers == ("stem",)
    np.testing.assert_allclose(found.signed, 1)


def test_the_seed_decides_the_draw():
    seeds = [
        cascading_randomisation(
            wrap(ConvNet()), pictures(), 1, methods=["saliency"], options=RandomisationOptions(seed=seed)
        ).signed
        for seed in (0, 0, 1)
    ]
    assert np.array_equal(seeds[0], seeds[1])
    assert not np.array_equal(seeds[0], seeds[2])


def test_weights_come_back_after_a_failure(monkeypatch):
    classifier = wrap(ConvNet())
    before = state(classifier)
    calls = []

    def fail(*args, **kwargs):
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("stop")
        return attribute(*args, **kwargs)

    monkeypatch.setattr(randomisation, "attribute", fail)
    with pytest.raises(RuntimeError, match="stop"):
        cascading_randomisation(classifier, pictures(), methods=["saliency"])
    assert all(torch.equal(classifier.module.state_dict()[name], values) for name, values in before.items())


def test_kept_weights_keep_flags():
    net = ConvNet()
    with kept_weights(net), torch.no_grad():
        net.stem.weight.zero_()
    assert float(net.stem.weight.detach().abs().sum()) > 0
    assert net.stem.weight.requires_grad
    assert net.training


def test_layers_are_found_in_the_order_in_which_they_run():
    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(4, 2)  # declared first, run last
            self.embed = nn.Conv2d(3, 4, 4, stride=4)
            self.mix = nn.MultiheadAttention(4, 2, batch_first=True)

        def forward(self, x):
            x = self.embed(x).flatten(2).transpose(1, 2)
            return self.head(self.mix(x, x, x, need_weights=False)[0].mean(dim=1))

    assert weight_layers(wrap(Attention()), pictures()) == ("head", "mix", "embed")


def test_what_does_not_exist_is_named():
    classifier = wrap(ConvNet())
    with pytest.raises(ConfigError, match="did you mean `saliency`"):
        cascading_randomisation(classifier, pictures(), methods=["salency"])
    with pytest.raises(ConfigError, match="each once"):
        cascading_randomisation(classifier, pictures(), methods=[])
    with pytest.raises(ModelError, match="did you mean `block`"):
        cascading_randomisation(classifier, pictures(), layers=["blok"])
    with pytest.raises(ModelError, match="no weights of its own"):
        cascading_randomisation(classifier, pictures(), layers=["relu"])
    with pytest.raises(ConfigError, match="law"):
        RandomisationOptions(law="uniform")
    with pytest.raises(ConfigError, match="confidence_level"):
        RandomisationOptions(confidence_level=0)
